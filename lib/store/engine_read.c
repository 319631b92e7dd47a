/* SPDX-License-Identifier: ISC */
/* Reading frames up to the durable mark, and what to do beyond it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/checksum.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/memory.h"
#include "store/engine_file.h"
#include "store/le.h"
#include "store/seeded.h"

#define RECOVER_MS  200 /* how long a reader waits to repair a box */
#define COPY_OCTETS 262144

/* ---- the lock ---- */

static enum engine_status lock_file(struct engine_box *b, int64_t deadline)
{
	long wait_us = 100;

	while (!seeded("not-locked") && b->io->lock(b->lock_fd, 0, true) < 0) {
		struct timespec pause = {0, wait_us * 1000};

		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return engine_fail_errno(b, "locking the box");
		if (clock_ms() >= deadline && !seeded("waits-for-ever"))
			return engine_fail(
			    b, ENGINE_BUSY, "another process holds the box");
		nanosleep(&pause, NULL);
		wait_us = wait_us < 5000 ? wait_us * 2 : 8000;
	}
	return ENGINE_OK;
}

/* Somebody removed the file that we locked: others lock another one. */
static bool lock_is_stale(const struct engine_box *b)
{
	struct stat st;

	return fstat(b->lock_fd, &st) == 0 && st.st_nlink == 0 &&
	    !seeded("stale-lock-held");
}

enum engine_status engine_lock(struct engine_box *b, int64_t deadline)
{
	enum engine_status s = lock_file(b, deadline);

	while (s == ENGINE_OK && lock_is_stale(b)) {
		int fd = b->io->open(
		    b->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

		if (fd < 0) /* the account was removed; its mark says so */
			return ENGINE_OK;
		file_close(&b->lock_fd);
		b->lock_fd = fd;
		if (b->session)
			b->io->lock(fd, 1, true);
		s = lock_file(b, deadline);
	}
	return s;
}

void engine_unlock(struct engine_box *b)
{
	if (b->lock_fd >= 0)
		b->io->lock(b->lock_fd, 0, false);
}

/* ---- up to the mark ---- */

static enum engine_status read_to(struct engine_box *b,
    const struct generation *g, struct engine_pos *seen, uint64_t limit,
    engine_on_frame *on_frame, void *arg)
{
	enum engine_status s = ENGINE_OK;
	uint64_t start = seen->length;
	unsigned char *p;

	if (limit <= start)
		return ENGINE_OK;
	p = mem_resize(NULL, limit - start, 1);
	if (engine_io_read(b->io, g->fd, p, limit - start, start) < 0)
		s = errno == EIO
		    ? engine_fail(b, ENGINE_CORRUPT, "frames end early")
		    : engine_fail_errno(b, "reading frames");
	while (s == ENGINE_OK && seen->length < limit) {
		struct frame f;
		const char *why;
		int bad = engine_frame_parse(b, seen,
		    p + (seen->length - start), limit - seen->length, &f, &why);

		if (bad != 0 && seeded("beyond-the-mark"))
			break;
		if (bad != 0)
			s = engine_fail(
			    b, bad == -2 ? ENGINE_NEWER : ENGINE_CORRUPT, why);
		else
			s = engine_frame_tell(b, g, seen, &f, on_frame, arg);
	}
	free(p);
	return s;
}

static bool same_pos(const struct engine_pos *a, const struct engine_pos *b)
{
	return a->generation == b->generation && a->length == b->length &&
	    a->chain == b->chain && a->modseq == b->modseq &&
	    a->bodies == b->bodies;
}

/* A sealed generation: its end stands in the next one's header. */
static enum engine_status read_sealed(struct engine_box *b,
    struct engine_pos *seen, engine_on_frame *on_frame, void *arg)
{
	struct generation *g, *next;
	uint64_t number = seen->generation + 1, end;
	enum engine_status s = engine_generation(b, number, &next);

	if (s != ENGINE_OK)
		return s;
	end = next->previous.length;
	if (end > MARK_AT)
		return engine_fail(b, ENGINE_CORRUPT, "header: previous");
	if (seen->length < end) {
		s = engine_generation(b, seen->generation, &g);
		if (s == ENGINE_OK)
			s = read_to(b, g, seen, end, on_frame, arg);
		if (s == ENGINE_OK)
			s = engine_generation(b, number, &next);
		if (s != ENGINE_OK)
			return s;
	}
	if (!same_pos(seen, &next->previous))
		return engine_fail(
		    b, ENGINE_CORRUPT, "generations do not follow");
	*seen = engine_generation_start(next);
	return ENGINE_OK;
}

/* What the state of a fully read generation asks for: go on with the next
 * one if somebody made it (*again). */
static enum engine_status look_ahead(
    struct engine_box *b, const struct mark *m, bool *again)
{
	struct generation *next;
	enum engine_status s;

	*again = false;
	if (m->state != STATE_SEALING || seeded("sealed-goes-on"))
		return ENGINE_OK;
	s = engine_generation(b, b->newest + 1, &next);
	if (s == ENGINE_GONE)
		return ENGINE_OK; /* announced, not made yet */
	if (s != ENGINE_OK)
		return s;
	b->newest++;
	*again = true;
	return ENGINE_OK;
}

/* Every frame that is whole, where no mark says how many are durable. */
static enum engine_status read_unmarked(struct engine_box *b,
    const struct generation *g, struct engine_pos *seen,
    engine_on_frame *on_frame, void *arg)
{
	uint64_t start = seen->length;
	size_t room = start < MARK_AT ? MARK_AT - start : 0;
	unsigned char *p = mem_resize(NULL, room + 1, 1);
	ssize_t len = engine_io_read_some(b->io, g->fd, p, room, start);
	enum engine_status s = ENGINE_OK;

	while (s == ENGINE_OK && len > 0) {
		size_t done = seen->length - start;
		struct frame f;
		const char *why;

		if (engine_frame_parse(
			b, seen, p + done, (size_t)len - done, &f, &why) != 0)
			break;
		s = engine_frame_tell(b, g, seen, &f, on_frame, arg);
	}
	free(p);
	return s;
}

static enum engine_status read_newest(struct engine_box *b,
    struct engine_pos *seen, engine_on_frame *on_frame, void *arg, bool *again)
{
	struct generation *g;
	struct mark m;
	enum engine_status s = engine_generation(b, b->newest, &g);

	if (s != ENGINE_OK)
		return s == ENGINE_GONE ? ENGINE_GONE : s;
	if (engine_mark_read(b, g, &m) < 0)
		return engine_fail(b, ENGINE_CORRUPT, "no durable mark");
	b->mark = m;
	if (seeded("beyond-the-mark"))
		m.at = MARK_AT;
	if (m.state == STATE_REMOVED && !seeded("removed-goes-on"))
		return engine_fail(b, ENGINE_GONE, "the account was removed");
	if (m.state == STATE_LINKED && !b->look_only) {
		if (engine_generation_sync_name(b, g->number) < 0)
			return engine_fail_errno(b, "sync of the directory");
		b->mark.state = m.state = 0;
	}
	if (m.at == 0) /* damaged: frames are proven one by one */
		b->checked = false;
	if (m.at == 0 && b->look_only)
		s = read_unmarked(b, g, seen, on_frame, arg);
	else
		s = read_to(b, g, seen, m.at, on_frame, arg);
	return s == ENGINE_OK ? look_ahead(b, &m, again) : s;
}

/* ---- from generation to generation ---- */

/* The generation from which the log is read when nothing is known: the newest
 * generation says it, or the newest that still can. */
static enum engine_status first_read(
    struct engine_box *b, struct generation **out)
{
	uint64_t begins;
	enum engine_status s = engine_generation(b, b->newest, out);

	for (uint64_t i = b->newest; i > 1 && s == ENGINE_CORRUPT; i--)
		s = engine_generation(b, i - 1, out);
	if (s != ENGINE_OK)
		return s;
	begins = (*out)->begins;
	s = engine_generation(b, begins, out);
	return s == ENGINE_GONE ? engine_fail(b, ENGINE_CORRUPT,
				      "the log's beginning was dropped, and "
				      "no snapshot stands for it")
				: s;
}

/* Over what cannot be read: the log may have been begun anew behind it. */
static bool jump(struct engine_box *b, struct engine_pos *seen)
{
	struct generation *g;
	uint64_t newest;

	if (seeded("damage-stops-for-ever") ||
	    engine_highest(b, 'g', UINT64_MAX, &newest) < 0 ||
	    newest <= seen->generation ||
	    engine_generation(b, newest, &g) != ENGINE_OK ||
	    g->begins <= seen->generation ||
	    engine_generation(b, g->begins, &g) != ENGINE_OK)
		return false;
	b->newest = newest;
	*seen = engine_generation_start(g);
	return true;
}

/* A generation's file is not there. */
static enum engine_status missing(
    struct engine_box *b, const struct engine_pos *seen)
{
	uint64_t oldest;

	if (!engine_directory_is_live(b))
		return engine_fail(b, ENGINE_GONE, "the account was removed");
	if (engine_lowest(b, 'g', &oldest) < 0)
		return engine_fail_errno(b, "reading the account's directory");
	return seen->generation < oldest
	    ? engine_fail(b, ENGINE_GONE, "generations were dropped")
	    : engine_fail(b, ENGINE_CORRUPT, "a generation is missing");
}

static enum engine_status read_one(struct engine_box *b,
    struct engine_pos *seen, engine_on_frame *on_frame, void *arg, bool *again)
{
	bool sealed = seen->generation < b->newest;
	enum engine_status s;

	if (seen->generation > b->newest)
		return engine_fail(
		    b, ENGINE_CORRUPT, "the newest generation is lost");
	s = sealed ? read_sealed(b, seen, on_frame, arg)
		   : read_newest(b, seen, on_frame, arg, again);
	if ((s == ENGINE_CORRUPT || (s == ENGINE_GONE && sealed)) &&
	    jump(b, seen)) {
		*again = true;
		return ENGINE_OK;
	}
	return s == ENGINE_GONE && sealed ? missing(b, seen) : s;
}

enum engine_status engine_read_marked(struct engine_box *b,
    struct engine_pos *seen, engine_on_frame *on_frame, void *arg)
{
	enum engine_status s = ENGINE_OK;
	struct generation *g;

	/* A snapshot of another process may stand in a generation that we did
	 * not know yet. */
	if (b->newest == 0 || seen->generation > b->newest) {
		b->newest = 0;
		s = engine_attach(b);
		if (s == ENGINE_OK && b->newest == 0 && seen->modseq != 0)
			s = engine_fail(b, ENGINE_GONE, "the log is gone");
		if (s != ENGINE_OK || b->newest == 0)
			return s;
	}
	if (seen->modseq == 0) { /* nothing was read so far */
		s = first_read(b, &g);
		if (s == ENGINE_OK)
			*seen = engine_generation_start(g);
	}
	for (bool again = true; again && s == ENGINE_OK;)
		s = read_one(b, seen, on_frame, arg, &again);
	return s;
}

/* ---- beyond the mark ---- */

/* The bodies of a frame, read, checked against its CRC and written again:
 * after a failed sync pages look clean that never reached the disk. */
static int rewrite_bodies(struct engine_box *b, const struct generation *g,
    const struct frame *f, bool write)
{
	char *p = mem_resize(NULL, COPY_OCTETS, 1);
	uint64_t at = f->body_start;
	uint32_t crc = 0;
	int result = 0;

	while (result == 0 && at < f->body_end) {
		size_t len = f->body_end - at < COPY_OCTETS
		    ? (size_t)(f->body_end - at)
		    : COPY_OCTETS;

		result = engine_io_read(b->io, g->fd, p, len, at);
		crc = result == 0 ? crc32c(crc, p, len) : 0;
		if (result == 0 && write)
			result = engine_io_write(b->io, g->fd, p, len, at);
		at += len;
	}
	free(p);
	if (!write && result == 0 && crc != f->body_crc &&
	    !seeded("bodies-unchecked"))
		result = -1;
	return result;
}

bool engine_bodies_hold(
    struct engine_box *b, const struct generation *g, const struct frame *f)
{
	return rewrite_bodies(b, g, f, false) == 0;
}

static enum engine_status adopt(struct engine_box *b,
    const struct generation *g, const unsigned char *p, const struct frame *f,
    uint64_t at, struct mark *m)
{
	if ((!seeded("clean-pages-believed") &&
		(rewrite_bodies(b, g, f, true) < 0 ||
		    engine_io_write(b->io, g->fd, p, f->length, at) < 0)) ||
	    b->io->fdatasync(g->fd) < 0)
		return engine_fail_errno(b, "completing a frame");
	m->at = at + f->length;
	if (engine_mark_write(b, g, m) < 0)
		return engine_fail_errno(b, "writing the mark");
	return ENGINE_OK;
}

/* Zeroes a torn tail: [at, the last octet that is not zero]. */
static enum engine_status wipe(struct engine_box *b, const struct generation *g,
    unsigned char *p, size_t len, uint64_t at)
{
	while (len > 0 && p[len - 1] == 0)
		len--;
	if (len == 0 || seeded("torn-tail-left"))
		return ENGINE_OK;
	memset(p, 0, len);
	if (engine_io_write(b->io, g->fd, p, len, at) < 0)
		return engine_fail_errno(b, "zeroing a torn frame");
	return ENGINE_OK;
}

static enum engine_status recover_tail(struct engine_box *b,
    struct generation *g, struct mark *m, unsigned char *p,
    struct engine_pos *seen, engine_on_frame *on_frame, void *arg)
{
	uint64_t start = seen->length;

	for (;;) {
		size_t done = seen->length - start;
		struct frame f;
		const char *why;
		enum engine_status s;
		int bad = engine_frame_parse(
		    b, seen, p + done, MARK_AT - seen->length, &f, &why);

		for (size_t at = done; bad == -1 && seeded("search-forward") &&
		     at < done + 65536 && start + at < MARK_AT;
		     at += 8)
			bad = engine_frame_parse(
			    b, seen, p + at, MARK_AT - start - at, &f, &why);
		if (bad == -2)
			return engine_fail(b, ENGINE_NEWER, why);
		if (bad != 0 || !engine_bodies_hold(b, g, &f))
			return wipe(b, g, p + done, MARK_AT - seen->length,
			    seen->length);
		s = adopt(b, g, p + done, &f, seen->length, m);
		if (s == ENGINE_OK)
			s = engine_frame_tell(b, g, seen, &f, on_frame, arg);
		if (s != ENGINE_OK)
			return s;
	}
}

enum engine_status engine_recover(struct engine_box *b, struct engine_pos *seen,
    engine_on_frame *on_frame, void *arg)
{
	struct generation *g;
	struct mark m;
	unsigned char *p;
	enum engine_status s = engine_generation(b, seen->generation, &g);

	if (s != ENGINE_OK)
		return s;
	if (engine_mark_read(b, g, &m) < 0)
		return engine_fail(b, ENGINE_CORRUPT, "no durable mark");
	p = mem_resize(NULL, MARK_AT - seen->length + 8, 1);
	if (engine_io_read(
		b->io, g->fd, p, MARK_AT - seen->length, seen->length) < 0)
		s = engine_fail(b, ENGINE_CORRUPT, "frames end early");
	else
		s = recover_tail(b, g, &m, p, seen, on_frame, arg);
	free(p);
	if (s != ENGINE_OK)
		return s;
	b->checked = true;
	b->doubtful = false;
	if (m.at == seen->length && m.holder_pid == 0)
		return ENGINE_OK;
	m.at = seen->length;
	m.holder_pid = m.holder_start = 0;
	return engine_mark_write(b, g, &m) < 0
	    ? engine_fail_errno(b, "writing the mark")
	    : ENGINE_OK;
}

/* The first read of a box: did a crash leave something behind the mark? A
 * live writer holds the lock and will see to it itself. */
static enum engine_status first_look(struct engine_box *b,
    struct engine_pos *seen, engine_on_frame *on_frame, void *arg)
{
	struct generation *g;
	struct mark m;
	unsigned char p[4] = {0};
	enum engine_status s = engine_generation(b, seen->generation, &g);

	b->checked = true;
	if (s != ENGINE_OK)
		return s;
	b->doubtful = true;
	/* A mark before what a snapshot has would take it back from whoever
	 * reads the log instead. */
	if (engine_mark_read(b, g, &m) == 0 && m.at != 0 &&
	    (m.at >= seen->length || seeded("stale-mark-left")) &&
	    (seen->length >= MARK_AT - sizeof(p) ||
		(engine_io_read(b->io, g->fd, p, sizeof(p), seen->length) ==
			0 &&
		    get_u32(p) == 0))) {
		b->doubtful = false;
		return ENGINE_OK;
	}
	if (engine_box_prepare(b) != ENGINE_OK ||
	    engine_lock(b, deadline_in(RECOVER_MS)) != ENGINE_OK)
		return ENGINE_OK; /* read-only, or somebody is at it */
	s = engine_read_marked(b, seen, on_frame, arg);
	if (s == ENGINE_OK)
		s = engine_recover(b, seen, on_frame, arg);
	engine_unlock(b);
	/* Where nothing can be written, what is durable can still be read. */
	return s == ENGINE_DOWN || s == ENGINE_NO_SPACE ? ENGINE_OK : s;
}

enum engine_status engine_read(struct engine_box *b, struct engine_pos *seen,
    engine_on_frame *on_frame, void *arg)
{
	enum engine_status s = engine_read_marked(b, seen, on_frame, arg);

	if (s == ENGINE_OK && !b->checked && !b->look_only &&
	    seen->generation != 0)
		s = first_look(b, seen, on_frame, arg);
	if (s == ENGINE_GONE)
		engine_lost(b);
	b->looked = false; /* what was seen before is old now */
	return s == ENGINE_STOPPED ? ENGINE_OK : s;
}
