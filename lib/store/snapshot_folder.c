/* SPDX-License-Identifier: ISC */
/*
 * A mailbox in a snapshot. What did not change is pointed at in older
 * snapshots; small segments are joined, each time with at least half as much,
 * so that a row is written a few times at most.
 */
#include <stdlib.h>

#include "core/clock.h"
#include "core/memory.h"
#include "store/content.h"
#include "store/le.h"
#include "store/seeded.h"

#define NO_SEGMENT UINT32_MAX

/* Segments below it are joined. */
static uint32_t least_rows(const struct snapshot_writer *w)
{
	return w->b->store->segment_rows / 2;
}

static void put_segment(struct snapshot_writer *w, const struct record *r)
{
	for (size_t i = 0; i < COLUMNS; i++)
		if (r->segment.columns[i].snapshot != w->number)
			snapshot_refer(w, r->segment.columns[i].snapshot);
	snapshot_put(w, r);
}

/* ---- columns of messages ---- */

static void columns_m_d(struct snapshot_writer *w, const struct message *m,
    size_t count, struct column *column_m, struct column *column_d)
{
	unsigned char row_m[M_OCTETS], row_d[D_OCTETS];
	size_t start = w->data.len;

	for (size_t i = 0; i < count; i++) {
		message_encode(&m[i], row_m, row_d);
		buf_add_bytes(&w->data, row_m, sizeof(row_m));
	}
	*column_m = snapshot_column(w, start);
	if (column_d == NULL)
		return;
	start = w->data.len;
	for (size_t i = 0; i < count; i++) {
		message_encode(&m[i], row_m, row_d);
		buf_add_bytes(&w->data, row_d, sizeof(row_d));
	}
	*column_d = snapshot_column(w, start);
}

static int column_i(struct snapshot_writer *w, struct folder *f, size_t at,
    size_t count, struct column *out)
{
	size_t start = w->data.len;

	for (size_t i = 0; i < count; i++) {
		const struct message_place *place = folder_place(
		    w->b, f, at + i);
		unsigned char row[PLACE_OCTETS];

		if (place == NULL)
			return -1;
		place_encode(place, row);
		buf_add_bytes(&w->data, row, sizeof(row));
	}
	*out = snapshot_column(w, start);
	return 0;
}

/* Which rows of the other columns these messages of one segment are. */
static struct column column_r(
    struct snapshot_writer *w, const uint32_t *where, size_t count)
{
	size_t start = w->data.len;

	for (size_t i = 0; i < count; i++) {
		char row[4];

		put_u32(row, where[i] % SEGMENT_ROWS);
		buf_add_bytes(&w->data, row, sizeof(row));
	}
	return snapshot_column(w, start);
}

/* Messages [at, at + count) as one new segment. */
static int put_new(
    struct snapshot_writer *w, struct folder *f, size_t at, size_t count)
{
	struct record r = {.type = RECORD_SEGMENT};
	struct column *columns = r.segment.columns;

	r.segment.mailbox = f->info.id;
	r.segment.count = (uint32_t)count;
	r.segment.uid = f->messages[at].uid;
	columns_m_d(
	    w, f->messages + at, count, &columns[COLUMN_M], &columns[COLUMN_D]);
	if (column_i(w, f, at, count, &columns[COLUMN_I]) < 0)
		return -1;
	/* Smaller ones are written too often. */
	if (f->dead_modseq == 0 && count >= least_rows(w))
		content_put(w, f, at, count, (uint32_t)count,
		    &columns[COLUMN_C], &columns[COLUMN_K]);
	put_segment(w, &r);
	return 0;
}

/* A segment of the older snapshot as it is there. */
static void put_untouched(
    struct snapshot_writer *w, const struct folder *f, const struct segment *s)
{
	struct record r = {.type = RECORD_SEGMENT};

	r.segment.mailbox = f->info.id;
	r.segment.count = s->count;
	r.segment.modseq = s->last_modseq;
	r.segment.uid = s->uid;
	memcpy(r.segment.columns, s->columns, sizeof(s->columns));
	/* Nobody looks at it any more, and it is to be erased. */
	if (f->dead_modseq != 0)
		r.segment.columns[COLUMN_C] = r.segment.columns[COLUMN_K] =
		    (struct column){0};
	put_segment(w, &r);
}

/* ---- messages ---- */

/* Messages side by side: those that are left of a segment, or to be written
 * anew. */
struct run {
	size_t at, count;
	const struct segment *s; /* NULL: anew */
};

static uint32_t segment_number(const struct folder *f, size_t at)
{
	uint32_t where = f->where[at];

	return where & WHERE_FRESH ? NO_SEGMENT : where / SEGMENT_ROWS;
}

/* With so many rows left its C or K holds content of messages that are
 * gone. */
static bool is_unclean(
    const struct folder *f, const struct segment *s, size_t left)
{
	return f->dead_modseq == 0 && left != s->rows &&
	    (s->columns[COLUMN_C].snapshot != 0 ||
		s->columns[COLUMN_K].snapshot != 0);
}

/* With so many rows left it can be kept. */
static bool may_stay(const struct snapshot_writer *w, const struct folder *f,
    const struct segment *s, size_t left)
{
	return left * 2 >= s->rows && !(w->clean && is_unclean(f, s, left));
}

static struct run run_at(
    const struct snapshot_writer *w, const struct folder *f, size_t at)
{
	struct run r = {.at = at, .count = 1};
	uint32_t number = segment_number(f, at);

	while (at + r.count < f->count &&
	    segment_number(f, at + r.count) == number)
		r.count++;
	if (number != NO_SEGMENT &&
	    may_stay(w, f, &f->segments[number], r.count))
		r.s = &f->segments[number];
	return r;
}

static bool small(const struct snapshot_writer *w, const struct run *r)
{
	return r->s == NULL || (r->s->rows < least_rows(w) && !r->s->left_out);
}

/* Small ones that follow each other at least halve in size. */
static bool joined(const struct snapshot_writer *w, const struct run *left,
    const struct run *right)
{
	return small(w, left) && small(w, right) &&
	    (left->s == NULL || left->count <= 2 * right->count);
}

/* In place; the result stands at the end, from the index that is returned. */
static size_t join(
    const struct snapshot_writer *w, struct run *runs, size_t count)
{
	size_t first = count;

	for (size_t i = count; i-- > 0;) {
		if (first == count || !joined(w, &runs[i], &runs[first])) {
			runs[--first] = runs[i];
			continue;
		}
		runs[first].at = runs[i].at;
		runs[first].count += runs[i].count;
		runs[first].s = NULL;
	}
	return first;
}

/* It should have a C, and has none, or one that cannot be read; and it can
 * have it now. */
static bool lacks_content(const struct snapshot_writer *w,
    const struct folder *f, const struct segment *s)
{
	return f->dead_modseq == 0 && s->rows >= least_rows(w) &&
	    s->columns[COLUMN_I].snapshot != 0 && w->content < CONTENT_BUDGET &&
	    (s->columns[COLUMN_C].snapshot == 0 || s->bad_content);
}

static void put_kept(
    struct snapshot_writer *w, struct folder *f, const struct run *run)
{
	struct segment s = *run->s;

	if (s.left_out) {
		put_untouched(w, f, &s);
		return;
	}
	if (s.flagged || run->count != s.count)
		columns_m_d(w, f->messages + run->at, run->count,
		    &s.columns[COLUMN_M], NULL);
	if (run->count != s.count)
		s.columns[COLUMN_R] = column_r(
		    w, f->where + run->at, run->count);
	if (lacks_content(w, f, &s))
		content_put(w, f, run->at, run->count, s.rows,
		    &s.columns[COLUMN_C], &s.columns[COLUMN_K]);
	s.count = (uint32_t)run->count;
	put_untouched(w, f, &s);
}

static int put_run(
    struct snapshot_writer *w, struct folder *f, const struct run *run)
{
	size_t most = w->b->store->segment_rows;

	if (run->s != NULL) {
		put_kept(w, f, run);
		return 0;
	}
	for (size_t done = 0; done < run->count; done += most) {
		size_t left = run->count - done;

		if (put_new(w, f, run->at + done, left < most ? left : most) <
		    0)
			return -1;
	}
	return 0;
}

struct runs {
	struct run *p;
	size_t count, room;
};

static void runs_add(struct runs *runs, struct run run)
{
	if (runs->count == runs->room) {
		runs->room = runs->room * 2 + 16;
		runs->p = mem_resize(runs->p, runs->room, sizeof(*runs->p));
	}
	runs->p[runs->count++] = run;
}

/* All segments that were left out before the one of this number. */
static size_t runs_left_out(
    struct runs *runs, const struct folder *f, size_t from, size_t number)
{
	for (; from < number && from < f->segment_count; from++)
		if (f->segments[from].left_out &&
		    f->segments[from].columns[COLUMN_M].snapshot != 0)
			runs_add(runs, (struct run){.s = &f->segments[from]});
	return from;
}

static int put_messages(struct snapshot_writer *w, struct folder *f)
{
	struct runs runs = {0};
	size_t number = 0;
	int result = 0;

	for (size_t at = 0; at < f->count;) {
		struct run run = run_at(w, f, at);

		number = runs_left_out(&runs, f, number, segment_number(f, at));
		runs_add(&runs, run);
		at += run.count;
	}
	runs_left_out(&runs, f, number, NO_SEGMENT);
	for (size_t i = join(w, runs.p, runs.count);
	     i < runs.count && result == 0; i++)
		result = put_run(w, f, &runs.p[i]);
	free(runs.p);
	return result;
}

/* ---- rows that only come behind others: V and U ---- */

/* The segments of the older snapshot that have this column and are not
 * forgotten as a whole, in order; malloc'ed. */
static const struct segment **segments_with(const struct folder *f,
    enum column_kind kind, uint64_t forgotten, size_t *count)
{
	const struct segment **out = mem_array(f->segment_count, sizeof(*out));

	*count = 0;
	for (size_t i = 0; i < f->segment_count; i++)
		if (f->segments[i].columns[kind].snapshot != 0 &&
		    f->segments[i].last_modseq > forgotten)
			out[(*count)++] = &f->segments[i];
	return out;
}

/* How many of them stay when `more` rows come: the last are joined. */
static size_t stay(const struct snapshot_writer *w,
    const struct segment *const *segments, size_t count, size_t more)
{
	while (more > 0 && count > 0 &&
	    segments[count - 1]->count < least_rows(w) &&
	    segments[count - 1]->count <= 2 * more)
		more += segments[--count]->count;
	return count;
}

/* Puts rows together to segments. */
struct rows {
	struct snapshot_writer *w;
	enum column_kind kind;
	size_t start;
	struct record r;
};

static void rows_begin(struct rows *rows, struct snapshot_writer *w,
    const struct folder *f, enum column_kind kind)
{
	*rows = (struct rows){.w = w, .kind = kind, .start = w->data.len};
	rows->r.type = RECORD_SEGMENT;
	rows->r.segment.mailbox = f->info.id;
}

static void rows_end(struct rows *rows)
{
	if (rows->r.segment.count == 0)
		return;
	rows->r.segment.columns[rows->kind] = snapshot_column(
	    rows->w, rows->start);
	put_segment(rows->w, &rows->r);
	rows->start = rows->w->data.len;
	rows->r.segment.count = 0;
}

static void rows_add(
    struct rows *rows, const void *row, size_t len, uint64_t modseq)
{
	buf_add_bytes(&rows->w->data, row, len);
	rows->r.segment.modseq = modseq;
	if (++rows->r.segment.count == rows->w->b->store->segment_rows)
		rows_end(rows);
}

/* Uids that were expunged more than a week ago are forgotten, which raises
 * the floor. */
static void forget_vanished(struct folder *f)
{
	int64_t oldest = clock_seconds() - VANISHED_KEPT;

	for (size_t i = 0;
	     i < f->vanished_count && f->vanished[i].time < oldest; i++)
		if (f->vanished[i].modseq > f->vanish_floor)
			f->vanish_floor = f->vanished[i].modseq;
}

static void put_vanished(struct snapshot_writer *w, const struct folder *f)
{
	size_t in_snapshot = 0, at = 0, count, kept;
	const struct segment **segments;
	struct rows rows;

	/* The rows of all segments were loaded first, or none. */
	for (size_t i = 0; i < f->segment_count; i++)
		if (f->segments[i].columns[COLUMN_V].snapshot != 0 &&
		    !f->segments[i].left_out)
			in_snapshot += f->segments[i].count;
	segments = segments_with(f, COLUMN_V, f->vanish_floor, &count);
	kept = stay(w, segments, count, f->vanished_count - in_snapshot);
	for (size_t i = 0; i < kept; i++)
		put_untouched(w, f, segments[i]);
	at = in_snapshot;
	for (size_t i = kept; i < count; i++)
		at -= segments[i]->count;
	free(segments);
	rows_begin(&rows, w, f, COLUMN_V);
	for (; at < f->vanished_count; at++) {
		const struct vanished *v = &f->vanished[at];
		char row[V_OCTETS];

		if (v->modseq <= f->vanish_floor)
			continue;
		put_u32(row, v->uid);
		put_u32(row + 4, 0);
		put_u64(row + 8, v->modseq);
		put_u64(row + 16, (uint64_t)v->time);
		rows_add(&rows, row, sizeof(row), v->modseq);
	}
	rows_end(&rows);
}

/* Rows of an older segment that are not erased. */
static enum store_result add_gone_segment(
    struct rows *rows, const struct segment *s)
{
	struct box *b = rows->w->b;
	unsigned char *p;
	size_t len;
	enum store_result r = column_get(b, &s->columns[COLUMN_U], &p, &len);

	if (r != STORE_OK)
		return r;
	for (size_t at = 0; at + EXPUNGED_OCTETS <= len;
	     at += EXPUNGED_OCTETS) {
		struct expunged e;

		expunged_decode(p + at, &e);
		if (e.modseq > b->state.erased)
			rows_add(rows, p + at, EXPUNGED_OCTETS, e.modseq);
	}
	free(p);
	return STORE_OK;
}

static enum store_result add_gone(
    struct rows *rows, struct folder *f, const struct gone *gone)
{
	const struct message_place *place = folder_place_at(
	    rows->w->b, f, gone->where);
	struct expunged e = {
	    .m = gone->m, .modseq = gone->modseq, .time = gone->time};
	unsigned char row[EXPUNGED_OCTETS];

	if (place == NULL)
		return STORE_CORRUPT;
	e.place = *place;
	expunged_encode(&e, row);
	rows_add(rows, row, sizeof(row), e.modseq);
	return STORE_OK;
}

static enum store_result put_gone(struct snapshot_writer *w, struct folder *f)
{
	size_t count, kept;
	const struct segment **segments = segments_with(
	    f, COLUMN_U, w->b->state.erased, &count);
	enum store_result r = STORE_OK;
	struct rows rows;

	kept = stay(w, segments, count, f->gone_count);
	for (size_t i = 0; i < kept; i++)
		put_untouched(w, f, segments[i]);
	rows_begin(&rows, w, f, COLUMN_U);
	for (size_t i = kept; i < count && r == STORE_OK; i++)
		r = add_gone_segment(&rows, segments[i]);
	for (size_t i = 0; i < f->gone_count && r == STORE_OK; i++)
		r = add_gone(&rows, f, &f->gone[i]);
	if (r == STORE_OK)
		rows_end(&rows);
	free(segments);
	return r;
}

/* ---- the mailbox ---- */

static void put_summary(struct snapshot_writer *w, const struct folder *f)
{
	struct record r = {.type = RECORD_SUMMARY};

	r.summary = (struct record_summary){
	    .id = f->info.id,
	    .uidvalidity = f->info.uidvalidity,
	    .use = (uint32_t)f->info.use,
	    .options = (f->info.selectable ? 0 : MAILBOX_UNSELECTABLE) |
		(f->dead_modseq != 0 ? MAILBOX_DEAD : 0),
	    .uidnext = f->info.uidnext,
	    .highest_modseq = f->info.highest_modseq,
	    .messages = f->info.messages,
	    .unseen = f->info.unseen,
	    .deleted = f->info.deleted,
	    .octets = f->info.octets,
	    .vanish_floor = f->vanish_floor,
	    .dead_modseq = f->dead_modseq,
	    .dead_time = f->dead_time,
	    .name = f->info.name,
	};
	if (seeded("vanished-floor-not-raised"))
		r.summary.vanish_floor = 0;
	if (seeded("uidnext-from-the-last") && f->count > 0)
		r.summary.uidnext = f->messages[f->count - 1].uid + 1;
	snapshot_put(w, &r);
	for (uint32_t i = 0; i < f->info.keyword_count; i++) {
		r = (struct record){.type = RECORD_KEYWORD};
		r.keyword = (struct record_keyword){
		    f->info.id, i, f->info.keywords[i]};
		snapshot_put(w, &r);
	}
}

/* Segments that nothing touched are not as they should be. */
static bool needs_work(const struct snapshot_writer *w, const struct folder *f)
{
	for (size_t i = 0; i < f->segment_count; i++) {
		const struct segment *s = &f->segments[i];

		if (lacks_content(w, f, s) ||
		    (w->clean && is_unclean(f, s, s->count)))
			return true;
	}
	return false;
}

static enum store_result put_loaded(struct snapshot_writer *w, struct folder *f)
{
	enum store_result r;

	forget_vanished(f);
	put_summary(w, f);
	put_vanished(w, f);
	r = put_gone(w, f);
	if (r == STORE_OK && put_messages(w, f) < 0)
		r = box_fail(w->b, STORE_CORRUPT, "the older snapshot");
	return r;
}

static void put_all_untouched(struct snapshot_writer *w, const struct folder *f)
{
	put_summary(w, f);
	for (size_t i = 0; i < f->segment_count; i++)
		if (f->segments[i].columns[COLUMN_U].snapshot == 0 ||
		    f->segments[i].last_modseq > w->b->state.erased)
			put_untouched(w, f, &f->segments[i]);
}

enum store_result snapshot_put_folder(
    struct snapshot_writer *w, struct folder *f)
{
	enum store_result r;
	struct folder part;

	if (f->loaded || needs_work(w, f)) {
		r = folder_load(w->b, f);
		return r == STORE_OK ? put_loaded(w, f) : r;
	}
	if (f->pending.len == 0) {
		put_all_untouched(w, f);
		return STORE_OK;
	}
	/* However large it is, only what changed is read. */
	r = folder_load_changed(w->b, f, least_rows(w), &part);
	if (r == STORE_OK)
		r = put_loaded(w, &part);
	folder_unload(&part);
	return r;
}
