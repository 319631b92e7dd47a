/* SPDX-License-Identifier: ISC */
/*
 * A client that is silent goes back to login, which holds it without a
 * process, and comes in again by admit.c when there is something to do
 * (ipc/session.h).
 *
 * Not parked: what waits for the rest of a command or has answers to send, a
 * view that cannot be said as a formula (store/mailbox.h), a "$" too long to
 * be written down.
 */
#ifndef IMAPD_PARK_H
#define IMAPD_PARK_H

#include "imapd/park_state.h"
#include "imapd/session.h"

/*
 * Called between two commands or in IDLE. WAIT_PARKED: login has the client,
 * and nothing may be said or read any more. WAIT_WAKE: there is something new.
 * WAIT_TIMEOUT: it cannot be parked now. WAIT_DRAIN: as session_wait.
 */
enum wait_result park(struct session *s);

/* The key and the pass that auth gave; without them it is never parked. */
void park_admit(struct session *s, struct str pass, struct str key);

/* Opens what was sealed with this key; the views of *out point into space.
 * -1 and *why. */
int park_open(struct str key, struct str sealed, struct buf *space,
    struct park_state *out, const char **why);
/* The view of a parked session, NULL where none was selected. */
enum store_result park_view(
    struct box *b, const struct park_state *p, struct view **out);
/* A new session goes on where the parked one was. The view becomes its own. */
void park_restore(
    struct session *s, const struct park_state *p, struct view *view);

#endif
