/* SPDX-License-Identifier: ISC */
/* The octets of a frame: bodies, then the head, and zeroes ahead. */
#include <stdlib.h>
#include <sys/stat.h>

#include "core/checksum.h"
#include "core/clock.h"
#include "core/memory.h"
#include "store/engine_file.h"

/* ---- filling ahead ----
 *
 * A sync that only overwrites needs no commit of the file system's journal
 * and is several times cheaper than one behind which the file grew. So a busy
 * generation is written some way ahead with zeroes; one that hardly holds
 * anything is not.
 */

#define FILL_MOST   262144u
#define FILL_PIECE  65536u
#define FILL_HEAD   16384u
#define FILL_PIECES (FILL_MOST / FILL_PIECE)

static char zeroes[FILL_PIECE];

/* How far to fill the body area behind `end`; 0 when that much is filled. */
static uint64_t fill_bodies(struct generation *g, uint64_t end)
{
	uint64_t amount = (end - HEAD_SIZE) / 4 & ~(uint64_t)4095;
	struct stat st;

	if (end <= g->filled_bodies)
		return 0;
	if (fstat(g->fd, &st) == 0 && (uint64_t)st.st_size >= end) {
		g->filled_bodies = (uint64_t)st.st_size;
		return 0;
	}
	return amount < FILL_MOST ? amount : FILL_MOST;
}

/* The same for frames. */
static uint64_t fill_frames(const struct generation *g, uint64_t end)
{
	uint64_t amount = (end - FRAMES_AT) / 4 & ~(uint64_t)4095;

	if (end <= g->filled_frames)
		return 0;
	amount = amount < FILL_HEAD ? amount : FILL_HEAD;
	return end + amount < MARK_AT ? amount : 0;
}

static size_t add_zeroes(struct iovec *v, size_t count, uint64_t amount)
{
	while (amount > 0) {
		size_t some = amount < FILL_PIECE ? (size_t)amount : FILL_PIECE;

		v[count++] = (struct iovec){zeroes, some};
		amount -= some;
	}
	return count;
}

/* ---- the frame ---- */

void engine_frame_begin(struct engine_box *b, const struct engine_pos *seen,
    const struct engine_frame *in, struct frame *f)
{
	f->count = in->count;
	f->heads = in->heads;
	f->heads_len = (uint32_t)in->heads.len;
	f->modseq = in->modseq > seen->modseq ? in->modseq : seen->modseq + 1;
	f->time_us = clock_us();
	b->sequence++;
}

/* Writes v, which has room for zeroes behind it, to the body area. */
static int write_filled(struct engine_box *b, struct generation *g,
    struct iovec *v, size_t count, uint64_t at, uint64_t end)
{
	uint64_t amount = fill_bodies(g, end);
	struct iovec *copy = mem_array(count + 1, sizeof(*copy));
	int result;

	memcpy(copy, v, count * sizeof(*copy));
	result = engine_io_writev(
	    b->io, g->fd, v, add_zeroes(v, count, amount), at);
	if (result == 0 && amount > 0)
		g->filled_bodies = end + amount;
	else if (result < 0 && amount > 0) /* a disk that is nearly full */
		result = engine_io_writev(b->io, g->fd, copy, count, at);
	free(copy);
	return result;
}

int engine_write_bodies(struct engine_box *b, struct generation *g,
    const struct engine_pos *seen, const struct engine_frame *in,
    struct frame *f)
{
	struct iovec *v;
	size_t count = in->body_count;
	uint64_t at = seen->bodies;
	int result;
	union {
		const char *from;
		void *to;
	} heads = {.from = in->heads.p};

	v = mem_array(count + 1 + FILL_PIECES, sizeof(*v));
	if (count > 0)
		memcpy(v, in->bodies, count * sizeof(*v));
	for (size_t i = 0; i < count; i++)
		at += v[i].iov_len;
	if (in->heads.len > HEADS_INLINE) {
		f->flags |= FRAME_EXTERN;
		f->heads_at = at;
		f->heads_crc = crc32c(0, in->heads.p, in->heads.len);
		v[count++] = (struct iovec){heads.to, in->heads.len};
		at += in->heads.len;
	}
	for (size_t i = 0; i < count; i++)
		f->body_crc = crc32c(f->body_crc, v[i].iov_base, v[i].iov_len);
	f->body_start = seen->bodies;
	f->body_end = at;
	result = at == seen->bodies
	    ? 0
	    : write_filled(b, g, v, count, seen->bodies, at);
	free(v);
	return result;
}

int engine_write_head(struct engine_box *b, struct generation *g,
    const struct engine_pos *seen, struct frame *f)
{
	struct buf out = buf_new(HEADS_INLINE + 4096 + FILL_HEAD);
	uint64_t amount;
	int result;

	engine_frame_build(b, seen, f, &out);
	amount = fill_frames(g, seen->length + out.len);
	buf_add_bytes(&out, zeroes, (size_t)amount);
	result = engine_io_write(b->io, g->fd, out.p, out.len, seen->length);
	if (result == 0 && amount > 0)
		g->filled_frames = seen->length + out.len;
	if (result < 0 && amount > 0) /* for the zeroes there was no room */
		result = engine_io_write(b->io, g->fd, out.p,
		    out.len - (size_t)amount, seen->length);
	buf_free(&out);
	return result;
}
