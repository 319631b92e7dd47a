/* SPDX-License-Identifier: ISC */
/*
 * What a damaged log still says.
 *
 * Where a frame is expected and none can be read, the next one is looked for
 * at every eighth octet of the head area. Bodies do not stand there, and the
 * checksum of a frame begins with the box's secret incarnation: what somebody
 * sent is never taken for one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/checksum.h"
#include "core/file.h"
#include "core/memory.h"
#include "store/engine_file.h"
#include "store/le.h"
#include "store/seeded.h"

#define SECTOR 512u

struct salvage {
	struct engine_box *b;
	const struct engine_salvage *to; /* NULL: nobody listens */
	struct engine_pos seen;          /* the end of the last good frame */
	bool gap;                        /* something may be missing there */
	struct generation g;             /* being read; fd -1: cannot be */
	bool headed;                     /* its header is good */
	uint64_t limit;      /* where its durable frames end; 0: unknown */
	uint64_t bodies_end; /* likewise */
	bool open_end;       /* whole frames may stand behind that */
};

static void lose(
    struct salvage *s, uint64_t offset, uint64_t octets, const char *what)
{
	s->gap = !seeded("salvage-sees-no-gap");
	if (s->to != NULL && s->to->lost != NULL)
		s->to->lost(s->to->arg, s->g.number, offset, octets, what);
}

/* Bodies from where those of the last good frame ended. */
static void leave(struct salvage *s, uint64_t end)
{
	if (end > s->seen.bodies && s->to != NULL && s->to->bodies != NULL)
		s->to->bodies(s->to->arg, s->g.number, s->seen.bodies,
		    end - s->seen.bodies);
}

/* ---- reading ---- */

/* As much as the disk gives; sectors that it does not give are zero. */
static size_t read_tolerant(
    struct engine_box *b, int fd, unsigned char *p, size_t len)
{
	ssize_t got = engine_io_read_some(b->io, fd, p, len, 0);
	size_t end = 0;

	if (got >= 0)
		return (size_t)got;
	memset(p, 0, len);
	for (size_t at = 0; at < len; at += SECTOR) {
		got = engine_io_read_some(b->io, fd, p + at, SECTOR, at);
		if (got > 0)
			end = at + (size_t)got;
	}
	return end;
}

/* ---- frames ---- */

static void tell(struct salvage *s, const struct frame *f, uint64_t at)
{
	struct engine_frame_info info = {
	    .at = s->seen, .time_us = f->time_us, .count = f->count};
	struct str heads = f->heads;
	char *fetched = NULL;

	info.at.length = at;
	info.at.bodies = f->body_start;
	info.after = engine_frame_after(&info.at, f);
	leave(s, f->body_start);
	if (f->flags & FRAME_EXTERN) {
		if (engine_frame_heads(s->b, &s->g, f, &fetched) != ENGINE_OK) {
			s->seen.bodies = f->body_start;
			leave(s, f->heads_at);
			s->seen = info.after;
			lose(s, f->heads_at, f->heads_len,
			    "a frame's records cannot be read");
			return;
		}
		heads = str_of(fetched, f->heads_len);
	}
	s->seen = info.after;
	if (s->to != NULL && s->to->frame != NULL)
		s->to->frame(s->to->arg, heads, &info, s->gap);
	s->gap = false;
	free(fetched);
}

/* A frame with a good checksum that comes after what we have seen. */
static bool acceptable(struct salvage *s, const unsigned char *p,
    const struct frame *f, uint64_t at)
{
	bool follows = !s->gap && f->body_start == s->seen.bodies &&
	    engine_frame_follows(&s->seen, p, f);

	if ((f->body_start < s->seen.bodies || f->modseq <= s->seen.modseq) &&
	    !seeded("salvage-twice"))
		return false;
	if (s->limit != 0 && at >= s->limit &&
	    !(s->open_end && follows && engine_bodies_hold(s->b, &s->g, f)))
		return false;
	/* Between two frames of one generation nothing is missing when no
	 * octet is; so much the chain alone can say of the first one. */
	if (!follows && !s->gap)
		lose(s, at, 0, "a frame does not follow the one before");
	return true;
}

/* Where what was written ends: durable frames, or the last octet. */
static size_t written(
    const struct salvage *s, const unsigned char *p, size_t len)
{
	if (s->limit != 0 && !s->open_end)
		return s->limit < len ? (size_t)s->limit : len;
	while (len > FRAMES_AT && p[len - 1] == 0)
		len--;
	return s->limit > len ? (size_t)s->limit : len;
}

static uint64_t file_end(const struct salvage *s)
{
	struct stat st;

	return fstat(s->g.fd, &st) < 0 ? 0 : (uint64_t)st.st_size;
}

static enum engine_status scan(
    struct salvage *s, const unsigned char *p, size_t len)
{
	size_t at = (size_t)s->seen.length, start = at;
	size_t end = written(s, p, len < MARK_AT ? len : MARK_AT);
	const char *why = "", *first = "";

	while (at < end && at < len) {
		struct frame f;
		int bad = engine_frame_alone(
		    s->b, s->g.number, p + at, len - at, &f, &why);

		if (bad == -2)
			return engine_fail(s->b, ENGINE_NEWER, why);
		if (at == start)
			first = why;
		if (bad == 0 && start < at)
			s->gap = true;
		if (bad != 0 || !acceptable(s, p + at, &f, at)) {
			if (s->limit != 0 && at >= s->limit)
				break; /* torn, and never durable */
			at = seeded("salvage-ends-at-damage") ? end : at + 8;
			continue;
		}
		if (start < at)
			lose(s, start, at - start, first);
		tell(s, &f, at);
		start = at = (size_t)s->seen.length;
	}
	if (s->limit != 0 && end > s->limit)
		end = (size_t)s->limit;
	if (start < end) {
		lose(s, start, end - start,
		    start < len ? first : "frames end early");
		s->seen.length = end;
		leave(s, s->bodies_end != 0 ? s->bodies_end : file_end(s));
	}
	return ENGINE_OK;
}

/* ---- generations ---- */

static int open_raw(struct engine_box *b, uint64_t number, int flags)
{
	char name[32];

	snprintf(name, sizeof(name), "g.%llu", (unsigned long long)number);
	return b->io->open(b->dir, name, flags | O_CLOEXEC, 0);
}

static bool follows(
    const struct engine_pos *end, const struct engine_pos *previous)
{
	return end->generation == previous->generation &&
	    end->length == previous->length && end->chain == previous->chain &&
	    end->modseq == previous->modseq;
}

/* The log begins in it: nothing before it matters. */
static bool begins_here(const struct generation *g)
{
	return g->begins == g->number;
}

/* Where the log stands at the start of this generation. */
static void enter(struct salvage *s, bool first)
{
	const struct generation *g = &s->g;

	if (s->headed && begins_here(g))
		s->gap = false;
	else if (first && g->number > 1)
		s->gap = true;
	else if (s->headed && !first && !s->gap &&
	    !follows(&s->seen, &g->previous))
		lose(s, 0, 0, "it does not follow the generation before");
	if (s->headed)
		s->seen.chain = g->previous.chain;
	if (s->headed && (first || begins_here(g)))
		s->seen.modseq = g->previous.modseq;
	s->seen.generation = g->number;
	s->seen.length = FRAMES_AT;
	s->seen.bodies = HEAD_SIZE;
}

/* The next generation says where this one ends, or else its mark. */
static void find_limit(struct salvage *s, uint64_t newest)
{
	struct generation *next;
	struct mark m;

	s->limit = s->bodies_end = 0;
	s->open_end = s->g.number == newest;
	if (!s->open_end &&
	    engine_generation(s->b, s->g.number + 1, &next) == ENGINE_OK &&
	    next->previous.generation == s->g.number) {
		s->limit = next->previous.length;
		s->bodies_end = next->previous.bodies;
	} else if (s->open_end && engine_mark_read(s->b, &s->g, &m) == 0) {
		s->limit = m.at;
	}
	if (s->limit > MARK_AT)
		s->limit = 0;
}

static enum engine_status open_generation(
    struct salvage *s, uint64_t number, uint64_t newest)
{
	struct generation *g;
	enum engine_status e = engine_generation(s->b, number, &g);

	s->g = (struct generation){.number = number, .fd = -1};
	s->headed = e == ENGINE_OK;
	if (e == ENGINE_NEWER || e == ENGINE_DOWN)
		return e;
	if (s->headed)
		s->g = *g;
	s->g.fd = open_raw(s->b, number, O_RDONLY);
	if (s->g.fd < 0)
		return errno == ENOENT
		    ? ENGINE_GONE
		    : engine_fail_errno(s->b, "opening a generation");
	find_limit(s, newest);
	return ENGINE_OK;
}

static enum engine_status salvage_one(
    struct salvage *s, uint64_t number, uint64_t newest, bool first)
{
	bool resume = s->seen.generation == number;
	enum engine_status e = open_generation(s, number, newest);
	unsigned char *p;
	size_t len;

	if (e == ENGINE_GONE) {
		lose(s, 0, 0, "the generation is missing");
		return ENGINE_OK;
	}
	if (e != ENGINE_OK)
		return e;
	p = mem_resize(NULL, MARK_AT, 1);
	len = read_tolerant(s->b, s->g.fd, p, MARK_AT);
	if (!resume)
		enter(s, first);
	if (!s->headed && s->to != NULL && s->to->lost != NULL)
		s->to->lost(s->to->arg, number, 0, 0, "a damaged header");
	e = scan(s, p, len);
	/* Its mark was written when it was made. */
	if (e == ENGINE_OK && s->limit == 0 && len < MARK_AT)
		lose(s, len, 0, "the file is cut");
	free(p);
	file_close(&s->g.fd);
	return e;
}

/* ---- the incarnation ---- */

/* Whether the first frame of a generation proves it. */
static bool proven(struct engine_box *b, uint64_t number,
    const unsigned char *p, size_t len, uint64_t incarnation)
{
	struct frame f;
	const char *why;

	b->incarnation = incarnation;
	for (size_t at = FRAMES_AT; at + FRAME_LEAST <= len; at += 8)
		if (engine_frame_alone(b, number, p + at, len - at, &f, &why) ==
		    0)
			return true;
	b->incarnation = 0;
	return false;
}

/* No header is good: but the number may stand in a bad one, whole or with one
 * bit that is wrong, and any frame proves it. */
static void guess(struct engine_box *b, uint64_t number)
{
	unsigned char *p = mem_resize(NULL, MARK_AT, 1);
	int fd = open_raw(b, number, O_RDONLY);
	size_t len = fd < 0 ? 0 : read_tolerant(b, fd, p, MARK_AT);
	uint64_t said = len < FRAMES_AT ? 0 : engine_header_incarnation(p);

	if (said != 0 && !proven(b, number, p, len, said))
		for (unsigned bit = 0; bit < 64; bit++)
			if (proven(
				b, number, p, len, said ^ UINT64_C(1) << bit))
				break;
	file_close(&fd);
	free(p);
}

static enum engine_status find_incarnation(
    struct engine_box *b, uint64_t oldest, uint64_t newest)
{
	struct generation *g;

	for (uint64_t i = newest; i >= oldest && b->incarnation == 0; i--)
		if (engine_generation(b, i, &g) == ENGINE_NEWER)
			return ENGINE_NEWER;
	for (uint64_t i = newest; i >= oldest && b->incarnation == 0; i--)
		guess(b, i);
	return ENGINE_OK;
}

/* ---- all of it ---- */

static enum engine_status bounds(
    struct engine_box *b, uint64_t *oldest, uint64_t *newest)
{
	enum engine_status e = engine_attach(b);

	*oldest = *newest = 0;
	if (e != ENGINE_OK)
		return e;
	if (b->dir < 0)
		return engine_fail(b, ENGINE_GONE, "nothing on disk");
	if (engine_highest(b, 'g', UINT64_MAX, newest) < 0 ||
	    engine_lowest(b, 'g', oldest) < 0)
		return engine_fail_errno(b, "reading the account's directory");
	return *newest == 0 ? engine_fail(b, ENGINE_GONE, "nothing on disk")
			    : find_incarnation(b, *oldest, *newest);
}

enum engine_status engine_salvage(struct engine_box *b, struct engine_pos *from,
    const struct engine_salvage *to)
{
	struct salvage s = {.b = b, .to = to, .seen = *from};
	uint64_t oldest, newest, start;
	enum engine_status e = bounds(b, &oldest, &newest);

	if (e != ENGINE_OK)
		return e;
	start = from->generation != 0 ? from->generation : oldest;
	for (uint64_t i = start; i <= newest && e == ENGINE_OK; i++)
		e = salvage_one(
		    &s, i, newest, i == start && from->generation == 0);
	*from = s.seen;
	return e;
}

/* ---- headers ---- */

/* The first frame goes on where the generation before ended, or is known not
 * to be there. */
static bool is_proven(struct engine_box *b, const struct generation *g)
{
	struct engine_pos start = engine_generation_start(g);
	unsigned char *p = mem_resize(NULL, MARK_AT, 1);
	struct generation raw = {
	    .number = g->number, .fd = open_raw(b, g->number, O_RDONLY)};
	size_t len = raw.fd < 0 ? 0 : read_tolerant(b, raw.fd, p, MARK_AT);
	struct mark m = {0};
	struct frame f;
	const char *why;
	bool proven = len > FRAMES_AT &&
	    engine_frame_parse(
		b, &start, p + FRAMES_AT, len - FRAMES_AT, &f, &why) == 0;

	if (!proven && raw.fd >= 0 && engine_mark_read(b, &raw, &m) == 0)
		proven = m.at == FRAMES_AT;
	file_close(&raw.fd);
	free(p);
	return proven;
}

/* What the header said, as the frames around it show. Where they do not, it
 * says that this generation follows nothing. */
static enum engine_status reckon_header(struct engine_box *b, uint64_t number,
    uint64_t oldest, uint64_t newest, struct generation *g)
{
	struct salvage s = {.b = b};
	struct generation *other;
	enum engine_status e = ENGINE_OK;

	*g = (struct generation){.number = number, .fd = -1, .begins = 1};
	if (number > oldest) {
		e = salvage_one(&s, number - 1, newest, true);
		g->previous = s.seen;
	}
	if (e == ENGINE_OK && number > 1 &&
	    engine_generation(b, number - 1, &other) == ENGINE_OK)
		g->begins = other->begins;
	if (engine_generation(b, number + 1, &other) == ENGINE_OK &&
	    other->begins <= number)
		g->begins = other->begins;
	if (e == ENGINE_OK && !is_proven(b, g))
		g->previous = (struct engine_pos){0};
	return e;
}

/* Keeps what stood there, once. */
static int keep_header(struct engine_box *b, int fd, uint64_t number)
{
	unsigned char header[FRAMES_AT] = {0};
	char name[64];
	int copy, result;

	snprintf(name, sizeof(name), DAMAGED "header.%llu",
	    (unsigned long long)number);
	if (engine_io_read_some(b->io, fd, header, sizeof(header), 0) < 0)
		memset(header, 0, sizeof(header));
	copy = b->io->open(
	    b->dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (copy < 0)
		return errno == EEXIST ? 0 : -1;
	result = engine_io_write(b->io, copy, header, sizeof(header), 0) < 0 ||
		b->io->fsync(copy) < 0 || engine_sync_dir(b, b->dir, ".") < 0
	    ? -1
	    : 0;
	file_close(&copy);
	return result;
}

static enum engine_status mend_header(
    struct engine_box *b, uint64_t number, uint64_t oldest, uint64_t newest)
{
	struct generation g;
	enum engine_status e = reckon_header(b, number, oldest, newest, &g);

	if (e != ENGINE_OK)
		return e;
	g.fd = open_raw(b, number, O_RDWR);
	if (g.fd < 0 || keep_header(b, g.fd, number) < 0 ||
	    engine_header_write(b, &g) < 0 || b->io->fdatasync(g.fd) < 0)
		e = engine_fail_errno(b, "writing a header");
	file_close(&g.fd);
	return e;
}

static enum engine_status mend_headers(struct engine_box *b,
    void (*mended)(void *arg, uint64_t generation), void *arg)
{
	uint64_t oldest, newest;
	enum engine_status e = bounds(b, &oldest, &newest);
	struct generation *g;

	if (e == ENGINE_OK && b->incarnation == 0)
		return engine_fail(
		    b, ENGINE_CORRUPT, "no header and no frame can be read");
	for (uint64_t i = oldest; i <= newest && e == ENGINE_OK; i++) {
		e = engine_generation(b, i, &g);
		if (e == ENGINE_CORRUPT) {
			e = mend_header(b, i, oldest, newest);
			if (e == ENGINE_OK)
				mended(arg, i);
		} else if (e == ENGINE_GONE) {
			e = ENGINE_OK;
		}
	}
	return e;
}

enum engine_status engine_mend_headers(struct engine_box *b, int64_t deadline,
    void (*mended)(void *arg, uint64_t generation), void *arg)
{
	enum engine_status e = engine_box_prepare(b);

	if (e == ENGINE_OK)
		e = engine_lock(b, deadline);
	if (e != ENGINE_OK)
		return e;
	e = mend_headers(b, mended, arg);
	engine_unlock(b);
	return e;
}

enum engine_status engine_set_aside(struct engine_box *b, uint64_t generation)
{
	char name[32], copy[64];

	snprintf(name, sizeof(name), "g.%llu", (unsigned long long)generation);
	snprintf(
	    copy, sizeof(copy), DAMAGED "%llu", (unsigned long long)generation);
	if ((b->io->link(b->dir, name, copy) < 0 && errno != EEXIST &&
		errno != ENOENT) ||
	    engine_sync_dir(b, b->dir, ".") < 0)
		return engine_fail_errno(b, "keeping a damaged generation");
	return ENGINE_OK;
}
