/* SPDX-License-Identifier: ISC */
/*
 * Taking snapshots anew from the log. Where the log does not reach back to its
 * start, those that hold are needed, and only bad ones go.
 */
#include <stdlib.h>

#include "core/clock.h"
#include "core/memory.h"
#include "store/repair.h"
#include "store/seeded.h"
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

/* Those that a snapshot points into; -1 when it cannot be read. */
static int references(struct box *b, uint64_t number, struct numbers *out)
{
	struct snapshot_header h;
	struct buf summary;
	struct record r;
	int result = -1;

	*out = (struct numbers){0};
	if (snapshot_summary(b, number, &h, &summary) == STORE_OK) {
		struct str rest = buf_str(&summary);

		while ((result = record_next(&rest, &r, NULL)) == 1)
			for (size_t i = 0;
			     r.type == RECORD_SEGMENT && i < COLUMNS; i++)
				if (!has(out, r.segment.columns[i].snapshot))
					add(out, r.segment.columns[i].snapshot);
	}
	buf_free(&summary);
	return result;
}

static bool points_into(
    struct box *b, uint64_t number, const struct numbers *others)
{
	struct numbers refs;
	bool found = references(b, number, &refs) != 0;

	for (size_t i = 0; i < refs.count && !found; i++)
		found = has(others, refs.list[i]);
	free(refs.list);
	return found;
}

/* Drops those that were there before, but for what is kept. */
static void drop(
    struct box *b, const struct numbers *before, const struct numbers *kept)
{
	for (size_t i = 0; i < before->count; i++)
		if (!has(kept, before->list[i]))
			engine_snapshot_drop(b->engine, before->list[i]);
}

/* The bad ones, and what points into them. */
static void drop_spoilt(struct box *b, const struct numbers *before)
{
	struct numbers bad = {0}, none = {0};
	struct snapshot_header h;
	size_t known;

	for (size_t i = 0; i < before->count; i++)
		if (snapshot_verify(b, before->list[i], &h) != STORE_OK)
			add(&bad, before->list[i]);
	do {
		known = bad.count;
		for (size_t i = 0; i < before->count; i++)
			if (!has(&bad, before->list[i]) &&
			    points_into(b, before->list[i], &bad))
				add(&bad, before->list[i]);
	} while (bad.count > known);
	drop(b, &bad, &none);
	free(bad.list);
}

/* Where the log has lost its start the bad ones go, but for what good ones
 * point into: it is read from one that holds. */
static enum store_result drop_bad(struct box *b, const struct numbers *before)
{
	struct numbers kept = {0}, refs;
	struct snapshot_header h;
	enum store_result r = STORE_OK;

	for (size_t i = 0; i < before->count; i++) {
		if (snapshot_verify(b, before->list[i], &h) != STORE_OK)
			continue;
		add(&kept, before->list[i]);
		references(b, before->list[i], &refs);
		for (size_t k = 0; k < refs.count; k++)
			add(&kept, refs.list[k]);
		free(refs.list);
	}
	if (kept.count > 0)
		drop(b, before, &kept);
	else
		r = box_fail(b, STORE_CORRUPT,
		    "no snapshot holds, and the log has lost its start");
	free(kept.list);
	return r;
}

/* Two, as there always are: a later one stands for a bad one. */
static enum store_result take_two(struct box *b)
{
	enum store_result r = STORE_OK;

	for (int i = 0; i < 2 && r == STORE_OK && !b->state.virtual; i++)
		r = snapshot_take(b, false);
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
	if (r == STORE_OK)
		r = take_two(b);
	if (r == STORE_OK && !cut && !seeded("rebuild-drops-nothing"))
		drop(b, &before, &none);
	free(before.list);
	return r;
}

enum store_result box_renew_snapshots(struct box *b)
{
	struct numbers before = {0};
	enum store_result r = box_status(
	    b, engine_snapshots(b->engine, add, &before));

	if (r == STORE_OK)
		r = take_two(b);
	if (r == STORE_OK)
		drop_spoilt(b, &before);
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
