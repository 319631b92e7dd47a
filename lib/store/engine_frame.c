/* SPDX-License-Identifier: ISC */
/* How a frame looks. All numbers are little-endian. */
#include <stdio.h>
#include <stdlib.h>

#include "core/checksum.h"
#include "core/memory.h"
#include "store/engine_file.h"
#include "store/le.h"
#include "store/seeded.h"

/* clang-format off */
#define AT_LENGTH     0  /* octets of the whole frame, a multiple of 8 */
#define AT_CRC        4  /* CRC-32C of everything behind it, seeded */
#define AT_COUNT      8  /* of records */
#define AT_FLAGS      12
#define AT_WRITER     16 /* a handle's random number */
#define AT_SEQUENCE   24 /* counted by the writer */
#define AT_MODSEQ     32
#define AT_TIME       40
#define AT_BODY_START 48
#define AT_BODY_END   56
#define AT_BODY_CRC   64 /* of all octets from start to end */
#define AT_HEADS_LEN  68
#define AT_HEADS_AT   72 /* FRAME_EXTERN: offset in the body area */
#define AT_HEADS_CRC  80
/* clang-format on */

/* Frames of another account or generation are not valid here. */
static uint32_t crc_seed(const struct engine_box *b, uint64_t generation)
{
	unsigned char seed[16];

	put_u64(seed, b->incarnation);
	put_u64(seed + 8, generation);
	return crc32c(0, seed, sizeof(seed));
}

static size_t frame_octets(size_t heads)
{
	return FRAME_LEAST + ((heads + 7) & ~(size_t)7);
}

/* What the numbers of a frame with a good CRC must satisfy. */
static const char *implausible(const struct frame *f)
{
	if (f->body_start < HEAD_SIZE || f->body_end < f->body_start)
		return "frame: bodies out of order";
	if (!(f->flags & FRAME_EXTERN))
		return frame_octets(f->heads_len) == f->length
		    ? NULL
		    : "frame: length of records";
	if (f->heads_len > HEADS_MAX || f->heads_at < f->body_start ||
	    f->heads_at > f->body_end ||
	    f->body_end - f->heads_at < f->heads_len ||
	    f->length != FRAME_LEAST)
		return "frame: place of records";
	return NULL;
}

int engine_frame_alone(const struct engine_box *b, uint64_t generation,
    const unsigned char *p, size_t len, struct frame *out, const char **why)
{
	struct frame f = {0};

	*why = "frame: length";
	if (len < FRAME_LEAST)
		return -1;
	f.length = get_u32(p + AT_LENGTH);
	if (f.length < FRAME_LEAST || f.length % 8 != 0 || f.length > len)
		return -1;
	*why = "frame: checksum";
	if (get_u32(p + AT_CRC) !=
		crc32c(crc_seed(b, generation), p + AT_COUNT,
		    f.length - AT_COUNT) &&
	    !seeded("frame-unchecked"))
		return -1;
	f.count = get_u32(p + AT_COUNT);
	f.flags = get_u32(p + AT_FLAGS);
	f.modseq = get_u64(p + AT_MODSEQ);
	f.time_us = get_u64(p + AT_TIME);
	f.body_start = get_u64(p + AT_BODY_START);
	f.body_end = get_u64(p + AT_BODY_END);
	f.body_crc = get_u32(p + AT_BODY_CRC);
	f.heads_len = get_u32(p + AT_HEADS_LEN);
	f.heads_at = get_u64(p + AT_HEADS_AT);
	f.heads_crc = get_u32(p + AT_HEADS_CRC);
	f.chain = get_u64(p + f.length - 8);
	if (f.flags & ~FRAME_EXTERN && !seeded("frame-flags-ignored")) {
		*why = "frame: flags of a newer version";
		return -2;
	}
	*why = implausible(&f);
	if (*why != NULL)
		return -1;
	if (!(f.flags & FRAME_EXTERN))
		f.heads = str_of(p + FRAME_FIXED, f.heads_len);
	*out = f;
	return 0;
}

bool engine_frame_follows(const struct engine_pos *seen, const unsigned char *p,
    const struct frame *f)
{
	return f->chain ==
	    hash64(seen->chain, p + AT_COUNT, f->length - AT_COUNT - 8);
}

int engine_frame_parse(const struct engine_box *b,
    const struct engine_pos *seen, const unsigned char *p, size_t len,
    struct frame *out, const char **why)
{
	int bad = engine_frame_alone(b, seen->generation, p, len, out, why);

	if (bad != 0)
		return bad;
	if (!engine_frame_follows(seen, p, out) && !seeded("frame-unchecked"))
		*why = "frame: chain";
	else if (out->body_start != seen->bodies)
		*why = "frame: bodies out of order";
	else if (out->modseq <= seen->modseq)
		*why = "frame: modification sequence does not rise";
	return *why == NULL ? 0 : -1;
}

void engine_frame_build(const struct engine_box *b,
    const struct engine_pos *seen, struct frame *f, struct buf *out)
{
	bool external = f->flags & FRAME_EXTERN;
	size_t length = frame_octets(external ? 0 : f->heads_len);
	/* Eight zeroes behind it: what an older, torn frame left there is
	 * never taken for the next one. */
	unsigned char *p = (unsigned char *)buf_room(out, length + 8);

	memset(p, 0, length + 8);
	f->length = (uint32_t)length;
	put_u32(p + AT_LENGTH, f->length);
	put_u32(p + AT_COUNT, f->count);
	put_u32(p + AT_FLAGS, f->flags);
	put_u64(p + AT_WRITER, b->writer);
	put_u64(p + AT_SEQUENCE, b->sequence);
	put_u64(p + AT_MODSEQ, f->modseq);
	put_u64(p + AT_TIME, f->time_us);
	put_u64(p + AT_BODY_START, f->body_start);
	put_u64(p + AT_BODY_END, f->body_end);
	put_u32(p + AT_BODY_CRC, f->body_crc);
	put_u32(p + AT_HEADS_LEN, f->heads_len);
	put_u64(p + AT_HEADS_AT, f->heads_at);
	put_u32(p + AT_HEADS_CRC, f->heads_crc);
	if (!external && f->heads_len > 0)
		memcpy(p + FRAME_FIXED, f->heads.p, f->heads_len);
	f->chain = hash64(seen->chain, p + AT_COUNT, length - AT_COUNT - 8);
	put_u64(p + length - 8, f->chain);
	put_u32(p + AT_CRC,
	    crc32c(crc_seed(b, seen->generation), p + AT_COUNT,
		length - AT_COUNT));
	buf_added(out, length + 8);
}

struct engine_pos engine_frame_after(
    const struct engine_pos *seen, const struct frame *f)
{
	return (struct engine_pos){
	    .generation = seen->generation,
	    .length = seen->length + f->length,
	    .chain = f->chain,
	    .modseq = f->modseq,
	    .bodies = f->body_end,
	};
}

enum engine_status engine_frame_heads(struct engine_box *b,
    const struct generation *g, const struct frame *f, char **out)
{
	char *p = malloc(f->heads_len + 1u);

	if (p == NULL)
		return engine_fail(b, ENGINE_DOWN, "out of memory for records");
	if (engine_io_read(b->io, g->fd, p, f->heads_len, f->heads_at) < 0) {
		free(p);
		return engine_fail(b, ENGINE_CORRUPT, "records end early");
	}
	if (crc32c(0, p, f->heads_len) != f->heads_crc &&
	    !seeded("records-unchecked")) {
		free(p);
		return engine_fail(b, ENGINE_CORRUPT, "records: checksum");
	}
	*out = p;
	return ENGINE_OK;
}

enum engine_status engine_frame_tell(struct engine_box *b,
    const struct generation *g, struct engine_pos *seen, const struct frame *f,
    engine_on_frame *on_frame, void *arg)
{
	struct engine_frame_info info = {
	    *seen, engine_frame_after(seen, f), f->time_us, f->count};
	struct str heads = f->heads;
	char *fetched = NULL;
	int result;

	if (f->flags & FRAME_EXTERN) {
		enum engine_status s = engine_frame_heads(b, g, f, &fetched);

		if (s != ENGINE_OK)
			return s;
		heads = str_of(fetched, f->heads_len);
	}
	result = on_frame(arg, heads, &info);
	free(fetched);
	if (result == 0) {
		*seen = info.after;
		return ENGINE_OK;
	}
	if (result == 3)
		return ENGINE_STOPPED;
	return result == 2
	    ? engine_fail(b, ENGINE_NEWER, "record of a newer version")
	    : engine_fail(b, ENGINE_CORRUPT, "records make no sense");
}
