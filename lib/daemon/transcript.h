/* SPDX-License-Identifier: ISC */
/*
 * The protocol of one user or client in a file of its own (logd/protocol.h),
 * because the operator asked for it: for a time (posthouse debug), or for good
 * (debug_peer_list). Whom it is about stands on the board; a session compares a number before each line, so that nobody else
 * pays for it. Literals, and what may be a secret, are cut by the callers and
 * here; lines are cut, and a session's are bounded.
 */
#ifndef DAEMON_TRANSCRIPT_H
#define DAEMON_TRANSCRIPT_H

#include "core/id.h"
#include "core/str.h"

#define WATCH_COUNT     8   /* users and clients at the same time */
#define TRANSCRIPT_LINE 200 /* octets of a line that are shown */

/* One line that the client has said. shown: false for what may be a secret;
 * its length is told then. */
void transcript_client(const struct id *id, struct str line, bool shown);
/* What goes to the client: any octets; IMAP's literals are left out. */
void transcript_server(const struct id *id, struct str octets);
/* So many octets of a literal go to the client by another way. */
void transcript_skip(uint64_t octets);

#endif
