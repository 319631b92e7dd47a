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
#include "store/seeded.h"

#define COLUMNS_MAX  ((size_t)1 << 32)
#define SUMMARY_ROOM ((size_t)256 << 20)
#define VERIFY_PIECE 262144u
#define TRIES        5 /* while other processes are faster */

void snapshot_refer(struct snapshot_writer *w, uint64_t snapshot)
{
	if (snapshot == 0 ||
	    (w->ref_count > 0 && w->refs[w->ref_count - 1] == snapshot))
		return;
	if (w->ref_count == w->ref_room) {
		w->ref_room = w->ref_room * 2 + 64;
		w->refs = mem_resize(w->refs, w->ref_room, sizeof(*w->refs));
	}
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

/* ---- all of it ---- */

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
	if (seeded("mailbox-id-again"))
		r.box.next_mailbox = (uint32_t)s->folder_count + 1;
	snapshot_put(w, &r);
	for (size_t i = 0; i < s->folder_count && result == STORE_OK; i++)
		result = snapshot_put_folder(w, s->folders[i]);
	for (size_t i = 0; i < s->dead_count && result == STORE_OK; i++)
		result = snapshot_put_folder(w, s->dead[i]);
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

	while (
	    part.len > 0 && r == STORE_OK && !seeded("snapshot-unverified")) {
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
	    .incarnation = b->state.incarnation,
	    .time_us = b->state.time_us,
	    .taken = clock_seconds(),
	    .before = w->before,
	    .base = w->base,
	    .candidate = w->candidate,
	    .summary_offset = SNAPSHOT_HEADER + w->data.len,
	    .summary_len = (uint32_t)w->summary.len,
	    .summary_crc = crc32c(0, w->summary.p, w->summary.len),
	};
	struct iovec parts[3] = {{header, sizeof(header)},
	    {w->data.p, w->data.len}, {w->summary.p, w->summary.len}};
	enum engine_status s;
	enum store_result r;

	snapshot_header_encode(&h, header);
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

	if (c->b->state.snapshot.number != a->before &&
	    !seeded("snapshots-not-in-turn"))
		return STORE_EXISTS;
	r.snapshot = a->taken;
	change_put(c, &r);
	return STORE_OK;
}

static enum store_result take(struct snapshot_writer *w)
{
	struct box *b = w->b;
	struct announcement a = {
	    {w->number, b->state.pos}, b->state.snapshot.number};
	struct change c = {.decide = decide_announce, .arg = &a};
	enum store_result r;

	snapshot_choose(w);
	r = put_box(w);
	if (r == STORE_OK)
		r = write_out(w);
	/* Erasure overwrites what it finds unannounced: another one was. */
	if (r == STORE_ERROR && box_refresh(b) == STORE_OK &&
	    b->state.snapshot.number != a.before)
		return STORE_EXISTS;
	if (r != STORE_OK)
		return r;
	r = box_change(b, &c);
	if (r == STORE_OK)
		snapshot_drop_others(w);
	else if (r == STORE_EXISTS)
		snapshot_scrub_own(w);
	return r;
}

/* A state that began with a snapshot which is not the newest any more may
 * point at files that are gone; one that began with none would write all of it
 * again. */
static enum store_result rebase(struct box *b)
{
	uint64_t base = b->state.base;

	if (base >= b->state.snapshot.number ||
	    (b->without_snapshots &&
		(base == 0 || base == snapshot_base_number(b))))
		return STORE_OK;
	return box_reload(b, b->without_snapshots);
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
	/* Never one that was used, though somebody may have deleted it. */
	if (newest < b->state.snapshot.number)
		newest = b->state.snapshot.number;
	w.number = newest + 1;
	r = take(&w);
	buf_free(&w.data);
	buf_free(&w.summary);
	free(w.refs);
	return r;
}

/* STORE_EXISTS: another process was faster. */
static enum store_result take_from_any(struct box *b, bool clean)
{
	enum store_result r = take_once(b, clean);

	if (r == STORE_GONE || r == STORE_CORRUPT) {
		/* An older snapshot fails us: the log has it all. */
		r = box_reload(b, true);
		if (r == STORE_OK)
			r = take_once(b, clean);
	}
	return r;
}

enum store_result snapshot_take(struct box *b, bool clean)
{
	enum store_result r = take_from_any(b, clean);

	/* Theirs is as good, unless it must be clean. */
	for (int i = 1; i < TRIES && clean && r == STORE_EXISTS; i++)
		r = take_from_any(b, clean);
	if (r == STORE_EXISTS)
		return clean ? box_fail(b, STORE_BUSY, "others take snapshots")
			     : STORE_OK;
	if (r != STORE_OK)
		return r;
	b->without_snapshots = false;
	/* Nobody looks: keep the summary alone. */
	return b->views == 0 ? box_reload(b, false) : STORE_OK;
}
