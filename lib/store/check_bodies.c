/* SPDX-License-Identifier: ISC */
/*
 * Where the bytes of messages are: inside the log's bodies or blobs, nobody
 * else's, whole; gone where they were erased; and files that nobody names.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/checksum.h"
#include "core/clock.h"
#include "core/memory.h"
#include "store/body_zstd.h"
#include "store/check.h"
#include "store/le.h"

#define PIECE 262144u

struct check_blob {
	unsigned char id[16];
	uint64_t octets;
	int64_t modified;
	bool named;
};

/* ---- collecting ---- */

static void add(struct check *c, const struct check_bytes *bytes)
{
	if (bytes->length == 0)
		return;
	if (c->bytes_count == c->bytes_room) {
		c->bytes_room = c->bytes_room * 2 + 256;
		c->bytes = mem_resize(
		    c->bytes, c->bytes_room, sizeof(*c->bytes));
	}
	c->bytes[c->bytes_count++] = *bytes;
}

static void add_place(struct check *c, const struct message_place *p,
    const struct message *m, struct check_bytes of)
{
	of.a = p->a;
	of.b = p->b;
	of.blob = p->kind & PLACE_BLOB;
	of.packed = p->kind & PLACE_ZSTD;
	of.crc = p->crc;
	of.size = m->size;
	of.length = place_of_bytes(p, m).length;
	of.uid = m->uid;
	add(c, &of);
	of.a = p->cache_generation;
	of.b = p->cache_offset;
	of.blob = of.packed = false;
	of.cache = true;
	of.crc = p->cache_crc;
	of.length = place_of_cache(p).length;
	add(c, &of);
}

static struct engine_place place_of(const struct check_bytes *bytes)
{
	struct engine_place place = {.blob = bytes->blob,
	    .generation = bytes->a,
	    .offset = bytes->b,
	    .length = bytes->length,
	    .crc = bytes->crc};

	if (bytes->blob) {
		put_u64(place.id, bytes->a);
		put_u64(place.id + 8, bytes->b);
	}
	return place;
}

static struct check_at at_bytes(const struct check_bytes *bytes)
{
	struct engine_place place = place_of(bytes);
	struct check_at at = at_generation(bytes->a, bytes->b);

	if (bytes->blob) {
		at.offset = 0;
		snprintf(at.file, sizeof(at.file), "b/");
		for (size_t i = 0; i < sizeof(place.id); i++)
			snprintf(at.file + 2 + 2 * i, 3, "%02x", place.id[i]);
	}
	at.mailbox = bytes->mailbox;
	at.uid = bytes->uid;
	return at;
}

/* "message 17 of INBOX, expunged: its ENVELOPE" */
static struct check_name whose(
    const struct check *c, const struct check_bytes *bytes)
{
	struct check_name name = check_message_name(
	    &c->log->state, bytes->mailbox, bytes->uid);
	struct check_name out;

	snprintf(out.text, sizeof(out.text), "%.70s%s%s", name.text,
	    bytes->modseq != 0 ? ", expunged" : "",
	    bytes->cache ? ": cache" : "");
	return out;
}

/* Numbers that contradict each other. */
static void check_place(struct check *c, const struct message_place *p,
    const struct message *m, const struct check_bytes *of)
{
	struct check_bytes bytes = *of;
	struct check_at at;
	const char *why = NULL;

	bytes.uid = m->uid;
	bytes.a = p->a;
	bytes.b = p->b;
	bytes.blob = p->kind & PLACE_BLOB;
	if (p->kind & ~(PLACE_BLOB | PLACE_ZSTD))
		why = "stored in an unknown way";
	else if (!(p->kind & PLACE_ZSTD) && p->stored != 0 &&
	    p->stored != m->size)
		why = "stored with another size than it has";
	else if (p->kind & PLACE_ZSTD && p->stored == 0 && m->size != 0)
		why = "compressed to nothing";
	else if (p->header_len > m->size)
		why = "a header longer than the message";
	else if (place_of_cache(p).length > 2 * CACHE_MAX)
		why = "a cache that is too large";
	if (why == NULL)
		return;
	at = at_bytes(&bytes);
	check_found(
	    c, FINDING_DAMAGE, &at, "%s: %s", whose(c, &bytes).text, why);
}

struct visit {
	struct check *c;
	struct check_bytes of;
	uint64_t erase; /* what is gone up to this modseq ... */
};

static void add_expunged(void *arg, const struct expunged *e)
{
	struct visit *v = arg;
	struct check_bytes of = v->of;

	of.modseq = e->modseq;
	of.state = e->modseq > v->c->log->state.horizon ? BYTES_KEPT
							: BYTES_WAITING;
	check_place(v->c, &e->place, &e->m, &of);
	add_place(v->c, &e->place, &e->m, of);
}

static void add_erased(void *arg, const struct expunged *e)
{
	struct visit *v = arg;
	struct check_bytes of = v->of;

	of.modseq = e->modseq;
	of.state = BYTES_ERASED;
	if (e->modseq <= v->erase)
		add_place(v->c, &e->place, &e->m, of);
}

void check_erase(struct check *c, uint64_t modseq)
{
	struct visit v = {.c = c, .erase = modseq};
	struct folder *f;

	for (size_t i = 0; (f = check_folder(&c->log->state, i)) != NULL; i++) {
		v.of.mailbox = f->info.id;
		folder_each_expunged(c->log, f, add_erased, &v);
	}
}

static void add_folder(struct check *c, struct folder *f)
{
	struct visit v = {.c = c, .of = {.mailbox = f->info.id}};
	struct check_at at = at_box();

	at.mailbox = f->info.id;
	for (size_t i = 0; f->dead_modseq == 0 && i < f->count; i++) {
		const struct message_place *p = folder_place(c->log, f, i);

		at.uid = f->messages[i].uid;
		if (p == NULL) {
			check_found(c, FINDING_DERIVED, &at,
			    "message %u of %s: its place cannot be read",
			    at.uid, check_folder_name(f).text);
			continue;
		}
		check_place(c, p, &f->messages[i], &v.of);
		add_place(c, p, &f->messages[i], v.of);
	}
	folder_each_expunged(c->log, f, add_expunged, &v);
}

static int by_place(const void *a, const void *b)
{
	const struct check_bytes *x = a, *y = b;

	if (x->blob != y->blob)
		return x->blob ? 1 : -1;
	if (x->a != y->a)
		return x->a < y->a ? -1 : 1;
	if (x->b != y->b)
		return x->b < y->b ? -1 : 1;
	if (x->length != y->length)
		return x->length < y->length ? -1 : 1;
	return x->state < y->state ? -1 : x->state > y->state;
}

static bool same_bytes(const struct check_bytes *a, const struct check_bytes *b)
{
	return a->blob == b->blob && a->a == b->a && a->b == b->b &&
	    a->length == b->length && a->crc == b->crc &&
	    a->cache == b->cache && a->packed == b->packed &&
	    a->size == b->size;
}

/* ---- reading ---- */

/* Calls use for each piece until it is not 0. */
static enum engine_status each_piece(struct check *c,
    const struct check_bytes *bytes,
    int (*use)(void *arg, const char *p, size_t len), void *arg)
{
	struct engine_place place = place_of(bytes);
	char *piece = mem_resize(NULL, PIECE, 1);
	enum engine_status s = ENGINE_OK;
	uint64_t at = 0;

	place.length++; /* a part of it: the engine does not compare CRCs */
	while (s == ENGINE_OK && at < bytes->length) {
		size_t len = bytes->length - at < PIECE
		    ? (size_t)(bytes->length - at)
		    : PIECE;

		s = engine_get(c->other->engine, &place, at, piece, len);
		at += len;
		if (s == ENGINE_OK && use(arg, piece, len) != 0)
			break;
	}
	free(piece);
	return s;
}

static int add_crc(void *arg, const char *p, size_t len)
{
	uint32_t *crc = arg;

	*crc = crc32c(*crc, p, len);
	return 0;
}

/* Compressed: the chunks are the message. */
static const char *chunks_trouble(
    struct check *c, const struct check_bytes *bytes)
{
	struct engine_place place = place_of(bytes);
	char *piece = mem_resize(NULL, ZSTD_CHUNK, 1);
	struct chunk chunk = {0};
	enum store_result r = STORE_OK;

	for (uint64_t at = 0; at < bytes->size && r == STORE_OK;
	     at += ZSTD_CHUNK)
		r = body_read_compressed(c->other, &place, bytes->size, at,
		    bytes->size - at < ZSTD_CHUNK ? bytes->size - at
						  : ZSTD_CHUNK,
		    piece, &chunk);
	chunk_free(&chunk);
	free(piece);
	return r == STORE_OK ? NULL : store_why(c->other);
}

/* NULL when they are what was stored. */
static const char *bytes_trouble(
    struct check *c, const struct check_bytes *bytes)
{
	uint32_t crc = 0;
	enum engine_status s = each_piece(c, bytes, add_crc, &crc);

	if (s == ENGINE_GONE)
		return bytes->blob ? "its file is missing"
				   : "its generation is missing";
	if (s != ENGINE_OK)
		return engine_why(c->other->engine);
	if (crc != bytes->crc)
		return "the bytes do not fit their checksum";
	return bytes->packed ? chunks_trouble(c, bytes) : NULL;
}

static bool still(struct check *c, const struct check_bytes *bytes)
{
	return check_still(c, bytes->mailbox, bytes->uid, bytes->modseq);
}

static void bytes_found(
    struct check *c, const struct check_bytes *bytes, const char *why)
{
	struct check_at at = at_bytes(bytes);

	check_found(c, bytes->cache ? FINDING_DERIVED : FINDING_DAMAGE, &at,
	    "%s: %s", whose(c, bytes).text, why);
}

/* Every different place once; a bad one is told for each message. */
static void read_bytes(struct check *c)
{
	const struct check_bytes *before = NULL;
	const char *why = NULL;

	for (size_t i = 0; i < c->bytes_count; i++) {
		const struct check_bytes *bytes = &c->bytes[i];

		if (bytes->state != BYTES_KEPT)
			continue;
		if (before == NULL || !same_bytes(before, bytes))
			why = bytes_trouble(c, bytes);
		before = bytes;
		if (why != NULL && still(c, bytes))
			bytes_found(c, bytes, why);
	}
}

/* ---- where they lie ---- */

/* Where the bodies of a generation end; UINT64_MAX: nobody says. */
static uint64_t bodies_end(struct check *c, uint64_t generation)
{
	struct engine_pos end;

	if (generation == c->seen.generation)
		return c->seen.bodies;
	if (generation > c->seen.generation)
		return 0;
	/* Behind it the log was begun anew, perhaps because it could not be
	 * read to its end. */
	if (generation + 1 == c->first)
		return UINT64_MAX;
	if (engine_previous(c->other->engine, generation + 1, &end) !=
		ENGINE_OK ||
	    end.generation != generation)
		return UINT64_MAX;
	return end.bodies;
}

static void check_ranges(struct check *c)
{
	uint64_t generation = 0, end = 0;

	for (size_t i = 0; i < c->bytes_count; i++) {
		struct check_bytes *bytes = &c->bytes[i];

		if (bytes->blob || bytes->state == BYTES_ERASED)
			continue;
		if (bytes->a != generation)
			end = bodies_end(c, bytes->a);
		generation = bytes->a;
		if (bytes->b >= c->bodies_at && bytes->b <= end &&
		    bytes->length <= end - bytes->b)
			continue;
		bytes_found(
		    c, bytes, "its place is not among the log's bodies");
		bytes->state = BYTES_NOWHERE;
	}
}

static void check_overlaps(struct check *c)
{
	const struct check_bytes *last = NULL; /* that ends furthest */

	for (size_t i = 0; i < c->bytes_count; i++) {
		const struct check_bytes *bytes = &c->bytes[i];
		struct check_at at;

		if (bytes->blob || bytes->state > BYTES_WAITING)
			continue;
		if (last != NULL && last->a == bytes->a &&
		    bytes->b - last->b < last->length &&
		    !same_bytes(last, bytes)) {
			at = at_bytes(bytes);
			check_found(c, FINDING_DAMAGE, &at,
			    "%s: bytes of %s, too", whose(c, bytes).text,
			    whose(c, last).text);
		}
		if (last == NULL || last->a != bytes->a ||
		    bytes->b + bytes->length > last->b + last->length)
			last = bytes;
	}
}

/* Without reading all: the generation is there and long enough. */
static void check_lengths(struct check *c)
{
	const struct check_bytes *last = NULL;

	for (size_t i = 0; i <= c->bytes_count; i++) {
		const struct check_bytes *bytes = i < c->bytes_count
		    ? &c->bytes[i]
		    : NULL;
		struct check_bytes end;
		uint32_t crc = 0;

		if (bytes != NULL && bytes->state != BYTES_KEPT)
			continue;
		if (last != NULL && !last->blob &&
		    (bytes == NULL || bytes->blob || bytes->a != last->a)) {
			end = *last;
			end.b += end.length - 1;
			end.length = 1;
			if (each_piece(c, &end, add_crc, &crc) != ENGINE_OK &&
			    still(c, last))
				bytes_found(
				    c, last, engine_why(c->other->engine));
		}
		if (bytes == NULL || last == NULL || last->a != bytes->a ||
		    bytes->b + bytes->length > last->b + last->length)
			last = bytes;
	}
}

/* ---- what was erased ---- */

static int find_octet(void *arg, const char *p, size_t len)
{
	bool *found = arg;

	for (size_t i = 0; i < len && !*found; i++)
		*found = p[i] != 0;
	return *found;
}

/* Somebody who is still there shares them, or it would be damage. */
static bool shared(const struct check *c, size_t i)
{
	const struct check_bytes *mine = &c->bytes[i];

	for (size_t k = i; k > 0 && c->bytes[k - 1].a == mine->a &&
	     c->bytes[k - 1].b == mine->b;
	     k--)
		if (c->bytes[k - 1].state <= BYTES_WAITING)
			return true;
	for (size_t k = i + 1; k < c->bytes_count && c->bytes[k].a == mine->a &&
	     c->bytes[k].b == mine->b;
	     k++)
		if (c->bytes[k].state <= BYTES_WAITING)
			return true;
	return false;
}

/* A cache that is that of erased messages only. */
bool check_is_erased(const struct check *c, const struct message_place *p)
{
	size_t low = 0, high = c->bytes_count;
	struct check_bytes wanted = {
	    .a = p->cache_generation, .b = p->cache_offset};

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (by_place(&c->bytes[middle], &wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < c->bytes_count && !c->bytes[low].blob &&
	    c->bytes[low].a == wanted.a && c->bytes[low].b == wanted.b &&
	    c->bytes[low].state == BYTES_ERASED && !shared(c, low);
}

static void check_erased(struct check *c)
{
	for (size_t i = 0; i < c->bytes_count; i++) {
		const struct check_bytes *bytes = &c->bytes[i];
		struct check_at at = at_bytes(bytes);
		bool found = false;

		if (bytes->state != BYTES_ERASED || bytes->blob ||
		    (i > 0 && same_bytes(bytes, &c->bytes[i - 1])) ||
		    shared(c, i))
			continue;
		/* Gone with its generation or file: all the better. */
		if (each_piece(c, bytes, find_octet, &found) == ENGINE_OK &&
		    found)
			check_found(c, FINDING_READABLE, &at,
			    "%s: it was erased, and its bytes are there",
			    whose(c, bytes).text);
	}
}

void check_bodies(struct check *c)
{
	struct folder *f;

	for (size_t i = 0; (f = check_folder(&c->log->state, i)) != NULL; i++)
		add_folder(c, f);
	if (c->bytes_count > 0)
		qsort(c->bytes, c->bytes_count, sizeof(*c->bytes), by_place);
	check_ranges(c);
	check_overlaps(c);
	if (!c->deep) {
		check_lengths(c);
		return;
	}
	read_bytes(c);
	check_erased(c);
	check_content(c);
}

/* ---- blobs, and files that are none of the box's ---- */

static void add_blob(
    void *arg, const unsigned char id[16], uint64_t octets, int64_t modified)
{
	struct check *c = arg;
	struct check_blob blob = {.octets = octets, .modified = modified};

	memcpy(blob.id, id, sizeof(blob.id));
	if (c->blob_count == c->blob_room) {
		c->blob_room = c->blob_room * 2 + 64;
		c->blobs = mem_resize(
		    c->blobs, c->blob_room, sizeof(*c->blobs));
	}
	c->blobs[c->blob_count++] = blob;
}

static int by_blob_id(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

/* Nobody who is still there shares it. */
static void check_erased_blob(struct check *c, size_t i)
{
	struct check_at at = at_bytes(&c->bytes[i]);

	if (!shared(c, i))
		check_found(c, FINDING_READABLE, &at,
		    "%s: it was erased, and its file is there",
		    whose(c, &c->bytes[i]).text);
}

static void check_blob(struct check *c, size_t i)
{
	const struct check_bytes *bytes = &c->bytes[i];
	struct engine_place place = place_of(bytes);
	struct check_blob *blob = c->blob_count == 0
	    ? NULL
	    : bsearch(place.id, c->blobs, c->blob_count, sizeof(*c->blobs),
		  by_blob_id);
	const char *why = NULL;

	if (blob == NULL)
		why = "its file is missing";
	else if (blob->octets < bytes->length)
		why = "its file is too short";
	if (blob != NULL)
		blob->named = true;
	if (blob != NULL && bytes->state == BYTES_ERASED)
		check_erased_blob(c, i);
	/* Where everything is read, that was said. */
	if (why != NULL && !c->deep && bytes->state == BYTES_KEPT &&
	    still(c, bytes))
		bytes_found(c, bytes, why);
}

static void check_unnamed(struct check *c, const struct check_blob *blob)
{
	struct check_bytes bytes = {
	    .blob = true, .a = get_u64(blob->id), .b = get_u64(blob->id + 8)};
	struct check_at at = at_bytes(&bytes);

	if (!blob->named && blob->modified < clock_seconds() - LEFTOVER_AGE)
		check_found(
		    c, FINDING_LEFTOVER, &at, "a file that no message names");
}

static void check_leftover(void *arg, const char *name, int64_t modified)
{
	struct check *c = arg;
	struct check_at at = at_box();

	if (modified >= clock_seconds() - LEFTOVER_AGE)
		return;
	snprintf(at.file, sizeof(at.file), "%s", name);
	check_found(c, FINDING_LEFTOVER, &at, "a crash left this file behind");
}

enum store_result check_files(struct check *c)
{
	struct engine_box *e = c->other->engine;
	enum engine_status s = engine_blobs(e, add_blob, c);

	if (c->blob_count > 0)
		qsort(c->blobs, c->blob_count, sizeof(*c->blobs), by_blob_id);
	for (size_t i = 0; s == ENGINE_OK && i < c->bytes_count; i++)
		if (c->bytes[i].blob)
			check_blob(c, i);
	for (size_t i = 0; s == ENGINE_OK && i < c->blob_count; i++)
		check_unnamed(c, &c->blobs[i]);
	if (s == ENGINE_OK)
		s = engine_leftovers(e, check_leftover, c);
	return s == ENGINE_OK
	    ? STORE_OK
	    : check_fail(c, box_status(c->other, s), engine_why(e));
}

void check_bodies_clear(struct check *c)
{
	free(c->bytes);
	free(c->blobs);
	c->bytes = NULL;
	c->blobs = NULL;
	c->bytes_count = c->bytes_room = c->blob_count = c->blob_room = 0;
}
