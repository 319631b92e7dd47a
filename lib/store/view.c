/* SPDX-License-Identifier: ISC */
/*
 * Views: what a session sees of a mailbox. A view has its own rows, so that
 * sequence numbers and flags change only in view_sync; bytes are looked up in
 * the box by uid.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/checksum.h"
#include "core/memory.h"
#include "store/body_zstd.h"
#include "store/content.h"
#include "store/view.h"

#define ROOM_UNPROVEN (16u << 20)
#define VERIFY_PIECE  262144u

enum store_result view_folder(struct view *v, struct folder **out)
{
	enum store_result r = box_folder(v->b, v->mailbox, out);

	if (r == STORE_OK && (*out)->info.uidvalidity != v->uidvalidity)
		return box_fail(v->b, STORE_GONE, "the mailbox is gone");
	return r;
}

static void reserve(struct view *v, size_t count)
{
	if (count <= v->room)
		return;
	v->room = (uint32_t)(count + count / 8 + 16);
	v->rows = mem_resize(v->rows, v->room, sizeof(*v->rows));
}

void view_is_at(struct view *v, const struct folder *f)
{
	v->version = f->version;
	v->flags_at = f->info.highest_modseq;
	if (!v->waiting)
		v->expunged_at = v->flags_at;
}

struct view *view_new(struct box *b, const struct mailbox_info *info)
{
	struct view *v = NEW(struct view);

	v->b = b;
	v->mailbox = info->id;
	v->uidvalidity = info->uidvalidity;
	b->views++;
	return v;
}

static enum store_result check_open(struct box *b, const struct folder *f)
{
	if (f == NULL)
		return box_fail(b, STORE_GONE, "the mailbox is gone");
	return f->info.selectable
	    ? STORE_OK
	    : box_fail(b, STORE_NO_MAILBOX, "not a mailbox");
}

enum store_result view_open(struct box *b, uint32_t mailbox, struct view **out)
{
	struct folder *f;
	struct view *v;
	enum store_result r = box_materialize(b);

	*out = NULL;
	if (r == STORE_OK)
		r = box_folder(b, mailbox, &f);
	if (r == STORE_OK)
		r = check_open(b, f);
	if (r != STORE_OK)
		return r;
	v = view_new(b, &f->info);
	v->lent = rows_lend(&f->lent, f->messages);
	v->rows = f->messages;
	v->count = v->room = (uint32_t)f->count;
	view_is_at(v, f);
	*out = v;
	return STORE_OK;
}

enum store_result view_open_late(
    struct box *b, uint32_t mailbox, struct view **out)
{
	const struct folder *f;
	enum store_result r = box_materialize(b);

	*out = NULL;
	if (r != STORE_OK)
		return r;
	f = state_folder(&b->state, mailbox);
	r = check_open(b, f);
	if (r != STORE_OK)
		return r;
	*out = view_new(b, &f->info);
	(*out)->late = true;
	(*out)->count = (uint32_t)f->info.messages;
	(*out)->uidnext = f->info.uidnext;
	view_is_at(*out, f);
	return STORE_OK;
}

void view_close(struct view **v)
{
	if (*v == NULL)
		return;
	if (--(*v)->b->views == 0)
		content_forget((*v)->b);
	rows_release(&(*v)->lent, (*v)->rows);
	free(*v);
	*v = NULL;
}

uint32_t view_mailbox(const struct view *v)
{
	return v->mailbox;
}

uint32_t view_count(const struct view *v)
{
	return v->count;
}

const struct message *view_message(const struct view *v, uint32_t seq)
{
	return seq == 0 || seq > v->count || v->late ? NULL : &v->rows[seq - 1];
}

uint32_t view_seq_from(const struct view *v, uint32_t uid)
{
	uint32_t low = v->late ? v->count : 0, high = v->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (v->rows[middle].uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low + 1;
}

uint32_t view_seq(const struct view *v, uint32_t uid)
{
	uint32_t seq = view_seq_from(v, uid);

	return seq <= v->count && v->rows[seq - 1].uid == uid ? seq : 0;
}

/* ---- sync ---- */

/* Takes rows out whose messages are gone, from the last to the first. */
static void sync_expunged(
    struct view *v, const struct folder *f, const struct view_events *events)
{
	size_t theirs = f->count;
	uint32_t kept = v->count;

	for (uint32_t i = v->count; i > 0; i--) {
		uint32_t uid = v->rows[i - 1].uid;

		while (theirs > 0 && f->messages[theirs - 1].uid > uid)
			theirs--;
		if (theirs > 0 && f->messages[theirs - 1].uid == uid) {
			/* Kept rows gather at the end. */
			v->rows[--kept] = v->rows[i - 1];
			continue;
		}
		if (events != NULL && events->expunged != NULL)
			events->expunged(i, uid, events->arg);
	}
	v->count -= kept;
	if (v->count > 0)
		memmove(v->rows, v->rows + kept, v->count * sizeof(*v->rows));
}

static void sync_flags(
    struct view *v, const struct folder *f, const struct view_events *events)
{
	size_t theirs = 0;

	v->waiting = false;
	for (uint32_t i = 0; i < v->count; i++) {
		struct message *mine = &v->rows[i];
		const struct message *m;
		bool changed;

		while (theirs < f->count && f->messages[theirs].uid < mine->uid)
			theirs++;
		m = theirs < f->count ? &f->messages[theirs] : NULL;
		if (m == NULL || m->uid != mine->uid) {
			v->waiting = true;
			continue;
		}
		changed = m->flags != mine->flags ||
		    m->keywords != mine->keywords || m->modseq != mine->modseq;
		*mine = *m;
		if (changed && events != NULL && events->flags != NULL)
			events->flags(i + 1, mine, events->arg);
	}
}

static void sync_new(struct view *v, const struct folder *f)
{
	uint32_t last = v->count > 0 ? v->rows[v->count - 1].uid : 0;
	size_t from = last == UINT32_MAX ? f->count
					 : folder_search(f, last + 1);
	size_t more = f->count - from;

	if (more == 0)
		return;
	reserve(v, v->count + more);
	memcpy(v->rows + v->count, f->messages + from, more * sizeof(*v->rows));
	v->count += (uint32_t)more;
}

/* Of a view without rows. */
static bool nothing_new(const struct view *v)
{
	const struct folder *f = state_folder(&v->b->state, v->mailbox);

	return f != NULL && f->info.uidvalidity == v->uidvalidity &&
	    f->version == v->version;
}

enum store_result view_first_unseen(struct view *v, uint32_t *seq)
{
	struct folder *f = state_folder(&v->b->state, v->mailbox);
	enum store_result r;

	if (v->late && nothing_new(v) && !f->loaded)
		return folder_first_unseen(v->b, f, seq);
	r = view_rows(v);
	for (*seq = 1; *seq <= v->count && r == STORE_OK; (*seq)++)
		if (!(v->rows[*seq - 1].flags & FLAG_SEEN))
			return STORE_OK;
	*seq = 0;
	return r;
}

enum store_result view_sync(
    struct view *v, bool allow_expunge, const struct view_events *events)
{
	struct folder *f;
	enum store_result r;

	if (v->late && nothing_new(v))
		return STORE_OK;
	r = view_rows(v);
	if (r == STORE_OK)
		r = view_folder(v, &f);
	if (r != STORE_OK)
		return r;
	if (f->version == v->version && !(v->waiting && allow_expunge))
		return STORE_OK;
	v->rows = rows_own(&v->lent, v->rows, v->count, v->count);
	if (allow_expunge)
		sync_expunged(v, f, events);
	sync_flags(v, f, events);
	sync_new(v, f);
	view_is_at(v, f);
	return STORE_OK;
}

static int by_uid(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

enum store_result view_vanished(struct view *v, uint64_t modseq,
    struct arena *arena, struct uid_set *out, bool *complete)
{
	struct folder *f;
	uint32_t *uids;
	size_t count = 0;
	enum store_result r = view_folder(v, &f);

	*out = (struct uid_set){NULL, 0};
	if (r != STORE_OK)
		return r;
	*complete = modseq >= f->vanish_floor;
	uids = arena_alloc(arena, f->vanished_count * sizeof(*uids) + 1);
	if (uids == NULL)
		return box_fail(v->b, STORE_ERROR, "out of memory");
	for (size_t i = 0; i < f->vanished_count; i++)
		if (f->vanished[i].modseq > modseq)
			uids[count++] = f->vanished[i].uid;
	qsort(uids, count, sizeof(*uids), by_uid);
	*out = (struct uid_set){uids, count};
	return STORE_OK;
}

/* ---- bytes ---- */

/* The folder of a message, and its position; STORE_GONE when it was
 * expunged. */
static enum store_result position_of(
    struct view *v, uint32_t seq, struct folder **f, size_t *at)
{
	const struct message *row = view_message(v, seq);
	uint32_t uid = row == NULL ? 0 : row->uid;
	enum store_result r = view_folder(v, f);

	if (r != STORE_OK)
		return r;
	*at = folder_search(*f, uid);
	if (row == NULL || *at >= (*f)->count || (*f)->messages[*at].uid != uid)
		return box_fail(v->b, STORE_GONE, "the message was expunged");
	return STORE_OK;
}

/* Where a message's bytes are; STORE_GONE when it was expunged. */
static enum store_result place_of(struct view *v, uint32_t seq,
    const struct message_place **place, const struct message **m)
{
	for (int attempt = 0; attempt < 3; attempt++) {
		struct folder *f;
		size_t at;
		enum store_result r = position_of(v, seq, &f, &at);

		if (r != STORE_OK)
			return r;
		*m = &f->messages[at];
		*place = folder_place(v->b, f, at);
		if (*place != NULL)
			return STORE_OK;
		/* The snapshot's column cannot be read. */
		r = box_reload(v->b, attempt > 0);
		if (r != STORE_OK)
			return r;
	}
	return STORE_CORRUPT;
}

enum store_result place_read(struct box *b, const struct message *m,
    const struct message_place *p, uint64_t offset, uint64_t len,
    struct buf *out)
{
	enum store_result r = STORE_OK;
	char *room, last;

	if (offset >= m->size)
		return STORE_OK;
	if (len > m->size - offset)
		len = m->size - offset;
	/* No room is made for what is not there. */
	if (len > ROOM_UNPROVEN)
		r = message_read(
		    b, p, m, offset + len - 1, 1, &last, &b->chunk);
	if (r != STORE_OK)
		return r;
	room = buf_room(out, len);
	if (room == NULL)
		return box_fail(b, STORE_ERROR, "out of memory");
	r = message_read(b, p, m, offset, len, room, &b->chunk);
	if (r == STORE_OK)
		buf_added(out, len);
	return r;
}

enum store_result place_verify(
    struct box *b, const struct message *m, const struct message_place *p)
{
	struct engine_place place = place_of_bytes(p, m);
	char *piece = mem_resize(NULL, VERIFY_PIECE, 1);
	enum store_result r = STORE_OK;
	uint32_t crc = 0;

	for (uint64_t at = 0; at < place.length && r == STORE_OK;
	     at += VERIFY_PIECE) {
		size_t len = place.length - at < VERIFY_PIECE
		    ? (size_t)(place.length - at)
		    : VERIFY_PIECE;

		r = box_status(
		    b, engine_get(b->engine, &place, at, piece, len));
		crc = crc32c(crc, piece, len);
	}
	free(piece);
	if (r == STORE_OK && crc != p->crc)
		r = box_fail(b, STORE_CORRUPT, "a body's checksum");
	return r;
}

static bool is_blank(const char *p, uint64_t len)
{
	return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

bool place_erased(
    struct box *b, const struct message *m, const struct message_place *p)
{
	struct engine_place place = place_of_bytes(p, m);
	char piece[4096];

	for (uint64_t at = 0; at < place.length; at += sizeof(piece)) {
		size_t len = place.length - at < sizeof(piece)
		    ? (size_t)(place.length - at)
		    : sizeof(piece);
		enum engine_status s;

		memset(piece, 'x', len); /* for a file that ends early */
		s = engine_get(b->engine, &place, at, piece, len);
		if (s == ENGINE_GONE)
			return true;
		/* A checksum is no matter here: it may be the only piece. */
		if ((s != ENGINE_OK && s != ENGINE_CORRUPT) ||
		    !is_blank(piece, len))
			return false;
	}
	return place.length > 0;
}

/* Bytes that are gone mean one look at the new state. r: what reading gave. */
static enum store_result look_again(
    struct view *v, uint32_t seq, enum store_result r)
{
	const struct message_place *p;
	const struct message *m;
	enum store_result again = place_of(v, seq, &p, &m);

	if (again != STORE_OK || !place_erased(v->b, m, p))
		return again == STORE_OK ? r : again;
	if (v->b->frozen)
		return box_fail(
		    v->b, STORE_GONE, "the message was erased since");
	again = box_refresh(v->b);
	if (again == STORE_OK)
		again = place_of(v, seq, &p, &m);
	return again == STORE_OK
	    ? box_fail(v->b, STORE_CORRUPT, "bytes are gone")
	    : again;
}

enum store_result view_read(struct view *v, uint32_t seq, uint64_t offset,
    uint64_t len, struct buf *out)
{
	const struct message_place *p;
	const struct message *m;
	size_t before = out->len;
	enum store_result r = place_of(v, seq, &p, &m);

	if (r != STORE_OK)
		return r;
	r = place_read(v->b, m, p, offset, len, out);
	if (r == STORE_GONE || r == STORE_CORRUPT ||
	    (r == STORE_OK && out->len > before &&
		is_blank(out->p + before, out->len - before)))
		r = look_again(v, seq, r);
	if (r != STORE_OK && out->len > before)
		out->len = before;
	return r;
}

enum store_result view_file(
    struct view *v, uint32_t seq, int *fd, uint64_t *offset)
{
	const struct message_place *p;
	const struct message *m;
	struct engine_place place;
	enum store_result r = place_of(v, seq, &p, &m);

	if (r != STORE_OK)
		return r;
	if (p->kind & PLACE_ZSTD)
		return box_fail(v->b, STORE_ERROR, "it is compressed");
	place = place_of_bytes(p, m);
	return box_status(v->b, engine_file(v->b->engine, &place, fd, offset));
}

enum store_result view_header_len(struct view *v, uint32_t seq, uint64_t *len)
{
	const struct message_place *p;
	const struct message *m;
	enum store_result r = place_of(v, seq, &p, &m);

	if (r == STORE_OK)
		*len = p->header_len <= m->size ? p->header_len : m->size;
	return r;
}

/* ---- what was computed of a message when it came ---- */

enum part { ENVELOPE, STRUCTURE, BODY, KEYS, PARTS };

/* What is said of a message whose structure passed every limit. */
static enum store_result opaque(
    const struct message *m, struct arena *arena, struct str parts[PARTS])
{
	char text[160];
	int len = snprintf(text, sizeof(text),
	    "(\"TEXT\" \"PLAIN\" NIL NIL NIL \"8BIT\" %llu 0)",
	    (unsigned long long)m->size);

	parts[ENVELOPE] = STR("(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
	parts[BODY] = arena_copy(arena, str_of(text, (size_t)len));
	parts[STRUCTURE] = parts[BODY];
	parts[KEYS] = STR_EMPTY;
	return parts[BODY].p == NULL ? STORE_ERROR : STORE_OK;
}

static bool is_opaque(const struct message_place *p)
{
	return p->envelope_len == 0 || p->structure_len == 0 ||
	    p->body_len == 0 || place_of_cache(p).length > CACHE_MAX;
}

static void cut(
    const struct message_place *p, const char *bytes, struct str parts[PARTS])
{
	const uint32_t len[PARTS] = {
	    p->envelope_len, p->structure_len, p->body_len, p->keys_len};

	for (size_t i = 0; i < PARTS; i++) {
		parts[i] = str_of(bytes, len[i]);
		bytes += len[i];
	}
}

/* From the bytes of the message itself. */
static enum store_result computed(struct box *b, const struct message *m,
    const struct message_place *p, struct arena *arena, struct str parts[PARTS])
{
	struct buf message = buf_new(m->size + 1), cache = buf_new(CACHE_MAX);
	enum store_result r = place_read(b, m, p, 0, m->size, &message);
	struct message_place made = {0};
	struct str all;

	if (r == STORE_OK)
		message_parse(buf_str(&message), &cache, &made);
	buf_free(&message);
	all = arena_copy(arena, buf_str(&cache));
	buf_free(&cache);
	if (r != STORE_OK)
		return r;
	if (all.p == NULL)
		return box_fail(b, STORE_ERROR, "out of memory");
	if (is_opaque(&made))
		return opaque(m, arena, parts);
	cut(&made, all.p, parts);
	return STORE_OK;
}

/* From the generation; what cannot be read there is computed. */
static enum store_result from_place(
    struct view *v, uint32_t seq, struct arena *arena, struct str parts[PARTS])
{
	const struct message_place *p;
	const struct message *m;
	struct engine_place place;
	char *bytes;
	enum store_result r = place_of(v, seq, &p, &m);

	if (r != STORE_OK)
		return r;
	if (is_opaque(p))
		return opaque(m, arena, parts);
	place = place_of_cache(p);
	bytes = arena_alloc(arena, place.length);
	if (bytes == NULL)
		return box_fail(v->b, STORE_ERROR, "out of memory");
	r = box_status(
	    v->b, engine_get(v->b->engine, &place, 0, bytes, place.length));
	cut(p, bytes, parts);
	if (r == STORE_CORRUPT || r == STORE_GONE)
		r = computed(v->b, m, p, arena, parts);
	return r == STORE_CORRUPT || r == STORE_GONE ? look_again(v, seq, r)
						     : r;
}

/* From a column of the message's segment. */
static bool from_column(struct view *v, uint32_t seq, enum column_kind kind,
    struct arena *arena, struct str parts[PARTS])
{
	size_t first = kind == COLUMN_K ? KEYS : ENVELOPE, at;
	size_t last = kind == COLUMN_K ? KEYS : BODY;
	const struct column *c;
	struct segment *s;
	struct folder *f;
	int found;

	if (position_of(v, seq, &f, &at) != STORE_OK ||
	    f->where[at] & WHERE_FRESH)
		return false;
	s = &f->segments[f->where[at] / SEGMENT_ROWS];
	c = &s->columns[kind];
	if (c->snapshot == 0 || s->bad_content)
		return false;
	found = content_row(
	    v->b, kind, c, f->where[at] % SEGMENT_ROWS, parts + first);
	s->bad_content = found < 0;
	for (size_t i = first; i <= last && found > 0; i++) {
		parts[i] = arena_copy(arena, parts[i]);
		if (parts[i].p == NULL)
			found = 0;
	}
	return found > 0;
}

enum store_result view_cache(struct view *v, uint32_t seq, struct arena *arena,
    struct message_cache *out)
{
	struct str parts[PARTS] = {STR_EMPTY};
	enum store_result r = STORE_OK;

	if (!from_column(v, seq, COLUMN_C, arena, parts))
		r = from_place(v, seq, arena, parts);
	out->envelope = parts[ENVELOPE];
	out->bodystructure = parts[STRUCTURE];
	out->body = parts[BODY];
	return r;
}

enum store_result view_sort_keys(
    struct view *v, uint32_t seq, struct arena *arena, struct str *out)
{
	struct str parts[PARTS] = {STR_EMPTY};
	enum store_result r = STORE_OK;

	if (!from_column(v, seq, COLUMN_K, arena, parts))
		r = from_place(v, seq, arena, parts);
	*out = parts[KEYS];
	return r;
}
