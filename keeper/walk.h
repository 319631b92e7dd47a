/* SPDX-License-Identifier: ISC */
/*
 * The walk over all accounts: one shard of the store after the other, evenly
 * over store_upkeep_interval. Where it begins follows from the wall clock, so
 * that a keeper that is started anew goes on where it was. Times are in ms of
 * the monotonic clock.
 */
#ifndef KEEPER_WALK_H
#define KEEPER_WALK_H

#include "core/buf.h"
#include "store/upkeep.h"

struct walk {
	int64_t interval;   /* ms for all shards */
	unsigned shard;     /* that is walked, or comes next */
	int64_t shard_at;   /* when it begins */
	struct buf names;   /* of its accounts, each with a NUL behind it */
	size_t next, count; /* accounts visited, and in all */
	size_t offset;      /* of the next name */
	bool inside;        /* names are those of shard */
};

/* interval: ms for all accounts; wall: ms since 1970. */
void walk_init(struct walk *w, int64_t interval, int64_t wall, int64_t now);
void walk_free(struct walk *w);
/* When walk_take has something to do. */
int64_t walk_next(const struct walk *w);
/*
 * The next account when it is time for one, valid until the next call, or an
 * empty string. Reads a shard when it begins; then *began is set, and *result
 * says how that went.
 */
struct str walk_take(struct walk *w, struct store *s, int64_t now, bool *began,
    enum store_result *result);
/* How far this round is, in hundredths. */
unsigned walk_percent(const struct walk *w);

#endif
