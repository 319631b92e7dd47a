/* SPDX-License-Identifier: ISC */
/* Writing a frame: lock, catch up, decide, write, sync, release. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/checksum.h"
#include "core/clock.h"
#include "core/memory.h"
#include "store/engine_file.h"
#include "store/seeded.h"

struct append {
	struct engine_box *b;
	struct engine_pos *seen;
	engine_on_frame *on_frame;
	engine_decide *decide;
	void *arg;
};

/* Ends the newest generation at *seen and goes on in the next. Whoever finds
 * it half done completes it. */
static enum engine_status seal(struct append *a, struct mark *m)
{
	struct engine_box *b = a->b;
	struct generation *g;
	enum engine_status s = engine_generation(b, a->seen->generation, &g);

	if (s != ENGINE_OK)
		return s;
	if (m->state != STATE_SEALING) {
		m->state = STATE_SEALING;
		if (engine_mark_write(b, g, m) < 0)
			return engine_fail_errno(b, "writing the mark");
	}
	s = engine_generation_next(b, a->seen);
	if (s == ENGINE_OK)
		s = engine_read_marked(b, a->seen, a->on_frame, a->arg);
	if (s == ENGINE_OK)
		s = engine_generation(b, a->seen->generation, &g);
	if (s == ENGINE_OK && engine_mark_read(b, g, m) < 0)
		s = engine_fail(b, ENGINE_CORRUPT, "no durable mark");
	return s;
}

/* Brings *seen to the end of the log, which is then whole and has room. */
static enum engine_status catch_up(struct append *a, struct mark *m)
{
	struct engine_box *b = a->b;
	struct generation *g;
	enum engine_status s = engine_read_marked(
	    b, a->seen, a->on_frame, a->arg);

	*m = (struct mark){.at = FRAMES_AT};
	if (s != ENGINE_OK)
		return s;
	if (b->newest == 0) {
		if (!engine_directory_is_live(b))
			return engine_fail(
			    b, ENGINE_GONE, "the account was removed");
		*a->seen = (struct engine_pos){
		    .generation = 1, .length = FRAMES_AT, .bodies = HEAD_SIZE};
		return ENGINE_OK;
	}
	*m = b->mark; /* nobody writes it while we hold the lock */
	if ((!b->checked || b->doubtful || m->holder_pid != 0 ||
		m->at != a->seen->length) &&
	    !seeded("unfinished-frame-ignored")) {
		s = engine_recover(b, a->seen, a->on_frame, a->arg);
		if (s == ENGINE_OK)
			s = engine_generation(b, a->seen->generation, &g);
		if (s == ENGINE_OK && engine_mark_read(b, g, m) < 0)
			s = engine_fail(b, ENGINE_CORRUPT, "no durable mark");
	}
	if (m->state == STATE_LINKED) /* reading has synced the directory */
		m->state = 0;
	if (s == ENGINE_OK &&
	    (m->state == STATE_SEALING ||
		a->seen->length >= b->engine->seal_frames ||
		a->seen->bodies >= b->engine->seal_bodies))
		s = seal(a, m);
	return s;
}

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

/* Bodies, and behind them records that are too many for the head. */
static int write_bodies(struct engine_box *b, struct generation *g,
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

/* The head, with some zeroes behind it. */
static int write_head(struct engine_box *b, struct generation *g,
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

/* A write that failed may have written the whole frame. What the caller is
 * told to be refused must not be found by the next one: its blob is gone. */
static int take_back(struct engine_box *b, const struct generation *g,
    const struct engine_pos *seen)
{
	int saved = errno;
	int result = engine_io_write(b->io, g->fd, zeroes, 8, seen->length);

	if (result == 0) /* nor by the one after a power loss */
		result = b->io->fdatasync(g->fd);
	errno = saved;
	return result;
}

static enum engine_status write_frame(struct append *a, struct mark *m,
    const struct engine_frame *in, struct frame *f)
{
	struct engine_box *b = a->b;
	struct generation *g;
	enum engine_status s = engine_generation(b, a->seen->generation, &g);

	if (s != ENGINE_OK)
		return s;
	f->count = in->count;
	f->heads = in->heads;
	f->heads_len = (uint32_t)in->heads.len;
	f->modseq = in->modseq > a->seen->modseq ? in->modseq
						 : a->seen->modseq + 1;
	f->time_us = clock_us();
	b->sequence++;
	m->holder_pid = b->pid;
	m->holder_start = b->started;
	if (engine_mark_write(b, g, m) < 0 ||
	    write_bodies(b, g, a->seen, in, f) < 0) {
		s = engine_fail_errno(b, "writing bodies");
	} else if (write_head(b, g, a->seen, f) < 0) {
		s = engine_fail_errno(b, "writing a frame");
		if (!seeded("refused-frame-left") &&
		    take_back(b, g, a->seen) < 0)
			s = ENGINE_UNKNOWN;
	}
	if (s == ENGINE_OK && seeded("mark-before-sync")) {
		m->at += f->length;
		engine_mark_write(b, g, m);
		m->at -= f->length;
	}
	if (seeded("unlocked-before-sync"))
		engine_unlock(b);
	if (s == ENGINE_OK && !seeded("no-sync") &&
	    b->io->fdatasync(g->fd) < 0) {
		engine_fail_errno(b, "sync");
		s = seeded("failed-sync-believed") ? ENGINE_OK : ENGINE_UNKNOWN;
	}
	if (s == ENGINE_UNKNOWN) {
		b->doubtful = true; /* and the holder stays: look there */
		return s;
	}
	if (s == ENGINE_OK)
		m->at += f->length;
	else
		b->doubtful = true;
	m->holder_pid = m->holder_start = 0;
	if (engine_mark_write(b, g, m) < 0)
		b->doubtful = true; /* a lower bound all the same */
	return s;
}

static enum engine_status append_locked(struct append *a)
{
	struct engine_box *b = a->b;
	struct mark m;
	struct engine_frame in = {0};
	struct frame f = {0};
	enum engine_status s = catch_up(a, &m);

	if (s != ENGINE_OK)
		return s;
	in.generation = a->seen->generation;
	in.body_offset = a->seen->bodies;
	if (a->decide(a->arg, a->seen, &in) != 0)
		return seeded("refusal-syncs") && b->newest != 0 &&
			b->io->fdatasync(b->generations[0].fd) < 0
		    ? ENGINE_UNKNOWN
		    : ENGINE_REFUSED;
	if (in.heads.len > HEADS_MAX)
		return engine_fail(b, ENGINE_DOWN, "too many records");
	if (b->newest == 0) {
		struct engine_pos none = {0};

		s = engine_generation_next(b, &none);
	}
	if (s == ENGINE_OK)
		s = write_frame(a, &m, &in, &f);
	if (s != ENGINE_OK)
		return s;
	struct engine_frame_info info = {
	    *a->seen, engine_frame_after(a->seen, &f), f.time_us, f.count};
	/* It is in the log for good: not a refusal, its blobs must stay. */
	if (a->on_frame(a->arg, in.heads, &info) != 0)
		return engine_fail(
		    b, ENGINE_UNKNOWN, "the new records make no sense");
	*a->seen = info.after;
	b->checked = true; /* of a new account */
	return ENGINE_OK;
}

/* Does something with the box locked. */
static enum engine_status locked(struct append *a,
    enum engine_status (*work)(struct append *a), int64_t deadline)
{
	enum engine_status s = engine_box_prepare(a->b);

	if (s == ENGINE_OK)
		s = engine_lock(a->b, deadline);
	if (s != ENGINE_OK)
		return s;
	s = work(a);
	/* Who removed the account died before it renamed the directory. */
	if (s == ENGINE_GONE && a->b->newest != 0 &&
	    a->b->mark.state == STATE_REMOVED && engine_directory_is_live(a->b))
		engine_remove_locked(a->b);
	engine_unlock(a->b);
	if (s == ENGINE_GONE)
		engine_lost(a->b);
	/* Who does not want to know the end cannot decide there. */
	return s == ENGINE_STOPPED
	    ? engine_fail(a->b, ENGINE_REFUSED, "stopped before the end")
	    : s;
}

enum engine_status engine_append(struct engine_box *b, struct engine_pos *seen,
    engine_on_frame *on_frame, engine_decide *decide, void *arg,
    int64_t deadline)
{
	struct append a = {b, seen, on_frame, decide, arg};

	return locked(&a, append_locked, deadline);
}

static enum engine_status seal_locked(struct append *a)
{
	struct mark m;
	enum engine_status s = catch_up(a, &m);

	return s == ENGINE_OK && a->b->newest != 0 &&
		a->seen->length > FRAMES_AT
	    ? seal(a, &m)
	    : s;
}

enum engine_status engine_seal(struct engine_box *b, struct engine_pos *seen,
    engine_on_frame *on_frame, void *arg, int64_t deadline)
{
	struct append a = {b, seen, on_frame, NULL, arg};
	enum engine_status s = engine_attach(b);

	return s == ENGINE_OK && b->newest != 0
	    ? locked(&a, seal_locked, deadline)
	    : s;
}
