/* SPDX-License-Identifier: ISC */
/*
 * A hash table from byte strings to pointers. Keys are copied; values stay
 * the caller's. The hash is seeded per process, so that a stranger cannot
 * choose keys that collide.
 */
#ifndef CORE_TABLE_H
#define CORE_TABLE_H

#include "core/str.h"

struct table_slot {
	char *key; /* NULL: never used; TABLE_GONE: removed */
	size_t len;
	void *value;
	uint64_t hash;
};

struct table {
	struct table_slot *slots;
	size_t capacity; /* a power of two, or 0 */
	size_t count;    /* entries */
	size_t filled;   /* entries and removed slots */
};

/* A table may also start as all zeroes. */
static inline struct table table_new(void)
{
	return (struct table){NULL, 0, 0, 0};
}
void table_free(struct table *t);

/* The value, or NULL when there is none. */
void *table_get(const struct table *t, struct str key);
/* Adds or replaces; returns the value that was there before, or NULL. */
void *table_put(struct table *t, struct str key, void *value);
/* Removes; returns the value that was there, or NULL. */
void *table_remove(struct table *t, struct str key);

/*
 * Walks all entries in no order: start with *at = 0; false at the end.
 * The entry just returned may be removed during the walk; nothing added.
 */
bool table_next(
    const struct table *t, size_t *at, struct str *key, void **value);

/* The seeded hash itself. */
uint64_t table_hash(struct str key);

#endif
