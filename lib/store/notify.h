/* SPDX-License-Identifier: ISC */
/*
 * Wake-ups: after a sync the writer sends a datagram (account, modseq) to the
 * sockets in run/notify/. Each login process binds one there and tells its
 * sessions of that account (ipc/session.h). Hints only: losing all of them
 * costs latency, not mail. A writer waits some milliseconds for a listener
 * whose queue is full, since clients that are parked are told by nothing else.
 *
 * A listener that says which accounts it has (notify_filter.h) is sent what
 * concerns them, and a few others; so most deliveries wake nobody.
 *
 * Sockets named keeper.PID are told only when a box has become due for upkeep,
 * and all others only of changes: a delivery wakes nobody who does not care.
 */
#ifndef STORE_NOTIFY_H
#define STORE_NOTIFY_H

#include "core/str.h"

#define NOTIFY_ACCOUNT_MAX 512
#define NOTIFY_KEEPER      "keeper" /* the name that is told what is due */

struct notify;
struct notify_filter;

/* The writer's side; dir is read again when it changed. */
struct notify *notify_open(const char *dir);
void notify_close(struct notify **n);
void notify_send(struct notify *n, struct str account, uint64_t modseq);
/* The box should be looked after. Whether a keeper took the hint. */
bool notify_due(struct notify *n, struct str account, uint64_t modseq);

/*
 * The listener's side: binds dir/NAME.PID (removing stale ones of dead
 * processes). With filter it is told only of accounts that are added to
 * *filter, the caller's; *filter is NULL when none could be made: then of all,
 * as with filter NULL. Returns a non-blocking datagram socket, or -1 (errno).
 */
int notify_listen(
    const char *dir, const char *name, struct notify_filter **filter);
/* One datagram: 1, 0 when there is none, -1 malformed (skipped). account is a
 * view into space. */
int notify_receive(int fd, char space[NOTIFY_ACCOUNT_MAX + 32],
    struct str *account, uint64_t *modseq);

#endif
