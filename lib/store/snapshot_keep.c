/* SPDX-License-Identifier: ISC */
/* Which snapshots are kept (snapshot.h). */
#include <stdlib.h>

#include "core/clock.h"
#include "store/snapshot.h"

/* The header of the newest snapshot up to `number` that has a good one. */
static bool newest_header(
    struct box *b, uint64_t number, struct snapshot_header *h)
{
	while (number != 0 &&
	    engine_snapshot_newest(b->engine, number, &number) == ENGINE_OK &&
	    number != 0) {
		if (snapshot_header_read(b, number, h) == STORE_OK)
			return true;
		number--;
	}
	return false;
}

void snapshot_choose(struct snapshot_writer *w)
{
	struct box *b = w->b;
	uint64_t oldest, first_read, newest;
	int64_t now = clock_seconds();
	struct snapshot_header last = {0}, h;

	w->before = b->state.snapshot.number;
	w->base = w->candidate = 0;
	/* With one generation the log has it all, and nothing to drop. */
	if (engine_generations(b->engine, &oldest, &first_read, &newest) !=
		ENGINE_OK ||
	    newest == oldest)
		return;
	newest_header(b, w->before, &last);
	if (last.base != 0 &&
	    snapshot_header_read(b, last.base, &h) == STORE_OK)
		w->base = last.base;
	w->candidate = w->number;
	if (last.candidate == 0 ||
	    snapshot_header_read(b, last.candidate, &h) != STORE_OK ||
	    h.taken > now)
		return;
	if (now - h.taken >= b->store->undelete)
		w->base = last.candidate;
	else
		w->candidate = last.candidate;
}

/* A snapshot and those that it points into. */
static void keep(struct snapshot_writer *w, uint64_t number)
{
	struct snapshot_header h;
	struct buf summary;
	struct record r;

	if (number == 0)
		return;
	snapshot_refer(w, number);
	if (snapshot_summary(w->b, number, &h, &summary) == STORE_OK) {
		struct str rest = buf_str(&summary);

		while (record_next(&rest, &r, NULL) == 1)
			for (size_t i = 0;
			     r.type == RECORD_SEGMENT && i < COLUMNS; i++)
				snapshot_refer(
				    w, r.segment.columns[i].snapshot);
	}
	buf_free(&summary);
}

static int compare_numbers(const void *a, const void *b)
{
	const uint64_t *left = a, *right = b;

	return *left < *right ? -1 : *left > *right;
}

static void drop_unless_kept(void *arg, uint64_t number)
{
	const struct snapshot_writer *w = arg;

	if (number < w->number &&
	    (w->ref_count == 0 ||
		bsearch(&number, w->refs, w->ref_count, sizeof(*w->refs),
		    compare_numbers) == NULL))
		engine_snapshot_drop(w->b->engine, number);
}

void snapshot_drop_others(struct snapshot_writer *w)
{
	keep(w, w->before);
	keep(w, w->base);
	keep(w, w->candidate);
	if (w->ref_count > 0)
		qsort(w->refs, w->ref_count, sizeof(*w->refs), compare_numbers);
	engine_snapshots(w->b->engine, drop_unless_kept, w);
}

/* Everything but the columns that may have been scrubbed. */
static enum store_result columns_verify(
    struct box *b, const struct record_segment *s)
{
	enum store_result r = STORE_OK;

	for (size_t i = 0; i < COLUMNS && r == STORE_OK; i++) {
		unsigned char *p;
		size_t len;

		if (i == COLUMN_C || i == COLUMN_K ||
		    s->columns[i].snapshot == 0)
			continue;
		r = column_get(b, &s->columns[i], &p, &len);
		if (r == STORE_OK)
			free(p);
	}
	return r;
}

enum store_result snapshot_verify(
    struct box *b, uint64_t number, struct snapshot_header *h)
{
	struct buf summary;
	struct record record;
	enum store_result r = snapshot_summary(b, number, h, &summary);
	struct str rest = buf_str(&summary);
	int next = 0;

	while (r == STORE_OK && (next = record_next(&rest, &record, NULL)) == 1)
		if (record.type == RECORD_SEGMENT)
			r = columns_verify(b, &record.segment);
	if (r == STORE_OK && next != 0)
		r = box_fail(b, STORE_CORRUPT, "a snapshot's summary");
	buf_free(&summary);
	return r;
}

uint64_t snapshot_base_number(struct box *b)
{
	struct snapshot_header h;

	return newest_header(b, UINT64_MAX, &h) ? h.base : 0;
}

enum store_result snapshot_base(struct box *b, struct engine_pos *at)
{
	struct snapshot_header h;
	uint64_t number = snapshot_base_number(b);
	enum store_result r;

	*at = (struct engine_pos){0};
	if (number == 0)
		return STORE_OK;
	r = snapshot_verify(b, number, &h);
	if (r == STORE_OK)
		*at = h.at;
	return r;
}
