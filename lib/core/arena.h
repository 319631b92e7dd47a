/* SPDX-License-Identifier: ISC */
/*
 * Memory for what lives as long as one transaction: allocate freely, free
 * all at once. It is always a parameter; there is no default arena.
 */
#ifndef CORE_ARENA_H
#define CORE_ARENA_H

#include "core/str.h"

struct arena_block;

struct arena {
	struct arena_block *blocks; /* newest first */
	size_t used;                /* octets given out since the last clear */
	size_t most;                /* octets; past it allocations give NULL */
};

static inline struct arena arena_new(size_t most)
{
	return (struct arena){NULL, 0, most};
}

/* Zeroed, 16-aligned; NULL when the arena's maximum would be passed. */
void *arena_alloc(struct arena *a, size_t size);

/*
 * A copy of s with a NUL behind it (not counted). On overflow the result has
 * p == NULL and len 0.
 */
struct str arena_copy(struct arena *a, struct str s);

/* Ends everything allocated; keeps one block for the next transaction. */
void arena_clear(struct arena *a);
/* Ends everything and returns the memory. */
void arena_free(struct arena *a);

#endif
