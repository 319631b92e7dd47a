/* SPDX-License-Identifier: ISC */
/* Copying whole files: blobs and snapshots. And octets of any file. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/memory.h"
#include "store/engine_copy.h"

#define BLOCK 4096u

/* A file of `from`, which may go at any time. */
enum engine_status copy_open(struct copy *c, const char *name, int *fd)
{
	*fd = c->from->io->open(c->from->dir, name, O_RDONLY | O_CLOEXEC, 0);
	if (*fd >= 0)
		return ENGINE_OK;
	return errno == ENOENT
	    ? engine_fail(c->to, ENGINE_GONE, "what is copied went away")
	    : copy_failed(c, "opening what is copied");
}

/* ---- octets ---- */

int copy_put(struct copy *c, int fd, const void *p, size_t len, uint64_t at)
{
	c->written += len;
	return engine_io_write(c->to->io, fd, p, len, at);
}

/* Len octets, zeroes where the file ended before. */
int copy_get(const struct engine_box *b, int fd, unsigned char *p, size_t len,
    uint64_t at)
{
	ssize_t n = engine_io_read_some(b->io, fd, p, len, at);

	if (n < 0)
		return -1;
	memset(p + n, 0, len - (size_t)n);
	return 0;
}

static bool is_zero(const unsigned char *p, size_t len)
{
	return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

/* Writes a piece to a new file: blocks of zeroes stay holes. */
static int put_sparse(
    struct copy *c, int fd, const unsigned char *p, size_t len, uint64_t at)
{
	size_t start = 0, end = 0;

	while (end < len) {
		size_t some = len - end < BLOCK ? len - end : BLOCK;

		if (is_zero(p + end, some)) {
			if (end > start &&
			    copy_put(
				c, fd, p + start, end - start, at + start) < 0)
				return -1;
			start = end + some;
		}
		end += some;
	}
	return end > start ? copy_put(c, fd, p + start, end - start, at + start)
			   : 0;
}

/* [start, end) of one file to the same place in another. */
int copy_range(
    struct copy *c, int from, int to, uint64_t start, uint64_t end, bool fresh)
{
	while (start < end) {
		size_t some = end - start < COPY_PIECE ? (size_t)(end - start)
						       : COPY_PIECE;

		if (copy_get(c->from, from, c->piece, some, start) < 0 ||
		    (fresh ? put_sparse(c, to, c->piece, some, start)
			   : copy_put(c, to, c->piece, some, start)) < 0)
			return -1;
		start += some;
	}
	return 0;
}

/* A whole file, which appears under its name when it is durable. */
static enum engine_status copy_file(
    struct copy *c, const char *name, const char *temporary)
{
	struct engine_box *to = c->to;
	struct stat st;
	int in, out;
	enum engine_status s = copy_open(c, name, &in);

	if (s != ENGINE_OK)
		return s;
	to->io->unlink(to->dir, temporary);
	out = to->io->open(
	    to->dir, temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out < 0 || fstat(in, &st) < 0 ||
	    copy_range(c, in, out, 0, (uint64_t)st.st_size, true) < 0 ||
	    to->io->truncate(out, st.st_size) < 0 || to->io->fsync(out) < 0 ||
	    to->io->rename(to->dir, temporary, name) < 0)
		s = copy_failed(c, "copying a file");
	file_close(&in);
	file_close(&out);
	if (s != ENGINE_OK)
		to->io->unlink(to->dir, temporary);
	return s;
}

/* ---- lists ---- */

void copy_note_snapshot(void *arg, int dir, const char *name)
{
	uint64_t number = engine_number(name, 's');

	(void)dir;
	if (number != 0)
		buf_add_bytes(arg, &number, sizeof(number));
}

bool copy_listed(const struct buf *numbers, uint64_t number)
{
	for (size_t at = 0; at < numbers->len; at += sizeof(number))
		if (memcmp(numbers->p + at, &number, sizeof(number)) == 0)
			return true;
	return false;
}

static void note_blob(
    void *arg, const unsigned char id[16], uint64_t octets, int64_t modified)
{
	struct copied_blob blob = {.octets = octets};

	(void)modified;
	memcpy(blob.id, id, sizeof(blob.id));
	buf_add_bytes(arg, &blob, sizeof(blob));
}

static int by_id(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

enum engine_status copy_list_blobs(struct engine_box *b, struct buf *out)
{
	enum engine_status s;

	buf_clear(out);
	s = engine_blobs(b, note_blob, out);
	if (s == ENGINE_OK && out->overflow)
		s = engine_fail(b, ENGINE_DOWN, "too many blobs");
	if (s == ENGINE_OK && out->len > 0)
		qsort(out->p, out->len / sizeof(struct copied_blob),
		    sizeof(struct copied_blob), by_id);
	return s;
}

static const struct copied_blob *find_blob(
    const struct buf *blobs, const unsigned char id[16])
{
	return blobs->len == 0
	    ? NULL
	    : bsearch(id, blobs->p, blobs->len / sizeof(struct copied_blob),
		  sizeof(struct copied_blob), by_id);
}

/* ---- blobs and snapshots ---- */

static enum engine_status copy_blob(
    struct copy *c, const struct copied_blob *blob)
{
	char name[64], temporary[128];

	engine_blob_name(blob->id, name);
	snprintf(temporary, sizeof(temporary), "new.b.%s.%d",
	    name + sizeof(BLOBS), (int)getpid());
	return copy_file(c, name, temporary);
}

/* One that was half written when it was copied is longer by now. */
enum engine_status copy_blobs(struct copy *c)
{
	const struct copied_blob *all = (const struct copied_blob *)(void *)
					    c->blobs.p;
	size_t count = c->blobs.len / sizeof(*all);
	struct buf there = buf_new(LIST_MOST);
	enum engine_status s = copy_list_blobs(c->to, &there);

	if (s == ENGINE_OK && count > 0 &&
	    c->to->io->mkdir(c->to->dir, BLOBS, 0700) < 0 && errno != EEXIST)
		s = copy_failed(c, "making the blobs' directory");
	for (size_t i = 0; i < count && s == ENGINE_OK; i++) {
		const struct copied_blob *old = find_blob(&there, all[i].id);

		if (old == NULL || old->octets != all[i].octets)
			s = copy_blob(c, &all[i]);
	}
	if (s == ENGINE_OK && count > 0 &&
	    (engine_sync_dir(c->to, c->to->dir, BLOBS) < 0 ||
		engine_sync_dir(c->to, c->to->dir, ".") < 0))
		s = copy_failed(c, "sync of the blobs' directory");
	buf_free(&there);
	return s;
}

/* The number that tells of erasures, at the end of a snapshot; -1 when there
 * is no such snapshot. */
static int snapshot_erased(struct engine_box *b, const char *name,
    uint64_t *size, unsigned char erased[ERASED_OCTETS])
{
	int fd = b->io->open(b->dir, name, O_RDONLY | O_CLOEXEC, 0);
	struct stat st;
	int result = -1;

	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size >= ERASED_OCTETS) {
		*size = (uint64_t)st.st_size;
		result = engine_io_read(
		    b->io, fd, erased, ERASED_OCTETS, *size - ERASED_OCTETS);
	}
	file_close(&fd);
	return result;
}

static enum engine_status copy_snapshot(struct copy *c, uint64_t number)
{
	unsigned char here[ERASED_OCTETS], there[ERASED_OCTETS];
	uint64_t size_here, size_there;
	char name[64], temporary[64];

	engine_snapshot_name(number, name);
	if (snapshot_erased(c->to, name, &size_there, there) == 0 &&
	    snapshot_erased(c->from, name, &size_here, here) == 0 &&
	    size_here == size_there && memcmp(here, there, sizeof(here)) == 0)
		return ENGINE_OK;
	snprintf(temporary, sizeof(temporary), "new.s.%llu.%d",
	    (unsigned long long)number, (int)getpid());
	return copy_file(c, name, temporary);
}

/* All that were copy_listed, and they are still there at the end: then so is what
 * they point into. */
enum engine_status copy_snapshots(struct copy *c)
{
	struct buf now = buf_new(LIST_MOST);
	enum engine_status s = ENGINE_OK;
	uint64_t number;

	for (size_t at = 0; at < c->snapshots.len && s == ENGINE_OK;
	     at += sizeof(number)) {
		memcpy(&number, c->snapshots.p + at, sizeof(number));
		s = copy_snapshot(c, number);
	}
	if (s == ENGINE_OK &&
	    (engine_sync_dir(c->to, c->to->dir, ".") < 0 ||
		engine_list(c->from->dir, ".", copy_note_snapshot, &now) < 0))
		s = copy_failed(c, "copying snapshots");
	for (size_t at = 0; at < c->snapshots.len && s == ENGINE_OK;
	     at += sizeof(number)) {
		memcpy(&number, c->snapshots.p + at, sizeof(number));
		if (!copy_listed(&now, number))
			s = engine_fail(
			    c->to, ENGINE_GONE, "what is copied went away");
	}
	buf_free(&now);
	return s;
}

void copy_drop_blobs(struct copy *c)
{
	struct buf there = buf_new(LIST_MOST);

	if (copy_list_blobs(c->to, &there) == ENGINE_OK)
		for (size_t at = 0; at < there.len;
		     at += sizeof(struct copied_blob)) {
			unsigned char id[16];

			memcpy(id, there.p + at, sizeof(id));
			if (find_blob(&c->blobs, id) == NULL)
				engine_blob_drop(c->to, id);
		}
	buf_free(&there);
}

void copy_drop_snapshots(struct copy *c)
{
	struct buf there = buf_new(LIST_MOST);
	uint64_t number;

	engine_list(c->to->dir, ".", copy_note_snapshot, &there);
	for (size_t at = 0; at < there.len; at += sizeof(number)) {
		memcpy(&number, there.p + at, sizeof(number));
		if (!copy_listed(&c->snapshots, number))
			engine_snapshot_drop(c->to, number);
	}
	buf_free(&there);
}
