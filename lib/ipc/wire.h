/* SPDX-License-Identifier: ISC */
/*
 * A connection between daemons on a front's loop: the ready face of struct
 * ipc with its watch, so that a front only writes what to do with a message
 * and with a lost peer.
 */
#ifndef IPC_WIRE_H
#define IPC_WIRE_H

#include "ipc/ipc.h"
#include "net/loop.h"

struct wire;

struct wire_calls {
	/* One message; closing the wire here is allowed. */
	void (*message)(struct wire *w, void *arg, const struct ipc_type *type,
	    const void *msg);
	/* The peer is gone; why is "" when it closed between two messages. The
	 * wire is freed when this returns. */
	void (*lost)(struct wire *w, void *arg, const char *why);
	/* May be NULL: everything that was put has been sent after a push that
	 * could not send all. */
	void (*drained)(struct wire *w, void *arg);
};

/* Takes over c. */
struct wire *wire_new(struct loop *loop, struct ipc *c,
    const struct wire_calls *calls, void *arg);
/* Frees it without a call of lost; anywhere, inside its calls too. */
void wire_close(struct wire **w);
/* For ipc_put_fd, ipc_take_fd and ipc_peer_uid. */
struct ipc *wire_ipc(struct wire *w);
/* Adds to the output; -1 when it does not fit (as ipc_put). */
int wire_put(struct wire *w, const struct ipc_type *type, const void *msg);
/* Sends the output now as far as the peer takes it, the rest when it can. */
void wire_push(struct wire *w);
/* Sends it within 50 ms, together with what else comes: for answers that
 * nobody waits for. */
void wire_push_later(struct wire *w);

#endif
