/* SPDX-License-Identifier: ISC */
/*
 * A front that is asked: its connection is kept, and made anew once when it
 * turns out to be dead, for whatever is asked can be asked twice.
 */
#ifndef CLEANUP_NEIGHBOUR_H
#define CLEANUP_NEIGHBOUR_H

#include "ipc/ipc.h"

struct neighbour {
	const char *name;
	const struct ipc_exchange *exchange;
	struct ipc *c;    /* NULL: not connected */
	uint64_t request; /* the last number given out */
};

/*
 * Calls ask with a live connection: once with the kept one, and when that
 * fails once more with a new one. ask returns 0, or -1 when the connection
 * failed. Returns 0, or -1 with *why.
 */
int neighbour_ask(struct neighbour *n, int64_t timeout_ms,
    int (*ask)(struct neighbour *n, int64_t deadline, void *arg), void *arg,
    const char **why);
void neighbour_close(struct neighbour *n);

#endif
