/* SPDX-License-Identifier: ISC */
/* What the operator asks for: posthouse penalty. */
#ifndef POLICYD_OPERATOR_H
#define POLICYD_OPERATOR_H

#include "ipc/wire.h"
#include "policyd/memory.h"
#include "policyd/penalty.h"

struct remembered {
	const struct policyd_conf *conf;
	struct windows *counters;
	struct penalties *penalties;
	struct memory *memory;
};

#define OPERATOR_ROWS_MOST 10000 /* of one list; those used last come first */

/* Whether the peer is root or policyd's own user; logged when not. */
bool operator_may(struct wire *w);

/* policy_list and policy_clear. -1: the peer may not ask (logged). */
int operator_asks(const struct remembered *r, struct wire *w,
    const struct ipc_type *type, const void *msg, int64_t now_ms);

#endif
