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

uint64_t engine_random(void)
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
	e->reserve = -1;
	engine_reserve_open(e);
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
	file_close(&(*e)->reserve);
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
	b->dir = b->lock_fd = -1;
	b->writer = engine_random();
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
	engine_object_forget(b);
	file_close(&b->lock_fd);
	file_close(&b->dir);
	b->incarnation = b->newest = 0;
	b->checked = b->session = b->doubtful = b->looked = false;
}

void engine_lost(struct engine_box *b)
{
	/* Only generations were dropped: the session's lock stays. */
	if (engine_directory_is_live(b))
		b->newest = 0;
	else
		engine_detach(b);
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

/* ---- the account's directory ---- */

bool engine_directory_is_live(const struct engine_box *b)
{
	char path[300];
	struct stat held, found;

	snprintf(path, sizeof(path), "%s/%s", b->shard, b->name);
	return fstat(b->dir, &held) == 0 &&
	    fstatat(b->engine->root, path, &found, 0) == 0 &&
	    held.st_ino == found.st_ino && held.st_dev == found.st_dev;
}

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
	if (b->newest == 0 && engine_look_around(b) < 0)
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
