/* SPDX-License-Identifier: ISC */
/*
 * Open boxes: the most recently used stay open, so that a delivery to a warm
 * one reads nothing but what others added.
 */
#ifndef LOCAL_CACHE_H
#define LOCAL_CACHE_H

#include "store/mailbox.h"

struct cache_entry {
	struct box *box; /* NULL: free */
	char *account;
	uint64_t used;
};

struct cache {
	struct store *store;
	struct cache_entry *entries;
	size_t count; /* places */
	uint64_t clock;
	size_t due; /* index of the box to maintain, or count */
};

void cache_init(struct cache *c, struct store *store, size_t boxes);
void cache_free(struct cache *c);
/* The open box, borrowed until the next call; NULL and *result. */
struct box *cache_get(
    struct cache *c, struct str account, enum store_result *result);
/* Closes a box whose state is in doubt. */
void cache_drop(struct cache *c, const struct box *b);
/* What may wait until nobody waits: snapshots of the boxes used since. */
void cache_maintain(struct cache *c);

#endif
