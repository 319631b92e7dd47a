/* SPDX-License-Identifier: ISC */
/*
 * The connection to qmgr: telling it of a new message, and asking what is to
 * become of one that is not yet queued.
 */
#ifndef CLEANUP_OFFER_H
#define CLEANUP_OFFER_H

#include <stdbool.h>

#include "core/id.h"
#include "ipc/qmgr.h"

struct message;

/*
 * A message that stands in the queue. Nothing waits for it: an offer that is
 * lost costs time only, for qmgr's walk finds every file in queue/. fd: the
 * open queue file, the caller's.
 */
void offer_message(int spool_fd, const struct id *id, int fd);
/*
 * A message that is finished and stands in new/, and its mailboxes: qmgr's verdict, valid until
 * the next call; NULL when qmgr is away, gone, or silent until the deadline
 * (*late is then true). To be called for one message after the other.
 */
const struct qmgr_verdict *offer_propose(int spool_fd, const struct id *id,
    const struct message *m, int64_t deadline, bool *late);
/* The message that was proposed will not be. */
void offer_withdraw(void);
void offer_close(void);

/* Whether qmgr said of late that new mail comes faster than it is taken up. */
bool offer_is_behind(void);

/*
 * Messages that all processes of this service accepted since qmgr last
 * answered one of them (the counter "unclaimed").
 */
uint64_t offer_unclaimed(void);

/* Asks qmgr for a sign of life, and waits a moment for it. */
bool offer_probe(int spool_fd);

#endif
