/* SPDX-License-Identifier: ISC */
/* Generations: their headers and marks, how they are opened and made. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "core/checksum.h"
#include "core/clock.h"
#include "core/file.h"
#include "store/engine_file.h"
#include "store/le.h"
#include "store/seeded.h"

#define CHECK_TRIES 3 /* reads of a mark that is just being written */

static const char header_magic[8] = "PHSTORE1";

/* clang-format off */
#define AT_MAGIC       0
#define AT_VERSION     8
#define AT_FLAGS       12 /* unknown ones are refused */
#define AT_INCARNATION 16
#define AT_GENERATION  24
#define AT_PREVIOUS    32 /* generation, length, chain, modseq, bodies */
#define AT_SNAPSHOT    72 /* the newest when it was created; a hint */
#define AT_CREATED     80
#define AT_FRAMES      88 /* offsets of frames, mark and bodies */
#define AT_MARK        92
#define AT_BODIES      96
#define AT_BEGINS      104 /* generation from which the log is read */
#define AT_CRC         508
/* clang-format on */

/* ---- the mark ---- */

int engine_mark_read(
    struct engine_box *b, const struct generation *g, struct mark *out)
{
	unsigned char p[40];

	for (int i = 0; i < CHECK_TRIES; i++) {
		if (engine_io_read(b->io, g->fd, p, sizeof(p), MARK_AT) < 0)
			return -1;
		out->at = get_u64(p);
		out->state = get_u64(p + 16);
		out->holder_pid = get_u64(p + 24);
		out->holder_start = get_u64(p + 32);
		if (get_u64(p + 8) == ~out->at && out->at >= FRAMES_AT &&
		    out->at <= MARK_AT && out->at % 8 == 0)
			return 0;
	}
	out->at = 0;
	return 0;
}

int engine_mark_write(
    struct engine_box *b, const struct generation *g, const struct mark *m)
{
	unsigned char p[40];

	put_u64(p, m->at);
	put_u64(p + 8, ~m->at);
	put_u64(p + 16, m->state);
	put_u64(p + 24, m->holder_pid);
	put_u64(p + 32, m->holder_start);
	return engine_io_write(b->io, g->fd, p, sizeof(p), MARK_AT);
}

/* ---- the header ---- */

static void header_build(const struct engine_box *b, const struct generation *g,
    unsigned char p[FRAMES_AT])
{
	memset(p, 0, FRAMES_AT);
	memcpy(p + AT_MAGIC, header_magic, sizeof(header_magic));
	put_u32(p + AT_VERSION, ENGINE_VERSION);
	put_u64(p + AT_INCARNATION, b->incarnation);
	put_u64(p + AT_GENERATION, g->number);
	put_u64(p + AT_PREVIOUS, g->previous.generation);
	put_u64(p + AT_PREVIOUS + 8, g->previous.length);
	put_u64(p + AT_PREVIOUS + 16, g->previous.chain);
	put_u64(p + AT_PREVIOUS + 24, g->previous.modseq);
	put_u64(p + AT_PREVIOUS + 32, g->previous.bodies);
	put_u64(p + AT_CREATED, clock_us());
	put_u32(p + AT_FRAMES, FRAMES_AT);
	put_u32(p + AT_MARK, MARK_AT);
	put_u32(p + AT_BODIES, HEAD_SIZE);
	put_u64(p + AT_BEGINS, g->begins);
	put_u32(p + AT_CRC, crc32c(0, p, AT_CRC));
}

int engine_header_write(struct engine_box *b, const struct generation *g)
{
	unsigned char header[FRAMES_AT];

	header_build(b, g, header);
	return engine_io_write(b->io, g->fd, header, sizeof(header), 0);
}

uint64_t engine_header_incarnation(const unsigned char header[FRAMES_AT])
{
	return get_u64(header + AT_INCARNATION);
}

static enum engine_status header_check(struct engine_box *b,
    const unsigned char p[FRAMES_AT], struct generation *g)
{
	if (memcmp(p + AT_MAGIC, header_magic, sizeof(header_magic)) != 0)
		return engine_fail(b, ENGINE_CORRUPT, "header: magic");
	if (get_u32(p + AT_CRC) != crc32c(0, p, AT_CRC) &&
	    !seeded("header-unchecked"))
		return engine_fail(b, ENGINE_CORRUPT, "header: checksum");
	if (get_u32(p + AT_VERSION) != ENGINE_VERSION ||
	    (get_u32(p + AT_FLAGS) != 0 && !seeded("header-flags-ignored")) ||
	    get_u32(p + AT_FRAMES) != FRAMES_AT ||
	    get_u32(p + AT_MARK) != MARK_AT ||
	    get_u32(p + AT_BODIES) != HEAD_SIZE)
		return engine_fail(
		    b, ENGINE_NEWER, "header: written by a newer version");
	if (get_u64(p + AT_GENERATION) != g->number)
		return engine_fail(b, ENGINE_CORRUPT, "header: generation");
	if (b->incarnation == 0)
		b->incarnation = get_u64(p + AT_INCARNATION);
	if (get_u64(p + AT_INCARNATION) != b->incarnation ||
	    b->incarnation == 0)
		return engine_fail(b, ENGINE_CORRUPT, "header: incarnation");
	g->previous.generation = get_u64(p + AT_PREVIOUS);
	g->previous.length = get_u64(p + AT_PREVIOUS + 8);
	g->previous.chain = get_u64(p + AT_PREVIOUS + 16);
	g->previous.modseq = get_u64(p + AT_PREVIOUS + 24);
	g->previous.bodies = get_u64(p + AT_PREVIOUS + 32);
	g->begins = get_u64(p + AT_BEGINS);
	if (g->begins == 0 || g->begins > g->number)
		return engine_fail(b, ENGINE_CORRUPT, "header: beginning");
	return ENGINE_OK;
}

struct engine_pos engine_generation_start(const struct generation *g)
{
	return (struct engine_pos){.generation = g->number,
	    .length = FRAMES_AT,
	    .chain = g->previous.chain,
	    .modseq = g->previous.modseq,
	    .bodies = HEAD_SIZE};
}

/* ---- opening ---- */

/* A free place in the table of open generations; the newest is never
 * closed for it. */
static struct generation *make_room(struct engine_box *b)
{
	struct generation *oldest = NULL;

	for (size_t i = 0; i < GENERATIONS_OPEN; i++) {
		struct generation *g = &b->generations[i];

		if (g->number == 0)
			return g;
		if (g->number != b->newest &&
		    (oldest == NULL || g->used < oldest->used))
			oldest = g;
	}
	file_close(&oldest->fd);
	oldest->number = 0;
	return oldest;
}

enum engine_status engine_generation(
    struct engine_box *b, uint64_t number, struct generation **out)
{
	unsigned char header[FRAMES_AT];
	enum engine_status s;
	struct generation *g;
	char name[32];

	for (size_t i = 0; i < GENERATIONS_OPEN; i++)
		if (b->generations[i].number == number) {
			*out = &b->generations[i];
			(*out)->used = ++b->clock;
			return ENGINE_OK;
		}
	g = make_room(b);
	snprintf(name, sizeof(name), "g.%llu", (unsigned long long)number);
	g->fd = b->io->open(
	    b->dir, name, (b->look_only ? O_RDONLY : O_RDWR) | O_CLOEXEC, 0);
	if (g->fd < 0 && (errno == EROFS || errno == EACCES))
		g->fd = b->io->open(b->dir, name, O_RDONLY | O_CLOEXEC, 0);
	if (g->fd < 0)
		return errno == ENOENT
		    ? engine_fail(b, ENGINE_GONE, "a generation is missing")
		    : engine_fail_errno(b, "opening a generation");
	g->number = number;
	g->used = ++b->clock;
	g->filled_frames = g->filled_bodies = 0;
	s = engine_io_read(b->io, g->fd, header, sizeof(header), 0) < 0
	    ? engine_fail(b, ENGINE_CORRUPT, "header ends early")
	    : header_check(b, header, g);
	if (s != ENGINE_OK) {
		file_close(&g->fd);
		g->number = 0;
		return s;
	}
	*out = g;
	return ENGINE_OK;
}

void engine_generation_forget(struct engine_box *b, uint64_t number)
{
	for (size_t i = 0; i < GENERATIONS_OPEN; i++)
		if (b->generations[i].number == number) {
			file_close(&b->generations[i].fd);
			b->generations[i].number = 0;
		}
}

/* ---- making ---- */

int engine_sync_dir(struct engine_box *b, int at, const char *path)
{
	int fd = b->io->open(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	int result;

	if (fd < 0)
		return -1;
	result = b->io->fsync(fd);
	file_close(&fd);
	return result;
}

/* The first one makes the directories durable too. */
int engine_generation_sync_name(struct engine_box *b, uint64_t number)
{
	if (seeded("directory-not-synced"))
		return 0;
	if (engine_sync_dir(b, b->dir, ".") < 0)
		return -1;
	if (number > 1 || seeded("directories-above-not-synced"))
		return 0;
	return engine_sync_dir(b, b->engine->root, b->shard) < 0 ||
		engine_sync_dir(b, b->engine->root, ".") < 0
	    ? -1
	    : 0;
}

/* A whole file under a name of its own, synced. *g is open afterwards. */
static int write_file(struct engine_box *b, const char *name,
    struct generation *g, engine_fill *fill, void *arg)
{
	unsigned char header[FRAMES_AT];
	struct mark m = {.at = FRAMES_AT, .state = STATE_LINKED};

	if (seeded("name-taken-for-durable"))
		m.state = 0;
	b->io->unlink(b->dir, name); /* of a dead process with our number */
	g->fd = b->io->open(
	    b->dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (g->fd < 0)
		return -1;
	header_build(b, g, header);
	return engine_io_write(b->io, g->fd, header, sizeof(header), 0) < 0 ||
		(fill != NULL && fill(arg, g, &m) < 0) ||
		engine_mark_write(b, g, &m) < 0 || b->io->fsync(g->fd) < 0
	    ? -1
	    : 0;
}

/* Its name is durable: nobody needs to sync it any more. Should this fail,
 * it costs others a sync. */
static void name_is_durable(struct engine_box *b, const struct generation *g)
{
	struct mark m;

	if (engine_mark_read(b, g, &m) == 0 && m.state == STATE_LINKED) {
		m.state = 0;
		engine_mark_write(b, g, &m);
	}
}

/* *linked: it has its name, be it durable or not. */
static int make(struct engine_box *b, struct generation *g, engine_fill *fill,
    void *arg, bool *linked)
{
	char name[32], temporary[64];
	int result = -1, saved;

	snprintf(name, sizeof(name), "g.%llu", (unsigned long long)g->number);
	snprintf(temporary, sizeof(temporary), "new.%llu.%d",
	    (unsigned long long)g->number, (int)getpid());
	if ((g->number == 1 && engine_name_write(b) < 0) ||
	    write_file(b, temporary, g, fill, arg) < 0)
		;
	else if (b->io->link(b->dir, temporary, name) == 0 ||
	    (errno == EEXIST && fill == NULL)) {
		*linked = true;
		result = engine_generation_sync_name(b, g->number);
	}
	if (result == 0)
		name_is_durable(b, g);
	saved = errno;
	file_close(&g->fd);
	b->io->unlink(b->dir, temporary);
	errno = saved;
	return result;
}

enum engine_status engine_generation_make(
    struct engine_box *b, struct generation *g, engine_fill *fill, void *arg)
{
	bool first = b->incarnation == 0, linked = false;
	enum engine_status s;

	if (first)
		b->incarnation = engine_random();
	if (make(b, g, fill, arg, &linked) == 0) {
		b->newest = g->number;
		return ENGINE_OK;
	}
	s = engine_fail_errno(b, "creating a generation");
	if (first)
		b->incarnation = 0;
	return linked && fill != NULL ? ENGINE_UNKNOWN : s;
}

enum engine_status engine_generation_next(
    struct engine_box *b, const struct engine_pos *previous)
{
	struct generation next = {.number = previous->generation + 1,
	    .fd = -1,
	    .previous = *previous,
	    .begins = 1};

	if (previous->generation != 0) {
		struct generation *g;
		enum engine_status s = engine_generation(
		    b, previous->generation, &g);

		if (s != ENGINE_OK)
			return s;
		next.begins = g->begins;
	}
	return engine_generation_make(b, &next, NULL, NULL);
}
