/* SPDX-License-Identifier: ISC */
/*
 * The queue manager's conversation (ipc/deliver.h) with a delivery agent that
 * works on one request at a time, of which there is a pool of processes: local
 * and feedback. Nothing is held back between two requests; what is asked for
 * again the agent finds done.
 */
#ifndef DAEMON_POOL_H
#define DAEMON_POOL_H

#include "core/dsn.h"
#include "daemon/daemon.h"
#include "ipc/deliver.h"

struct pool_agent {
	/* A request; its texts must be copied. -1: it makes no sense. */
	int (*begin)(const struct deliver *head);
	/* A recipient of it, likewise. */
	int (*add)(const struct deliver_to *to);
	/* It is whole: answers every recipient by pool_answer. fd is taken over;
	 * -1: none came. A result of -1 ends the connection. */
	int (*run)(struct ipc *c, int fd);
	void (*clear)(void); /* the request is over, or will never be whole */
	void (*rest)(void);  /* the answers are on their way; may be NULL */
};

/* Until the peer is gone or the process is to end; closes the connection. */
void pool_serve(struct conn *conn, const struct pool_agent *agent);

/* What became of a recipient. 0, or -1 when it cannot be said. */
int pool_answer(struct ipc *c, const struct deliver *head,
    const struct deliver_to *to, const struct dsn *dsn);

#endif
