/* SPDX-License-Identifier: ISC */
/*
 * Taking snapshots anew from the log. Where the log does not reach back to its
 * start, those that hold are needed, and only bad ones go.
 */
#include <stdlib.h>

#include "core/clock.h"
#include "core/memory.h"
#include "store/recovery.h"
#include "store/snapshot.h"

struct numbers {
	uint64_t *list;
	size_t count;
};

static void add(void *arg, uint64_t number)
{
	struct numbers *n = arg;

	n->list = mem_resize(n->list, n->count + 1, sizeof(*n->list));
	n->list[n->count++] = number;
}

static bool has(const struct numbers *n, uint64_t number)
{
	for (size_t i = 0; i < n->count; i++)
		if (n->list[i] == number)
			return true;
	return false;
}

/* A snapshot that holds, and those that it points into. */
static void keep(struct box *b, uint64_t number, struct numbers *kept)
{
	struct snapshot_header h;
	struct buf summary;
	struct record r;
	struct str rest;

	add(kept, number);
	if (snapshot_summary(b, number, &h, &summary) == STORE_OK) {
		rest = buf_str(&summary);
		while (record_next(&rest, &r, NULL) == 1)
			for (size_t i = 0;
			     r.type == RECORD_SEGMENT && i < COLUMNS; i++)
				if (!has(kept, r.segment.columns[i].snapshot))
					add(kept,
					    r.segment.columns[i].snapshot);
	}
	buf_free(&summary);
}

/* Drops those that were there before, but for what is kept. */
static void drop(
    struct box *b, const struct numbers *before, const struct numbers *kept)
{
	for (size_t i = 0; i < before->count; i++)
		if (!has(kept, before->list[i]))
			engine_snapshot_drop(b->engine, before->list[i]);
}

/* Where the log has lost its start the bad ones go first, so that it is read
 * from one that holds. */
static enum store_result drop_bad(struct box *b, const struct numbers *before)
{
	struct numbers kept = {0};
	struct snapshot_header h;
	enum store_result r = STORE_OK;

	for (size_t i = 0; i < before->count; i++)
		if (snapshot_verify(b, before->list[i], &h) == STORE_OK)
			keep(b, before->list[i], &kept);
	if (kept.count > 0)
		drop(b, before, &kept);
	else
		r = box_fail(b, STORE_CORRUPT,
		    "no snapshot holds, and the log has lost its start");
	free(kept.list);
	return r;
}

static enum store_result rebuild(struct box *b)
{
	struct numbers before = {0}, none = {0};
	bool cut = box_is_cut(b);
	enum store_result r = box_status(
	    b, engine_snapshots(b->engine, add, &before));

	if (r == STORE_OK && cut)
		r = drop_bad(b, &before);
	if (r == STORE_OK)
		r = box_reload(b, true);
	/* Two, as there always are: a later one stands for a bad one. */
	for (int i = 0; i < 2 && r == STORE_OK && !b->state.virtual; i++)
		r = snapshot_take(b, false);
	if (r == STORE_OK && !cut)
		drop(b, &before, &none);
	free(before.list);
	return r;
}

enum store_result box_rebuild(
    struct store *s, struct str account, struct repair_result *out)
{
	struct box *b;
	enum store_result r = box_new(s, account, &b);

	*out = (struct repair_result){0};
	if (r == STORE_OK)
		r = rebuild(b);
	if (r == STORE_OK)
		out->messages = box_usage(b).messages;
	box_close(&b);
	return r;
}
