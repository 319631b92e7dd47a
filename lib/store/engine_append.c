/* SPDX-License-Identifier: ISC */
/* Writing a frame: lock, catch up, decide, write, sync, release. */
#include <errno.h>
#include <sys/stat.h>

#include "store/engine_file.h"
#include "store/seeded.h"

/* Behind the last body stand zeroes that were filled ahead, and what a writer
 * left that died: bytes that no frame names and nobody would ever erase. */
static void cut_tail(
    struct engine_box *b, const struct generation *g, uint64_t end)
{
	struct stat st;

	if (fstat(g->fd, &st) == 0 && (uint64_t)st.st_size > end)
		b->io->truncate(g->fd, (off_t)end);
}

/* Ends the newest generation at *seen and goes on in the next. Whoever finds
 * it half done completes it. */
static enum engine_status seal(struct engine_work *a, struct mark *m)
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
	for (uint64_t octets = RESERVE_SEAL;
	     s == ENGINE_NO_SPACE && engine_reserve_spend(b->engine, octets);
	     octets *= 2)
		s = engine_generation_next(b, a->seen);
	if (s == ENGINE_OK && !seeded("sealed-with-tail"))
		cut_tail(b, g, a->seen->bodies);
	if (s == ENGINE_OK)
		s = engine_read_marked(b, a->seen, a->on_frame, a->arg);
	if (s == ENGINE_OK)
		s = engine_generation(b, a->seen->generation, &g);
	if (s == ENGINE_OK && engine_mark_read(b, g, m) < 0)
		s = engine_fail(b, ENGINE_CORRUPT, "no durable mark");
	return s;
}

enum engine_status engine_to_end(struct engine_work *a, struct mark *m)
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
	return s;
}

/* To the end of the log, which then has room for a frame. */
static enum engine_status catch_up(struct engine_work *a, struct mark *m)
{
	const struct engine *e = a->b->engine;
	enum engine_status s = engine_to_end(a, m);

	if (s == ENGINE_OK &&
	    (m->state == STATE_SEALING || a->seen->length >= e->seal_frames ||
		a->seen->bodies >= e->seal_bodies))
		s = seal(a, m);
	return s;
}

/* ---- a frame ---- */

/* A write that failed may have written the whole frame. What the caller is
 * told to be refused must not be found by the next one: its blob is gone. */
static int take_back(struct engine_box *b, const struct generation *g,
    const struct engine_pos *seen)
{
	static const char zeroes[8];
	char there[8];
	ssize_t n = engine_io_read_some(
	    b->io, g->fd, there, sizeof(there), seen->length);

	/* On a full disk there may be no block to write zeroes to. */
	if (n >= 0 && memcmp(there, zeroes, (size_t)n) == 0)
		return 0;
	if (engine_io_write(b->io, g->fd, zeroes, 8, seen->length) < 0)
		return -1;
	return b->io->fdatasync(g->fd); /* nor after a power loss */
}

static enum engine_status write_once(struct engine_work *a, struct mark *m,
    const struct engine_frame *in, struct frame *f)
{
	struct engine_box *b = a->b;
	struct generation *g;
	enum engine_status s = engine_generation(b, a->seen->generation, &g);

	if (s != ENGINE_OK)
		return s;
	engine_frame_begin(b, a->seen, in, f);
	m->holder_pid = b->pid;
	m->holder_start = b->started;
	if (engine_mark_write(b, g, m) < 0 ||
	    engine_write_bodies(b, g, a->seen, in, f) < 0) {
		s = engine_fail_errno(b, "writing bodies");
	} else if (engine_write_head(b, g, a->seen, f) < 0) {
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

static enum engine_status write_frame(struct engine_work *a, struct mark *m,
    const struct engine_frame *in, struct frame *f)
{
	enum engine_status s = write_once(a, m, in, f);

	for (uint64_t octets = RESERVE_FRAME; s == ENGINE_NO_SPACE &&
	     (in->may_use_reserve || seeded("reserve-for-anybody")) &&
	     engine_reserve_spend(a->b->engine, octets);
	     octets *= 2) {
		*f = (struct frame){0};
		s = write_once(a, m, in, f);
	}
	return s;
}

static enum engine_status append_locked(struct engine_work *a)
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

enum engine_status engine_locked(struct engine_work *a,
    enum engine_status (*work)(struct engine_work *a), int64_t deadline)
{
	enum engine_status s = engine_box_prepare(a->b);

	if (s == ENGINE_OK)
		s = engine_lock(a->b, deadline);
	if (s != ENGINE_OK)
		return s;
	s = work(a);
	a->b->looked = false;
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
	struct engine_work a = {b, seen, on_frame, decide, arg, false};

	return engine_locked(&a, append_locked, deadline);
}

static enum engine_status seal_locked(struct engine_work *a)
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
	struct engine_work a = {b, seen, on_frame, NULL, arg, false};
	enum engine_status s = engine_attach(b);

	return s == ENGINE_OK && b->newest != 0
	    ? engine_locked(&a, seal_locked, deadline)
	    : s;
}
