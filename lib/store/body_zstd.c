/* SPDX-License-Identifier: ISC */
#include "store/body_zstd.h"

#include <stdlib.h>
#include <zstd.h>

#include "core/memory.h"
#include "store/le.h"

#define LEVEL      3
#define CHUNKS_MAX 1048576u /* 256 GiB */

void chunk_free(struct chunk *c)
{
	free(c->octets);
	*c = (struct chunk){0};
}

static uint64_t chunks_of(uint64_t size)
{
	return (size + ZSTD_CHUNK - 1) / ZSTD_CHUNK;
}

/* ---- compressing ---- */

/* Made once for the process: it is worth a megabyte. */
static ZSTD_CCtx *compressor(void)
{
	static ZSTD_CCtx *context;

	if (context == NULL) {
		context = ZSTD_createCCtx();
		if (context == NULL)
			return NULL;
		ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, LEVEL);
		ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
	}
	return context;
}

static int compress_chunk(
    ZSTD_CCtx *context, struct str chunk, struct buf *out, struct buf *index)
{
	size_t most = ZSTD_compressBound(chunk.len);
	char *room = buf_room(out, most);
	char length[4];
	size_t len;

	if (room == NULL)
		return -1;
	len = ZSTD_compress2(context, room, most, chunk.p, chunk.len);
	if (ZSTD_isError(len))
		return -1;
	buf_added(out, len);
	put_u32(length, (uint32_t)len);
	return buf_add_bytes(index, length, sizeof(length));
}

bool body_compress(struct str in, struct buf *out)
{
	ZSTD_CCtx *context = compressor();
	uint64_t count = chunks_of(in.len);
	struct buf index = buf_new(4 * (size_t)count);
	size_t whole = in.len;
	int result = context == NULL ? -1 : 0;

	while (in.len > 0 && result == 0) {
		struct str chunk = str_sub(in, 0, ZSTD_CHUNK);

		result = compress_chunk(context, chunk, out, &index);
		in = str_skip(in, chunk.len);
	}
	buf_add(out, buf_str(&index));
	buf_free(&index);
	if (result == 0 && !out->overflow && out->len <= whole - whole / 8)
		return true;
	buf_clear(out);
	return false;
}

/* ---- reading ---- */

/* Where the frame of a chunk lies in the place, from the index. */
static enum store_result chunk_find(struct box *b,
    const struct engine_place *place, uint64_t count, uint64_t number,
    uint64_t *at, uint32_t *len)
{
	uint64_t start = 0;
	enum store_result r;
	char *index;

	if (count == 0 || count > CHUNKS_MAX || place->length < 4 * count)
		return box_fail(b, STORE_CORRUPT, "a compressed message");
	index = mem_resize(NULL, (size_t)count, 4);
	r = box_status(b,
	    engine_get(b->engine, place, place->length - 4 * count, index,
		4 * (size_t)count));
	for (uint64_t i = 0; i < number && r == STORE_OK; i++)
		start += get_u32(index + 4 * i);
	*at = start;
	*len = r == STORE_OK ? get_u32(index + 4 * number) : 0;
	free(index);
	if (r == STORE_OK &&
	    (*len > ZSTD_compressBound(ZSTD_CHUNK) ||
		start + *len > place->length - 4 * count))
		return box_fail(
		    b, STORE_CORRUPT, "the chunks of a compressed message");
	return r;
}

static enum store_result chunk_decompress(struct box *b, const char *frame,
    size_t frame_len, size_t len, struct chunk *out)
{
	size_t got;

	out->octets = mem_resize(NULL, len, 1);
	out->len = len;
	got = ZSTD_decompress(out->octets, len, frame, frame_len);
	if (!ZSTD_isError(got) && got == len)
		return STORE_OK;
	chunk_free(out);
	return box_fail(
	    b, STORE_CORRUPT, "a compressed message does not decompress");
}

static bool same_chunk(
    const struct chunk *c, const struct engine_place *place, uint64_t number)
{
	return c->octets != NULL && c->number == number &&
	    c->place.blob == place->blob &&
	    c->place.generation == place->generation &&
	    c->place.offset == place->offset &&
	    memcmp(c->place.id, place->id, sizeof(place->id)) == 0;
}

static enum store_result chunk_load(struct box *b,
    const struct engine_place *place, uint64_t size, uint64_t number,
    struct chunk *last)
{
	uint64_t count = chunks_of(size), at, start = number * ZSTD_CHUNK;
	enum store_result r;
	uint32_t frame_len;
	char *frame;

	if (same_chunk(last, place, number))
		return STORE_OK;
	chunk_free(last);
	r = chunk_find(b, place, count, number, &at, &frame_len);
	if (r != STORE_OK)
		return r;
	/* All that is stored is checked against its checksum. */
	if (count == 1)
		frame_len = (uint32_t)place->length;
	frame = mem_resize(NULL, frame_len + 1u, 1);
	r = box_status(b, engine_get(b->engine, place, at, frame, frame_len));
	if (r == STORE_OK)
		r = chunk_decompress(b, frame,
		    count == 1 ? frame_len - 4 : frame_len,
		    size - start < ZSTD_CHUNK ? (size_t)(size - start)
					      : ZSTD_CHUNK,
		    last);
	free(frame);
	last->place = *place;
	last->number = number;
	return r;
}

enum store_result body_read_compressed(struct box *b,
    const struct engine_place *place, uint64_t size, uint64_t offset,
    uint64_t len, char *to, struct chunk *last)
{
	while (len > 0) {
		uint64_t number = offset / ZSTD_CHUNK;
		size_t from = (size_t)(offset % ZSTD_CHUNK), some;
		enum store_result r = chunk_load(b, place, size, number, last);

		if (r != STORE_OK)
			return r;
		some = last->len - from;
		if (some > len)
			some = (size_t)len;
		memcpy(to, last->octets + from, some);
		to += some;
		offset += some;
		len -= some;
	}
	return STORE_OK;
}

enum store_result message_read(struct box *b, const struct message_place *p,
    const struct message *m, uint64_t offset, uint64_t len, char *to,
    struct chunk *last)
{
	struct engine_place place = place_of_bytes(p, m);

	if (p->kind & PLACE_ZSTD)
		return body_read_compressed(
		    b, &place, m->size, offset, len, to, last);
	return box_status(b, engine_get(b->engine, &place, offset, to, len));
}
