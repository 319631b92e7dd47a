/* SPDX-License-Identifier: ISC */
/* What a process costs, as /proc says. */
#ifndef POSTHOUSE_PROCESS_COST_H
#define POSTHOUSE_PROCESS_COST_H

#include "core/str.h"

struct process_cost {
	uint64_t cpu_ms;
	uint64_t resident; /* octets */
};

/* -1: it has ended. */
int process_cost(struct str pid, struct process_cost *out);

#endif
