/* SPDX-License-Identifier: ISC */
/*
 * Telling qmgr of a new message. Nothing waits for it: an offer that is lost
 * costs time only, for qmgr's walk finds every file in queue/.
 */
#ifndef CLEANUP_OFFER_H
#define CLEANUP_OFFER_H

#include "core/id.h"

/* fd: the open queue file, the caller's. */
void offer_message(int spool_fd, const struct id *id, int fd);
void offer_close(void);

#endif
