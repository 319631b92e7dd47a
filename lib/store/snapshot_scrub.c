/* SPDX-License-Identifier: ISC */
/*
 * After a clean snapshot: the copies of content (columns C and K) that older
 * ones have are overwritten, unless the clean one points at them. Who still
 * reads an older one finds a bad checksum and reads the generation instead.
 */
#include <stdlib.h>

#include "core/memory.h"
#include "store/snapshot.h"

/* What the newest snapshot points at, in any file. */
struct range {
	uint64_t snapshot, start, end;
};

struct ranges {
	struct range *p;
	size_t count, room;
};

static void ranges_add(struct ranges *r, const struct column *c)
{
	if (c->snapshot == 0)
		return;
	if (r->count == r->room) {
		r->room = r->room * 2 + 64;
		r->p = mem_resize(r->p, r->room, sizeof(*r->p));
	}
	r->p[r->count++] = (struct range){
	    c->snapshot, c->offset, c->offset + c->length};
}

static int by_start(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	if (x->snapshot != y->snapshot)
		return x->snapshot < y->snapshot ? -1 : 1;
	return x->start < y->start ? -1 : x->start > y->start;
}

static bool ranges_have(const struct ranges *r, const struct column *c)
{
	struct range wanted = {c->snapshot, c->offset, 0};

	return r->count > 0 &&
	    bsearch(&wanted, r->p, r->count, sizeof(*r->p), by_start) != NULL;
}

static enum store_result ranges_of(
    struct box *b, uint64_t number, struct ranges *out)
{
	struct snapshot_header h;
	struct buf summary;
	struct record record;
	enum store_result r = snapshot_summary(b, number, &h, &summary);
	struct str rest = buf_str(&summary);

	while (r == STORE_OK && record_next(&rest, &record, NULL) == 1)
		for (size_t i = 0; record.type == RECORD_SEGMENT && i < COLUMNS;
		     i++)
			ranges_add(out, &record.segment.columns[i]);
	buf_free(&summary);
	if (out->count > 0)
		qsort(out->p, out->count, sizeof(*out->p), by_start);
	return r;
}

/* Content that snapshot `number`, of this summary, wrote itself. */
static enum store_result erase_content(struct box *b, uint64_t number,
    struct str summary, const struct ranges *kept)
{
	enum store_result r = STORE_OK;
	struct record record;

	while (r == STORE_OK && record_next(&summary, &record, NULL) == 1)
		for (size_t i = COLUMN_C;
		     record.type == RECORD_SEGMENT && i <= COLUMN_K; i++) {
			const struct column *c = &record.segment.columns[i];

			if (c->snapshot == number && r == STORE_OK &&
			    (kept == NULL || !ranges_have(kept, c)))
				r = box_status(b,
				    engine_snapshot_erase(b->engine, number,
					c->offset, c->length));
		}
	return r;
}

/* Nobody knows any more where its content is: all that is not kept goes. */
static enum store_result erase_rest(
    struct box *b, uint64_t number, const struct ranges *kept)
{
	uint64_t start = SNAPSHOT_HEADER;
	enum engine_status s = ENGINE_OK;

	for (size_t i = 0; i < kept->count && s == ENGINE_OK; i++) {
		const struct range *r = &kept->p[i];

		if (r->snapshot != number)
			continue;
		if (r->start > start)
			s = engine_snapshot_erase(
			    b->engine, number, start, r->start - start);
		if (r->end > start)
			start = r->end;
	}
	if (s == ENGINE_OK)
		s = engine_snapshot_erase(
		    b->engine, number, start, UINT64_MAX - start);
	return box_status(b, s);
}

static enum store_result scrub_one(
    struct box *b, uint64_t number, const struct ranges *kept)
{
	struct snapshot_header h;
	struct buf summary;
	enum store_result r = snapshot_summary(b, number, &h, &summary);

	if (r == STORE_GONE) /* dropped meanwhile */
		r = STORE_OK;
	else if (r == STORE_CORRUPT)
		r = erase_rest(b, number, kept);
	else if (r == STORE_OK && h.before != b->state.snapshot.number)
		r = erase_content(b, number, buf_str(&summary), kept);
	/* else it follows the clean one, and is as clean */
	buf_free(&summary);
	return r;
}

enum store_result snapshot_scrub(struct box *b)
{
	uint64_t clean = b->state.snapshot.number, number = UINT64_MAX;
	struct ranges kept = {0};
	enum store_result r = clean == 0 ? STORE_OK
					 : ranges_of(b, clean, &kept);

	while (r == STORE_OK && number != 0) {
		r = box_status(
		    b, engine_snapshot_newest(b->engine, number, &number));
		if (r != STORE_OK || number == 0)
			break;
		if (number != clean)
			r = scrub_one(b, number, &kept);
		number--;
	}
	free(kept.p);
	return r;
}

void snapshot_scrub_own(struct snapshot_writer *w)
{
	erase_content(w->b, w->number, buf_str(&w->summary), NULL);
}
