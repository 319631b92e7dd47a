/* SPDX-License-Identifier: ISC */
/*
 * Accounts that want a visit, by time: those that a writer hinted at, and
 * those where something becomes due although nothing changes. Bounded; what
 * does not fit is found by the walk.
 */
#ifndef KEEPER_DUE_H
#define KEEPER_DUE_H

#include "core/table.h"

struct due_entry {
	int64_t at;   /* ms of the monotonic clock */
	size_t place; /* in the heap */
	char *account;
};

struct due {
	struct due_entry **heap; /* the earliest first */
	size_t count, most;
	struct table by_account;
};

void due_init(struct due *d, size_t most);
void due_free(struct due *d);
/* Visits an account at a time, or earlier when it is noted for earlier. False
 * when there is no more room. */
bool due_add(struct due *d, struct str account, int64_t at);
/* When the earliest is due; INT64_MAX: there is none. */
int64_t due_next(const struct due *d);
/* The account of the earliest, if it is due: the caller frees it. */
char *due_take(struct due *d, int64_t now);

#endif
