/* SPDX-License-Identifier: ISC */
/*
 * Word to the sender of a file of the drop folder that was refused for good:
 * whoever left it there has gone long since. The word is a submission like
 * others, left in the same folder, so that it outlives this process; its id
 * follows from that of the file, so that it is said once however often the
 * file is looked at.
 */
#ifndef PICKUP_NOTICE_H
#define PICKUP_NOTICE_H

#include "pickup/pickup.h"

/*
 * Leaves the word about drop/NAME in the folder that dir_fd is, for the
 * sender that the file names (a delivery status notification, RFC 3464).
 * Returns 0, also when there is nobody to be told: the file names no sender,
 * or is no submission; or -1 with errno.
 */
int notice_leave(int dir_fd, const char *name, const struct outcome *o);

#endif
