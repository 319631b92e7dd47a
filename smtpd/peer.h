/* SPDX-License-Identifier: ISC */
/*
 * The daemons that smtpd asks. A connection is opened when first needed and
 * then kept for the life of the process, over transactions and clients.
 */
#ifndef SMTPD_PEER_H
#define SMTPD_PEER_H

#include "ipc/ipc.h"

struct peer {
	const char *socket; /* its name in the jail: "lookup" */
	const struct ipc_exchange *exchange;
	struct ipc *ipc; /* NULL: not connected */
	bool closed;     /* the last failure: it was ended by the other side */
	const char *why; /* of the last failure */
};

/* Connects where needed. Returns the connection, or NULL with peer->why. */
struct ipc *peer_open(struct peer *peer, int64_t deadline);
/* Forgets the connection: what may still come on it is not ours. */
void peer_drop(struct peer *peer, const char *why);

/*
 * A request and its one answer. When the connection is closed without one, as
 * by a daemon that is being replaced, the request is repeated on another, a
 * few times. On failure the connection is dropped, and peer->why tells. *reply
 * is valid until the next call.
 */
int peer_call(struct peer *peer, const struct ipc_type *request,
    const void *msg, const struct ipc_type *answer, const void **reply,
    int64_t deadline);

/* The same, for an answer of any type of the exchange. */
int peer_ask(struct peer *peer, const struct ipc_type *request, const void *msg,
    const struct ipc_type **answer, const void **reply, int64_t deadline);

/* The next message of a dialogue on the open connection; never repeated. */
int peer_answer(struct peer *peer, const struct ipc_type *request,
    const void *msg, const struct ipc_type **answer, const void **reply,
    int64_t deadline);

/* One more message from the other side, without asking. */
int peer_next(struct peer *peer, const struct ipc_type **answer,
    const void **reply, int64_t deadline);

#endif
