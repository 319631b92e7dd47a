/* SPDX-License-Identifier: ISC */
#include "smtpd/peer.h"

#include "core/observe.h"

#define TRIES 4

struct ipc *peer_open(struct peer *peer, int64_t deadline)
{
	if (peer->ipc == NULL)
		peer->ipc = ipc_connect(
		    peer->socket, peer->exchange, deadline, &peer->why);
	return peer->ipc;
}

void peer_drop(struct peer *peer, const char *why)
{
	peer->why = why;
	ipc_close(&peer->ipc);
}

/* Ends the connection; its own words about it end with it too. */
static int broken(struct peer *peer, enum ipc_result r)
{
	static char why[160];
	struct str text = str_from(ipc_why(peer->ipc));

	peer->closed = r != IPC_TIMEOUT;
	if (str_copy(why, sizeof(why), text) < 0)
		why[0] = '\0';
	if (r == IPC_TIMEOUT)
		peer_drop(peer, "no answer in time");
	else if (r == IPC_EOF)
		peer_drop(peer, "connection closed");
	else
		peer_drop(peer, why);
	return -1;
}

int peer_next(struct peer *peer, const struct ipc_type **answer,
    const void **reply, int64_t deadline)
{
	enum ipc_result r = ipc_wait(peer->ipc, answer, reply, deadline);

	return r == IPC_OK ? 0 : broken(peer, r);
}

int peer_answer(struct peer *peer, const struct ipc_type *request,
    const void *msg, const struct ipc_type **answer, const void **reply,
    int64_t deadline)
{
	int64_t began = observe_begin();
	int result;

	peer->closed = false;
	if (peer->ipc == NULL)
		return -1;
	if (ipc_put(peer->ipc, request, msg) < 0) {
		peer_drop(peer, "request out of bounds");
		return -1;
	}
	enum ipc_result r = ipc_flush(peer->ipc, deadline);
	result = r == IPC_OK ? peer_next(peer, answer, reply, deadline)
			     : broken(peer, r);
	observe_end(peer->exchange->name, began);
	return result;
}

int peer_ask(struct peer *peer, const struct ipc_type *request, const void *msg,
    const struct ipc_type **answer, const void **reply, int64_t deadline)
{
	/* One that is being replaced closes without an answer. */
	for (int i = 0; i < TRIES; i++) {
		if (peer_open(peer, deadline) == NULL)
			return -1;
		if (peer_answer(peer, request, msg, answer, reply, deadline) ==
		    0)
			return 0;
		if (!peer->closed)
			return -1;
	}
	return -1;
}

int peer_call(struct peer *peer, const struct ipc_type *request,
    const void *msg, const struct ipc_type *answer, const void **reply,
    int64_t deadline)
{
	const struct ipc_type *type;

	if (peer_ask(peer, request, msg, &type, reply, deadline) < 0)
		return -1;
	if (type == answer)
		return 0;
	peer_drop(peer, "an answer of another kind");
	return -1;
}
