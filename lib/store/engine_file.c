/* SPDX-License-Identifier: ISC */
/* The engine of local files: where a box is and which files it has. */
#include "store/engine_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/checksum.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/memory.h"
#include "store/le.h"

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
#define AT_BEGINS      104 /* the generation where the log begins; 0: 1 */
#define AT_CRC         508
/* clang-format on */

void engine_note(struct engine_box *b, const char *what)
{
	snprintf(b->why, sizeof(b->why), "%s", what);
}

enum engine_status engine_fail_errno(struct engine_box *b, const char *what)
{
	int error = errno;

	snprintf(b->why, sizeof(b->why), "%s: %s", what, strerror(error));
	return error == ENOSPC || error == EDQUOT ? ENGINE_NO_SPACE
						  : ENGINE_DOWN;
}

const char *engine_why(const struct engine_box *b)
{
	return b->why;
}

uint64_t engine_incarnation(const struct engine_box *b)
{
	return b->incarnation;
}

static uint64_t random_u64(void)
{
	uint64_t v = 0;

	while (v == 0)
		if (getrandom(&v, sizeof(v), 0) != (ssize_t)sizeof(v))
			v = 0;
	return v;
}

struct engine *engine_open(const char *root, const char **why)
{
	return engine_file_open(root, NULL, why);
}

struct engine *engine_file_open(
    const char *root, const struct engine_io *io, const char **why)
{
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct engine *e;

	if (fd < 0) {
		*why = strerror(errno);
		return NULL;
	}
	e = NEW(struct engine);
	e->root = fd;
	e->io = io == NULL ? &engine_io_system : io;
	e->seal_frames = SEAL_FRAMES;
	e->seal_bodies = SEAL_BODIES;
	return e;
}

void engine_set_seal(struct engine *e, uint64_t frames, uint64_t bodies)
{
	e->seal_frames = frames < SEAL_FRAMES ? frames : SEAL_FRAMES;
	e->seal_bodies = bodies;
}

void engine_close(struct engine **e)
{
	if (*e == NULL)
		return;
	file_close(&(*e)->root);
	free(*e);
	*e = NULL;
}

enum engine_status engine_box_open(
    struct engine *e, struct str account, struct engine_box **out)
{
	struct engine_box *b = NEW(struct engine_box);

	b->engine = e;
	b->io = e->io;
	b->dir = b->lock_fd = b->object_fd = -1;
	b->writer = random_u64();
	b->pid = (uint64_t)getpid();
	b->started = clock_us();
	b->account = str_dup(account);
	engine_name(account, b->shard, b->name);
	*out = b;
	return ENGINE_OK;
}

void engine_detach(struct engine_box *b)
{
	for (size_t i = 0; i < GENERATIONS_OPEN; i++)
		if (b->generations[i].number != 0) {
			file_close(&b->generations[i].fd);
			b->generations[i].number = 0;
		}
	file_close(&b->object_fd);
	file_close(&b->lock_fd);
	file_close(&b->dir);
	b->object[0] = '\0';
	b->incarnation = b->newest = 0;
	b->checked = b->session = b->doubtful = false;
}

void engine_box_close(struct engine_box **b)
{
	if (*b == NULL)
		return;
	engine_detach(*b);
	free((*b)->account);
	free(*b);
	*b = NULL;
}

int engine_box_directory(struct engine_box *b)
{
	if (b->dir < 0)
		engine_attach(b);
	return b->dir;
}

/* ---- generations ---- */

static void header_build(struct engine_box *b, uint64_t number,
    const struct engine_pos *previous, uint64_t begins,
    unsigned char p[FRAMES_AT])
{
	memset(p, 0, FRAMES_AT);
	memcpy(p + AT_MAGIC, header_magic, sizeof(header_magic));
	put_u32(p + AT_VERSION, ENGINE_VERSION);
	put_u64(p + AT_INCARNATION, b->incarnation);
	put_u64(p + AT_GENERATION, number);
	put_u64(p + AT_PREVIOUS, previous->generation);
	put_u64(p + AT_PREVIOUS + 8, previous->length);
	put_u64(p + AT_PREVIOUS + 16, previous->chain);
	put_u64(p + AT_PREVIOUS + 24, previous->modseq);
	put_u64(p + AT_PREVIOUS + 32, previous->bodies);
	put_u64(p + AT_CREATED, clock_us());
	put_u32(p + AT_FRAMES, FRAMES_AT);
	put_u32(p + AT_MARK, MARK_AT);
	put_u32(p + AT_BODIES, HEAD_SIZE);
	put_u64(p + AT_BEGINS, begins);
	put_u32(p + AT_CRC, crc32c(0, p, AT_CRC));
}

static enum engine_status header_check(struct engine_box *b,
    const unsigned char p[FRAMES_AT], struct generation *g)
{
	if (memcmp(p + AT_MAGIC, header_magic, sizeof(header_magic)) != 0)
		return engine_fail(b, ENGINE_CORRUPT, "header: magic");
	if (get_u32(p + AT_CRC) != crc32c(0, p, AT_CRC))
		return engine_fail(b, ENGINE_CORRUPT, "header: checksum");
	if (get_u32(p + AT_VERSION) != ENGINE_VERSION ||
	    get_u32(p + AT_FLAGS) != 0 || get_u32(p + AT_FRAMES) != FRAMES_AT ||
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
	if (g->begins == 0)
		g->begins = 1;
	if (g->begins > g->number)
		return engine_fail(b, ENGINE_CORRUPT, "header: beginning");
	return ENGINE_OK;
}

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

/* fsync of a directory below another. */
static int sync_dir(struct engine_box *b, int at, const char *path)
{
	int fd = b->io->open(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	int result;

	if (fd < 0)
		return -1;
	result = b->io->fsync(fd);
	file_close(&fd);
	return result;
}

/* The first generation makes the directories durable too. */
static int sync_dirs(struct engine_box *b, uint64_t number)
{
	if (sync_dir(b, b->dir, ".") < 0)
		return -1;
	if (number > 1)
		return 0;
	return sync_dir(b, b->engine->root, b->shard) < 0 ||
		sync_dir(b, b->engine->root, ".") < 0
	    ? -1
	    : 0;
}

static int generation_write(struct engine_box *b, const char *name,
    uint64_t number, const struct engine_pos *previous, uint64_t begins)
{
	unsigned char header[FRAMES_AT];
	struct generation g = {.number = number};
	struct mark m = {.at = FRAMES_AT};
	int result;

	b->io->unlink(b->dir, name); /* of a dead process with our number */
	g.fd = b->io->open(
	    b->dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (g.fd < 0)
		return -1;
	header_build(b, number, previous, begins, header);
	result = engine_io_write(b->io, g.fd, header, sizeof(header), 0) < 0 ||
		engine_mark_write(b, &g, &m) < 0 || b->io->fsync(g.fd) < 0
	    ? -1
	    : 0;
	file_close(&g.fd);
	return result;
}

enum engine_status engine_generation_create(
    struct engine_box *b, uint64_t number, const struct engine_pos *previous)
{
	bool first = b->incarnation == 0;
	char name[32], temporary[64];
	struct generation *before;
	uint64_t begins = 1;
	int saved;

	if (number > 1) {
		enum engine_status s = engine_generation(
		    b, number - 1, &before);

		if (s != ENGINE_OK)
			return s;
		begins = before->begins;
	}
	if (first)
		b->incarnation = random_u64();
	snprintf(name, sizeof(name), "g.%llu", (unsigned long long)number);
	snprintf(temporary, sizeof(temporary), "new.%llu.%d",
	    (unsigned long long)number, (int)getpid());
	if ((number > 1 || engine_name_write(b) == 0) &&
	    generation_write(b, temporary, number, previous, begins) == 0 &&
	    (b->io->link(b->dir, temporary, name) == 0 || errno == EEXIST) &&
	    sync_dirs(b, number) == 0) {
		b->io->unlink(b->dir, temporary);
		b->newest = number;
		return ENGINE_OK;
	}
	saved = errno;
	b->io->unlink(b->dir, temporary);
	if (first)
		b->incarnation = 0;
	errno = saved;
	return engine_fail_errno(b, "creating a generation");
}

/* ---- the account's directory ---- */

enum engine_status engine_attach(struct engine_box *b)
{
	char path[300];

	if (b->dir < 0) {
		snprintf(path, sizeof(path), "%s/%s", b->shard, b->name);
		b->dir = b->io->open(b->engine->root, path,
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
		if (b->dir < 0)
			return errno == ENOENT
			    ? ENGINE_OK
			    : engine_fail_errno(b, "opening the account");
	}
	if (b->newest == 0 &&
	    engine_highest(b, 'g', UINT64_MAX, &b->newest) < 0)
		return engine_fail_errno(b, "reading the account's directory");
	return ENGINE_OK;
}

static int make_dir(struct engine_box *b, int at, const char *path)
{
	return b->io->mkdir(at, path, 0700) < 0 && errno != EEXIST ? -1 : 0;
}

enum engine_status engine_box_prepare(struct engine_box *b)
{
	char path[300];
	enum engine_status s = engine_attach(b);

	if (s != ENGINE_OK)
		return s;
	snprintf(path, sizeof(path), "%s/%s", b->shard, b->name);
	if (b->dir < 0) {
		if (make_dir(b, b->engine->root, b->shard) < 0 ||
		    make_dir(b, b->engine->root, path) < 0)
			return engine_fail_errno(b, "making the account");
		s = engine_attach(b);
		if (s != ENGINE_OK)
			return s;
	}
	if (b->lock_fd >= 0)
		return ENGINE_OK;
	b->lock_fd = b->io->open(
	    b->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	return b->lock_fd < 0 ? engine_fail_errno(b, "opening the lock")
			      : ENGINE_OK;
}
