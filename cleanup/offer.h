/* SPDX-License-Identifier: ISC */
/*
 * Telling qmgr of a new message. Nothing waits for it: an offer that is lost
 * costs time only, for qmgr's walk finds every file in queue/.
 */
#ifndef CLEANUP_OFFER_H
#define CLEANUP_OFFER_H

#include <stdbool.h>

#include "core/id.h"

/* fd: the open queue file, the caller's. */
void offer_message(int spool_fd, const struct id *id, int fd);
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
