/* SPDX-License-Identifier: ISC */
/* Quick resynchronization (RFC 7162 section 3.2). */
#ifndef IMAPD_QRESYNC_H
#define IMAPD_QRESYNC_H

#include "imapd/command.h"

/* SELECT's (QRESYNC (uidvalidity modseq [known uids [match data]])). */
struct qresync {
	bool given;
	uint32_t uidvalidity;
	uint64_t modseq;
	bool has_known;
	struct set known;
};

/* Behind the word QRESYNC. */
bool qresync_parse(struct command *c, struct qresync *out);

/* "* VANISHED (EARLIER) ..." for the uids of known that went after modseq. */
void respond_vanished(
    struct session *s, const struct ranges *known, uint64_t modseq);

/* What SELECT answers: VANISHED (EARLIER), then FETCH for what changed. */
void respond_qresync(struct session *s, const struct qresync *q,
    const struct mailbox_info *info);

#endif
