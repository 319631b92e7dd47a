/* SPDX-License-Identifier: ISC */
/*
 * Bytes that go: erased in place, or with their whole generation.
 *
 * What is erased lies behind the newest generation's start: recovery looks at
 * bodies of the newest generation alone, so that no erased body is ever taken
 * for a torn frame's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/memory.h"
#include "store/engine_file.h"
#include "store/le.h"
#include "store/seeded.h"

#define PIECE  65536u
#define PIECES 16u
#define BLOCK  4096u

static int write_zeroes(
    struct engine_box *b, int fd, uint64_t start, uint64_t end)
{
	static char zeroes[PIECE];
	int result = 0;

	while (start < end && result == 0) {
		struct iovec v[PIECES];
		uint64_t at = start;
		size_t count = 0;

		for (; count < PIECES && start < end; count++) {
			size_t some = end - start < PIECE
			    ? (size_t)(end - start)
			    : PIECE;

			v[count] = (struct iovec){zeroes, some};
			start += some;
		}
		result = engine_io_writev(b->io, fd, v, count, at);
	}
	return result;
}

/* 1: this file system cannot. */
static int punch(struct engine_box *b, int fd, const struct engine_range *r)
{
	int result = b->io->punch(
	    fd, (off_t)r->start, (off_t)(r->end - r->start));

	return result < 0 && (errno == EOPNOTSUPP || errno == ENOSYS) ? 1
								      : result;
}

static bool block_is_zero(const struct engine_box *b, int fd, uint64_t at)
{
	static const unsigned char zeroes[BLOCK];
	unsigned char p[BLOCK];
	ssize_t n = engine_io_read_some(b->io, fd, p, BLOCK, at);

	return n > 0 && memcmp(p, zeroes, (size_t)n) == 0;
}

/* Gives back the blocks of a range of zeroes, whole ones: a part of one would
 * be written once more, and waited for. At its ends, what was erased before
 * may make a block whole. */
static int give_back(struct engine_box *b, int fd, const struct engine_range *r)
{
	struct engine_range whole = {
	    r->start - r->start % BLOCK, r->end - r->end % BLOCK};

	if (whole.start < r->start && !block_is_zero(b, fd, whole.start))
		whole.start += BLOCK;
	if (whole.end < r->end && whole.end >= whole.start &&
	    block_is_zero(b, fd, whole.end))
		whole.end += BLOCK;
	return whole.start < whole.end ? punch(b, fd, &whole) : 0;
}

/* A file system may want new blocks for what is overwritten; then the bytes
 * are given back at once. */
static int zero(struct engine_box *b, int fd, const struct engine_range *r)
{
	int saved;

	if (write_zeroes(b, fd, r->start, r->end) == 0)
		return 0;
	saved = errno;
	if ((saved == ENOSPC || saved == EDQUOT) && punch(b, fd, r) == 0)
		return 0;
	errno = saved;
	return -1;
}

int engine_erase_ranges(struct engine_box *b, int fd, uint64_t erased_at,
    uint64_t tell, const struct engine_range *ranges, size_t count)
{
	unsigned char number[ERASED_OCTETS];
	int punched = 0;

	for (size_t i = 0; i < count; i++)
		if (zero(b, fd, &ranges[i]) < 0)
			return -1;
	put_u64(number, tell);
	if (engine_io_write(b->io, fd, number, sizeof(number), erased_at) < 0 ||
	    (!seeded("erased-not-synced") && b->io->fdatasync(fd) < 0))
		return -1;
	for (size_t i = 0; i < count && punched == 0; i++)
		punched = give_back(b, fd, &ranges[i]);
	if (punched > 0) /* not here: the zeroes stay */
		return 0;
	return punched < 0 ? -1 : b->io->fdatasync(fd);
}

/* ---- places ---- */

static int by_place(const void *one, const void *other)
{
	const struct engine_place *a = one, *b = other;

	if (a->generation != b->generation)
		return a->generation < b->generation ? -1 : 1;
	if (a->offset != b->offset)
		return a->offset < b->offset ? -1 : 1;
	return 0;
}

/* Places of one generation, sorted, as ranges that do not touch, within a
 * file of this size. */
static size_t join(const struct engine_place *places, size_t count,
    uint64_t size, struct engine_range *out)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t start = places[i].offset;
		uint64_t end = places[i].length < size - start
		    ? start + places[i].length
		    : size;

		if (start >= size)
			break;
		if (n > 0 && start <= out[n - 1].end) {
			if (end > out[n - 1].end)
				out[n - 1].end = end;
		} else if (start < end) {
			out[n++] = (struct engine_range){start, end};
		}
	}
	return n;
}

/* All places of one generation. */
static enum engine_status erase_generation(
    struct engine_box *b, const struct engine_place *places, size_t count)
{
	struct engine_range *ranges;
	enum engine_status s = ENGINE_OK;
	struct stat st;
	char name[32];
	int fd;

	/* Not engine_generation: its header may be what is damaged. */
	snprintf(name, sizeof(name), "g.%llu",
	    (unsigned long long)places->generation);
	fd = b->io->open(b->dir, name, O_RDWR | O_CLOEXEC, 0);
	if (fd < 0)
		return errno == ENOENT
		    ? ENGINE_OK
		    : engine_fail_errno(b, "opening a generation");
	ranges = mem_array(count, sizeof(*ranges));
	if (fstat(fd, &st) < 0 ||
	    engine_erase_ranges(b, fd, ERASED_AT, engine_random(), ranges,
		join(places, count, (uint64_t)st.st_size, ranges)) < 0)
		s = engine_fail_errno(b, "erasing");
	free(ranges);
	file_close(&fd);
	return s;
}

static enum engine_status erase_blobs(
    struct engine_box *b, const struct engine_place *places, size_t count)
{
	bool any = false;

	for (size_t i = 0; i < count; i++) {
		char name[64];

		if (!places[i].blob)
			continue;
		any = true;
		engine_blob_name(places[i].id, name);
		if (b->io->unlink(b->dir, name) < 0 && errno != ENOENT)
			return engine_fail_errno(b, "removing a blob");
	}
	if (!any)
		return ENGINE_OK;
	engine_object_forget(b);
	/* Also when somebody else removed it just now. */
	return engine_sync_dir(b, b->dir, BLOBS) < 0 && errno != ENOENT
	    ? engine_fail_errno(b, "sync of the blobs' directory")
	    : ENGINE_OK;
}

/* Only bodies, and only of generations that take no frames any more. */
static enum engine_status may_erase(
    struct engine_box *b, const struct engine_place *places, size_t count)
{
	uint64_t newest;

	if (engine_highest(b, 'g', UINT64_MAX, &newest) < 0)
		return engine_fail_errno(b, "reading the account's directory");
	for (size_t i = 0; i < count; i++) {
		if (places[i].blob || places[i].length == 0)
			continue;
		if (places[i].generation >= newest &&
		    !seeded("erases-in-the-newest"))
			return engine_fail(
			    b, ENGINE_REFUSED, "the generation is not sealed");
		if (places[i].offset < HEAD_SIZE)
			return engine_fail(
			    b, ENGINE_CORRUPT, "a place that has no body");
	}
	/* The generation that ends them must not vanish in a power loss. */
	return engine_sync_dir(b, b->dir, ".") < 0
	    ? engine_fail_errno(b, "sync of the directory")
	    : ENGINE_OK;
}

static enum engine_status erase_places(
    struct engine_box *b, const struct engine_place *places, size_t count)
{
	struct engine_place *sorted = mem_array(count + 1, sizeof(*sorted));
	enum engine_status s = ENGINE_OK;
	size_t n = 0, next;

	for (size_t i = 0; i < count; i++)
		if (!places[i].blob && places[i].length > 0)
			sorted[n++] = places[i];
	qsort(sorted, n, sizeof(*sorted), by_place);
	for (size_t i = 0; i < n && s == ENGINE_OK; i = next) {
		for (next = i + 1; next < n &&
		     sorted[next].generation == sorted[i].generation;)
			next++;
		s = erase_generation(b, sorted + i, next - i);
	}
	free(sorted);
	return s;
}

enum engine_status engine_erase(
    struct engine_box *b, const struct engine_place *places, size_t count)
{
	enum engine_status s = engine_attach(b);

	if (s != ENGINE_OK || b->dir < 0 || count == 0)
		return s;
	s = may_erase(b, places, count);
	if (s == ENGINE_OK)
		s = erase_places(b, places, count);
	return s == ENGINE_OK ? erase_blobs(b, places, count) : s;
}

/* ---- snapshots ---- */

enum engine_status engine_snapshot_erase(
    struct engine_box *b, uint64_t number, uint64_t offset, uint64_t length)
{
	struct engine_range r = {offset, offset + length};
	enum engine_status s = engine_attach(b);
	uint64_t size;
	struct stat st;
	char name[64];
	int fd;

	if (s != ENGINE_OK || b->dir < 0 || length == 0)
		return s;
	engine_snapshot_name(number, name);
	fd = b->io->open(b->dir, name, O_RDWR | O_CLOEXEC, 0);
	if (fd < 0)
		return errno == ENOENT
		    ? ENGINE_OK
		    : engine_fail_errno(b, "opening a snapshot");
	size = fstat(fd, &st) < 0 || st.st_size < ERASED_OCTETS
	    ? 0
	    : (uint64_t)st.st_size - ERASED_OCTETS;
	if (r.end > size || r.end < offset)
		r.end = size;
	if (r.start < r.end &&
	    engine_erase_ranges(b, fd, size, engine_random(), &r, 1) < 0)
		s = engine_fail_errno(b, "erasing");
	file_close(&fd);
	return s;
}

enum engine_status engine_sync_drops(struct engine_box *b)
{
	enum engine_status s = engine_attach(b);

	if (s != ENGINE_OK || b->dir < 0)
		return s;
	if (engine_sync_dir(b, b->dir, ".") < 0 ||
	    (engine_sync_dir(b, b->dir, BLOBS) < 0 && errno != ENOENT))
		return engine_fail_errno(b, "sync of the directory");
	return ENGINE_OK;
}

/* ---- whole generations ---- */

enum engine_status engine_drop(struct engine_box *b, uint64_t generation)
{
	uint64_t oldest, newest;
	char name[32];
	enum engine_status s = engine_attach(b);

	if (s != ENGINE_OK)
		return s;
	if (b->dir < 0)
		return engine_fail(b, ENGINE_REFUSED, "nothing on disk");
	if (engine_lowest(b, 'g', &oldest) < 0 ||
	    engine_highest(b, 'g', UINT64_MAX, &newest) < 0)
		return engine_fail_errno(b, "reading the account's directory");
	if ((generation != oldest && !seeded("drops-in-any-order")) ||
	    generation == newest)
		return engine_fail(
		    b, ENGINE_REFUSED, "not the oldest, or not sealed");
	/* What was dropped before is gone for good first: a power loss leaves
	 * no gap. */
	if (engine_sync_dir(b, b->dir, ".") < 0)
		return engine_fail_errno(b, "sync of the directory");
	snprintf(name, sizeof(name), "g.%llu", (unsigned long long)generation);
	engine_generation_forget(b, generation);
	return b->io->unlink(b->dir, name) < 0 && errno != ENOENT
	    ? engine_fail_errno(b, "dropping a generation")
	    : ENGINE_OK;
}
