/* SPDX-License-Identifier: ISC */
/*
 * A desk: a front that answers the questions of other daemons (lookup, auth,
 * policyd). It keeps the connections, sends answers to questions that came
 * together together, drops a peer that does not keep to the exchange with one
 * log line, and drains.
 */
#ifndef DAEMON_DESK_H
#define DAEMON_DESK_H

#include "daemon/daemon.h"
#include "ipc/wire.h"

struct desk_calls {
	/*
	 * One question, to be answered now or later with wire_put. peer is
	 * what come returned. -1: the peer is out of order (logged by the
	 * callee); its connection is closed and gone is called.
	 */
	int (*answer)(struct wire *w, void *peer, const struct ipc_type *type,
	    const void *msg);
	/* State for a new peer, and its end; both may be NULL. */
	void *(*come)(struct wire *w);
	void (*gone)(void *peer);
};

/* Once, in start; the arguments are kept by pointer. */
void desk_open(
    const struct ipc_exchange *exchange, const struct desk_calls *calls);
/* For struct daemon's accepted. */
void desk_accepted(struct conn *conn);
/*
 * For struct daemon's drain: what peers have sent is answered, then each is
 * closed. daemon_done follows the last one.
 */
void desk_drain(void);
/* The same, but peers stay until they leave by themselves. */
void desk_drain_patiently(void);

#endif
