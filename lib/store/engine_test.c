/* SPDX-License-Identifier: ISC */
/* The engine of local files, below everything that knows mailboxes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/checksum.h"
#include "core/clock.h"
#include "store/engine_file.h"
#include "store/le.h"

#define ACCOUNT STR("user@example.org")

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
static bool fails(void)
{
	fault.calls++;
	if (fault.calls != fault.fail_at &&
	    (fault.stop_at == 0 || fault.calls < fault.stop_at))
		return false;
	fault.hit = true;
	errno = fault.stop_at != 0 ? EIO : fault.error;
	return true;
}

static int faulty_open(int dir, const char *path, int flags, mode_t mode)
{
	return flags & O_CREAT && fails() ? -1 : openat(dir, path, flags, mode);
}

static int faulty_mkdir(int dir, const char *path, mode_t mode)
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

static void written(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	for (size_t i = 0; i < order.count; i++)
		if (order.files[i] == st.st_ino)
			return;
	assert_true(order.count < 64);
	order.files[order.count++] = st.st_ino;
}

static void synced(int fd)
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
static void nothing_is_pending(const char *path, bool names)
{
	if (!order.watched)
		return;
	for (size_t i = 0; i < order.count; i++)
		if (order.files[i] != 0)
			fail_msg("%s, and a file is not synced", path);
	if (order.names && names)
		fail_msg("%s, and a name is not synced", path);
}

static int faulty_link(int dir, const char *from, const char *to)
{
	if (fails())
		return -1;
	nothing_is_pending(to, to[0] == 'g');
	order.names = true;
	return linkat(dir, from, dir, to, 0);
}

static int faulty_unlink(int dir, const char *path)
{
	if (fails())
		return -1;
	if (strncmp(path, "new.", 4) != 0)
		nothing_is_pending(path, true);
	return unlinkat(dir, path, 0);
}

static int faulty_rename(int dir, const char *from, const char *to)
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
static bool is_full(int fd, const struct iovec *v, int n, off_t at)
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
static ssize_t faulty_pwritev(int fd, const struct iovec *v, int n, off_t at)
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

static int faulty_sync(int fd)
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

static int faulty_truncate(int fd, off_t length)
{
	struct stat st;

	if (fails())
		return -1;
	if (fstat(fd, &st) == 0)
		disk.left += st.st_size - length;
	return ftruncate(fd, length);
}

static int faulty_room(int fd, uint64_t *octets)
{
	(void)fd;
	*octets = (uint64_t)disk.left;
	return 0;
}

static int faulty_punch(int fd, off_t at, off_t len)
{
	return fails() ? -1 : engine_io_system.punch(fd, at, len);
}

static int faulty_allocate(int fd, off_t at, off_t len)
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

static void make_faulty(void)
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

static int unlink_one(
    const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void open_engine(const struct engine_io *io)
{
	const char *why;

	engine = engine_file_open(root, io, &why);
	assert_non_null(engine);
	assert_int_equal(engine_box_open(engine, ACCOUNT, &box), ENGINE_OK);
}

static void close_engine(void)
{
	engine_box_close(&box);
	engine_close(&engine);
}

static int setup(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/engine_test.XXXXXX");
	assert_non_null(mkdtemp(root));
	make_faulty();
	open_engine(&faulty);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close_engine();
	return nftw(root, unlink_one, 16, FTW_DEPTH | FTW_PHYS);
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

static int on_frame(
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

static int decide(
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

static enum engine_status append(struct reader *r, const char *word)
{
	r->word = word;
	return engine_append(
	    box, &r->seen, on_frame, decide, r, deadline_in(1000));
}

static enum engine_status read_on(struct reader *r)
{
	return engine_read(box, &r->seen, on_frame, r);
}

#define assert_ok(e) assert_int_equal(e, ENGINE_OK)

/* What a reader that knows nothing finds. */
static void assert_log(const char *text)
{
	struct reader r = {0};

	assert_ok(read_on(&r));
	assert_string_equal(r.text, text);
}

/* Another process that opens the store after this one is gone. */
static void reopen(void)
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
static void each_call_fails(void (*before)(void),
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

static void new_blob(const char *text, unsigned char id[16])
{
	int fd;

	assert_ok(engine_blob_new(box, id, &fd));
	assert_ok(engine_blob_write(box, fd, text, strlen(text), 0));
	assert_ok(engine_blob_sync(box, fd));
	close(fd);
}

static void put_snapshot(uint64_t number, const char *text)
{
	union {
		const char *from;
		void *to;
	} base = {.from = text};
	struct iovec part = {base.to, strlen(text)};

	assert_ok(engine_snapshot_put(box, number, &part, 1));
}

/* ---- reading ---- */

static void a_reader_may_have_enough(void **state)
{
	struct reader w = {0}, r = {.stop = 3};
	struct engine_pos before;

	(void)state;
	append(&w, "a");
	append(&w, "b");
	before = w.seen;
	append(&w, "c");
	assert_ok(read_on(&r));
	assert_string_equal(r.text, "a b ");
	assert_memory_equal(&r.seen, &before, sizeof(before));
	assert_ok(read_on(&r)); /* and no further when asked again */
	assert_int_equal(r.frames, 2);
	assert_int_equal(append(&r, "d"), ENGINE_REFUSED);
	r.stop = 0;
	assert_ok(append(&r, "d"));
	assert_string_equal(r.text, "a b c d ");
	assert_log("a b c d ");
}

/* ---- sealing ---- */

static uint64_t newest(void)
{
	uint64_t oldest, first, last;

	assert_ok(engine_generations(box, &oldest, &first, &last));
	return last;
}

static enum engine_status seal(void)
{
	struct reader r = {0};

	return engine_seal(box, &r.seen, on_frame, &r, deadline_in(1000));
}

static void sealing_ends_a_generation(void **state)
{
	struct reader w = {0}, r = {0};
	struct engine_box *other;

	(void)state;
	assert_ok(seal());
	assert_int_equal(newest(), 0);
	assert_ok(append(&w, "a"));
	assert_ok(read_on(&r));
	assert_ok(engine_box_open(engine, ACCOUNT, &other));
	assert_ok(engine_seal(other, &r.seen, on_frame, &r, deadline_in(1000)));
	assert_int_equal(r.seen.generation, 2);
	assert_int_equal(newest(), 2);
	assert_ok(seal()); /* nothing is in it */
	assert_int_equal(newest(), 2);
	assert_ok(append(&w, "b"));
	assert_int_equal(w.seen.generation, 2);
	assert_log("a b ");
	engine_box_close(&other);
}

static void two_frames(void)
{
	struct reader w = {0};

	assert_ok(append(&w, "a"));
	assert_ok(append(&w, "b"));
}

static void still_writable(const char *text)
{
	struct reader w = {0};
	char more[100];

	assert_log(text);
	assert_ok(append(&w, "z"));
	snprintf(more, sizeof(more), "%sz ", text);
	assert_string_equal(w.text, more);
	assert_log(more);
}

static void after_sealing(enum engine_status s)
{
	assert_in_range(newest(), s == ENGINE_OK ? 2 : 1, 2);
	still_writable("a b ");
	if (s == ENGINE_OK)
		assert_int_equal(newest(), 2);
}

static void sealing_may_fail(void **state)
{
	(void)state;
	each_call_fails(two_frames, seal, after_sealing);
}

/* The name of a generation was linked and not synced: nobody says that a
 * frame in it is durable before it is. */
static void a_name_is_synced_by_the_next(void **state)
{
	struct reader w = {0}, r = {0};

	(void)state;
	append(&w, "a");
	fault.syncs = 0;
	fault.fail_sync = 2; /* of the directory */
	assert_int_equal(seal(), ENGINE_DOWN);
	assert_int_equal(newest(), 2);
	fault.syncs = fault.fail_sync = 0;
	assert_ok(append(&w, "b"));
	assert_int_equal(fault.syncs, 2);
	assert_ok(append(&w, "c"));
	assert_int_equal(fault.syncs, 3);
	assert_ok(read_on(&r));
	assert_int_equal(fault.syncs, 3);
}

/* ---- erasing ---- */

struct stored {
	struct engine_place place;
	const char *text;
};
static struct stored stored[4];

static void store_body(unsigned i, struct reader *w, const char *text)
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

static void store_blob(unsigned i, const char *text)
{
	stored[i] = (struct stored){{.blob = true,
					.length = strlen(text),
					.crc = crc32c(0, text, strlen(text))},
	    text};
	new_blob(text, stored[i].place.id);
}

static enum engine_status get(unsigned i)
{
	char p[64] = "";
	enum engine_status s = engine_get(
	    box, &stored[i].place, 0, p, stored[i].place.length);

	if (s == ENGINE_OK)
		assert_string_equal(p, stored[i].text);
	return s;
}

/* Three bodies in a sealed generation, a blob, and a frame behind. */
static void bodies_and_a_blob(void)
{
	struct reader w = {0};

	store_body(0, &w, "the first");
	store_body(1, &w, "the second one");
	store_body(2, &w, "the third");
	store_blob(3, "a blob");
	assert_ok(seal());
	assert_ok(append(&w, "end"));
}

static enum engine_status erase_second_and_blob(void)
{
	struct engine_place places[] = {stored[1].place, stored[3].place};

	return engine_erase(box, places, 2);
}

static void after_erasing(enum engine_status s)
{
	assert_ok(get(0));
	assert_ok(get(2));
	if (s == ENGINE_OK) {
		assert_int_equal(get(1), ENGINE_CORRUPT);
		assert_int_equal(get(3), ENGINE_GONE);
	}
	assert_ok(erase_second_and_blob());
	assert_ok(erase_second_and_blob());
	assert_int_equal(get(1), ENGINE_CORRUPT);
	assert_int_equal(get(3), ENGINE_GONE);
	assert_ok(get(0));
	assert_ok(get(2));
	still_writable("m m m end ");
}

static void erasing_may_fail(void **state)
{
	(void)state;
	each_call_fails(
	    bodies_and_a_blob, erase_second_and_blob, after_erasing);
}

static void erased_bytes_are_gone(void **state)
{
	static const char zeroes[14];
	struct engine_place places[4];
	struct engine_place place;
	uint64_t offset;
	char p[14];
	int fd;

	(void)state;
	bodies_and_a_blob();
	for (unsigned i = 0; i < 4; i++)
		places[i] = stored[3 - i].place; /* in any order */
	place = stored[1].place;
	assert_ok(engine_file(box, &place, &fd, &offset));
	assert_int_equal(pread(fd, p, 14, (off_t)offset), 14);
	assert_memory_equal(p, "the second one", 14);
	fault.syncs = 0;
	assert_ok(engine_erase(box, places, 4));
	/* The directory, the zeroes, the holes, the blobs' directory. */
	assert_int_equal(fault.syncs, 4);
	assert_int_equal(pread(fd, p, 14, (off_t)offset), 14);
	assert_memory_equal(p, zeroes, 14);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(get(i), ENGINE_CORRUPT);
	assert_log("m m m end ");
}

static void what_lies_between_stays(void **state)
{
	struct engine_place places[2];

	(void)state;
	bodies_and_a_blob();
	places[0] = stored[2].place;
	places[1] = stored[0].place;
	assert_ok(engine_erase(box, places, 2));
	assert_int_equal(get(0), ENGINE_CORRUPT);
	assert_ok(get(1));
	assert_int_equal(get(2), ENGINE_CORRUPT);
	assert_ok(get(3));
}

static int no_punch(int fd, off_t at, off_t len)
{
	(void)fd, (void)at, (void)len;
	errno = EOPNOTSUPP;
	return -1;
}

static void zeroes_stay_where_nothing_can_be_punched(void **state)
{
	(void)state;
	bodies_and_a_blob();
	faulty.punch = no_punch;
	assert_ok(erase_second_and_blob());
	assert_int_equal(get(1), ENGINE_CORRUPT);
}

static void only_sealed_bodies_are_erased(void **state)
{
	struct reader w = {0};
	struct engine_place bad;

	(void)state;
	store_body(0, &w, "of the newest generation");
	assert_int_equal(
	    engine_erase(box, &stored[0].place, 1), ENGINE_REFUSED);
	assert_ok(get(0));
	assert_ok(seal());
	bad = stored[0].place;
	bad.offset = FRAMES_AT;
	assert_int_equal(engine_erase(box, &bad, 1), ENGINE_CORRUPT);
	assert_ok(engine_erase(box, &stored[0].place, 1));
	/* Beyond the end nothing is written. */
	bad = stored[0].place;
	bad.length = UINT64_MAX - bad.offset;
	assert_ok(engine_erase(box, &bad, 1));
	still_writable("m ");
}

/* After a power loss the mark may be an older one. */
static void an_erased_body_is_no_torn_frame(void **state)
{
	unsigned char mark[16];
	uint64_t at = FRAMES_AT;
	int fd;

	(void)state;
	bodies_and_a_blob();
	assert_ok(erase_second_and_blob());
	fd = openat(engine_box_directory(box), "g.1", O_RDWR | O_CLOEXEC);
	put_u64(mark, at);
	put_u64(mark + 8, ~at);
	assert_int_equal(pwrite(fd, mark, 16, MARK_AT), 16);
	close(fd);
	reopen();
	still_writable("m m m end ");
}

static void snapshots_are_erased_in_part(void **state)
{
	char p[10];

	(void)state;
	assert_ok(engine_snapshot_erase(box, 1, 0, 10)); /* no account */
	two_frames();
	assert_ok(engine_snapshot_erase(box, 1, 0, 10)); /* no such one */
	put_snapshot(1, "one two three");
	assert_ok(engine_snapshot_erase(box, 1, 4, 3));
	assert_ok(engine_snapshot_get(box, 1, 0, p, 10));
	assert_memory_equal(p, "one \0\0\0 th", 10);
	assert_ok(engine_snapshot_erase(box, 1, 8, UINT64_MAX));
	assert_ok(engine_snapshot_get(box, 1, 3, p, 10));
	assert_memory_equal(p, " \0\0\0 \0\0\0\0\0", 10);
}

/* ---- dropping ---- */

static void three_generations(void)
{
	struct reader w = {0};

	store_body(0, &w, "body");
	assert_ok(seal());
	assert_ok(append(&w, "b"));
	assert_ok(seal());
	assert_ok(append(&w, "c"));
}

static void the_oldest_generation_is_dropped(void **state)
{
	uint64_t oldest, first, last;
	struct reader in_first = {.stop = 2}, r = {.stop = 3}, none = {0};
	struct reader newcomer = {0};

	(void)state;
	three_generations();
	assert_ok(read_on(&r));
	assert_int_equal(r.seen.generation, 3);
	in_first.stop = 1;
	assert_ok(read_on(&in_first));
	assert_int_equal(engine_drop(box, 2), ENGINE_REFUSED);
	assert_int_equal(engine_drop(box, 3), ENGINE_REFUSED);
	assert_ok(engine_drop(box, 1));
	assert_int_equal(engine_drop(box, 1), ENGINE_REFUSED);
	fault.syncs = 0;
	assert_ok(engine_drop(box, 2));
	assert_int_equal(fault.syncs, 1); /* of what was dropped before */
	assert_int_equal(engine_drop(box, 3), ENGINE_REFUSED);
	assert_ok(engine_generations(box, &oldest, &first, &last));
	assert_int_equal(oldest, 3);
	assert_int_equal(first, 1);
	assert_int_equal(last, 3);
	assert_int_equal(get(0), ENGINE_GONE);
	assert_ok(engine_erase(box, &stored[0].place, 1)); /* gone already */
	/* Who knows what was there reads on; who does not is told so. */
	r.stop = 0;
	assert_ok(read_on(&r));
	assert_string_equal(r.text, "m b c ");
	reopen();
	assert_int_equal(read_on(&none), ENGINE_CORRUPT);
	assert_non_null(strstr(engine_why(box), "dropped"));
	assert_int_equal(append(&newcomer, "d"), ENGINE_CORRUPT);
	assert_ok(append(&r, "d"));
}

/* A session that was far back: its state is of no use any more, its lock
 * is. */
static void who_was_far_back_begins_again(void **state)
{
	struct reader r = {.stop = 2};
	struct engine_box *other;

	(void)state;
	three_generations();
	assert_ok(append(&r, "d") == ENGINE_REFUSED ? ENGINE_OK : ENGINE_DOWN);
	assert_int_equal(r.seen.generation, 2);
	reopen();
	assert_ok(engine_session_lock(box, true));
	assert_ok(engine_drop(box, 1));
	assert_ok(engine_drop(box, 2));
	assert_int_equal(read_on(&r), ENGINE_GONE);
	assert_ok(engine_box_open(engine, ACCOUNT, &other));
	assert_int_equal(engine_session_lock(other, true), ENGINE_BUSY);
	engine_box_close(&other);
}

static enum engine_status drop_first(void)
{
	return engine_drop(box, 1);
}

static void after_dropping(enum engine_status s)
{
	struct reader r = {.seen = {0}};
	enum engine_status now = read_on(&r);

	if (s == ENGINE_OK)
		assert_int_equal(now, ENGINE_CORRUPT);
	else if (now == ENGINE_OK)
		still_writable("m b c ");
}

static void dropping_may_fail(void **state)
{
	(void)state;
	each_call_fails(three_generations, drop_first, after_dropping);
}

/* ---- beginning anew ---- */

static enum engine_status restart(struct reader *r, bool damaged)
{
	r->word = "R";
	return engine_restart(
	    box, &r->seen, on_frame, decide, r, damaged, deadline_in(1000));
}

static void the_log_begins_anew(void **state)
{
	struct reader w = {0}, behind = {.stop = 2}, none = {0};
	uint64_t oldest, first, last;
	struct engine_box *other;

	(void)state;
	store_body(0, &w, "body");
	append(&w, "b");
	assert_ok(read_on(&behind));
	assert_ok(engine_box_open(engine, ACCOUNT, &other));
	assert_ok(engine_read(other, &none.seen, on_frame, &none));
	store_body(1, &w, "in the old generation");
	w.body = "in the new one";
	assert_ok(restart(&w, false));
	w.body = NULL;
	assert_string_equal(w.text, "m b m R ");
	assert_int_equal(w.seen.generation, 2);
	assert_int_equal(w.seen.modseq, 4);
	assert_ok(engine_generations(box, &oldest, &first, &last));
	assert_int_equal(oldest, 1);
	assert_int_equal(first, 2);
	assert_int_equal(last, 2);
	assert_log("R ");
	/* Others are told what they lack, and then this. */
	behind.stop = 0;
	assert_ok(read_on(&behind));
	assert_string_equal(behind.text, "m b m R ");
	assert_memory_equal(&behind.seen, &w.seen, sizeof(w.seen));
	none.word = "c";
	assert_ok(engine_append(
	    other, &none.seen, on_frame, decide, &none, deadline_in(1000)));
	assert_string_equal(none.text, "m b m R c ");
	assert_ok(get(0));
	assert_ok(get(1));
	assert_ok(seal());
	assert_ok(append(&w, "d"));
	assert_log("R c d ");
	assert_ok(restart(&w, false));
	assert_log("R ");
	assert_ok(engine_drop(box, 1));
	assert_ok(engine_drop(box, 2));
	assert_ok(engine_drop(box, 3));
	still_writable("R ");
	engine_box_close(&other);
}

static void a_restart_may_be_refused(void **state)
{
	struct reader w = {0};

	(void)state;
	append(&w, "a");
	w.refuse = true;
	assert_int_equal(restart(&w, false), ENGINE_REFUSED);
	assert_int_equal(newest(), 1);
	w.refuse = false;
	w.modseq = 1000;
	assert_ok(restart(&w, false));
	assert_int_equal(w.seen.modseq, 1000);
	still_writable("R ");
}

static void an_empty_log_begins_too(void **state)
{
	struct reader w = {0};

	(void)state;
	assert_ok(restart(&w, false));
	assert_int_equal(w.seen.generation, 1);
	assert_int_equal(w.seen.modseq, 1);
	still_writable("R ");
}

static void overwrite(const char *name, uint64_t at, unsigned len, char with)
{
	int fd = openat(engine_box_directory(box), name, O_RDWR | O_CLOEXEC);

	for (unsigned i = 0; i < len; i++)
		assert_int_equal(pwrite(fd, &with, 1, (off_t)(at + i)), 1);
	close(fd);
}

static void spoil(const char *name, uint64_t at, unsigned len)
{
	overwrite(name, at, len, 0x55);
}

/* Wherever the damage is: nobody gets past it, a restart does, and everybody
 * goes on behind it. */
static void damage_is_left_behind(void **state)
{
	static const struct damage {
		const char *name;
		uint64_t at;
	} damages[] = {{"g.1", FRAMES_AT + 40}, {"g.2", FRAMES_AT + 8},
	    {"g.3", FRAMES_AT + 60}, {"g.2", 30}, {"g.3", 30}, {"g.3", 0},
	    {"g.1", 30}};

	(void)state;
	for (size_t i = 0; i < sizeof(damages) / sizeof(*damages); i++) {
		struct reader r = {0}, old = {0}, w = {0};
		struct engine_box *other;

		teardown(NULL);
		setup(NULL);
		three_generations();
		assert_ok(engine_box_open(engine, ACCOUNT, &other));
		assert_ok(engine_read(other, &old.seen, on_frame, &old));
		spoil(damages[i].name, damages[i].at, 16);
		engine_box_close(&box);
		assert_ok(engine_box_open(engine, ACCOUNT, &box));
		assert_int_equal(append(&w, "x"), ENGINE_CORRUPT);
		assert_int_equal(restart(&w, false), ENGINE_CORRUPT);
		assert_ok(restart(&w, true));
		/* As much as can be known of what was there. */
		assert_int_equal(
		    w.seen.modseq, damages[i].at != FRAMES_AT + 60 ? 4 : 3);
		assert_int_equal(w.seen.generation, 4);
		assert_log("R ");
		assert_ok(get(0));
		assert_ok(read_on(&r));
		old.word = "y";
		assert_ok(engine_append(other, &old.seen, on_frame, decide,
		    &old, deadline_in(1000)));
		assert_string_equal(old.text, "m b c R y ");
		still_writable("R y ");
		engine_box_close(&other);
	}
}

static void who_was_before_the_damage_jumps(void **state)
{
	struct reader r = {.stop = 2}, w = {0};

	(void)state;
	three_generations();
	assert_ok(read_on(&r));
	spoil("g.2", FRAMES_AT + 8, 16);
	assert_ok(restart(&w, true));
	r.stop = 0;
	assert_ok(read_on(&r));
	assert_string_equal(r.text, "m R ");
	assert_memory_equal(&r.seen, &w.seen, sizeof(r.seen));
}

/* Where the log begins is known although the newest generation cannot say
 * it. */
static void a_lost_header_hides_no_beginning(void **state)
{
	struct reader w = {0}, r = {0};

	(void)state;
	two_frames();
	assert_ok(restart(&w, false));
	assert_ok(seal());
	append(&w, "c");
	spoil("g.3", 30, 4);
	reopen();
	assert_int_equal(read_on(&r), ENGINE_CORRUPT);
	assert_int_equal(r.seen.generation, 2);
}

static void the_damaged_mark_of_a_restarted_log(void **state)
{
	struct reader w = {0};

	(void)state;
	two_frames();
	assert_ok(restart(&w, false));
	spoil("g.2", MARK_AT, 16);
	reopen();
	still_writable("R ");
}

static enum engine_status do_restart(void)
{
	struct reader r = {.body = "some body"};

	return restart(&r, false);
}

static void after_restarting(enum engine_status s)
{
	struct reader r = {0};

	assert_ok(read_on(&r));
	if (s == ENGINE_OK || strcmp(r.text, "R ") == 0)
		still_writable("R ");
	else
		still_writable("a b ");
}

static void restarting_may_fail(void **state)
{
	(void)state;
	each_call_fails(two_frames, do_restart, after_restarting);
}

static void a_restart_that_is_not_durable_is_not_said_to_be(void **state)
{
	struct reader w = {0}, r = {0};

	(void)state;
	append(&w, "a");
	fault.syncs = 0;
	fault.fail_sync = 2;
	assert_int_equal(restart(&w, false), ENGINE_UNKNOWN);
	reopen();
	assert_ok(read_on(&r));
	assert_string_equal(r.text, "R ");
	assert_int_equal(fault.syncs, 1);
}

/* Frames of which it is told that something before them is missing have a
 * question mark. */
static void on_salvaged(
    void *arg, struct str heads, const struct engine_frame_info *info, bool gap)
{
	struct reader *r = arg;

	if (gap)
		snprintf(r->text + strlen(r->text),
		    sizeof(r->text) - strlen(r->text), "?");
	on_frame(r, heads, info);
}

static uint64_t skipped;

static void on_lost(void *arg, uint64_t generation, uint64_t offset,
    uint64_t octets, const char *what)
{
	(void)arg, (void)generation, (void)offset, (void)what;
	skipped += octets;
}

static void what_can_be_read_is_salvaged(void **state)
{
	struct engine_pos none = {0}, from;
	struct reader w = {0}, r = {0};
	struct engine_salvage to = {
	    .frame = on_salvaged, .lost = on_lost, .arg = &r};
	char p[FRAME_LEAST + 8];
	int fd;

	(void)state;
	append(&w, "a");
	none = w.seen;
	append(&w, "b");
	append(&w, "c");
	assert_ok(seal());
	append(&w, "d");
	append(&w, "e");
	spoil("g.1", none.length + 20, 4);
	skipped = 0;
	from = none;
	assert_ok(engine_salvage(box, &from, &to));
	assert_string_equal(r.text, "?c d e ");
	/* From where it ended: only what comes later. */
	append(&w, "f");
	assert_ok(engine_salvage(box, &from, &to));
	assert_string_equal(r.text, "?c d e f ");
	assert_int_equal(skipped, FRAME_LEAST + 8);
	/* A frame is told once, wherever it stands. */
	fd = openat(engine_box_directory(box), "g.1", O_RDWR | O_CLOEXEC);
	assert_int_equal(pread(fd, p, sizeof(p), FRAMES_AT), sizeof(p));
	assert_int_equal(
	    pwrite(fd, p, sizeof(p), (off_t)none.length), sizeof(p));
	close(fd);
	from = (struct engine_pos){0};
	r = (struct reader){0};
	spoil("g.2", 30, 4);
	reopen();
	assert_ok(engine_salvage(box, &from, &to));
	assert_string_equal(r.text, "a ?c d e f ");
}

/* ---- a full disk ---- */

#define MIB (1u << 20)

static uint64_t reserve(uint64_t octets)
{
	uint64_t have;

	assert_ok(engine_reserve(engine, octets, &have));
	return have;
}

static uint64_t reserved(void)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/reserve", root);
	if (stat(path, &st) < 0)
		return 0;
	assert_true((uint64_t)st.st_blocks * 512 >= (uint64_t)st.st_size);
	return (uint64_t)st.st_size;
}

static void the_reserve_never_fills_the_disk(void **state)
{
	(void)state;
	assert_int_equal(reserve(0), 0);
	disk.small = true;
	disk.left = 16 * MIB;
	assert_int_equal(reserve(5 * MIB), 5 * MIB);
	assert_int_equal(reserved(), 5 * MIB);
	assert_int_equal(disk.left, 11 * MIB);
	assert_int_equal(reserve(10 * MIB), 6 * MIB); /* 10 stay free */
	assert_int_equal(reserve(10 * MIB), 6 * MIB);
	disk.left = 3 * MIB;
	assert_int_equal(reserve(10 * MIB), 6 * MIB);
	disk.left = 100 * MIB;
	assert_int_equal(reserve(10 * MIB), 10 * MIB);
	assert_int_equal(reserve(2 * MIB), 2 * MIB);
	assert_int_equal(reserved(), 2 * MIB);
	assert_int_equal(disk.left, 104 * MIB);
}

/* The room that was said to be there is not. */
static void the_reserve_takes_what_it_gets(void **state)
{
	(void)state;
	fault.error = ENOSPC;
	fault.fail_at = 4; /* open, twice 4 MiB, and then no more */
	disk.left = 1000 * MIB;
	assert_int_equal(reserve(64 * MIB), 8 * MIB);
	assert_int_equal(reserved(), 8 * MIB);
	assert_int_equal(reserve(64 * MIB), 64 * MIB);
}

static void only_what_frees_space_spends_the_reserve(void **state)
{
	static char large[700000];
	struct reader w = {0};
	const char *body;

	(void)state;
	append(&w, "a");
	disk.left = 1000 * MIB;
	reserve(4 * MIB);
	disk.small = true;
	disk.left = 50;
	w.body = "a message that is of a certain length, so that it needs some "
		 "room on the disk of this test, which has none";
	fault.syncs = 0;
	assert_int_equal(append(&w, "b"), ENGINE_NO_SPACE);
	assert_int_equal(fault.syncs, 0);
	body = w.body;
	w.body = NULL; /* the head alone finds no block */
	assert_int_equal(append(&w, "b"), ENGINE_NO_SPACE);
	assert_int_equal(fault.syncs, 0);
	assert_int_equal(reserved(), 4 * MIB);
	w.body = body;
	w.frees = true;
	assert_ok(append(&w, "c"));
	/* The file system's, the frame's. */
	assert_int_equal(fault.syncs, 2);
	assert_int_equal(reserved(), 4 * MIB - 262144);
	fault.syncs = 0;
	assert_ok(append(&w, "d"));
	assert_int_equal(fault.syncs, 1);
	assert_int_equal(reserved(), 4 * MIB - 262144);
	/* Bodies count too: in steps, twice as much each time. */
	memset(large, 'x', sizeof(large) - 1);
	w.body = large;
	disk.left = 0;
	assert_ok(append(&w, "e"));
	assert_int_equal(reserved(), 4 * MIB - 4 * 262144);
	assert_log("a c d e ");
	w.refuse = true;
	fault.syncs = 0;
	disk.left = 0;
	assert_int_equal(append(&w, "f"), ENGINE_REFUSED);
	assert_int_equal(fault.syncs, 0);
	w.refuse = false;
	/* And when all of it is spent: no more. */
	for (int i = 0; i < 9; i++) {
		disk.left = 0;
		if (append(&w, "g") != ENGINE_OK)
			break;
	}
	assert_int_equal(reserved(), 0);
	assert_int_equal(append(&w, "h"), ENGINE_NO_SPACE);
	disk.left = 10 * MIB;
	assert_int_equal(reserve(4 * MIB), 4 * MIB);
	disk.left = 0;
	assert_ok(append(&w, "h"));
	/* All of them prove themselves. */
	spoil("g.1", MARK_AT, 16);
	reopen();
	assert_log(w.text);
}

static void a_full_disk_can_be_sealed_and_begun_anew(void **state)
{
	struct reader w = {0};

	(void)state;
	append(&w, "a");
	disk.left = 1000 * MIB;
	reserve(MIB);
	reopen(); /* the reserve is open, whoever can still open it */
	disk.small = true;
	disk.left = 0;
	assert_ok(seal());
	assert_int_equal(newest(), 2);
	assert_int_equal(reserved(), MIB - 65536);
	disk.left = 0;
	assert_int_equal(restart(&w, false), ENGINE_NO_SPACE);
	w.frees = true;
	assert_ok(restart(&w, false));
	assert_int_equal(reserved(), MIB - 65536 - 262144);
	assert_log("R ");
}

static void nobody_spends_the_reserve_twice(void **state)
{
	struct engine *other;
	struct reader w = {.frees = true};
	const char *why;

	(void)state;
	append(&w, "a");
	disk.left = 1000 * MIB;
	reserve(MIB);
	other = engine_file_open(root, &faulty, &why);
	assert_int_equal(faulty.lock(other->reserve, 0, true), 0);
	disk.small = true;
	disk.left = 50;
	w.body = "a message that is of a certain length, so that it needs some "
		 "room on the disk of this test, which has none";
	assert_int_equal(append(&w, "b"), ENGINE_NO_SPACE);
	assert_int_equal(reserved(), MIB);
	engine_close(&other);
	assert_ok(append(&w, "b"));
}

struct found_accounts {
	unsigned count, stop;
	char text[2000];
};

static int found_account(void *arg, struct str account)
{
	struct found_accounts *f = arg;
	size_t len = strlen(f->text);

	snprintf(
	    f->text + len, sizeof(f->text) - len, "%.*s ", STR_FMT(account));
	return ++f->count == f->stop;
}

static void scan_all(struct found_accounts *f)
{
	for (unsigned i = 0; i < ENGINE_SHARDS; i++)
		assert_ok(engine_scan(engine, i, found_account, f));
}

/* ---- copies ---- */

/* A second store beside the first, below its root, and what is copied. */
static struct engine *copies;
static struct engine_box *copy_box;
static uint64_t copied;
static struct engine_pos copy_end;

static void open_copies(void)
{
	char path[80];
	const char *why;

	snprintf(path, sizeof(path), "%s/copies", root);
	if (mkdir(path, 0700) < 0)
		assert_int_equal(errno, EEXIST);
	copies = engine_file_open(path, &faulty, &why);
	assert_non_null(copies);
	assert_ok(engine_box_open(copies, ACCOUNT, &copy_box));
}

static void close_copies(void)
{
	engine_box_close(&copy_box);
	engine_close(&copies);
}

static enum engine_status copy(void)
{
	enum engine_status s;

	open_copies();
	order.watched = true;
	s = engine_copy(box, copy_box, &copy_end, &copied);
	order.watched = false;
	if (s != ENGINE_OK)
		assert_true(engine_why(copy_box)[0] != '\0');
	close_copies();
	return s;
}

/* Does something with the copy as if it were the box. */
static void with_copy(void (*look)(const void *arg), const void *arg)
{
	struct engine *e = engine;
	struct engine_box *b = box;

	open_copies();
	engine = copies;
	box = copy_box;
	look(arg);
	engine = e;
	box = b;
	close_copies();
}

static void look_log(const void *text)
{
	assert_log(text);
}

static void look_body(const void *arg)
{
	assert_ok(get(*(const unsigned *)arg));
}

static void look_no_body(const void *arg)
{
	enum engine_status s = get(*(const unsigned *)arg);

	assert_true(s == ENGINE_CORRUPT || s == ENGINE_GONE);
}

static void look_append(const void *word)
{
	struct reader w = {0};

	assert_ok(append(&w, word));
}

static void look_seal(const void *arg)
{
	(void)arg;
	assert_ok(seal());
}

static void assert_copy(const char *text)
{
	with_copy(look_log, text);
}

static void assert_body_in_copy(unsigned i, bool there)
{
	with_copy(there ? look_body : look_no_body, &i);
}

static bool snapshot_is(uint64_t number, const char *text)
{
	char p[64] = "";
	enum engine_status s = engine_snapshot_get(
	    box, number, 0, p, strlen(text));

	if (s == ENGINE_OK)
		assert_string_equal(p, text);
	else
		assert_int_equal(s, ENGINE_GONE);
	return s == ENGINE_OK;
}

static void look_snapshots(const void *arg)
{
	const char *const *texts = arg;

	for (uint64_t i = 1; i <= 3; i++)
		assert_int_equal(texts[i - 1] != NULL,
		    snapshot_is(i, texts[i - 1] != NULL ? texts[i - 1] : "x"));
}

static void nothing_is_copied_of_nothing(void **state)
{
	(void)state;
	assert_ok(copy());
	assert_int_equal(copied, 0);
	assert_int_equal(copy_end.generation, 0);
	assert_copy("");
}

static void a_copy_is_brought_up_to_date(void **state)
{
	static const char *const snapshots[3] = {"one"};
	static char large[600];
	struct reader w = {0};

	(void)state;
	bodies_and_a_blob();
	assert_ok(read_on(&w));
	put_snapshot(1, "one");
	assert_ok(copy());
	assert_memory_equal(&copy_end, &w.seen, sizeof(w.seen));
	assert_copy("m m m end ");
	for (unsigned i = 0; i < 4; i++)
		assert_body_in_copy(i, true);
	with_copy(look_snapshots, snapshots);
	/* Nothing new, nothing written. */
	assert_ok(copy());
	assert_int_equal(copied, 0);
	/* A frame, and only that. */
	store_body(0, &w, "one more");
	assert_ok(copy());
	assert_in_range(copied, FRAME_LEAST, 300);
	assert_copy("m m m end m ");
	assert_body_in_copy(0, true);
	memset(large, 'x', sizeof(large) - 1);
	store_body(0, &w, large);
	assert_ok(copy());
	append(&w, "and");
	assert_ok(copy());
	assert_in_range(copied, FRAME_LEAST, 300);
	assert_ok(seal());
	store_body(2, &w, "in the third generation");
	assert_ok(seal());
	append(&w, "x");
	assert_ok(copy());
	assert_copy("m m m end m m and m x ");
	assert_body_in_copy(2, true);
	with_copy(look_append, "y");
	assert_copy("m m m end m m and m x y ");
}

/* Who has the copy open sees it grow. */
static void a_copy_can_be_read_all_the_time(void **state)
{
	struct reader w = {0}, r = {0};
	struct engine *e;
	struct engine_box *b;

	(void)state;
	append(&w, "a");
	assert_ok(copy());
	open_copies();
	e = copies;
	b = copy_box;
	assert_ok(engine_read(b, &r.seen, on_frame, &r));
	append(&w, "b");
	assert_ok(seal());
	append(&w, "c");
	assert_ok(copy());
	assert_ok(engine_read(b, &r.seen, on_frame, &r));
	assert_string_equal(r.text, "a b c ");
	engine_box_close(&b);
	engine_close(&e);
}

static void a_blob_that_was_half_there(void **state)
{
	unsigned char id[16];
	struct reader w = {0};
	int fd;

	(void)state;
	append(&w, "a");
	assert_ok(engine_blob_new(box, id, &fd));
	assert_ok(engine_blob_write(box, fd, "half", 4, 0));
	assert_ok(copy());
	assert_ok(engine_blob_write(box, fd, " and half", 9, 4));
	assert_ok(engine_blob_sync(box, fd));
	close(fd);
	stored[0] = (struct stored){
	    {.blob = true, .length = 13, .crc = crc32c(0, "half and half", 13)},
	    "half and half"};
	memcpy(stored[0].place.id, id, 16);
	assert_ok(copy());
	assert_body_in_copy(0, true);
}

static void look_erased_snapshot(const void *arg)
{
	char p[9];

	(void)arg;
	assert_ok(engine_snapshot_get(box, 1, 0, p, sizeof(p)));
	assert_memory_equal(p, "aaa\0\0\0bbb", 9);
}

static void what_was_erased_is_erased_in_the_copy(void **state)
{
	(void)state;
	bodies_and_a_blob();
	put_snapshot(1, "aaabbbbbb");
	assert_ok(copy());
	assert_ok(erase_second_and_blob());
	assert_ok(engine_snapshot_erase(box, 1, 3, 3));
	assert_ok(copy());
	assert_in_range(copied, 14, 200);
	assert_copy("m m m end ");
	assert_body_in_copy(0, true);
	assert_body_in_copy(1, false);
	assert_body_in_copy(2, true);
	assert_body_in_copy(3, false);
	with_copy(look_erased_snapshot, NULL);
	assert_ok(copy());
	assert_int_equal(copied, 0);
}

/* Damage in the box is no erasure: the copy keeps what it has. */
static void damage_is_not_copied_over_what_is_good(void **state)
{
	int fd;

	(void)state;
	bodies_and_a_blob();
	assert_ok(copy());
	spoil("g.1", stored[0].place.offset, 4);
	overwrite("g.1", stored[2].place.offset + 2, 4, 0);
	assert_ok(erase_second_and_blob());
	assert_ok(copy());
	assert_int_equal(get(0), ENGINE_CORRUPT);
	assert_int_equal(get(2), ENGINE_CORRUPT);
	assert_body_in_copy(0, true);
	assert_body_in_copy(1, false);
	assert_body_in_copy(2, true);
	/* Nor is what the box lost with the end of a file. */
	fd = openat(engine_box_directory(box), "g.1", O_RDWR | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, (off_t)stored[2].place.offset + 1), 0);
	close(fd);
	assert_ok(erase_second_and_blob());
	assert_ok(copy());
	assert_body_in_copy(2, true);
	/* Nor is a log that does not hold. */
	spoil("g.2", FRAMES_AT + 30, 4);
	reopen();
	assert_int_equal(copy(), ENGINE_CORRUPT);
	assert_copy("m m m end ");
}

static void a_damaged_log_is_not_copied(void **state)
{
	(void)state;
	three_generations();
	spoil("g.1", FRAMES_AT + 30, 4);
	assert_int_equal(copy(), ENGINE_CORRUPT);
	assert_copy("");
}

static void what_was_dropped_goes_from_the_copy(void **state)
{
	static const char *const before[3] = {"one", "two"};
	static const char *const after[3] = {NULL, "two", "three"};
	struct reader w = {0};

	(void)state;
	three_generations();
	assert_ok(read_on(&w));
	put_snapshot(1, "one");
	put_snapshot(2, "two");
	assert_ok(copy());
	with_copy(look_snapshots, before);
	assert_copy("m b c ");
	put_snapshot(3, "three");
	engine_snapshot_drop(box, 1);
	assert_ok(engine_drop(box, 1));
	assert_ok(copy());
	with_copy(look_snapshots, after);
	assert_body_in_copy(0, false);
	/* Too far behind to be continued: begun anew. */
	assert_ok(engine_drop(box, 2));
	assert_ok(engine_seal(box, &w.seen, on_frame, &w, deadline_in(1000)));
	assert_ok(engine_drop(box, 3));
	assert_ok(copy());
	with_copy(look_snapshots, after);
}

static unsigned set_aside(void)
{
	char path[128];
	unsigned count = 0;
	const struct dirent *entry;
	DIR *d;

	snprintf(path, sizeof(path), "%s/copies/%s", root, box->shard);
	d = opendir(path);
	assert_non_null(d);
	while ((entry = readdir(d)) != NULL)
		count += entry->d_name[0] == '.' && entry->d_name[1] != '.' &&
		    entry->d_name[1] != '\0';
	closedir(d);
	return count;
}

static void look_accounts(const void *arg)
{
	struct found_accounts f = {0};

	(void)arg;
	scan_all(&f);
	assert_string_equal(f.text, "user@example.org ");
}

static void another_life_is_set_aside(void **state)
{
	struct reader w = {0}, again = {0};

	(void)state;
	append(&w, "old");
	assert_ok(seal());
	assert_ok(copy());
	assert_ok(engine_remove(engine, ACCOUNT, deadline_in(1000)));
	assert_ok(copy()); /* there is nothing: it stays */
	assert_int_equal(copied, 0);
	assert_copy("old ");
	assert_ok(append(&again, "new"));
	assert_ok(
	    engine_seal(box, &again.seen, on_frame, &again, deadline_in(1000)));
	assert_ok(copy());
	assert_copy("new ");
	assert_int_equal(set_aside(), 1);
	/* A copy that somebody wrote to is another life too. */
	with_copy(look_append, "mine");
	assert_ok(append(&again, "theirs"));
	assert_ok(copy());
	assert_copy("new theirs ");
	assert_int_equal(set_aside(), 2);
	with_copy(look_append, "mine");
	assert_ok(copy());
	assert_copy("new theirs ");
	assert_int_equal(set_aside(), 3);
	with_copy(look_seal, NULL);
	assert_ok(copy());
	assert_copy("new theirs ");
	assert_int_equal(set_aside(), 4);
	with_copy(look_accounts, NULL);
}

static void a_log_begun_anew_is_copied(void **state)
{
	struct reader anew = {0};

	(void)state;
	three_generations();
	assert_ok(copy());
	spoil("g.2", FRAMES_AT + 8, 16);
	reopen();
	assert_ok(restart(&anew, true));
	assert_ok(copy());
	assert_copy("R ");
	assert_body_in_copy(0, true);
	assert_int_equal(set_aside(), 0);
	/* And as a whole, damage and all. */
	with_copy(look_append, "x");
	assert_ok(append(&anew, "y"));
	assert_ok(copy());
	assert_copy("R y ");
	assert_body_in_copy(0, true);
}

/* The copy has frames that the damaged log has not any more. */
static void a_copy_may_know_more(void **state)
{
	struct reader w = {0}, anew = {0};
	struct engine_pos first;

	(void)state;
	append(&w, "a");
	first = w.seen;
	store_body(0, &w, "body");
	assert_ok(copy());
	spoil("g.1", first.length + 20, 4);
	reopen();
	assert_ok(restart(&anew, true));
	assert_ok(copy());
	assert_copy("R ");
	assert_int_equal(set_aside(), 0);
	assert_body_in_copy(0, true);
}

/* What the copy had is there; what was new may be; then it can be completed.
 */
static void copied_once(void)
{
	struct reader w = {0};

	bodies_and_a_blob();
	put_snapshot(1, "one");
	assert_ok(copy());
	assert_ok(read_on(&w));
	store_body(0, &w, "one more");
	assert_ok(seal());
	store_body(2, &w, "another one");
	assert_ok(erase_second_and_blob());
	store_blob(3, "another blob");
	put_snapshot(2, "two");
	engine_snapshot_drop(box, 1);
}

static void look_prefix(const void *text)
{
	struct reader r = {0};

	assert_ok(read_on(&r));
	assert_in_range(strlen(r.text), strlen("m m m end "), strlen(text));
	assert_memory_equal(r.text, text, strlen(r.text));
	if (strlen(r.text) >= strlen("m m m end m "))
		assert_ok(get(0));
	if (strcmp(r.text, text) == 0) {
		assert_ok(get(2));
		assert_ok(get(3));
	}
	assert_true((int)snapshot_is(1, "one") | (int)snapshot_is(2, "two"));
}

static void after_copying(enum engine_status s)
{
	static const char *const snapshots[3] = {NULL, "two"};
	const char *all = "m m m end m m ";

	with_copy(look_prefix, all);
	if (s == ENGINE_OK)
		assert_copy(all);
	assert_ok(copy());
	assert_copy(all);
	for (unsigned i = 0; i < 4; i++)
		assert_body_in_copy(i, i != 1);
	with_copy(look_snapshots, snapshots);
	assert_int_equal(set_aside(), 0);
	assert_ok(copy());
	assert_int_equal(copied, 0);
}

static void copying_may_fail(void **state)
{
	(void)state;
	each_call_fails(copied_once, copy, after_copying);
}

static void first_of_all(void)
{
	bodies_and_a_blob();
	put_snapshot(1, "one");
}

static void after_the_first(enum engine_status s)
{
	if (s != ENGINE_OK)
		assert_ok(copy());
	assert_copy("m m m end ");
	for (unsigned i = 0; i < 4; i++)
		assert_body_in_copy(i, true);
	assert_int_equal(set_aside(), 0);
}

static void a_first_copy_may_fail(void **state)
{
	(void)state;
	each_call_fails(first_of_all, copy, after_the_first);
}

static struct engine_box *writer;

static void everything_happens(void)
{
	struct reader w = {0};
	struct engine_box *b = box;

	order.watched = false;
	box = writer;
	assert_ok(read_on(&w));
	append(&w, "later");
	assert_ok(
	    engine_seal(writer, &w.seen, on_frame, &w, deadline_in(1000)));
	append(&w, "still");
	assert_ok(engine_erase(writer, &stored[1].place, 1));
	put_snapshot(2, "two");
	engine_snapshot_drop(writer, 1);
	assert_ok(engine_drop(writer, 1));
	box = b;
}

/* Mail arrives, bytes are erased, files go while it is copied: what comes out
 * is what was there at one moment. */
static void a_box_is_copied_while_it_lives(void **state)
{
	unsigned old = 0;
	bool done = false;

	(void)state;
	for (unsigned n = 1; !done; n++) {
		static const char *const both[2][3] = {{"one"}, {NULL, "two"}};

		teardown(NULL);
		setup(NULL);
		first_of_all();
		assert_ok(seal());
		assert_ok(engine_box_open(engine, ACCOUNT, &writer));
		order.meanwhile = everything_happens;
		order.meanwhile_at = n;
		assert_ok(copy());
		done = order.meanwhile_at != 0;
		order.meanwhile_at = 0;
		old += copy_end.modseq == 4;
		if (copy_end.modseq == 4) {
			assert_copy("m m m end ");
			with_copy(look_snapshots, both[0]);
		} else {
			assert_int_equal(copy_end.modseq, 6);
			with_copy(look_snapshots, both[1]);
		}
		engine_box_close(&writer);
		reopen();
		if (!done) {
			assert_ok(copy());
			assert_int_equal(copy_end.modseq, 6);
			with_copy(look_snapshots, both[1]);
		}
	}
	/* Only when all was copied: at the last two syncs, or never. */
	assert_int_equal(old, 3);
}

static void a_snapshot_is_replaced(void)
{
	bool watched = order.watched;

	order.watched = false;
	put_snapshot(2, "two");
	engine_snapshot_drop(box, 1);
	order.watched = watched;
}

/* What a snapshot points into is there if it is still there at the end. */
static void snapshots_are_copied_of_one_moment(void **state)
{
	static const char *const replaced[3] = {NULL, "two"};
	unsigned old = 0;
	bool done = false;

	(void)state;
	for (unsigned n = 1; !done; n++) {
		uint64_t number;

		teardown(NULL);
		setup(NULL);
		first_of_all();
		order.meanwhile = a_snapshot_is_replaced;
		order.meanwhile_at = n;
		assert_ok(copy());
		done = order.meanwhile_at != 0;
		order.meanwhile_at = 0;
		open_copies();
		assert_ok(engine_snapshot_newest(copy_box, 9, &number));
		close_copies();
		old += number == 1;
		if (number != 1)
			with_copy(look_snapshots, replaced);
	}
	assert_int_equal(old, 3); /* as above */
}

/* ---- removing ---- */

static void a_removal_is_completed_by_the_next_writer(void **state)
{
	struct reader w = {0}, r = {0}, none = {0};
	struct generation *g;
	struct mark m;

	(void)state;
	append(&w, "a");
	assert_ok(engine_generation(box, 1, &g));
	assert_int_equal(engine_mark_read(box, g, &m), 0);
	m.state = STATE_REMOVED;
	assert_int_equal(engine_mark_write(box, g, &m), 0);
	reopen();
	assert_int_equal(read_on(&r), ENGINE_GONE);
	assert_int_equal(append(&w, "b"), ENGINE_GONE);
	assert_ok(append(&none, "c"));
	assert_log("c ");
}

/* ---- what is there ---- */

static void generations_are_named(void **state)
{
	uint64_t oldest, first, newest;
	struct reader w = {0};

	(void)state;
	assert_ok(engine_generations(box, &oldest, &first, &newest));
	assert_int_equal(oldest + first + newest, 0);
	engine_set_seal(engine, 700, SEAL_BODIES);
	for (int i = 0; i < 6; i++)
		assert_ok(append(&w, "a"));
	assert_ok(engine_generations(box, &oldest, &first, &newest));
	assert_int_equal(oldest, 1);
	assert_int_equal(first, 1);
	assert_int_equal(newest, 3);
}

struct found_blobs {
	unsigned count;
	uint64_t octets;
	unsigned char id[16];
	int64_t modified;
};

static void found_blob(
    void *arg, const unsigned char id[16], uint64_t octets, int64_t modified)
{
	struct found_blobs *f = arg;

	f->count++;
	f->octets += octets;
	memcpy(f->id, id, 16);
	f->modified = modified;
}

static void blobs_are_found(void **state)
{
	struct found_blobs f = {0};
	unsigned char a[16], b[16];

	(void)state;
	assert_ok(engine_blobs(box, found_blob, &f));
	assert_int_equal(f.count, 0);
	new_blob("four", a);
	new_blob("seven!!", b);
	assert_ok(engine_blobs(box, found_blob, &f));
	assert_int_equal(f.count, 2);
	assert_int_equal(f.octets, 11);
	engine_blob_drop(box, a);
	memset(&f, 0, sizeof(f));
	assert_ok(engine_blobs(box, found_blob, &f));
	assert_int_equal(f.count, 1);
	assert_memory_equal(f.id, b, 16);
	assert_in_range(f.modified, clock_seconds() - 60, clock_seconds() + 60);
}

static void a_box_has_a_size(void **state)
{
	struct reader w = {0};
	struct engine_size size;
	unsigned char id[16];

	(void)state;
	assert_ok(engine_box_size(box, &size));
	assert_int_equal(size.files, 0);
	assert_ok(append(&w, "a"));
	new_blob("blob", id);
	put_snapshot(1, "snapshot");
	assert_ok(engine_box_size(box, &size));
	assert_int_equal(size.generations, 1);
	assert_int_equal(size.snapshots, 1);
	assert_int_equal(size.blobs, 1);
	assert_int_equal(size.files, 4); /* and the lock */
	/* Allocated: the hole between frames and bodies is none of it. */
	assert_in_range(size.octets, 4 * 512, 65536);
}

/* ---- accounts ---- */

static void make_account(struct str account)
{
	struct reader w = {0};

	engine_box_close(&box);
	assert_ok(engine_box_open(engine, account, &box));
	assert_ok(append(&w, "a"));
}

static void accounts_are_found(void **state)
{
	struct found_accounts f = {0};
	char path[400], name[512], *end;

	(void)state;
	scan_all(&f);
	assert_int_equal(f.count, 0);
	make_account(STR("user@example.org"));
	make_account(STR(".%41 \xc3\xa4/x@example.org")); /* and escapes */
	memset(name, 'x', sizeof(name));
	name[100] = ' ';
	make_account(str_of(name, 250));
	make_account(str_of(name, 500));
	memset(name, '%', sizeof(name));
	make_account(str_of(name, 300));
	scan_all(&f);
	assert_int_equal(f.count, 5);
	assert_non_null(strstr(f.text, "user@example.org "));
	assert_non_null(strstr(f.text, ".%41 \xc3\xa4/x@example.org "));
	/* What only looks like an account is none. */
	engine_box_close(&box);
	assert_ok(engine_box_open(engine, ACCOUNT, &box));
	snprintf(path, sizeof(path), "%s/%s/Other%%20", root, box->shard);
	assert_int_equal(mkdir(path, 0700), 0);
	end = strrchr(path, '/') + 1;
	/* A removal that a crash interrupted is completed. */
	strcpy(end, ".removed.01ARZ3NDEKTSV4RRFFQ69G");
	assert_int_equal(mkdir(path, 0700), 0);
	strcat(path, "/b");
	assert_int_equal(mkdir(path, 0700), 0);
	memset(&f, 0, sizeof(f));
	scan_all(&f);
	assert_int_equal(f.count, 5);
	*strrchr(path, '/') = '\0';
	assert_int_equal(access(path, F_OK), -1);
	f = (struct found_accounts){.stop = 1};
	assert_ok(engine_scan(engine, (unsigned)strtoul(box->shard, NULL, 16),
	    found_account, &f));
	assert_int_equal(f.count, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(a_reader_may_have_enough),
	    T(sealing_ends_a_generation),
	    T(sealing_may_fail),
	    T(a_name_is_synced_by_the_next),
	    T(erasing_may_fail),
	    T(erased_bytes_are_gone),
	    T(what_lies_between_stays),
	    T(zeroes_stay_where_nothing_can_be_punched),
	    T(only_sealed_bodies_are_erased),
	    T(an_erased_body_is_no_torn_frame),
	    T(snapshots_are_erased_in_part),
	    T(the_oldest_generation_is_dropped),
	    T(who_was_far_back_begins_again),
	    T(dropping_may_fail),
	    T(the_log_begins_anew),
	    T(a_restart_may_be_refused),
	    T(an_empty_log_begins_too),
	    T(damage_is_left_behind),
	    T(who_was_before_the_damage_jumps),
	    T(a_lost_header_hides_no_beginning),
	    T(the_damaged_mark_of_a_restarted_log),
	    T(restarting_may_fail),
	    T(a_restart_that_is_not_durable_is_not_said_to_be),
	    T(what_can_be_read_is_salvaged),
	    T(the_reserve_never_fills_the_disk),
	    T(the_reserve_takes_what_it_gets),
	    T(only_what_frees_space_spends_the_reserve),
	    T(a_full_disk_can_be_sealed_and_begun_anew),
	    T(nobody_spends_the_reserve_twice),
	    T(nothing_is_copied_of_nothing),
	    T(a_copy_is_brought_up_to_date),
	    T(a_copy_can_be_read_all_the_time),
	    T(a_blob_that_was_half_there),
	    T(what_was_erased_is_erased_in_the_copy),
	    T(damage_is_not_copied_over_what_is_good),
	    T(a_damaged_log_is_not_copied),
	    T(what_was_dropped_goes_from_the_copy),
	    T(another_life_is_set_aside),
	    T(a_log_begun_anew_is_copied),
	    T(a_copy_may_know_more),
	    T(copying_may_fail),
	    T(a_first_copy_may_fail),
	    T(a_box_is_copied_while_it_lives),
	    T(snapshots_are_copied_of_one_moment),
	    T(a_removal_is_completed_by_the_next_writer),
	    T(generations_are_named),
	    T(blobs_are_found),
	    T(a_box_has_a_size),
	    T(accounts_are_found),
	};

	cmocka_set_test_filter(getenv("TEST_FILTER"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
