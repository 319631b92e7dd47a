/* SPDX-License-Identifier: ISC */
#include "cleanup/neighbour.h"

#include "core/clock.h"

#define TRIES 4

void neighbour_close(struct neighbour *n)
{
	ipc_close(&n->c);
}

int neighbour_ask(struct neighbour *n, int64_t timeout_ms,
    int (*ask)(struct neighbour *n, int64_t deadline, void *arg), void *arg,
    const char **why)
{
	int64_t deadline = deadline_in(timeout_ms);
	int tries = 0;

	/* One that is being replaced closes without an answer. */
	do {
		tries++;
		if (n->c == NULL)
			n->c = ipc_connect(n->name, n->exchange, deadline, why);
		if (n->c == NULL)
			return -1;
		if (ask(n, deadline, arg) == 0)
			return 0;
		*why = "no answer";
		ipc_close(&n->c);
	} while (tries < TRIES && deadline_left(deadline) > 0);
	return -1;
}
