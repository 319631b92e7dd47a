/* SPDX-License-Identifier: ISC */
/*
 * screen -> a service of type pass (smtpd): clients, one after the other.
 *
 * screen connects and sends `pass_await`. Whenever the worker at the other end
 * has nobody to serve it answers `pass_ready`, and screen may then send one
 * `pass_client` with the client's socket; the next `pass_ready` says that the
 * client is gone. Nothing has been read from the socket but a PROXY header.
 *
 * A worker that leaves ends its reading side first: what screen sends from
 * then on fails, so that screen knows that the client has not been taken.
 * Connection lost: the client that was passed last was served as far as the
 * worker came; one whose `pass_client` was not read is passed to another.
 */
#ifndef IPC_PASS_H
#define IPC_PASS_H

#include "ipc/ipc.h"

struct pass_await {
	uint64_t waiting; /* clients, for the log of who reads it */
};
struct pass_ready {
	uint64_t served; /* clients of this connection */
};
struct pass_client {
	struct str session; /* trace id */
	/* What PROXY said; "" where the socket's own addresses are right. */
	struct str client_address;
	uint64_t client_port;
	struct str own_address;
	uint64_t own_port;
	bool greeted;     /* 220 was sent: the client's turn */
	struct str found; /* "PASS NEW": what screen thinks of it, for logs */
};

extern const struct ipc_type pass_await, pass_ready, pass_client;
extern const struct ipc_exchange pass_exchange;

#endif
