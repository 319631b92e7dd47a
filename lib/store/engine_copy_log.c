/* SPDX-License-Identifier: ISC */
/* Copying the log: what a copy's generations lack, and what is erased. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/memory.h"
#include "store/engine_copy.h"
#include "store/le.h"
#include "store/seeded.h"

#define ERASED_LEAST 8 /* zeroes that are no accident */

static void generation_name(uint64_t number, char out[32])
{
	snprintf(out, 32, "g.%llu", (unsigned long long)number);
}

/* ---- one generation ---- */

struct source {
	struct copy *c;
	uint64_t number;
	int fd;
	unsigned char *head; /* [0, MARK_AT) of its file */
	uint64_t frames_end, bodies_end;
	unsigned char erased[ERASED_OCTETS];
};

/* How far it goes; where that is not known, because the log was begun anew
 * behind damage, all of it is copied. Not because the next one was dropped
 * while we looked: then this one was, too. */
static enum engine_status find_limits(struct source *o)
{
	struct copy *c = o->c;
	struct generation *next;
	struct stat st;
	uint64_t oldest;

	o->frames_end = c->end.length;
	o->bodies_end = c->end.bodies;
	if (o->number == c->end.generation)
		return ENGINE_OK;
	if (engine_generation(c->from, o->number + 1, &next) == ENGINE_OK &&
	    next->previous.generation == o->number &&
	    next->previous.length <= MARK_AT) {
		o->frames_end = next->previous.length;
		o->bodies_end = next->previous.bodies;
		return ENGINE_OK;
	}
	if (engine_lowest(c->from, 'g', &oldest) < 0)
		return copy_failed(c, "reading the account's directory");
	if (oldest > o->number)
		return engine_fail(
		    c->to, ENGINE_GONE, "what is copied went away");
	o->frames_end = MARK_AT;
	o->bodies_end = fstat(o->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
	return ENGINE_OK;
}

static enum engine_status source_open(
    struct copy *c, uint64_t number, struct source *o)
{
	enum engine_status s;
	char name[32];

	*o = (struct source){.c = c, .number = number};
	generation_name(number, name);
	s = copy_open(c, name, &o->fd);
	if (s != ENGINE_OK)
		return s;
	o->head = mem_alloc(MARK_AT);
	/* The number first: what is erased from now on is found next time. */
	if (copy_get(c->from, o->fd, o->erased, ERASED_OCTETS, ERASED_AT) < 0 ||
	    copy_get(c->from, o->fd, o->head, MARK_AT, 0) < 0)
		return copy_failed(c, "reading what is copied");
	return find_limits(o);
}

static void source_close(struct source *o)
{
	file_close(&o->fd);
	free(o->head);
}

/* Every frame holds, up to the end; and where the bodies of those from `at` on
 * begin. */
static enum engine_status prove(
    const struct source *o, uint64_t at, uint64_t *bodies)
{
	struct copy *c = o->c;
	struct engine_pos pos;
	struct generation *g;
	enum engine_status s = engine_generation(c->from, o->number, &g);

	*bodies = HEAD_SIZE;
	if (s != ENGINE_OK)
		return copy_from_failed(c, s);
	pos = engine_generation_start(g);
	while (pos.length < o->frames_end) {
		struct frame f;
		const char *why;

		if (engine_frame_parse(c->from, &pos, o->head + pos.length,
			o->frames_end - pos.length, &f, &why) != 0)
			return engine_fail(c->to, ENGINE_CORRUPT, why);
		pos = engine_frame_after(&pos, &f);
		if (pos.length == at)
			*bodies = pos.bodies;
	}
	return pos.bodies == o->bodies_end
	    ? ENGINE_OK
	    : engine_fail(c->to, ENGINE_CORRUPT, "generations do not follow");
}

static enum engine_status prove_unless_left_behind(
    const struct source *o, uint64_t at, uint64_t *bodies)
{
	enum engine_status s = prove(o, at, bodies);

	return s == ENGINE_CORRUPT && o->number < o->c->begins ? ENGINE_OK : s;
}

/* As engine_fill: all of it into a new file. */
static int fill(void *arg, struct generation *g, struct mark *m)
{
	const struct source *o = arg;
	struct copy *c = o->c;
	uint64_t size = o->bodies_end < HEAD_SIZE ? HEAD_SIZE : o->bodies_end;

	m->at = o->frames_end;
	c->written += 40; /* the mark */
	return copy_put(c, g->fd, o->head, o->frames_end, 0) < 0 ||
		copy_put(c, g->fd, o->erased, ERASED_OCTETS, ERASED_AT) < 0 ||
		copy_range(c, o->fd, g->fd, HEAD_SIZE, o->bodies_end, true) <
		    0 ||
		c->to->io->truncate(g->fd, (off_t)size) < 0
	    ? -1
	    : 0;
}

static enum engine_status create(struct source *o)
{
	struct generation g = {.number = o->number, .fd = -1};
	uint64_t bodies;
	enum engine_status s = prove_unless_left_behind(o, 0, &bodies);

	if (s == ENGINE_OK)
		s = engine_generation_make(o->c->to, &g, fill, o);
	return s == ENGINE_UNKNOWN ? ENGINE_DOWN : s;
}

/* The copy's newest generation, open, and its mark. */
static enum engine_status open_newest(
    struct copy *c, struct generation *g, struct mark *m)
{
	char name[32];

	*g = (struct generation){.number = c->to->newest};
	generation_name(g->number, name);
	g->fd = c->to->io->open(c->to->dir, name, O_RDWR | O_CLOEXEC, 0);
	if (g->fd < 0 || engine_mark_read(c->to, g, m) < 0) {
		file_close(&g->fd);
		return copy_failed(c, "opening the copy");
	}
	if (m->at == 0)
		m->at = FRAMES_AT;
	return ENGINE_OK;
}

/* Bodies from their offset on, and frames from the mark on. */
static int append(const struct source *o, const struct generation *g,
    uint64_t frames, uint64_t bodies)
{
	static const char zeroes[8];
	struct copy *c = o->c;

	return copy_range(c, o->fd, g->fd, bodies, o->bodies_end, false) < 0 ||
		copy_put(c, g->fd, o->head + frames, o->frames_end - frames,
		    frames) < 0 ||
		(o->frames_end < MARK_AT &&
		    copy_put(c, g->fd, zeroes, sizeof(zeroes), o->frames_end) <
			0) ||
		(!seeded("copy-not-synced") && c->to->io->fdatasync(g->fd) < 0)
	    ? -1
	    : 0;
}

/* What the copy's newest generation lacks. */
static enum engine_status extend(const struct source *o)
{
	struct copy *c = o->c;
	struct generation g;
	struct mark m = {0}, was;
	uint64_t bodies;
	enum engine_status s = open_newest(c, &g, &m);

	if (s != ENGINE_OK)
		return s;
	was = m;
	if (m.at < o->frames_end) {
		s = prove_unless_left_behind(o, m.at, &bodies);
		if (s == ENGINE_OK && append(o, &g, m.at, bodies) < 0)
			s = copy_failed(c, "writing the copy");
		m.at = o->frames_end;
	}
	/* Who reads the copy goes on in the next one when it is there. */
	if (o->number < c->end.generation)
		m.state = STATE_SEALING;
	m.holder_pid = m.holder_start = 0;
	if (s == ENGINE_OK && memcmp(&m, &was, sizeof(m)) != 0 &&
	    engine_mark_write(c->to, &g, &m) < 0)
		s = copy_failed(c, "writing the copy");
	file_close(&g.fd);
	return s;
}

enum engine_status copy_generations(struct copy *c)
{
	uint64_t had = c->to->newest;
	enum engine_status s = ENGINE_OK;

	for (uint64_t i = had == 0 ? c->oldest : had;
	     i <= c->end.generation && s == ENGINE_OK; i++) {
		struct source o;

		s = source_open(c, i, &o);
		if (s == ENGINE_OK && i != had)
			s = create(&o);
		if (s == ENGINE_OK)
			s = extend(&o);
		source_close(&o);
	}
	return s;
}

/* ---- does the copy belong to this log? ---- */

/* The frame that ends at `at` says by its chain what all frames before it
 * were. */
static bool same_frames(
    const struct source *o, const struct generation *g, uint64_t at)
{
	unsigned char chain[8];

	return at == FRAMES_AT ||
	    (engine_io_read(o->c->to->io, g->fd, chain, 8, at - 8) == 0 &&
		memcmp(chain, o->head + at - 8, 8) == 0);
}

static bool fits(
    const struct source *o, const struct generation *g, const struct mark *m)
{
	unsigned char header[FRAMES_AT];

	if (engine_io_read(o->c->to->io, g->fd, header, FRAMES_AT, 0) < 0 ||
	    memcmp(header, o->head, FRAMES_AT) != 0)
		return false;
	if (m->at > o->frames_end) /* begun anew behind damage */
		return o->number < o->c->begins;
	return same_frames(o, g, m->at);
}

static void note_generation(void *arg, int dir, const char *name)
{
	uint64_t number = engine_number(name, 'g');

	(void)dir;
	if (number != 0)
		buf_add_bytes(arg, &number, sizeof(number));
}

/* The copy's generations have no gap, and so many as it needs. */
static bool complete(const struct copy *c, const struct buf *generations)
{
	uint64_t lowest = UINT64_MAX, highest = 0, number;

	for (size_t at = 0; at < generations->len; at += sizeof(number)) {
		memcpy(&number, generations->p + at, sizeof(number));
		lowest = number < lowest ? number : lowest;
		highest = number > highest ? number : highest;
	}
	return highest - lowest + 1 == generations->len / sizeof(number) &&
	    lowest <= c->oldest && highest >= c->oldest &&
	    highest <= c->end.generation;
}

enum engine_status copy_fits(struct copy *c, bool *yes)
{
	struct buf generations = buf_new(LIST_MOST);
	struct generation g;
	struct source o;
	struct mark m = {0};
	enum engine_status s;

	*yes = c->to->newest == 0;
	if (*yes)
		return ENGINE_OK;
	if (engine_list(c->to->dir, ".", note_generation, &generations) < 0)
		return copy_failed(c, "reading the copy");
	*yes = complete(c, &generations);
	buf_free(&generations);
	if (!*yes)
		return ENGINE_OK;
	s = open_newest(c, &g, &m);
	if (s != ENGINE_OK)
		return s;
	s = source_open(c, c->to->newest, &o);
	*yes = s == ENGINE_OK && fits(&o, &g, &m);
	source_close(&o);
	file_close(&g.fd);
	return s;
}

/* ---- what goes ---- */

/* Octets that are zero in `from` and not in the copy were erased. Others that
 * differ are damage in one of them, which a check finds, and so may be a few
 * zeroes. */
static void note_erased(
    struct copy *c, size_t len, uint64_t at, struct buf *ranges)
{
	const unsigned char *from = c->piece, *to = c->other;

	for (size_t i = 0; i < len; i++) {
		size_t start = i;
		struct engine_range r;

		if (from[i] != 0 || to[i] == 0)
			continue;
		while (i < len && from[i] == 0)
			i++;
		r = (struct engine_range){at + start, at + i};
		if (i - start >= ERASED_LEAST || start == 0 || i == len) {
			buf_add_bytes(ranges, &r, sizeof(r));
			c->written += i - start;
		}
	}
}

static int find_erased(
    struct copy *c, int from, int to, uint64_t end, struct buf *ranges)
{
	for (uint64_t at = HEAD_SIZE; at < end; at += COPY_PIECE) {
		size_t some = end - at < COPY_PIECE ? (size_t)(end - at)
						    : COPY_PIECE;

		if (copy_get(c->from, from, c->piece, some, at) < 0 ||
		    copy_get(c->to, to, c->other, some, at) < 0)
			return -1;
		if (memcmp(c->piece, c->other, some) != 0)
			note_erased(c, some, at, ranges);
	}
	return ranges->overflow ? -1 : 0;
}

static int erase_as(
    struct copy *c, int from, int to, const unsigned char *erased)
{
	struct buf ranges = buf_new(LIST_MOST);
	struct stat here, there;
	int result = fstat(from, &here) < 0 ? -1 : fstat(to, &there);

	/* What a file that is too short lacks is damage. */
	if (result == 0)
		result = find_erased(c, from, to,
		    (uint64_t)(here.st_size < there.st_size ? here.st_size
							    : there.st_size),
		    &ranges);
	if (result == 0)
		result = engine_erase_ranges(c->to, to, ERASED_AT,
		    get_u64(erased),
		    (const struct engine_range *)(void *)ranges.p,
		    ranges.len / sizeof(struct engine_range));
	c->written += ERASED_OCTETS;
	buf_free(&ranges);
	return result;
}

enum engine_status copy_erased(struct copy *c, uint64_t number)
{
	unsigned char here[ERASED_OCTETS], there[ERASED_OCTETS];
	int from, to;
	char name[32];
	enum engine_status s;

	generation_name(number, name);
	s = copy_open(c, name, &from);
	if (s != ENGINE_OK)
		return s;
	to = c->to->io->open(c->to->dir, name, O_RDWR | O_CLOEXEC, 0);
	if (to < 0 ||
	    copy_get(c->from, from, here, ERASED_OCTETS, ERASED_AT) < 0 ||
	    copy_get(c->to, to, there, ERASED_OCTETS, ERASED_AT) < 0 ||
	    (memcmp(here, there, ERASED_OCTETS) != 0 &&
		erase_as(c, from, to, here) < 0))
		s = copy_failed(c, "erasing in the copy");
	file_close(&from);
	file_close(&to);
	return s;
}

enum engine_status copy_drop_generations(struct copy *c)
{
	uint64_t oldest;
	enum engine_status s = ENGINE_OK;

	for (;;) {
		if (engine_lowest(c->to, 'g', &oldest) < 0)
			return copy_failed(c, "reading the copy");
		if (oldest == 0 || oldest >= c->oldest)
			return s;
		s = engine_drop(c->to, oldest);
		if (s != ENGINE_OK)
			return s;
	}
}
