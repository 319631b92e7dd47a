/* SPDX-License-Identifier: ISC */
#include "store/deliveries.h"

#include <stdlib.h>

#include "core/checksum.h"
#include "core/clock.h"
#include "core/memory.h"
#include "store/le.h"
#include "store/seeded.h"
#include "store/snapshot.h"

#define ROW_OCTETS    24u
#define BLOCK_OCTETS  4096u
#define BLOCK_ROWS    170u
#define BLOCK_TRAILER 16u /* twelve zeroes, CRC-32C */

#define FAN_IN   4u      /* so many segments of a size become one */
#define ROWS_LOW 512u    /* below it a segment is of the smallest size */
#define ROWS_TOP 131072u /* in a segment; a quarter is never merged again */

/* Guesses before halving, should somebody have found ids that lie close
 * together. */
#define GUESSES 4

/* ---- in memory ---- */

void deliveries_clear(struct deliveries *d)
{
	int64_t oldest = d->oldest;

	free(d->fresh);
	free(d->hash);
	free(d->segments);
	*d = (struct deliveries){.oldest = oldest};
}

static void hash_insert(struct deliveries *d, size_t index)
{
	size_t at = (size_t)d->fresh[index].id[0];

	while (d->hash[at & (d->capacity - 1)] != 0)
		at++;
	d->hash[at & (d->capacity - 1)] = (uint32_t)index + 1;
}

static void hash_fill(struct deliveries *d)
{
	size_t capacity = 64;

	while (capacity < d->count * 2)
		capacity *= 2;
	free(d->hash);
	d->hash = mem_array(capacity, sizeof(*d->hash));
	d->capacity = capacity;
	for (size_t i = 0; i < d->count; i++)
		hash_insert(d, i);
}

void deliveries_add(struct deliveries *d, const struct delivery *added)
{
	if (added->time < d->oldest)
		return;
	if (d->count == d->room) {
		d->room = d->room == 0 ? 16 : d->room * 2;
		d->fresh = mem_resize(d->fresh, d->room, sizeof(*d->fresh));
	}
	d->fresh[d->count++] = *added;
	if (d->hash == NULL)
		return;
	if (d->count * 2 > d->capacity)
		hash_fill(d);
	else
		hash_insert(d, d->count - 1);
}

bool deliveries_fresh(struct deliveries *d, const uint64_t id[2])
{
	if (d->hash == NULL)
		hash_fill(d);
	for (size_t at = (size_t)id[0];; at++) {
		uint32_t i = d->hash[at & (d->capacity - 1)];

		if (i == 0)
			return false;
		if (d->fresh[i - 1].id[0] == id[0] &&
		    d->fresh[i - 1].id[1] == id[1])
			return true;
	}
}

/* ---- segments ---- */

static uint32_t blocks_of(uint32_t rows)
{
	return (rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
}

static uint64_t octets_of(uint32_t rows)
{
	return (uint64_t)rows * ROW_OCTETS +
	    (uint64_t)blocks_of(rows) * BLOCK_TRAILER;
}

int deliveries_take(struct deliveries *d, const struct record_segment *r)
{
	const struct column *x = &r->columns[COLUMN_X];

	if (r->count == 0 || x->snapshot == 0 ||
	    x->length != octets_of(r->count))
		return -1;
	d->segments = mem_resize(
	    d->segments, d->segment_count + 1, sizeof(*d->segments));
	d->segments[d->segment_count++] = (struct delivery_segment){
	    .rows = r->count, .newest = r->newest, .column = *x};
	return 0;
}

struct block {
	struct delivery rows[BLOCK_ROWS];
	uint32_t count;
};

static enum store_result block_read(struct box *b,
    const struct delivery_segment *s, uint32_t number, struct block *out)
{
	unsigned char p[BLOCK_OCTETS];
	uint32_t first = number * BLOCK_ROWS;
	uint32_t count = s->rows - first < BLOCK_ROWS ? s->rows - first
						      : BLOCK_ROWS;
	size_t len = count * ROW_OCTETS + BLOCK_TRAILER;
	enum engine_status status = engine_snapshot_get(b->engine,
	    s->column.snapshot,
	    s->column.offset + (uint64_t)number * BLOCK_OCTETS, p, len);

	if (status != ENGINE_OK)
		return box_status(b, status);
	if (crc32c(number, p, len - 4) != get_u32(p + len - 4) &&
	    !seeded("delivery-block-unchecked"))
		return box_fail(b, STORE_CORRUPT, "delivery ids: checksum");
	for (uint32_t i = 0; i < count; i++) {
		const unsigned char *row = p + i * ROW_OCTETS;

		out->rows[i] = (struct delivery){
		    {get_u64(row), get_u64(row + 8)},
		    (int64_t)get_u64(row + 16)};
	}
	out->count = count;
	return STORE_OK;
}

static int compare_ids(const uint64_t a[2], const uint64_t b[2])
{
	size_t i = a[0] == b[0];

	return a[i] < b[i] ? -1 : a[i] > b[i];
}

static bool block_has(const struct block *block, const uint64_t id[2])
{
	uint32_t low = 0, high = block->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = compare_ids(block->rows[middle].id, id);

		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* Where an id can still be: these blocks; and what ids lie around them. */
struct range {
	uint32_t low, high;     /* the block high is not in it */
	double low_id, high_id; /* first halves */
};

/* Ids are hashes, so they lie evenly. */
static uint32_t guess(const struct range *range, const uint64_t id[2])
{
	double width = range->high_id - range->low_id;
	double share = width > 0 ? ((double)id[0] - range->low_id) / width : 0;
	uint32_t steps = (uint32_t)(share * (range->high - range->low));

	return range->low + steps < range->high ? range->low + steps
						: range->high - 1;
}

static enum store_result segment_find(struct box *b,
    const struct delivery_segment *s, const uint64_t id[2], bool *found)
{
	struct range range = {0, blocks_of(s->rows), 0, (double)UINT64_MAX};

	for (int i = 0; range.low < range.high; i++) {
		uint32_t at = i < GUESSES
		    ? guess(&range, id)
		    : range.low + (range.high - range.low) / 2;
		struct block block;
		enum store_result r = block_read(b, s, at, &block);

		if (r != STORE_OK)
			return r;
		if (compare_ids(id, block.rows[0].id) < 0) {
			range.high = at;
			range.high_id = (double)block.rows[0].id[0];
		} else if (compare_ids(id, block.rows[block.count - 1].id) >
		    0) {
			range.low = at + 1;
			range.low_id =
			    (double)block.rows[block.count - 1].id[0];
		} else {
			*found = block_has(&block, id);
			return STORE_OK;
		}
	}
	return STORE_OK;
}

static enum store_result find_once(
    struct box *b, const uint64_t id[2], int64_t since, bool *found)
{
	struct deliveries *d = &b->state.deliveries;
	enum store_result r = STORE_OK;
	int64_t slack = seeded("delivery-clocks-agree") ? 0
							: DELIVERY_CLOCK_SLACK;

	*found = deliveries_fresh(d, id);
	for (size_t i = d->segment_count; i-- > 0 && r == STORE_OK && !*found;)
		if (d->segments[i].newest >= since - slack)
			r = segment_find(b, &d->segments[i], id, found);
	return r;
}

enum store_result deliveries_find(
    struct box *b, const uint64_t id[2], int64_t since, bool *found)
{
	enum store_result r = find_once(b, id, since, found);

	if (r != STORE_OK && seeded("delivery-unreadable-is-new"))
		return STORE_OK;
	/* From the newest snapshot; from the log alone. */
	for (int attempt = 1; attempt < 3 && r != STORE_OK; attempt++) {
		r = box_reload(b, attempt == 2);
		if (r != STORE_OK)
			return r;
		r = find_once(b, id, since, found);
	}
	return r;
}

/* The result so far, or the first trouble. */
static void note_trouble(enum store_result *result, enum store_result r)
{
	if (*result == STORE_OK)
		*result = r;
}

static enum store_result segment_each(struct box *b,
    const struct delivery_segment *s,
    enum store_result (*visit)(void *arg, const struct delivery *d), void *arg)
{
	enum store_result result = STORE_OK;

	for (uint32_t at = 0; at < blocks_of(s->rows); at++) {
		struct block block = {.count = 0};

		note_trouble(&result, block_read(b, s, at, &block));
		for (uint32_t i = 0; i < block.count; i++)
			if (block.rows[i].time >= b->state.deliveries.oldest ||
			    seeded("delivery-id-merged-for-ever"))
				note_trouble(
				    &result, visit(arg, &block.rows[i]));
	}
	return result;
}

enum store_result deliveries_each(struct box *b,
    enum store_result (*visit)(void *arg, const struct delivery *d), void *arg)
{
	struct deliveries *d = &b->state.deliveries;
	enum store_result result = STORE_OK;

	for (size_t i = 0; i < d->segment_count; i++)
		note_trouble(
		    &result, segment_each(b, &d->segments[i], visit, arg));
	for (size_t i = 0; i < d->count; i++)
		note_trouble(&result, visit(arg, &d->fresh[i]));
	return result;
}

/* ---- into a snapshot ---- */

struct rows {
	struct delivery *p;
	size_t count, room;
};

static enum store_result rows_add(void *arg, const struct delivery *d)
{
	struct rows *rows = arg;

	if (rows->count == rows->room) {
		rows->room = rows->room == 0 ? 1024 : rows->room * 2;
		rows->p = mem_resize(rows->p, rows->room, sizeof(*rows->p));
	}
	rows->p[rows->count++] = *d;
	return STORE_OK;
}

static int compare_rows(const void *a, const void *b)
{
	const struct delivery *left = a, *right = b;

	return compare_ids(left->id, right->id);
}

static void put_block(struct snapshot_writer *w, uint32_t number,
    const struct delivery *rows, uint32_t count)
{
	unsigned char p[BLOCK_OCTETS] = {0};
	size_t len = count * ROW_OCTETS + BLOCK_TRAILER;

	for (uint32_t i = 0; i < count; i++) {
		unsigned char *row = p + i * ROW_OCTETS;

		put_u64(row, rows[i].id[0]);
		put_u64(row + 8, rows[i].id[1]);
		put_u64(row + 16, (uint64_t)rows[i].time);
	}
	put_u32(p + len - 4, crc32c(number, p, len - 4));
	buf_add_bytes(&w->data, p, len);
}

/* Rows in any order, as one segment. */
static void put_segment(
    struct snapshot_writer *w, struct delivery *rows, size_t count)
{
	struct record r = {.type = RECORD_SEGMENT};
	size_t start = w->data.len;

	if (count == 0)
		return;
	qsort(rows, count, sizeof(*rows), compare_rows);
	r.segment.count = (uint32_t)count;
	r.segment.newest = rows[0].time;
	for (size_t i = 1; i < count; i++)
		if (rows[i].time > r.segment.newest)
			r.segment.newest = rows[i].time;
	for (uint32_t at = 0; at < count; at += BLOCK_ROWS)
		put_block(w, at / BLOCK_ROWS, rows + at,
		    count - at < BLOCK_ROWS ? (uint32_t)(count - at)
					    : BLOCK_ROWS);
	r.segment.columns[COLUMN_X] = snapshot_column(w, start);
	snapshot_put(w, &r);
}

static void put_unchanged(
    struct snapshot_writer *w, const struct delivery_segment *s)
{
	struct record r = {.type = RECORD_SEGMENT};

	r.segment.count = s->rows;
	r.segment.newest = s->newest;
	r.segment.columns[COLUMN_X] = s->column;
	snapshot_refer(w, s->column.snapshot);
	snapshot_put(w, &r);
}

static unsigned size_class(size_t rows)
{
	unsigned class = 0;

	for (size_t limit = ROWS_LOW; rows >= limit && limit < ROWS_TOP;
	     limit *= FAN_IN)
		class ++;
	return class;
}

/* How many segments stay as they are; the others are merged with `added` rows
 * behind them. */
static size_t unmerged(const struct deliveries *d, size_t added)
{
	size_t kept = d->segment_count;

	while (added < ROWS_TOP / FAN_IN) {
		size_t run = 0; /* the last ones that are not larger */

		while (run < kept &&
		    size_class(d->segments[kept - 1 - run].rows) <=
			size_class(added))
			run++;
		if (run < FAN_IN - 1)
			break;
		for (; run > 0; run--)
			added += d->segments[--kept].rows;
	}
	return kept;
}

/* What cannot be read, and the log does not say any more, is pointed at still:
 * whoever looks there sees that it cannot be read. */
static enum store_result merge_segment(struct snapshot_writer *w,
    const struct delivery_segment *s, struct rows *rows)
{
	size_t before = rows->count;
	enum store_result r = segment_each(w->b, s, rows_add, rows);

	if (r == STORE_OK || !w->b->without_snapshots)
		return r;
	rows->count = before;
	put_unchanged(w, s);
	return STORE_OK;
}

enum store_result deliveries_put(struct snapshot_writer *w)
{
	struct deliveries *d = &w->b->state.deliveries;
	struct rows rows = {0};
	enum store_result r = STORE_OK;
	size_t at = 0, kept;

	d->oldest = clock_seconds() - w->b->store->delivery_kept;
	/* Where the log was folded alone there may be any number. */
	kept = unmerged(d, d->count % ROWS_TOP);
	for (size_t i = 0; i < kept; i++)
		if (d->segments[i].newest >= d->oldest)
			put_unchanged(w, &d->segments[i]);
	for (size_t i = kept; i < d->segment_count && r == STORE_OK; i++)
		if (d->segments[i].newest >= d->oldest)
			r = merge_segment(w, &d->segments[i], &rows);
	for (; at < d->count && r == STORE_OK; at++) {
		if (d->fresh[at].time >= d->oldest)
			rows_add(&rows, &d->fresh[at]);
		if (rows.count >= ROWS_TOP) {
			put_segment(w, rows.p, rows.count);
			rows.count = 0;
		}
	}
	if (r == STORE_OK)
		put_segment(w, rows.p, rows.count);
	free(rows.p);
	return r;
}
