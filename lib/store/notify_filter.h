/* SPDX-License-Identifier: ISC */
/*
 * Which accounts a listener holds, for writers: a counting Bloom filter in a
 * file beside the listener's socket (.NAME.PID in run/notify). A writer maps it
 * and sends nothing to a listener that cannot have the account. It says yes too
 * often, and never no too often:
 *
 * - A listener adds the account, and only then is the box looked at for the
 *   session. A writer syncs its change, and only then looks at the filter. Both
 *   have a full barrier between the two. So a writer that does not find the
 *   account looked before it was added, had synced before that, and the session
 *   sees the change when it looks.
 * - The file is made before the socket's name is there, and lives as long as
 *   the socket: its counters begin at zero with the process, before the first
 *   account is added. When the process is killed its counters stay, and its
 *   socket refuses.
 * - A listener first removes what a process of its number left, and does not
 *   listen when it cannot. A writer maps anew what it finds whenever the folder
 *   has changed. One that still has the file of before has looked at the folder
 *   before the new socket was there, and had synced before that.
 * - Without a file, or with one of another form, everything is sent.
 * - A counter that has reached its end stays there.
 *
 * The file is written with write(2), not through a mapping, so that a disk that
 * is full is an error and no signal. Nobody can make it shorter: its listener
 * may not call ftruncate(2), others may not open it for writing.
 */
#ifndef STORE_NOTIFY_FILTER_H
#define STORE_NOTIFY_FILTER_H

#include "core/str.h"

/* ---- the listener's side ---- */
struct notify_filter;

/* Makes dir/.NAME.PID of this process, which must not be there. NULL with
 * errno: then there is no such file. */
struct notify_filter *notify_filter_new(int dir, const char *name);
void notify_filter_free(struct notify_filter **f);
/*
 * Once for each account, before anybody looks at its box; and once when nobody
 * listens for it any more. -1 with errno: the file could not be written, and
 * writers may know nothing of the account.
 */
int notify_filter_add(struct notify_filter *f, struct str account);
int notify_filter_remove(struct notify_filter *f, struct str account);

/* ---- the writer's side ---- */
struct notify_held;

/* Maps the filter of the listener dir/NAME ("login.17"). NULL: it has none that
 * we can read. */
struct notify_held *notify_held_open(int dir, const char *name);
void notify_held_close(struct notify_held **h);
/* After the sync of what is to be told. false: the listener does not have the
 * account. h may be NULL: true. */
bool notify_held_has(const struct notify_held *h, struct str account);

#endif
