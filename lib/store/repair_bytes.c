/* SPDX-License-Identifier: ISC */
/*
 * Reading every message. What fails its checksum stays as it is; what is not
 * all there is stored anew, with blanks for what is missing; what is not there
 * at all is told to the caller. A cache that is bad is computed anew.
 */
#include <stdio.h>
#include <stdlib.h>
#include <zstd.h>

#include "core/checksum.h"
#include "core/memory.h"
#include "store/body_zstd.h"
#include "store/le.h"
#include "store/repair.h"
#include "store/seeded.h"
#include "store/target.h"

#define SECTOR 512u
#define PIECE  65536u
#define BLANK  ' '

static struct verdict good; /* nothing is to be done */

static struct str key_of(const struct message_place *place, uint64_t *space)
{
	*space = place_identity(place);
	return str_of(space, sizeof(*space));
}

struct verdict *repair_verdict(
    const struct repair *p, const struct message_place *place)
{
	uint64_t key;

	return table_get(&p->verdicts, key_of(place, &key));
}

void repair_forget(struct repair *p)
{
	struct str key;
	size_t at = 0;
	void *value;

	while (table_next(&p->verdicts, &at, &key, &value)) {
		struct verdict *v = value;

		if (v == &good)
			continue;
		store_body_free(&v->body);
		buf_free(&v->cache);
		free(v);
	}
	table_free(&p->verdicts);
}

/* ---- reading what there is ---- */

/* All of a place, by sectors where need be; what cannot be read is blank.
 * *missing: so much. */
static char *read_all(struct box *b, struct engine_place place, size_t *missing)
{
	char *out = mem_resize(NULL, place.length + 1, 1);
	uint64_t len = place.length;

	*missing = 0;
	memset(out, BLANK, len);
	place.length++; /* a part of it: no checksum is asked for */
	for (uint64_t at = 0; at < len;) {
		size_t some = len - at < PIECE ? (size_t)(len - at) : PIECE;

		if (engine_get(b->engine, &place, at, out + at, some) !=
		    ENGINE_OK)
			for (uint64_t i = at; i < at + some; i += SECTOR) {
				size_t few = at + some - i < SECTOR
				    ? (size_t)(at + some - i)
				    : SECTOR;

				if (engine_get(b->engine, &place, i, out + i,
					few) == ENGINE_OK)
					continue;
				memset(out + i, BLANK, few);
				*missing += few;
			}
		at += some;
	}
	return out;
}

/* ---- compressed messages ---- */

/* A chunk as far as it can be told; a few octets at a time, so that what
 * comes before an error is given. */
static size_t unpack_chunk(
    const char *from, size_t from_len, char *to, size_t to_len)
{
	ZSTD_DStream *stream = ZSTD_createDStream();
	ZSTD_inBuffer in = {from, 0, 0};
	ZSTD_outBuffer out = {to, to_len, 0};
	size_t done = 0, before = SIZE_MAX;

	/* Until it is whole, or nothing goes on any more. */
	while (stream != NULL && in.pos < from_len && in.pos != before) {
		size_t result;

		before = in.pos;
		in.size = in.pos + 64 < from_len ? in.pos + 64 : from_len;
		result = ZSTD_decompressStream(stream, &out, &in);
		if (ZSTD_isError(result))
			break;
		done = out.pos;
		if (result == 0)
			break;
	}
	ZSTD_freeDStream(stream);
	return done;
}

/* The lengths of the chunks, which stand at the end. */
static bool index_holds(const char *stored, size_t len, size_t chunks)
{
	uint64_t sum = chunks * 4;

	if (chunks * 4 > len)
		return false;
	for (size_t i = 0; i < chunks; i++)
		sum += get_u32(stored + len - (chunks - i) * 4);
	return sum == len;
}

/* The message, blank where nothing can be told. */
static char *unpack(
    const char *stored, size_t len, uint64_t size, size_t *missing)
{
	size_t chunks = (size_t)((size + ZSTD_CHUNK - 1) / ZSTD_CHUNK);
	bool indexed = index_holds(stored, len, chunks);
	char *out = mem_resize(NULL, size + 1, 1);
	size_t at = 0;

	*missing = size;
	memset(out, BLANK, size);
	for (size_t i = 0; i < chunks; i++) {
		uint64_t start = (uint64_t)i * ZSTD_CHUNK;
		size_t most = size - start < ZSTD_CHUNK ? (size_t)(size - start)
							: ZSTD_CHUNK;
		size_t packed = indexed
		    ? get_u32(stored + len - (chunks - i) * 4)
		    : ZSTD_findFrameCompressedSize(stored + at, len - at);

		if (ZSTD_isError(packed))
			packed = len - at;
		*missing -= unpack_chunk(
		    stored + at, packed, out + start, most);
		at += packed;
	}
	return out;
}

/* ---- one message ---- */

static void tell(struct repair *p, const struct folder *f, uint32_t uid,
    const struct message_place *place, const char *what)
{
	char file[64] = "b/";
	uint64_t offset = 0;

	if (place->kind & PLACE_BLOB) {
		unsigned char id[16];

		put_u64(id, place->a);
		put_u64(id + 8, place->b);
		for (size_t i = 0; i < sizeof(id); i++)
			snprintf(file + 2 + 2 * i, 3, "%02x", id[i]);
	} else {
		snprintf(
		    file, sizeof(file), "g.%llu", (unsigned long long)place->a);
		offset = place->b;
	}
	repair_found(p, FINDING_DAMAGE, file, offset, f->info.id, uid,
	    "message %u of %.*s: %s", uid,
	    (int)(f->info.name.len < 80 ? f->info.name.len : 80),
	    f->info.name.p, what);
}

/* Stores anew what could be read. */
static enum store_result store_again(struct repair *p, struct verdict *v,
    const char *content, uint64_t size, const struct message_place *place)
{
	enum store_result r;

	v->body = store_body_new(p->b);
	store_body_add(v->body, content, size);
	r = body_ready(v->body);
	v->body->place.message_id = place->message_id;
	v->body->place.reference = place->reference;
	return r;
}

/* Its bytes are not what they should be. */
static enum store_result examine(struct repair *p, struct verdict *v,
    const struct message *m, const struct message_place *place)
{
	size_t missing;
	char *stored, *content = NULL;
	struct engine_place where = place_of_bytes(place, m);
	enum store_result r = STORE_OK;

	v->content = BYTES_MISSING;
	if (place_erased(p->b, m, place))
		return STORE_OK;
	stored = read_all(p->b, where, &missing);
	if (missing < where.length) {
		/* What is compressed may tell nothing any more, and yet there
		 * is a message whose subject is known. */
		if (place->kind & PLACE_ZSTD)
			content = unpack(
			    stored, where.length, m->size, &missing);
		v->content = seeded("repair-drops-damaged") ? BYTES_MISSING
							    : BYTES_DAMAGED;
		v->crc = crc32c(0, stored, where.length);
		if (content != NULL || missing > 0)
			r = store_again(p, v,
			    content == NULL ? stored : content, m->size, place);
	}
	free(stored);
	free(content);
	return r;
}

/* Computes its cache anew, unless it is stored anew altogether. */
static enum store_result reparse(struct repair *p, struct verdict *v,
    const struct message *m, const struct message_place *place)
{
	struct buf message = buf_new(m->size + 1);
	enum store_result r = STORE_OK;

	if (v->content == BYTES_MISSING || v->body != NULL)
		return STORE_OK;
	if (m->size > 0)
		r = place_read(p->b, m, place, 0, m->size, &message);
	if (r == STORE_CORRUPT && v->content == BYTES_DAMAGED) {
		/* place_read compares with the old checksum. */
		size_t missing;
		char *stored = read_all(
		    p->b, place_of_bytes(place, m), &missing);

		buf_clear(&message);
		buf_add_bytes(&message, stored, m->size);
		free(stored);
		r = STORE_OK;
	}
	if (r == STORE_OK) {
		v->cache = buf_new(CACHE_MAX);
		message_parse(buf_str(&message), &v->cache, &v->lengths);
		v->reparsed = true;
	}
	buf_free(&message);
	return r;
}

static bool cache_holds(struct box *b, const struct message_place *place)
{
	struct engine_place cache = place_of_cache(place);
	char *p;
	bool holds;

	if (cache.length == 0)
		return true;
	if (cache.length > 2 * CACHE_MAX)
		return false;
	p = mem_resize(NULL, cache.length, 1);
	holds = engine_get(b->engine, &cache, 0, p, cache.length) == ENGINE_OK;
	free(p);
	return holds;
}

static struct verdict *look_at(struct repair *p, const struct message *m,
    const struct message_place *place)
{
	enum store_result r = place_verify(p->b, m, place);
	bool cached = cache_holds(p->b, place);
	struct verdict *v;

	if (r == STORE_OK && cached)
		return &good;
	p->bad = true;
	v = NEW(struct verdict);
	v->cached = cached;
	if (r == STORE_CORRUPT || r == STORE_GONE)
		r = examine(p, v, m, place);
	if (r == STORE_OK && !cached)
		r = reparse(p, v, m, place);
	if (r != STORE_OK && p->trouble == STORE_OK)
		p->trouble = r;
	return v;
}

/* ---- all messages ---- */

struct looking {
	struct repair *p;
	const struct folder *f;
};

static void look(struct looking *l, const struct message *m,
    const struct message_place *place, bool gone)
{
	struct repair *p = l->p;
	struct verdict *v = repair_verdict(p, place);
	uint64_t key;

	if (v != NULL && p->looked)
		return; /* and told */
	if (v == NULL) {
		v = look_at(p, m, place);
		table_put(&p->verdicts, key_of(place, &key), v);
	}
	if (v->content == BYTES_DAMAGED)
		tell(l->p, l->f, m->uid, place,
		    v->body == NULL ? "its checksum is wrong"
				    : "a part of it is missing");
	else if (v->content == BYTES_MISSING && !gone)
		tell(l->p, l->f, m->uid, place, "nothing of it is there");
}

static void look_expunged(void *arg, const struct expunged *e)
{
	struct looking *l = arg;

	look(l, &e->m, &e->place, true);
}

static enum store_result look_through(struct repair *p, struct folder *f)
{
	struct looking l = {p, f};
	enum store_result r = STORE_OK;

	for (size_t i = 0; f->dead_modseq == 0 && i < f->count; i++) {
		const struct message_place *place = folder_place(p->b, f, i);

		if (place == NULL)
			return STORE_CORRUPT;
		look(&l, &f->messages[i], place, false);
	}
	if (r == STORE_OK)
		r = folder_each_expunged(p->b, f, look_expunged, &l);
	return r;
}

enum store_result repair_look(struct repair *p)
{
	const struct state *s = &p->b->state;
	enum store_result r = STORE_OK;

	for (size_t i = 0; i < s->folder_count && r == STORE_OK; i++)
		r = look_through(p, s->folders[i]);
	for (size_t i = 0; i < s->dead_count && r == STORE_OK; i++)
		r = look_through(p, s->dead[i]);
	p->looked = true;
	return r == STORE_OK ? p->trouble : r;
}
