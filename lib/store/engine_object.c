/* SPDX-License-Identifier: ISC */
/* What is not a frame: bodies, blobs, snapshots, and the whole account. */
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
#include "core/id.h"
#include "core/memory.h"
#include "store/engine_file.h"
#include "store/seeded.h"

void engine_blob_name(const unsigned char id[16], char out[64])
{
	size_t len = (size_t)snprintf(out, 64, BLOBS "/");

	for (size_t i = 0; i < 16; i++)
		len += (size_t)snprintf(out + len, 64 - len, "%02x", id[i]);
}

void engine_snapshot_name(uint64_t number, char out[64])
{
	snprintf(out, 64, "s.%llu", (unsigned long long)number);
}

void engine_object_forget(struct engine_box *b)
{
	for (size_t i = 0; i < ARRAY_LEN(b->objects); i++)
		if (b->objects[i].name[0] != '\0') {
			file_close(&b->objects[i].fd);
			b->objects[i].name[0] = '\0';
		}
}

/* Where a file is kept open: what is not a snapshot may be large, and is one
 * at a time. */
static struct object *object_place(struct engine_box *b, const char *name)
{
	struct object *oldest = &b->objects[1];

	if (name[0] != 's')
		return &b->objects[0];
	for (size_t i = 1; i < ARRAY_LEN(b->objects); i++) {
		if (strcmp(b->objects[i].name, name) == 0)
			return &b->objects[i];
		if (b->objects[i].used < oldest->used)
			oldest = &b->objects[i];
	}
	return oldest;
}

/* Opens an immutable file for reading; the descriptor is borrowed. */
static enum engine_status object_open(
    struct engine_box *b, const char *name, int *fd)
{
	struct object *o = object_place(b, name);
	enum engine_status s = ENGINE_OK;

	o->used = ++b->clock;
	*fd = o->fd;
	if (strcmp(o->name, name) == 0)
		return ENGINE_OK;
	s = engine_attach(b);
	if (s != ENGINE_OK || b->dir < 0)
		return s != ENGINE_OK
		    ? s
		    : engine_fail(b, ENGINE_GONE, "nothing on disk");
	*fd = b->io->open(b->dir, name, O_RDONLY | O_CLOEXEC, 0);
	if (*fd < 0)
		return errno == ENOENT
		    ? engine_fail(b, ENGINE_GONE, "a file is missing")
		    : engine_fail_errno(b, "opening a file");
	if (o->name[0] != '\0')
		file_close(&o->fd);
	o->fd = *fd;
	snprintf(o->name, sizeof(o->name), "%s", name);
	return ENGINE_OK;
}

enum engine_status engine_file(struct engine_box *b,
    const struct engine_place *place, int *fd, uint64_t *offset)
{
	struct generation *g;
	enum engine_status s;

	if (place->blob) {
		char name[64];

		engine_blob_name(place->id, name);
		s = object_open(b, name, fd);
		*offset = 0;
		return s;
	}
	s = engine_attach(b);
	if (s == ENGINE_OK && b->dir < 0)
		s = engine_fail(b, ENGINE_GONE, "nothing on disk");
	if (s == ENGINE_OK)
		s = engine_generation(b, place->generation, &g);
	*offset = place->offset;
	if (s == ENGINE_OK)
		*fd = g->fd;
	if (s == ENGINE_CORRUPT) { /* a bad header spoils no body */
		char name[64];

		snprintf(name, sizeof(name), "g.%llu",
		    (unsigned long long)place->generation);
		s = object_open(b, name, fd);
	}
	return s;
}

enum engine_status engine_get(struct engine_box *b,
    const struct engine_place *place, uint64_t offset, void *p, size_t len)
{
	uint64_t start;
	int fd;
	enum engine_status s = engine_file(b, place, &fd, &start);

	if (s != ENGINE_OK)
		return s;
	if (offset > place->length || len > place->length - offset)
		return engine_fail(b, ENGINE_CORRUPT, "beyond the end");
	if (engine_io_read(b->io, fd, p, len, start + offset) < 0)
		return errno == EIO
		    ? engine_fail(b, ENGINE_CORRUPT, "a body ends early")
		    : engine_fail_errno(b, "reading a body");
	if (offset == 0 && len == place->length &&
	    crc32c(0, p, len) != place->crc && !seeded("body-unchecked"))
		return engine_fail(b, ENGINE_CORRUPT, "a body's checksum");
	return ENGINE_OK;
}

/* ---- blobs ---- */

enum engine_status engine_blob_new(
    struct engine_box *b, unsigned char id[16], int *fd)
{
	char name[64];
	enum engine_status s = engine_box_prepare(b);

	if (s != ENGINE_OK)
		return s;
	if (b->io->mkdir(b->dir, BLOBS, 0700) < 0 && errno != EEXIST)
		return engine_fail_errno(b, "making the blobs' directory");
	if (getrandom(id, 16, 0) != 16)
		return engine_fail(b, ENGINE_DOWN, "no random octets");
	engine_blob_name(id, name);
	*fd = b->io->open(
	    b->dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return *fd < 0 ? engine_fail_errno(b, "creating a blob") : ENGINE_OK;
}

enum engine_status engine_blob_write(
    struct engine_box *b, int fd, const void *p, size_t len, uint64_t at)
{
	return engine_io_write(b->io, fd, p, len, at) < 0
	    ? engine_fail_errno(b, "writing a blob")
	    : ENGINE_OK;
}

enum engine_status engine_blob_sync(struct engine_box *b, int fd)
{
	if (b->io->fdatasync(fd) < 0 ||
	    (!seeded("blob-directory-not-synced") &&
		(engine_sync_dir(b, b->dir, BLOBS) < 0 ||
		    engine_sync_dir(b, b->dir, ".") < 0)))
		return engine_fail_errno(b, "sync of a blob");
	return ENGINE_OK;
}

void engine_blob_drop(struct engine_box *b, const unsigned char id[16])
{
	char name[64];

	engine_blob_name(id, name);
	if (b->dir >= 0)
		b->io->unlink(b->dir, name);
}

enum engine_status engine_blob_there(
    struct engine_box *b, const unsigned char id[16])
{
	char name[64];
	int fd;

	engine_blob_name(id, name);
	fd = b->io->open(b->dir, name, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return errno == ENOENT
		    ? engine_fail(b, ENGINE_GONE, "a blob was swept")
		    : engine_fail_errno(b, "looking for a blob");
	file_close(&fd);
	return ENGINE_OK;
}

/* ---- snapshots ---- */

static enum engine_status write_object(struct engine_box *b, const char *name,
    const struct iovec *parts, size_t count)
{
	static char erased[ERASED_OCTETS]; /* nothing so far */
	struct iovec *v;
	enum engine_status s = ENGINE_OK;
	int fd;

	b->io->unlink(b->dir, name);
	fd = b->io->open(
	    b->dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return engine_fail_errno(b, "creating a snapshot");
	v = mem_array(count + 1, sizeof(*v));
	memcpy(v, parts, count * sizeof(*v));
	v[count++] = (struct iovec){erased, sizeof(erased)};
	if (engine_io_writev(b->io, fd, v, count, 0) < 0 ||
	    b->io->fsync(fd) < 0)
		s = engine_fail_errno(b, "writing a snapshot");
	free(v);
	file_close(&fd);
	return s;
}

enum engine_status engine_snapshot_put(struct engine_box *b, uint64_t number,
    const struct iovec *parts, size_t count)
{
	char name[64], temporary[64];
	enum engine_status s;

	engine_snapshot_name(number, name);
	snprintf(temporary, sizeof(temporary), "new.s.%llu.%d",
	    (unsigned long long)number, (int)getpid());
	if (seeded("snapshot-number-again"))
		b->io->unlink(b->dir, name);
	s = write_object(b, temporary, parts, count);
	if (s == ENGINE_OK && b->io->link(b->dir, temporary, name) < 0)
		s = errno == EEXIST
		    ? engine_fail(b, ENGINE_REFUSED, "the number is taken")
		    : engine_fail_errno(b, "linking a snapshot");
	b->io->unlink(b->dir, temporary);
	if (s == ENGINE_OK && engine_sync_dir(b, b->dir, ".") < 0)
		s = engine_fail_errno(b, "sync of the directory");
	return s;
}

enum engine_status engine_snapshot_get(
    struct engine_box *b, uint64_t number, uint64_t offset, void *p, size_t len)
{
	char name[64];
	enum engine_status s;
	int fd;

	engine_snapshot_name(number, name);
	s = object_open(b, name, &fd);
	if (s != ENGINE_OK)
		return s;
	if (engine_io_read(b->io, fd, p, len, offset) < 0)
		return errno == EIO
		    ? engine_fail(b, ENGINE_CORRUPT, "a snapshot ends early")
		    : engine_fail_errno(b, "reading a snapshot");
	return ENGINE_OK;
}

void engine_snapshot_drop(struct engine_box *b, uint64_t number)
{
	char name[64];

	engine_snapshot_name(number, name);
	if (b->dir >= 0)
		b->io->unlink(b->dir, name);
}

/* ---- the whole account ---- */

#define REMOVED ".removed."

static void unlink_one(void *arg, int dir, const char *name)
{
	(void)arg;
	unlinkat(dir, name, 0);
}

void engine_finish_removal(
    struct engine *e, const char *shard, const char *name)
{
	char path[300];

	if (!str_starts(str_from(name), STR(REMOVED)))
		return;
	snprintf(path, sizeof(path), "%s/%s/" BLOBS, shard, name);
	engine_list(e->root, path, unlink_one, NULL);
	unlinkat(e->root, path, AT_REMOVEDIR);
	snprintf(path, sizeof(path), "%s/%s", shard, name);
	engine_list(e->root, path, unlink_one, NULL);
	unlinkat(e->root, path, AT_REMOVEDIR);
}

/* With the lock held: nobody writes, and whoever comes sees the state. */
enum engine_status engine_remove_locked(struct engine_box *b)
{
	struct id unique = id_new();
	char from[300], to[64], name[48];
	struct generation *g;
	struct mark m;

	if (b->newest != 0) {
		enum engine_status s = engine_generation(b, b->newest, &g);

		if (s != ENGINE_OK && s != ENGINE_CORRUPT && s != ENGINE_NEWER)
			return s;
		if (s == ENGINE_OK && engine_mark_read(b, g, &m) == 0) {
			m.state = STATE_REMOVED;
			if (engine_mark_write(b, g, &m) < 0)
				return engine_fail_errno(b, "writing the mark");
		}
	}
	snprintf(from, sizeof(from), "%s/%s", b->shard, b->name);
	snprintf(name, sizeof(name), REMOVED "%s", unique.text);
	snprintf(to, sizeof(to), "%s/%s", b->shard, name);
	if (b->io->rename(b->engine->root, from, to) < 0 ||
	    engine_sync_dir(b, b->engine->root, b->shard) < 0)
		return engine_fail_errno(b, "removing the account");
	engine_finish_removal(b->engine, b->shard, name);
	return ENGINE_OK;
}

enum engine_status engine_remove(
    struct engine *e, struct str account, int64_t deadline)
{
	struct engine_box *b;
	enum engine_status s = engine_box_open(e, account, &b);

	if (s == ENGINE_OK)
		s = engine_attach(b);
	if (s == ENGINE_OK && b->dir >= 0) {
		s = engine_box_prepare(b);
		if (s == ENGINE_OK)
			s = engine_lock(b, deadline);
		/* More generations may have come while we waited. */
		b->newest = 0;
		if (s == ENGINE_OK)
			s = engine_attach(b);
		if (s == ENGINE_OK)
			s = engine_remove_locked(b);
		engine_unlock(b);
	}
	engine_box_close(&b);
	return s;
}

enum engine_status engine_session_lock(struct engine_box *b, bool on)
{
	enum engine_status s;

	if (!on && (b->lock_fd < 0 || !b->session))
		return ENGINE_OK;
	s = engine_box_prepare(b);
	if (s != ENGINE_OK)
		return s;
	if (!seeded("session-not-locked") && b->io->lock(b->lock_fd, 1, on) < 0)
		return errno == EAGAIN || errno == EACCES
		    ? engine_fail(b, ENGINE_BUSY, "another session has it")
		    : engine_fail_errno(b, "locking the session");
	b->session = on;
	return ENGINE_OK;
}
