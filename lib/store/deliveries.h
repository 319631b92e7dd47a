/* SPDX-License-Identifier: ISC */
/*
 * Delivery ids: each is stored once, and remembered for as long as a message
 * may stay in the queue, and a week.
 *
 * Those that came since the snapshot which the state began with stand in
 * memory. Older ones are in segments of that snapshot, sorted, and are looked
 * up where they stand: a guess and one or two reads of 4 KiB in each. Four
 * segments of a size are merged to one, so that there are few and an id is
 * written anew a handful of times; a segment large enough is not touched any
 * more until all of it is too old.
 *
 * A segment's column is a sequence of blocks: up to 170 rows of 24 octets (id,
 * time), twelve octets of zero, and a CRC-32C of it all that begins with the
 * block's number.
 */
#ifndef STORE_DELIVERIES_H
#define STORE_DELIVERIES_H

#include "store/record.h"

struct box;
struct snapshot_writer;

/* Clocks are set back sometimes: so many seconds before a message came it may
 * have been stored all the same. */
#define DELIVERY_CLOCK_SLACK 3600

struct delivery {
	uint64_t id[2];
	int64_t time; /* seconds since 1970 when it was stored */
};

struct delivery_segment {
	uint32_t rows;
	int64_t newest; /* of their times */
	struct column column;
};

struct deliveries {
	int64_t oldest;         /* what was stored before is not kept */
	struct delivery *fresh; /* since the base snapshot, as they came */
	size_t count, room;
	uint32_t *hash; /* of them: index + 1. NULL: nobody looked yet */
	size_t capacity;
	struct delivery_segment *segments; /* of the base snapshot, as they
	                                    * were written */
	size_t segment_count;
};

/* Forgets all of them; d->oldest stays. */
void deliveries_clear(struct deliveries *d);
void deliveries_add(struct deliveries *d, const struct delivery *added);
/* A segment of the base snapshot; -1 when it makes no sense. */
int deliveries_take(struct deliveries *d, const struct record_segment *r);
/* Among those that came since the base snapshot. */
bool deliveries_fresh(struct deliveries *d, const uint64_t id[2]);

/*
 * Whether an id was stored, as far as b is up to date. since: as box_deliver.
 * Should the snapshot fail it is reloaded, at last from the log alone. Not
 * while a change is decided.
 */
enum store_result deliveries_find(
    struct box *b, const uint64_t id[2], int64_t since, bool *found);
/* All that are kept, in no order. The first trouble, of a read or of visit;
 * then those that can be read were visited all the same. */
enum store_result deliveries_each(struct box *b,
    enum store_result (*visit)(void *arg, const struct delivery *d), void *arg);
/* Puts them into a snapshot. */
enum store_result deliveries_put(struct snapshot_writer *w);

#endif
