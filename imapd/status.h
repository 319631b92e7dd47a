/* SPDX-License-Identifier: ISC */
/* STATUS (RFC 9051 section 6.3.11), also as LIST returns it (RFC 5819). */
#ifndef IMAPD_STATUS_H
#define IMAPD_STATUS_H

#include "imapd/command.h"

/* "(MESSAGES UIDNEXT ...)"; bits of items. */
bool status_parse(struct command *c, unsigned *items);
/* "* STATUS name (...)" */
void respond_status(
    struct session *s, const struct mailbox_info *info, unsigned items);
/* HIGHESTMODSEQ was asked for, which enables CONDSTORE. */
bool status_has_modseq(unsigned items);

#endif
