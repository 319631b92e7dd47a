/* SPDX-License-Identifier: ISC */
/*
 * What the tests of the engine of local files share: calls that are counted
 * and fail, a store, a log of words. Each includes it once.
 */
#ifndef STORE_ENGINE_TESTING_H
#define STORE_ENGINE_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/remove_tree_testing.h"
#include "core/checksum.h"
#include "core/clock.h"
#include "store/engine_file.h"
#include "store/le.h"

#define ACCOUNT STR("user@example.org")
#define SHARED  __attribute__((unused)) static

/* ---- calls that fail ---- */

static struct {
	unsigned calls, syncs; /* so far */
	unsigned fail_sync;    /* the how manieth sync fails; 0: none */
	unsigned fail_at;      /* this call fails; 0: none */
	unsigned stop_at;      /* from this one on nothing is done any more */
	int error;
	bool hit;
} fault;

/* Another call that changes something: does it fail? */
SHARED bool fails(void)
{
	fault.calls++;
	if (fault.calls != fault.fail_at &&
	    (fault.stop_at == 0 || fault.calls < fault.stop_at))
		return false;
	fault.hit = true;
	errno = fault.stop_at != 0 ? EIO : fault.error;
	return true;
}

SHARED int faulty_open(int dir, const char *path, int flags, mode_t mode)
{
	return flags & O_CREAT && fails() ? -1 : openat(dir, path, flags, mode);
}

SHARED int faulty_mkdir(int dir, const char *path, mode_t mode)
{
	return fails() ? -1 : mkdirat(dir, path, mode);
}

/* What was written and named but not synced, of a copy. */
static struct {
	bool watched;
	ino_t files[64];
	size_t count;
	bool names;
	void (*meanwhile)(void); /* called once, before a sync */
	unsigned meanwhile_at;
} order;

SHARED void written(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	for (size_t i = 0; i < order.count; i++)
		if (order.files[i] == st.st_ino)
			return;
	assert_true(order.count < 64);
	order.files[order.count++] = st.st_ino;
}

SHARED void synced(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	if (S_ISDIR(st.st_mode))
		order.names = false;
	for (size_t i = 0; i < order.count; i++)
		if (order.files[i] == st.st_ino)
			order.files[i] = 0;
}

/* Nothing is named, or taken away, while something before is not durable. */
SHARED void nothing_is_pending(const char *path, bool names)
{
	if (!order.watched)
		return;
	for (size_t i = 0; i < order.count; i++)
		if (order.files[i] != 0)
			fail_msg("%s, and a file is not synced", path);
	if (order.names && names)
		fail_msg("%s, and a name is not synced", path);
}

SHARED int faulty_link(int dir, const char *from, const char *to)
{
	if (fails())
		return -1;
	nothing_is_pending(to, to[0] == 'g');
	order.names = true;
	return linkat(dir, from, dir, to, 0);
}

SHARED int faulty_unlink(int dir, const char *path)
{
	if (fails())
		return -1;
	if (strncmp(path, "new.", 4) != 0)
		nothing_is_pending(path, true);
	return unlinkat(dir, path, 0);
}

SHARED int faulty_rename(int dir, const char *from, const char *to)
{
	if (fails())
		return -1;
	nothing_is_pending(to, false);
	order.names = true;
	return renameat(dir, from, dir, to);
}

/* A disk with so much room; only what the tests of the reserve need. */
static struct {
	bool small;
	int64_t left;
} disk;

/* What overwrites costs nothing. */
SHARED bool is_full(int fd, const struct iovec *v, int n, off_t at)
{
	int64_t octets = 0;
	struct stat st;

	for (int i = 0; i < n; i++)
		octets += (int64_t)v[i].iov_len;
	if (!disk.small || octets < 100 || fstat(fd, &st) < 0 ||
	    (at >= HEAD_SIZE && at + octets <= st.st_size))
		return false;
	if (octets > disk.left) {
		errno = ENOSPC;
		return true;
	}
	disk.left -= octets;
	return false;
}

/* A write that fails has done half of it. */
SHARED ssize_t faulty_pwritev(int fd, const struct iovec *v, int n, off_t at)
{
	bool stopped = fault.stop_at != 0 && fault.calls >= fault.stop_at;

	if (is_full(fd, v, n, at))
		return -1;
	if (order.watched && at != MARK_AT)
		written(fd);
	if (!fails())
		return pwritev(fd, v, n, at);
	if (!stopped && pwrite(fd, v->iov_base, v->iov_len / 2, at) < 0)
		errno = EIO;
	errno = fault.stop_at != 0 ? EIO : fault.error;
	return -1;
}

SHARED int faulty_sync(int fd)
{
	if (++fault.syncs == fault.fail_sync) {
		errno = EIO;
		return -1;
	}
	if (order.meanwhile_at != 0 && --order.meanwhile_at == 0)
		order.meanwhile();
	if (fails())
		return -1;
	synced(fd); /* the page cache is enough for what runs on */
	return 0;
}

SHARED int faulty_truncate(int fd, off_t length)
{
	struct stat st;

	if (fails())
		return -1;
	if (fstat(fd, &st) == 0)
		disk.left += st.st_size - length;
	return ftruncate(fd, length);
}

SHARED int faulty_room(int fd, uint64_t *octets)
{
	(void)fd;
	*octets = (uint64_t)disk.left;
	return 0;
}

SHARED int faulty_punch(int fd, off_t at, off_t len)
{
	return fails() ? -1 : engine_io_system.punch(fd, at, len);
}

SHARED int faulty_allocate(int fd, off_t at, off_t len)
{
	if (disk.small && len > disk.left) {
		errno = ENOSPC;
		return -1;
	}
	if (fails()) { /* with some of it done */
		assert_int_equal(engine_io_system.allocate(fd, at, len / 2), 0);
		errno = fault.error;
		return -1;
	}
	disk.left -= len;
	return engine_io_system.allocate(fd, at, len);
}

static struct engine_io faulty;

SHARED void make_faulty(void)
{
	faulty = engine_io_system;
	faulty.open = faulty_open;
	faulty.mkdir = faulty_mkdir;
	faulty.link = faulty_link;
	faulty.unlink = faulty_unlink;
	faulty.rename = faulty_rename;
	faulty.pwritev = faulty_pwritev;
	faulty.fdatasync = faulty.fsync = faulty_sync;
	faulty.truncate = faulty_truncate;
	faulty.punch = faulty_punch;
	faulty.allocate = faulty_allocate;
	faulty.room = faulty_room;
	memset(&fault, 0, sizeof(fault));
	memset(&disk, 0, sizeof(disk));
	memset(&order, 0, sizeof(order));
}

/* ---- a store in a directory of its own ---- */

static char root[64];
static struct engine *engine;
static struct engine_box *box;

SHARED void open_engine(const struct engine_io *io)
{
	const char *why;

	engine = engine_file_open(root, io, &why);
	assert_non_null(engine);
	assert_int_equal(engine_box_open(engine, ACCOUNT, &box), ENGINE_OK);
}

SHARED void close_engine(void)
{
	engine_box_close(&box);
	engine_close(&engine);
}

SHARED int setup(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/engine_test.XXXXXX");
	assert_non_null(mkdtemp(root));
	make_faulty();
	open_engine(&faulty);
	return 0;
}

SHARED int teardown(void **state)
{
	(void)state;
	close_engine();
	return remove_tree(root);
}

/* ---- a log of words ---- */

/* What was read so far: each frame's records, with a space behind. */
struct reader {
	struct engine_pos seen;
	char text[4096];
	unsigned frames;
	unsigned stop; /* before the how manieth frame; 0: never */
	/* Of the frame that is appended. */
	const char *word;
	const char *body;
	uint64_t body_at, generation;
	uint64_t modseq;
	bool frees, refuse;
};

SHARED int on_frame(
    void *arg, struct str heads, const struct engine_frame_info *info)
{
	struct reader *r = arg;
	size_t len = strlen(r->text);

	(void)info;
	if (r->stop != 0 && r->frames + 1 == r->stop)
		return 3;
	r->frames++;
	snprintf(r->text + len, sizeof(r->text) - len, "%.*s ", STR_FMT(heads));
	return 0;
}

SHARED int decide(
    void *arg, const struct engine_pos *end, struct engine_frame *frame)
{
	struct reader *r = arg;
	static struct iovec body;
	union {
		const char *from;
		void *to;
	} base = {.from = r->body};

	(void)end;
	if (r->refuse)
		return -1;
	r->generation = frame->generation;
	r->body_at = frame->body_offset;
	frame->heads = str_from(r->word);
	frame->count = 1;
	frame->modseq = r->modseq;
	frame->may_use_reserve = r->frees;
	if (r->body != NULL) {
		body = (struct iovec){base.to, strlen(r->body)};
		frame->bodies = &body;
		frame->body_count = 1;
	}
	return 0;
}

SHARED enum engine_status append(struct reader *r, const char *word)
{
	r->word = word;
	return engine_append(
	    box, &r->seen, on_frame, decide, r, deadline_in(1000));
}

SHARED enum engine_status read_on(struct reader *r)
{
	return engine_read(box, &r->seen, on_frame, r);
}

#define assert_ok(e) assert_int_equal(e, ENGINE_OK)

/* What a reader that knows nothing finds. */
SHARED void assert_log(const char *text)
{
	struct reader r = {0};

	assert_ok(read_on(&r));
	assert_string_equal(r.text, text);
}

/* Another process that opens the store after this one is gone. */
SHARED void reopen(void)
{
	close_engine();
	memset(&fault, 0, sizeof(fault));
	order.count = 0; /* what it wrote under other names is of no use */
	open_engine(&faulty);
}

/*
 * Does `work` in a new store that `before` has made, with each of its calls
 * failing once, with either error, and with all calls from each one on never
 * done, as if the process had died there. `after` looks at what a new process
 * finds.
 */
SHARED void each_call_fails(void (*before)(void),
    enum engine_status (*work)(void), void (*after)(enum engine_status s))
{
	static const int errors[] = {EIO, ENOSPC, 0};

	for (size_t how = 0; how < 3; how++) {
		bool hit = true;

		for (unsigned n = 1; hit; n++) {
			enum engine_status s;

			teardown(NULL);
			setup(NULL);
			before();
			memset(&fault, 0, sizeof(fault));
			fault.error = errors[how];
			fault.fail_at = errors[how] != 0 ? n : 0;
			fault.stop_at = errors[how] != 0 ? 0 : n;
			s = work();
			hit = fault.hit;
			assert_true(hit || s == ENGINE_OK);
			reopen();
			after(s);
		}
	}
}

SHARED void new_blob(const char *text, unsigned char id[16])
{
	int fd;

	assert_ok(engine_blob_new(box, id, &fd));
	assert_ok(engine_blob_write(box, fd, text, strlen(text), 0));
	assert_ok(engine_blob_sync(box, fd));
	close(fd);
}

SHARED void put_snapshot(uint64_t number, const char *text)
{
	union {
		const char *from;
		void *to;
	} base = {.from = text};
	struct iovec part = {base.to, strlen(text)};

	assert_ok(engine_snapshot_put(box, number, &part, 1));
}

/* ---- what tests begin with ---- */

SHARED uint64_t newest(void)
{
	uint64_t oldest, first, last;

	assert_ok(engine_generations(box, &oldest, &first, &last));
	return last;
}

SHARED enum engine_status seal(void)
{
	struct reader r = {0};

	return engine_seal(box, &r.seen, on_frame, &r, deadline_in(1000));
}

SHARED void two_frames(void)
{
	struct reader w = {0};

	assert_ok(append(&w, "a"));
	assert_ok(append(&w, "b"));
}

SHARED void still_writable(const char *text)
{
	struct reader w = {0};
	char more[100];

	assert_log(text);
	assert_ok(append(&w, "z"));
	snprintf(more, sizeof(more), "%sz ", text);
	assert_string_equal(w.text, more);
	assert_log(more);
}

struct stored {
	struct engine_place place;
	const char *text;
};
static struct stored stored[4];

SHARED void store_body(unsigned i, struct reader *w, const char *text)
{
	w->body = text;
	assert_ok(append(w, "m"));
	stored[i] = (struct stored){{.generation = w->generation,
					.offset = w->body_at,
					.length = strlen(text),
					.crc = crc32c(0, text, strlen(text))},
	    text};
	w->body = NULL;
}

SHARED void store_blob(unsigned i, const char *text)
{
	stored[i] = (struct stored){{.blob = true,
					.length = strlen(text),
					.crc = crc32c(0, text, strlen(text))},
	    text};
	new_blob(text, stored[i].place.id);
}

SHARED enum engine_status get(unsigned i)
{
	char p[64] = "";
	enum engine_status s;

	assert_in_range(stored[i].place.length, 1, sizeof(p) - 1);
	s = engine_get(box, &stored[i].place, 0, p, stored[i].place.length);
	if (s == ENGINE_OK)
		assert_string_equal(p, stored[i].text);
	return s;
}

/* Three bodies in a sealed generation, a blob, and a frame behind. */
SHARED void bodies_and_a_blob(void)
{
	struct reader w = {0};

	store_body(0, &w, "the first");
	store_body(1, &w, "the second one");
	store_body(2, &w, "the third");
	store_blob(3, "a blob");
	assert_ok(seal());
	assert_ok(append(&w, "end"));
}

SHARED enum engine_status erase_second_and_blob(void)
{
	struct engine_place places[] = {stored[1].place, stored[3].place};

	return engine_erase(box, places, 2);
}

SHARED void three_generations(void)
{
	struct reader w = {0};

	store_body(0, &w, "body");
	assert_ok(seal());
	assert_ok(append(&w, "b"));
	assert_ok(seal());
	assert_ok(append(&w, "c"));
}

SHARED enum engine_status restart(struct reader *r, bool damaged)
{
	r->word = "R";
	return engine_restart(
	    box, &r->seen, on_frame, decide, r, damaged, deadline_in(1000));
}

SHARED void overwrite(const char *name, uint64_t at, unsigned len, char with)
{
	int fd = openat(engine_box_directory(box), name, O_RDWR | O_CLOEXEC);

	for (unsigned i = 0; i < len; i++)
		assert_int_equal(pwrite(fd, &with, 1, (off_t)(at + i)), 1);
	close(fd);
}

SHARED void spoil(const char *name, uint64_t at, unsigned len)
{
	overwrite(name, at, len, 0x55);
}

/* ---- accounts ---- */

struct found_accounts {
	unsigned count, stop;
	char text[2000];
};

SHARED int found_account(void *arg, struct str account)
{
	struct found_accounts *f = arg;
	size_t len = strlen(f->text);

	snprintf(
	    f->text + len, sizeof(f->text) - len, "%.*s ", STR_FMT(account));
	return ++f->count == f->stop;
}

SHARED void scan_all(struct found_accounts *f)
{
	for (unsigned i = 0; i < ENGINE_SHARDS; i++)
		assert_ok(engine_scan(engine, i, found_account, f));
}

/* ---- running ---- */

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
