/* SPDX-License-Identifier: ISC */
/*
 * Snapshots: what they are made of, and that they say what the log says.
 *
 * Each is compared when the log has come to its position, so that the log is
 * folded only once.
 */
#include <stdlib.h>

#include "core/checksum.h"
#include "core/memory.h"
#include "store/check.h"
#include "store/snapshot.h"

/* ---- columns ---- */

struct columns {
	struct column_of {
		struct column column;
		bool content; /* may have been overwritten */
		uint32_t mailbox;
		uint64_t number; /* of the snapshot that needs it */
	} * list;
	size_t count, room;
};

static void add_column(struct columns *all, const struct column *column,
    bool content, uint32_t mailbox, uint64_t number)
{
	if (all->count == all->room) {
		all->room = all->room * 2 + 256;
		all->list = mem_resize(
		    all->list, all->room, sizeof(*all->list));
	}
	all->list[all->count++] = (struct column_of){
	    *column, content, mailbox, number};
}

static bool zeroes(const unsigned char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != 0)
			return false;
	return true;
}

/* NULL when its octets are what the manifest says. */
static const char *column_trouble(struct box *b, const struct column_of *one)
{
	const struct column *column = &one->column;
	const char *why = NULL;
	enum engine_status s = ENGINE_OK;
	unsigned char last, *p;

	/* No room is made for what is not there. */
	if (column->offset > (uint64_t)INT64_MAX - column->length)
		return "no place in a file";
	if (column->length > 0)
		s = engine_snapshot_get(b->engine, column->snapshot,
		    column->offset + column->length - 1, &last, 1);
	if (s != ENGINE_OK)
		return engine_why(b->engine);
	p = mem_resize(NULL, column->length + 1u, 1);
	s = engine_snapshot_get(
	    b->engine, column->snapshot, column->offset, p, column->length);
	if (s != ENGINE_OK)
		why = engine_why(b->engine);
	else if (one->content && zeroes(p, column->length))
		why = NULL;
	else if (crc32c(0, p, column->length) != column->crc)
		why = "checksum";
	else if (hash64(0, p, column->length) != column->hash)
		why = "hash";
	free(p);
	return why;
}

static int by_place(const void *a, const void *b)
{
	const struct column *x = &((const struct column_of *)a)->column;
	const struct column *y = &((const struct column_of *)b)->column;

	if (x->snapshot != y->snapshot)
		return x->snapshot < y->snapshot ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static bool same_column(const struct column *a, const struct column *b)
{
	return a->snapshot == b->snapshot && a->offset == b->offset &&
	    a->length == b->length && a->crc == b->crc && a->hash == b->hash;
}

static struct check_snapshot *find(struct check *c, uint64_t number)
{
	for (size_t i = 0; i < c->snapshot_count; i++)
		if (c->snapshots[i].h.number == number)
			return &c->snapshots[i];
	return NULL;
}

/* Each is read once, however many snapshots point at it. */
static void check_columns(struct check *c, struct columns *all)
{
	const char *why = NULL;

	if (all->count > 0)
		qsort(all->list, all->count, sizeof(*all->list), by_place);
	for (size_t i = 0; i < all->count; i++) {
		const struct column_of *one = &all->list[i];
		struct check_snapshot *s = find(c, one->number);
		bool again = i > 0 &&
		    same_column(&one->column, &all->list[i - 1].column);
		struct check_at at;

		if (!again)
			why = column_trouble(c->other, one);
		if (why == NULL || s == NULL)
			continue;
		s->usable = false;
		if (again || !check_still_kept(c, one->number))
			continue;
		at = at_snapshot(one->column.snapshot, one->column.offset);
		at.mailbox = one->mailbox;
		check_found(c, FINDING_DERIVED, &at,
		    "a column of snapshot %llu: %s",
		    (unsigned long long)one->number, why);
	}
}

/* ---- the list ---- */

bool check_kept(struct box *b, uint64_t number)
{
	uint64_t newest = UINT64_MAX;
	struct snapshot_header h;

	/* The newest that has a header says which ones. */
	for (;;) {
		if (engine_snapshot_newest(b->engine, newest, &newest) !=
			ENGINE_OK ||
		    newest <= number)
			return true;
		if (snapshot_header_read(b, newest, &h) == STORE_OK)
			break;
		newest--;
	}
	return number == h.before || number == h.base || number == h.candidate;
}

/* Its columns, all of them. */
static void collect(struct check *c, const struct check_snapshot *s,
    struct str summary, struct columns *all)
{
	struct record r;

	(void)c;
	while (record_next(&summary, &r, NULL) == 1)
		for (size_t i = 0; r.type == RECORD_SEGMENT && i < COLUMNS; i++)
			if (r.segment.columns[i].snapshot != 0)
				add_column(all, &r.segment.columns[i],
				    i == COLUMN_C || i == COLUMN_K,
				    r.segment.mailbox, s->h.number);
}

static void look_at(struct check *c, uint64_t number, struct columns *all)
{
	struct check_snapshot *s = &c->snapshots[c->snapshot_count];
	struct check_at at = at_snapshot(number, 0);
	struct buf summary;

	*s = (struct check_snapshot){.usable = true};
	s->kept = check_kept(c->other, number);
	if (snapshot_summary(c->other, number, &s->h, &summary) != STORE_OK) {
		s->usable = false;
		if (check_still_kept(c, number))
			check_found(
			    c, FINDING_DERIVED, &at, "%s", store_why(c->other));
	} else if (s->h.incarnation != engine_incarnation(c->other->engine)) {
		s->usable = false;
		check_found(c, FINDING_DERIVED, &at,
		    "a snapshot of another life of the account");
	} else if (s->kept) {
		collect(c, s, buf_str(&summary), all);
	} else {
		s->usable = false;
	}
	s->h.number = number;
	c->snapshot_count++;
	buf_free(&summary);
}

static int by_position(const void *a, const void *b)
{
	const struct snapshot_header *x =
	    &((const struct check_snapshot *)a)->h;
	const struct snapshot_header *y =
	    &((const struct check_snapshot *)b)->h;

	if (x->at.generation != y->at.generation)
		return x->at.generation < y->at.generation ? -1 : 1;
	if (x->at.length != y->at.length)
		return x->at.length < y->at.length ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

enum store_result check_snapshots(struct check *c)
{
	struct engine_box *e = c->other->engine;
	struct columns all = {0};
	uint64_t number = UINT64_MAX;
	enum engine_status s;

	for (;;) {
		s = engine_snapshot_newest(e, number, &number);
		if (s != ENGINE_OK || number == 0)
			break;
		c->snapshots = mem_resize(
		    c->snapshots, c->snapshot_count + 1, sizeof(*c->snapshots));
		look_at(c, number--, &all);
	}
	if (s != ENGINE_OK)
		return check_fail(c, box_status(c->other, s), engine_why(e));
	c->out.snapshots = c->snapshot_count;
	check_columns(c, &all);
	free(all.list);
	if (c->snapshot_count > 0)
		qsort(c->snapshots, c->snapshot_count, sizeof(*c->snapshots),
		    by_position);
	return STORE_OK;
}

/* ---- loading ---- */

enum store_result check_load_all(struct box *b)
{
	struct folder *f;
	enum store_result r = STORE_OK;

	for (size_t i = 0;
	     r == STORE_OK && (f = check_folder(&b->state, i)) != NULL; i++)
		r = folder_load(b, f);
	return r;
}

enum store_result check_load(struct check *c, struct box *b, uint64_t number)
{
	struct check_at at = at_snapshot(number, 0);
	enum store_result r;

	state_clear(&b->state);
	r = snapshot_load_one(b, number);
	if (r == STORE_OK)
		r = check_load_all(b);
	if (r != STORE_OK && check_still_kept(c, number))
		check_found(c, FINDING_DERIVED, &at, "%s", store_why(b));
	return r;
}

/* ---- on the way through the log ---- */

/* Both follow the same frame, and stand where it ends or where a later
 * generation begins. */
static bool same_pos(const struct check *c, const struct engine_pos *a,
    const struct engine_pos *log)
{
	bool here = a->generation == log->generation;

	return a->chain == log->chain &&
	    (here || a->generation > log->generation) &&
	    (here ? a->length == log->length && a->bodies == log->bodies
		  : c->frames_at == 0 ||
			(a->length == c->frames_at &&
			    a->bodies == c->bodies_at));
}

static void arrive_at(
    struct check *c, struct check_snapshot *s, const struct engine_pos *pos)
{
	struct check_at at = at_snapshot(s->h.number, 0);

	s->met = true;
	if (!same_pos(c, &s->h.at, pos)) {
		s->usable = false;
		if (check_still_kept(c, s->h.number))
			check_found(c, FINDING_DERIVED, &at,
			    "a snapshot of another log than this one");
		return;
	}
	if (!c->folding) {
		c->folding = check_load(c, c->log, s->h.number) == STORE_OK;
		return;
	}
	s->usable = check_load(c, c->other, s->h.number) == STORE_OK;
	if (s->usable)
		check_compare(c, s->h.number, "");
	state_clear(&c->other->state);
}

void check_arrive(struct check *c, const struct engine_pos *at)
{
	for (size_t i = 0; i < c->snapshot_count; i++) {
		struct check_snapshot *s = &c->snapshots[i];

		if (s->usable && !s->met && s->h.at.modseq == at->modseq)
			arrive_at(c, s, at);
	}
}

/* ---- with the log read ---- */

static bool beyond(const struct engine_pos *a, const struct engine_pos *b)
{
	return a->generation != b->generation ? a->generation > b->generation
					      : a->length > b->length;
}

/* A position that the log did not come to, where the log is whole. */
static void check_unmet(struct check *c, const struct check_snapshot *s)
{
	struct check_at at = at_snapshot(s->h.number, 0);
	struct engine_end end;

	if (beyond(&s->h.at, &c->seen)) {
		/* Unless frames wait behind the mark to be completed. */
		if (engine_end(c->other->engine, &c->seen, &end) == ENGINE_OK &&
		    !end.more)
			check_found(c, FINDING_DAMAGE, &at,
			    "the snapshot knows frames that the log has lost");
	} else if (!c->damaged && s->h.at.generation >= c->first &&
	    s->h.at.generation >= c->oldest) {
		check_found(c, FINDING_DERIVED, &at,
		    "the snapshot's position is none of the log's");
	}
}

/* A box that is opened with the snapshot and then reads the frames behind
 * it, some mailboxes loaded before and some after. */
static void check_newest(struct check *c, const struct check_snapshot *s)
{
	struct folder *f;
	enum store_result r;

	state_clear(&c->other->state);
	r = snapshot_load_one(c->other, s->h.number);
	for (size_t i = 0;
	     r == STORE_OK && (f = check_folder(&c->other->state, i)) != NULL;
	     i += 2)
		r = folder_load(c->other, f);
	if (r == STORE_OK)
		r = box_fold_until(c->other, 0, c->seen.modseq);
	if (r == STORE_OK)
		r = check_load_all(c->other);
	if (r == STORE_OK)
		check_compare(c, s->h.number, "with the frames behind it, ");
	else if (check_still_kept(c, s->h.number))
		check_load(c, c->other, s->h.number);
	state_clear(&c->other->state);
}

bool check_exists(struct check *c, uint64_t number)
{
	uint64_t there;

	return engine_snapshot_newest(c->other->engine, number, &there) !=
	    ENGINE_OK ||
	    there == number;
}

void check_snapshots_end(struct check *c)
{
	const struct check_snapshot *newest = NULL;
	const struct record_snapshot *announced = &c->log->state.snapshot;
	struct check_at at = at_snapshot(announced->number, 0);

	for (size_t i = 0; i < c->snapshot_count; i++) {
		const struct check_snapshot *s = &c->snapshots[i];

		if (s->usable && !s->met)
			check_unmet(c, s);
		else if (s->usable &&
		    (newest == NULL || s->h.number > newest->h.number))
			newest = s;
	}
	if (c->no_state)
		return;
	if (announced->number != 0 && !check_exists(c, announced->number) &&
	    check_still_announced(c, announced->number))
		check_found(c, FINDING_DERIVED, &at,
		    "the announced snapshot is missing");
	if (newest != NULL && !c->damaged)
		check_newest(c, newest);
}
