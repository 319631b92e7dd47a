/* SPDX-License-Identifier: ISC */
/*
 * Taking a snapshot: outside the lock, at the position that is folded; only
 * what changed is written, the rest points into older snapshots. It is read
 * back before a record announces it.
 */
#include <stdlib.h>

#include "core/checksum.h"
#include "core/clock.h"
#include "core/memory.h"
#include "store/snapshot.h"
#include "store/le.h"

#define COLUMNS_MAX  ((size_t)1 << 32)
#define SUMMARY_ROOM ((size_t)256 << 20)
#define VERIFY_PIECE 262144u

void snapshot_refer(struct snapshot_writer *w, uint64_t snapshot)
{
	for (size_t i = 0; i < w->ref_count; i++)
		if (w->refs[i] == snapshot)
			return;
	if (snapshot != 0 && w->ref_count < SNAPSHOT_REFS_MAX)
		w->refs[w->ref_count++] = snapshot;
}

void snapshot_put(struct snapshot_writer *w, const struct record *r)
{
	record_put(&w->summary, r);
}

struct column snapshot_column(struct snapshot_writer *w, size_t start)
{
	static const char zeroes[8];
	struct column c = {
	    .snapshot = w->number,
	    .offset = SNAPSHOT_HEADER + start,
	    .length = (uint32_t)(w->data.len - start),
	    .crc = crc32c(0, w->data.p + start, w->data.len - start),
	    .hash = hash64(0, w->data.p + start, w->data.len - start),
	};

	buf_add_bytes(&w->data, zeroes, (8 - w->data.len % 8) % 8);
	return c;
}

/* ---- columns of messages ---- */

static struct column column_m(
    struct snapshot_writer *w, const struct message *m, size_t count)
{
	size_t start = w->data.len;

	for (size_t i = 0; i < count; i++) {
		char row[24];

		put_u32(row, m[i].uid);
		put_u32(row + 4, m[i].flags);
		put_u64(row + 8, m[i].keywords);
		put_u64(row + 16, m[i].modseq);
		buf_add_bytes(&w->data, row, sizeof(row));
	}
	return snapshot_column(w, start);
}

static struct column column_d(
    struct snapshot_writer *w, const struct message *m, size_t count)
{
	size_t start = w->data.len;

	for (size_t i = 0; i < count; i++) {
		char row[16];

		put_u64(row, m[i].size);
		put_u64(row + 8, (uint64_t)m[i].internal_date);
		buf_add_bytes(&w->data, row, sizeof(row));
	}
	return snapshot_column(w, start);
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

/* Messages [at, at + count) as one new segment. */
static int put_new(
    struct snapshot_writer *w, struct folder *f, size_t at, size_t count)
{
	struct record r = {.type = RECORD_SEGMENT};

	if (count == 0)
		return 0;
	r.segment.mailbox = f->info.id;
	r.segment.count = (uint32_t)count;
	r.segment.columns[COLUMN_M] = column_m(w, f->messages + at, count);
	r.segment.columns[COLUMN_D] = column_d(w, f->messages + at, count);
	if (column_i(w, f, at, count, &r.segment.columns[COLUMN_I]) < 0)
		return -1;
	snapshot_put(w, &r);
	return 0;
}

/* A segment of the older snapshot; only its flags may be new. */
static void put_old(struct snapshot_writer *w, uint32_t mailbox,
    const struct segment *s, const struct message *m)
{
	struct record r = {.type = RECORD_SEGMENT};

	r.segment.mailbox = mailbox;
	r.segment.count = s->count;
	memcpy(r.segment.columns, s->columns, sizeof(s->columns));
	if (s->flagged)
		r.segment.columns[COLUMN_M] = column_m(w, m, s->count);
	for (size_t i = 0; i < COLUMNS; i++)
		snapshot_refer(w, r.segment.columns[i].snapshot);
	snapshot_put(w, &r);
}

/* The older segment that is whole from position `at` on, or NULL. */
static const struct segment *whole_segment(
    const struct snapshot_writer *w, const struct folder *f, size_t at)
{
	/* Smaller ones are joined. */
	uint32_t least = w->b->store->segment_rows / 2;
	const struct segment *s;
	uint32_t where = f->where[at];

	if (where & WHERE_FRESH || where % SEGMENT_ROWS != 0)
		return NULL;
	s = &f->segments[where / SEGMENT_ROWS];
	return s->thinned || s->count < least ? NULL : s;
}

static int put_messages(struct snapshot_writer *w, struct folder *f)
{
	size_t start = 0, at = 0; /* [start, at) waits for a new segment */

	while (at < f->count) {
		const struct segment *s = whole_segment(w, f, at);

		if (s == NULL && at - start < w->b->store->segment_rows) {
			at++;
			continue;
		}
		if (put_new(w, f, start, at - start) < 0)
			return -1;
		if (s != NULL) {
			put_old(w, f->info.id, s, f->messages + at);
			at += s->count;
		}
		start = at;
	}
	return put_new(w, f, start, at - start);
}

/* Uids that were expunged more than a week ago are forgotten, which raises
 * the floor. */
static void forget_vanished(struct folder *f)
{
	int64_t oldest = clock_seconds() - VANISHED_KEPT;
	size_t gone = 0;

	while (gone < f->vanished_count && f->vanished[gone].time < oldest)
		f->vanish_floor = f->vanished[gone++].modseq;
	if (gone == 0)
		return;
	f->vanished_count -= gone;
	memmove(f->vanished, f->vanished + gone,
	    f->vanished_count * sizeof(*f->vanished));
}

static void put_vanished(struct snapshot_writer *w, const struct folder *f)
{
	size_t at = 0;

	while (at < f->vanished_count) {
		struct record r = {.type = RECORD_SEGMENT};
		size_t start = w->data.len;

		r.segment.mailbox = f->info.id;
		for (; at < f->vanished_count && r.segment.count < SEGMENT_ROWS;
		     at++) {
			char row[24];

			put_u32(row, f->vanished[at].uid);
			put_u32(row + 4, 0);
			put_u64(row + 8, f->vanished[at].modseq);
			put_u64(row + 16, (uint64_t)f->vanished[at].time);
			buf_add_bytes(&w->data, row, sizeof(row));
			r.segment.count++;
		}
		r.segment.columns[COLUMN_V] = snapshot_column(w, start);
		snapshot_put(w, &r);
	}
}

static void put_summary(struct snapshot_writer *w, const struct folder *f)
{
	struct record r = {.type = RECORD_SUMMARY};

	r.summary = (struct record_summary){
	    .id = f->info.id,
	    .uidvalidity = f->info.uidvalidity,
	    .use = (uint32_t)f->info.use,
	    .options = f->info.selectable ? 0 : MAILBOX_UNSELECTABLE,
	    .uidnext = f->info.uidnext,
	    .highest_modseq = f->info.highest_modseq,
	    .messages = f->info.messages,
	    .unseen = f->info.unseen,
	    .deleted = f->info.deleted,
	    .octets = f->info.octets,
	    .vanish_floor = f->vanish_floor,
	    .name = f->info.name,
	};
	snapshot_put(w, &r);
	for (uint32_t i = 0; i < f->info.keyword_count; i++) {
		r = (struct record){.type = RECORD_KEYWORD};
		r.keyword = (struct record_keyword){
		    f->info.id, i, f->info.keywords[i]};
		snapshot_put(w, &r);
	}
}

static enum store_result put_folder(struct snapshot_writer *w, struct folder *f)
{
	enum store_result r = STORE_OK;

	/* Untouched since the older snapshot: all of it is there. */
	if (!f->loaded && f->pending.len == 0) {
		put_summary(w, f);
		for (size_t i = 0; i < f->segment_count; i++)
			put_old(w, f->info.id, &f->segments[i], NULL);
		return STORE_OK;
	}
	r = folder_load(w->b, f);
	if (r != STORE_OK)
		return r;
	forget_vanished(f);
	put_summary(w, f);
	put_vanished(w, f);
	return put_messages(w, f) < 0
	    ? box_fail(w->b, STORE_CORRUPT, "the older snapshot")
	    : STORE_OK;
}

static enum store_result put_box(struct snapshot_writer *w)
{
	struct state *s = &w->b->state;
	struct record r = {.type = RECORD_BOX};
	enum store_result result = STORE_OK;
	struct str name;
	size_t at = 0;
	void *value;

	r.box = (struct record_box){s->next_mailbox, s->last_uidvalidity,
	    s->usage.octets, s->usage.messages, s->horizon, s->erased,
	    s->gone_last, s->gone_since};
	snapshot_put(w, &r);
	for (size_t i = 0; i < s->folder_count && result == STORE_OK; i++)
		result = put_folder(w, s->folders[i]);
	while (table_next(&s->subscriptions, &at, &name, &value)) {
		r = (struct record){.type = RECORD_SUBSCRIBE};
		r.subscribe = (struct record_subscribe){true, name};
		snapshot_put(w, &r);
	}
	if (result == STORE_OK)
		result = deliveries_put(w);
	if (result == STORE_OK && (w->data.overflow || w->summary.overflow))
		result = box_fail(w->b, STORE_LIMIT, "a snapshot too large");
	return result;
}

/* ---- writing, verifying, announcing ---- */

static enum store_result verify_part(
    struct snapshot_writer *w, uint64_t offset, struct str part)
{
	char *piece = mem_resize(NULL, VERIFY_PIECE, 1);
	enum store_result r = STORE_OK;

	while (part.len > 0 && r == STORE_OK) {
		size_t len = part.len < VERIFY_PIECE ? part.len : VERIFY_PIECE;

		r = box_status(w->b,
		    engine_snapshot_get(
			w->b->engine, w->number, offset, piece, len));
		if (r == STORE_OK && memcmp(piece, part.p, len) != 0)
			r = box_fail(w->b, STORE_ERROR,
			    "a snapshot does not read back as written");
		offset += len;
		part = str_skip(part, len);
	}
	free(piece);
	return r;
}

static enum store_result write_out(struct snapshot_writer *w)
{
	unsigned char header[SNAPSHOT_HEADER];
	struct box *b = w->b;
	struct snapshot_header h = {
	    .number = w->number,
	    .at = b->state.pos,
	    .time_us = b->state.time_us,
	    .summary_offset = SNAPSHOT_HEADER + w->data.len,
	    .summary_len = (uint32_t)w->summary.len,
	    .summary_crc = crc32c(0, w->summary.p, w->summary.len),
	};
	struct iovec parts[3] = {{header, sizeof(header)},
	    {w->data.p, w->data.len}, {w->summary.p, w->summary.len}};
	enum engine_status s;
	enum store_result r;

	snapshot_header_encode(&h, b->state.incarnation, header);
	s = engine_snapshot_put(b->engine, w->number, parts, 3);
	if (s == ENGINE_REFUSED)
		return STORE_EXISTS; /* another process was faster */
	r = box_status(b, s);
	if (r == STORE_OK)
		r = verify_part(w, 0, str_of(header, sizeof(header)));
	if (r == STORE_OK)
		r = verify_part(w, SNAPSHOT_HEADER, buf_str(&w->data));
	if (r == STORE_OK)
		r = verify_part(w, h.summary_offset, buf_str(&w->summary));
	return r; /* also in failure the number stays taken for good */
}

struct announcement {
	struct record_snapshot taken;
	uint64_t before; /* the newest one when we began */
};

/* What we point into stays as long as nobody announced another one. */
static enum store_result decide_announce(struct change *c)
{
	const struct announcement *a = c->arg;
	struct record r = {.type = RECORD_SNAPSHOT};

	if (c->b->state.snapshot.number != a->before)
		return STORE_EXISTS;
	r.snapshot = a->taken;
	change_put(c, &r);
	return STORE_OK;
}

/* The snapshots that another one points into. */
static void collect(struct snapshot_writer *w, uint64_t number)
{
	struct snapshot_header h;
	struct buf summary;
	struct record r;

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

/* Drops every snapshot but this one, the one before, and what they need. */
static void drop_older(struct snapshot_writer *w, uint64_t before)
{
	uint64_t number = w->number;

	snapshot_refer(w, w->number);
	snapshot_refer(w, before);
	if (before != 0)
		collect(w, before);
	while (w->ref_count < SNAPSHOT_REFS_MAX && number > 1 &&
	    engine_snapshot_newest(w->b->engine, number - 1, &number) ==
		ENGINE_OK &&
	    number != 0) {
		bool needed = false;

		for (size_t i = 0; i < w->ref_count; i++)
			needed = needed || w->refs[i] == number;
		if (!needed)
			engine_snapshot_drop(w->b->engine, number);
	}
}

static enum store_result take(struct snapshot_writer *w)
{
	struct box *b = w->b;
	struct announcement a = {
	    {w->number, b->state.pos}, b->state.snapshot.number};
	struct change c = {.decide = decide_announce, .arg = &a};
	enum store_result r = put_box(w);

	if (r == STORE_OK)
		r = write_out(w);
	if (r != STORE_OK)
		return r;
	r = box_change(b, &c);
	if (r == STORE_OK)
		drop_older(w, a.before);
	return r;
}

/* A state that began with a snapshot which is not the newest any more may
 * point at files that are gone. */
static enum store_result rebase(struct box *b)
{
	return b->state.base != 0 && b->state.base < b->state.snapshot.number
	    ? box_reload(b, false)
	    : STORE_OK;
}

static enum store_result take_once(struct box *b, bool clean)
{
	struct snapshot_writer w = {.b = b,
	    .clean = clean,
	    .data = buf_new(COLUMNS_MAX),
	    .summary = buf_new(SUMMARY_ROOM)};
	enum store_result r = box_refresh(b);
	uint64_t newest;

	if (r == STORE_OK)
		r = rebase(b);
	if (r == STORE_OK)
		r = box_status(
		    b, engine_snapshot_newest(b->engine, UINT64_MAX, &newest));
	if (r != STORE_OK || b->state.virtual)
		return r;
	w.number = newest + 1;
	r = take(&w);
	buf_free(&w.data);
	buf_free(&w.summary);
	return r;
}

enum store_result snapshot_take(struct box *b, bool clean)
{
	enum store_result r = take_once(b, clean);

	if (r == STORE_EXISTS) /* another process was faster */
		return STORE_OK;
	if (r == STORE_GONE || r == STORE_CORRUPT) {
		/* An older snapshot fails us: the log has it all. */
		r = box_reload(b, true);
		if (r == STORE_OK)
			r = take_once(b, clean);
		if (r == STORE_EXISTS)
			return STORE_OK;
	}
	if (r != STORE_OK)
		return r;
	b->without_snapshots = false;
	/* Nobody looks: keep the summary alone. */
	return b->views == 0 ? box_reload(b, false) : STORE_OK;
}
