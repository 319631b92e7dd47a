/* SPDX-License-Identifier: ISC */
/* A message's bytes on their way in. */
#include <errno.h>
#include <stdlib.h>

#include "core/checksum.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/id.h"
#include "core/memory.h"
#include "mail/header.h"
#include "mail/mime.h"
#include "mail/sort_keys.h"
#include "store/body_zstd.h"
#include "store/le.h"
#include "store/seeded.h"

#define BLOB_PIECE  1048576u
#define PARSE_ARENA ((size_t)16 << 20)
#define COPY_PIECE  262144u

struct store_body *store_body_new(struct box *b)
{
	struct store_body *body = NEW(struct store_body);

	body->b = b;
	body->fd = -1;
	body->bytes = buf_new(BLOB_PIECE + INLINE_MAX);
	body->cache = buf_new(CACHE_MAX);
	return body;
}

void store_body_free(struct store_body **body)
{
	struct store_body *x = *body;

	if (x == NULL)
		return;
	if (x->fd >= 0 && !x->kept)
		engine_blob_drop(x->b->engine, x->id);
	file_close(&x->fd);
	buf_free(&x->bytes);
	buf_free(&x->packed);
	buf_free(&x->cache);
	free(x);
	*body = NULL;
}

uint64_t store_body_len(const struct store_body *body)
{
	return body->len;
}

/* Moves what is in memory to the end of the blob. */
static int flush(struct store_body *body)
{
	struct box *b = body->b;
	uint64_t at = body->len - body->bytes.len;
	enum engine_status s = ENGINE_OK;

	if (body->fd < 0)
		s = engine_blob_new(b->engine, body->id, &body->fd);
	if (s == ENGINE_OK)
		s = engine_blob_write(
		    b->engine, body->fd, body->bytes.p, body->bytes.len, at);
	if (s != ENGINE_OK) {
		body->no_space = s == ENGINE_NO_SPACE;
		box_status(b, s);
		errno = body->no_space ? ENOSPC : EIO;
		return -1;
	}
	buf_clear(&body->bytes);
	return 0;
}

/* Room for another piece: in memory up to INLINE_MAX, then in the blob. */
static int make_room(struct store_body *body, size_t len)
{
	size_t most = body->fd < 0 ? INLINE_MAX : BLOB_PIECE;

	if (body->bytes.len + len <= most || body->bytes.len == 0)
		return 0;
	return flush(body);
}

static int add_piece(struct store_body *body, const void *p, size_t len)
{
	if (make_room(body, len) < 0)
		return -1;
	buf_add_bytes(&body->bytes, p, len);
	body->crc = crc32c(body->crc, p, len);
	body->len += len;
	/* Beyond inline_max with the first piece already. */
	return body->fd < 0 && body->bytes.len > INLINE_MAX ? flush(body) : 0;
}

int store_body_add(struct store_body *body, const void *p, size_t len)
{
	const char *from = p;

	body->ready = false;
	while (len > 0 && !body->failed) {
		size_t some = len < COPY_PIECE ? len : COPY_PIECE;

		if (add_piece(body, from, some) < 0)
			body->failed = true;
		from += some;
		len -= some;
	}
	return body->failed ? -1 : 0;
}

int store_body_add_file(
    struct store_body *body, int fd, uint64_t offset, uint64_t len)
{
	body->ready = false;
	while (len > 0 && !body->failed) {
		size_t some = len < COPY_PIECE ? (size_t)len : COPY_PIECE;
		char *room;

		if (make_room(body, some) < 0) {
			body->failed = true;
			break;
		}
		room = buf_room(&body->bytes, some);
		if (file_pread_full(fd, room, some, offset) < 0) {
			box_fail(body->b, STORE_ERROR,
			    "reading the message: %s", strerror(errno));
			body->failed = true;
			break;
		}
		buf_added(&body->bytes, some);
		body->crc = crc32c(body->crc, room, some);
		body->len += some;
		offset += some;
		len -= some;
		if (body->fd < 0 && body->bytes.len > INLINE_MAX &&
		    flush(body) < 0)
			body->failed = true;
	}
	return body->failed ? -1 : 0;
}

/* ---- what is worth knowing about it for good ---- */

static uint64_t hash_id(struct str header, struct str name)
{
	struct header_field field;
	struct str id;

	if (!header_find(header, name, &field))
		return 0;
	/* The last one: of References that is the parent. */
	field.value = str_skip(field.value, str_find_last(field.value, '<'));
	id = header_message_id(field.value);
	return id.len == 0 ? 0 : hash64(0, id.p, id.len);
}

void message_parse(
    struct str message, struct buf *cache, struct message_place *p)
{
	struct arena arena = arena_new(PARSE_ARENA);
	struct str header;
	struct mime_part *root = mime_parse(message, &arena);

	p->header_len = (uint32_t)header_length(message);
	header = str_sub(message, 0, p->header_len);
	buf_clear(cache);
	mime_envelope(header, cache);
	p->envelope_len = (uint32_t)cache->len;
	if (root != NULL)
		mime_bodystructure(root, message, true, cache);
	p->structure_len = (uint32_t)(cache->len - p->envelope_len);
	if (root != NULL)
		mime_bodystructure(root, message, false, cache);
	p->body_len = (uint32_t)(cache->len - p->envelope_len -
	    p->structure_len);
	sort_keys_put(header, cache);
	p->keys_len = (uint32_t)(cache->len - p->envelope_len -
	    p->structure_len - p->body_len);
	if (cache->overflow) { /* readers then say so themselves */
		buf_clear(cache);
		p->envelope_len = p->structure_len = p->body_len = 0;
		p->keys_len = 0;
	}
	p->cache_crc = crc32c(0, cache->p, cache->len);
	p->message_id = hash_id(header, STR("Message-ID"));
	p->reference = hash_id(header, STR("In-Reply-To"));
	if (p->reference == 0)
		p->reference = hash_id(header, STR("References"));
	arena_free(&arena);
}

static bool worth_compressing(const struct store_body *body)
{
	uint64_t from = body->b->store->compress_from;

	return from != 0 && body->len >= from;
}

static bool compress(struct store_body *body, struct str message)
{
	if (!worth_compressing(body))
		return false;
	/* A chunk that does not shrink still needs its room. */
	body->packed = buf_new(body->len + 2 * (size_t)ZSTD_CHUNK);
	if (!body_compress(message, &body->packed))
		return false;
	body->place.kind |= PLACE_ZSTD;
	body->place.crc = crc32c(0, body->packed.p, body->packed.len);
	return true;
}

/* A blob that got so small belongs into the generation; else the compressed
 * one takes its place. */
static enum store_result replace_blob(struct store_body *body)
{
	struct box *b = body->b;
	enum engine_status s;

	engine_blob_drop(b->engine, body->id);
	file_close(&body->fd);
	if (body->packed.len <= INLINE_MAX)
		return STORE_OK;
	s = engine_blob_new(b->engine, body->id, &body->fd);
	if (s == ENGINE_OK)
		s = engine_blob_write(
		    b->engine, body->fd, body->packed.p, body->packed.len, 0);
	if (s == ENGINE_NO_SPACE)
		body->no_space = true;
	body->place.stored = body->packed.len;
	buf_free(&body->packed);
	return box_status(b, s);
}

static enum store_result ready_blob(struct store_body *body)
{
	enum store_result r = STORE_OK;
	char *all;

	if (body->bytes.len > 0 && flush(body) < 0)
		return body->no_space ? STORE_NO_SPACE : STORE_ERROR;
	all = malloc(body->len);
	if (all == NULL)
		return box_fail(body->b, STORE_ERROR, "out of memory");
	if (file_pread_full(body->fd, all, body->len, 0) < 0) {
		r = box_fail(body->b, STORE_ERROR, "reading a blob: %s",
		    strerror(errno));
	} else {
		body->place.stored = body->len;
		message_parse(
		    str_of(all, body->len), &body->cache, &body->place);
		if (compress(body, str_of(all, body->len)))
			r = replace_blob(body);
	}
	free(all);
	if (r != STORE_OK || body->fd < 0)
		return r;
	body->place.kind |= PLACE_BLOB;
	body->place.a = get_u64(body->id);
	body->place.b = get_u64(body->id + 8);
	if (seeded("blob-not-synced"))
		return STORE_OK;
	return box_status(body->b, engine_blob_sync(body->b->engine, body->fd));
}

static enum store_result ready_inline(struct store_body *body)
{
	message_parse(buf_str(&body->bytes), &body->cache, &body->place);
	compress(body, buf_str(&body->bytes));
	return STORE_OK;
}

enum store_result body_ready(struct store_body *body)
{
	enum store_result r;
	struct id unique;

	if (body->failed)
		return body->no_space ? STORE_NO_SPACE : STORE_ERROR;
	if (body->ready)
		return STORE_OK;
	body->place = (struct message_place){.crc = body->crc};
	unique = id_new();
	body->place.email_id = hash64(0, unique.text, ID_LEN);
	r = body->fd >= 0 ? ready_blob(body) : ready_inline(body);
	/* A blob may be half replaced: not a second time. */
	body->ready = r == STORE_OK;
	body->failed = !body->ready;
	return r;
}

enum store_result body_place(struct store_body *body, struct change *c)
{
	struct message_place *p = &body->place;

	if (body->fd >= 0 && !seeded("name-swept-blob") &&
	    engine_blob_there(c->b->engine, body->id) != ENGINE_OK)
		return box_fail(c->b, STORE_ERROR,
		    "too slow: the message's file is not there any more");
	if (body->fd < 0) {
		const struct buf *octets = p->kind & PLACE_ZSTD ? &body->packed
								: &body->bytes;

		p->a = c->generation;
		p->b = change_body(c, octets->p, octets->len);
		p->stored = octets->len;
	}
	p->cache_generation = c->generation;
	p->cache_offset = change_body(c, body->cache.p, body->cache.len);
	p->saved = clock_seconds();
	return STORE_OK;
}
