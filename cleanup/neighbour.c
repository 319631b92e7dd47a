/* SPDX-License-Identifier: ISC */
#include "cleanup/neighbour.h"

#include "core/clock.h"

void neighbour_close(struct neighbour *n)
{
	ipc_close(&n->c);
}

int neighbour_ask(struct neighbour *n, int64_t timeout_ms,
    int (*ask)(struct neighbour *n, int64_t deadline, void *arg), void *arg,
    const char **why)
{
	int64_t deadline = deadline_in(timeout_ms);
	bool kept;

	do {
		kept = n->c != NULL;
		if (!kept)
			n->c = ipc_connect(n->name, n->exchange, deadline, why);
		if (n->c == NULL)
			return -1;
		if (ask(n, deadline, arg) == 0)
			return 0;
		*why = "no answer";
		ipc_close(&n->c);
	} while (kept && deadline_left(deadline) > 0);
	return -1;
}
