/* SPDX-License-Identifier: ISC */
/*
 * Upkeep: what is erased can be read nowhere any more, what is not stays; a
 * crash or a failure at any call of a pass; what sharing of bytes protects;
 * generations, expiry, orphans. Time is the test's own (clock_step).
 */
#include "store/testing.h"

#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>
#include <zstd.h>

#include "core/memory.h"
#include "store/recovery.h"
#include "store/snapshot.h"
#include "store/upkeep.h"

#define DAY  86400
#define WEEK (7 * DAY)

static int64_t moved; /* seconds that the clock was stepped */

static void step(int64_t seconds)
{
	clock_step(seconds);
	moved += seconds;
}

static struct upkeep_policy policy = {.undelete = WEEK, .orphan_age = DAY};
static struct upkeep_result result;

/* ---- calls that end the process, or fail, when their turn comes ---- */

static struct {
	unsigned calls;
	unsigned at; /* the how manieth; 0: none */
	int error;   /* 0: the process ends */
} fate;

/* Every call that changes something on disk. */
static int fated(void)
{
	fate.calls++;
	if (fate.at == 0 || fate.calls != fate.at)
		return 0;
	if (fate.error == 0)
		_exit(9);
	errno = fate.error;
	return -1;
}

static bool no_snapshots;         /* the disk is full for them */
static void (*before_lock)(void); /* once, before the next lock */

static int fated_open(int dir, const char *path, int flags, mode_t mode)
{
	if (no_snapshots && strncmp(path, "new.s.", 6) == 0) {
		errno = ENOSPC;
		return -1;
	}
	if (flags & O_CREAT && fated() < 0)
		return -1;
	return openat(dir, path, flags, mode);
}

static int raced_lock(int fd, off_t byte, bool on)
{
	void (*race)(void) = before_lock;

	before_lock = NULL;
	if (race != NULL)
		race();
	return engine_io_system.lock(fd, byte, on);
}

static int fated_link(int dir, const char *from, const char *to)
{
	return fated() < 0 ? -1 : linkat(dir, from, dir, to, 0);
}

/* Names of the account's directory that are gone, but could come back with a
 * power loss: now, and when the last frame was synced. */
static struct {
	ino_t dir;
	unsigned now, at_frame;
} dropped;

static int fated_unlink(int dir, const char *path)
{
	struct stat st;

	if (fated() < 0 || unlinkat(dir, path, 0) < 0)
		return -1;
	if (fstat(dir, &st) == 0 && strncmp(path, "b/", 2) != 0) {
		dropped.dir = st.st_ino;
		dropped.now++;
	}
	return 0;
}

static bool disk_full; /* until the reserve is cut; marks have their page */

static ssize_t fated_pwritev(int fd, const struct iovec *v, int n, off_t at)
{
	if (disk_full && at != MARK_AT) {
		errno = ENOSPC;
		return -1;
	}
	return fated() < 0 ? -1 : io_pwritev(fd, v, n, at);
}

static int fated_fdatasync(int fd)
{
	dropped.at_frame = dropped.now;
	return fated() < 0 ? -1 : io_fdatasync(fd);
}

static int fated_fsync(int fd)
{
	struct stat st;

	if (fated() < 0)
		return -1;
	if (fstat(fd, &st) == 0 && st.st_ino == dropped.dir)
		dropped.now = 0;
	return io_fsync(fd);
}

static int fated_rename(int dir, const char *from, const char *to)
{
	return fated() < 0 ? -1 : engine_io_system.rename(dir, from, to);
}

static int fated_truncate(int fd, off_t length)
{
	disk_full = false;
	return fated() < 0 ? -1 : engine_io_system.truncate(fd, length);
}

static int fated_punch(int fd, off_t at, off_t len)
{
	return fated() < 0 ? -1 : engine_io_system.punch(fd, at, len);
}

static int fated_allocate(int fd, off_t at, off_t len)
{
	return fated() < 0 ? -1 : engine_io_system.allocate(fd, at, len);
}

static int begin(void **state)
{
	const char *why;

	(void)state;
	step(-moved);
	memset(&io, 0, sizeof(io));
	memset(&fate, 0, sizeof(fate));
	memset(&result, 0, sizeof(result));
	memset(&dropped, 0, sizeof(dropped));
	policy = (struct upkeep_policy){.undelete = WEEK, .orphan_age = DAY};
	test_io = engine_io_system;
	test_io.open = fated_open;
	test_io.link = fated_link;
	test_io.unlink = fated_unlink;
	test_io.pwritev = fated_pwritev;
	test_io.fdatasync = fated_fdatasync;
	test_io.fsync = fated_fsync;
	test_io.rename = fated_rename;
	test_io.truncate = fated_truncate;
	test_io.punch = fated_punch;
	test_io.allocate = fated_allocate;
	test_io.lock = raced_lock;
	no_snapshots = disk_full = false;
	before_lock = NULL;
	make_root();
	store = store_open_with(
	    assert_engine(engine_file_open(root, &test_io, &why)), NULL);
	return 0;
}

/* ---- messages that can be recognized anywhere ---- */

/* Digits, so that no folding of case hides them. */
static void marker_of(unsigned number, char out[16])
{
	snprintf(out, 16, "77%06u77", number * 7919 % 1000000);
}

static size_t text_of(unsigned number, size_t padding, char **out)
{
	char marker[16];
	size_t room = padding + 400, len;
	char *text = mem_alloc(room);

	marker_of(number, marker);
	len = (size_t)snprintf(text, room,
	    "Subject: about %s\r\nFrom: x%s <y%s@example.org>\r\n"
	    "Message-ID: <%s@example.org>\r\n\r\nthis is %s\r\n",
	    marker, marker, marker, marker, marker);
	memset(text + len, 'p', padding);
	len += padding;
	len += (size_t)snprintf(text + len, room - len, "\r\n%s\r\n", marker);
	*out = text;
	return len;
}

static void deliver_to(struct box *b, unsigned number, size_t padding,
    const char *const *mailboxes, size_t count)
{
	struct deliver_item items[4];
	struct store_body *body = store_body_new(b);
	char *text, id[32];
	size_t len = text_of(number, padding, &text);

	snprintf(id, sizeof(id), "id-%u", number);
	for (size_t i = 0; i < count; i++)
		items[i] = (struct deliver_item){
		    .mailbox = str_from(mailboxes[i])};
	assert_int_equal(store_body_add(body, text, len), 0);
	assert_int_equal(
	    box_deliver(b, str_from(id), 0, body, 0, items, count), STORE_OK);
	store_body_free(&body);
	free(text);
}

static void deliver(struct box *b, unsigned number)
{
	static const char *const inbox[] = {"INBOX"};

	deliver_to(b, number, 0, inbox, 1);
}

static uint32_t id_of(struct box *b, const char *mailbox)
{
	const struct mailbox_info *info = box_find(b, str_from(mailbox));

	assert_non_null(info);
	return info->id;
}

static void expunge(struct box *b, const char *mailbox, uint32_t uid)
{
	struct uid_set set = {&uid, 1};

	assert_int_equal(box_remove(b, id_of(b, mailbox), set), STORE_OK);
}

static void copy(
    struct box *b, const char *from, uint32_t uid, const char *to, bool move)
{
	struct uid_set set = {&uid, 1};

	assert_int_equal(box_copy(b, id_of(b, from), set, str_from(to), move,
			     NULL, NULL, NULL, NULL),
	    STORE_OK);
}

/* A message is there as it was delivered: bytes and cache. */
static void assert_whole(
    struct box *b, const char *mailbox, uint32_t uid, unsigned number)
{
	struct arena arena = arena_new(1 << 20);
	struct buf text = buf_new(64 << 20);
	struct message_cache cache;
	struct view *v;
	char marker[16];
	uint32_t seq;

	marker_of(number, marker);
	assert_int_equal(view_open(b, id_of(b, mailbox), &v), STORE_OK);
	seq = view_seq(v, uid);
	assert_int_not_equal(seq, 0);
	assert_int_equal(view_read(v, seq, 0, UINT64_MAX, &text), STORE_OK);
	assert_int_equal(text.len, view_message(v, seq)->size);
	assert_non_null(memmem(text.p, text.len, marker, strlen(marker)));
	assert_int_equal(view_cache(v, seq, &arena, &cache), STORE_OK);
	assert_non_null(memmem(
	    cache.envelope.p, cache.envelope.len, marker, strlen(marker)));
	assert_true(str_starts(cache.bodystructure, STR("(")));
	view_close(&v);
	buf_free(&text);
	arena_free(&arena);
}

/* ---- what can be read on the disk, by whoever has the files ---- */

static struct {
	const char *marker;
	unsigned found;
	char where[200];
} search;

static void look_in(const char *p, size_t len, const char *path)
{
	if (memmem(p, len, search.marker, strlen(search.marker)) == NULL)
		return;
	search.found++;
	snprintf(search.where, sizeof(search.where), "%s", path);
}

/* Wherever something compressed may begin. */
static void look_compressed(const char *p, size_t len, const char *path)
{
	static const char magic[4] = {'\x28', '\xb5', '\x2f', '\xfd'};
	const char *at = p;

	while ((at = memmem(at, len - (size_t)(at - p), magic, 4)) != NULL) {
		size_t left = len - (size_t)(at - p);
		unsigned long long size = ZSTD_getFrameContentSize(at, left);
		size_t room = size < (64u << 20) ? (size_t)size : 4u << 20;
		char *out = mem_alloc(room);
		size_t frame = ZSTD_findFrameCompressedSize(at, left);

		if (!ZSTD_isError(frame)) {
			size_t n = ZSTD_decompress(out, room, at, frame);

			if (!ZSTD_isError(n))
				look_in(out, n, path);
		}
		free(out);
		at += 4;
	}
}

static int look_at_file(
    const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	char *p;
	int fd;

	(void)ftw;
	if (type != FTW_F || st->st_size == 0)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	p = mem_alloc((size_t)st->st_size);
	assert_int_equal(read(fd, p, (size_t)st->st_size), st->st_size);
	close(fd);
	look_in(p, (size_t)st->st_size, path);
	look_compressed(p, (size_t)st->st_size, path);
	free(p);
	return 0;
}

static bool on_disk(unsigned number)
{
	char marker[16];

	marker_of(number, marker);
	search.marker = marker;
	search.found = 0;
	assert_int_equal(nftw(root, look_at_file, 16, FTW_PHYS), 0);
	return search.found > 0;
}

static void assert_erased(unsigned number)
{
	if (on_disk(number))
		fail_msg("message %u still stands in %s", number, search.where);
}

static void erase(struct box *b)
{
	enum store_result r = box_erase(b, &policy, &result);

	if (r != STORE_OK)
		fail_msg("erase: %s: %s", store_result_name(r), store_why(b));
}

static void found(void *arg, const struct store_finding *f)
{
	(void)arg;
	if (f->kind != FINDING_LEFTOVER)
		fail_msg("%s+%llu: %u/%u: %s", f->file,
		    (unsigned long long)f->offset, f->mailbox, f->uid, f->text);
}

/* Every invariant holds, and what was erased cannot be read. */
static void assert_sound(void)
{
	struct check_result checked;
	enum store_result r = box_check(
	    store, ACCOUNT, true, found, NULL, &checked);

	if (r != STORE_OK)
		fail_msg("check: %s", store_result_name(r));
}

static size_t undeletable(struct box *b)
{
	struct arena arena = arena_new(1 << 20);
	struct expunged_message *list;
	size_t count;

	assert_int_equal(box_expunged(b, &arena, &list, &count), STORE_OK);
	arena_free(&arena);
	return count;
}

static unsigned count_files(const char *below)
{
	char path[400];
	const struct dirent *entry;
	unsigned count = 0;
	struct box *b = opened_box();
	DIR *d;

	snprintf(
	    path, sizeof(path), "/proc/self/fd/%d/%s", box_directory(b), below);
	d = opendir(path);
	while (d != NULL && (entry = readdir(d)) != NULL)
		count += entry->d_name[0] != '.';
	if (d != NULL)
		closedir(d);
	box_close(&b);
	return count;
}

/* ---- erasure ---- */

static void what_is_due_can_be_read_nowhere(void **state)
{
	struct box *b = opened_box();
	struct view *v;
	struct buf text = buf_new(1 << 20);

	(void)state;
	store->segment_rows = 8; /* large enough for columns of content */
	for (unsigned i = 1; i <= 20; i++) {
		deliver(b, i);
		if (i == 5) /* from now on an old snapshot is kept */
			assert_int_equal(box_seal(b), STORE_OK);
		if (i % 6 == 0)
			assert_int_equal(snapshot_take(b, false), STORE_OK);
	}
	assert_int_equal(view_open(b, 1, &v), STORE_OK);
	for (uint32_t i = 2; i <= 20; i += 2)
		expunge(b, "INBOX", i);
	assert_int_equal(undeletable(b), 10);
	for (unsigned i = 1; i <= 20; i++)
		assert_true(on_disk(i));
	step(WEEK - 10);
	erase(b);
	assert_int_equal(result.erased, 0);
	assert_in_range(result.next, clock_seconds() + 5, clock_seconds() + 15);
	step(20);
	erase(b);
	assert_int_equal(result.erased, 10);
	assert_true(result.erased_octets > 1000);
	for (unsigned i = 1; i <= 20; i++) {
		if (i % 2 == 0)
			assert_erased(i);
		else
			assert_whole(b, "INBOX", i, i);
	}
	assert_int_equal(undeletable(b), 0);
	/* Who saw the message still is told. */
	assert_int_equal(view_read(v, 2, 0, UINT64_MAX, &text), STORE_GONE);
	assert_int_equal(view_sync(v, true, NULL), STORE_OK);
	assert_int_equal(view_count(v), 10);
	view_close(&v);
	buf_free(&text);
	box_close(&b);
	b = opened_box();
	assert_int_equal(box_reload(b, true), STORE_OK);
	for (unsigned i = 1; i <= 20; i += 2)
		assert_whole(b, "INBOX", i, i);
	assert_int_equal(undeletable(b), 0);
	assert_sound();
	box_close(&b);
}

static void compressed_messages_too(void **state)
{
	store->compress_from = 1;
	what_is_due_can_be_read_nowhere(state);
}

static void nothing_due_costs_nothing(void **state)
{
	struct box *b = opened_box();
	uint64_t modseq;

	(void)state;
	erase(b); /* nothing on disk */
	assert_int_equal(result.next, 0);
	deliver(b, 1);
	deliver(b, 2);
	erase(b); /* nothing is gone */
	assert_int_equal(result.next, 0);
	expunge(b, "INBOX", 1);
	modseq = b->state.pos.modseq;
	io.syncs = io.writes = fate.calls = 0;
	erase(b);
	assert_int_equal(box_drop_generations(b, &policy, &result), STORE_OK);
	assert_int_equal(box_sweep(b, &policy, &result), STORE_OK);
	assert_int_equal(box_expire(b, &policy, &result), STORE_OK);
	assert_int_equal(box_upkeep(b, &policy, &result), STORE_OK);
	assert_int_equal(io.syncs, 0);
	assert_int_equal(io.writes, 0);
	assert_int_equal(fate.calls, 0);
	assert_int_equal(b->state.pos.modseq, modseq);
	assert_in_range(result.next, clock_seconds() + WEEK - 5,
	    clock_seconds() + WEEK + 5);
	/* And after a pass that left nothing behind. */
	step(WEEK + 60);
	erase(b);
	assert_int_equal(result.erased, 1);
	io.syncs = 0;
	result.next = 0;
	erase(b);
	assert_int_equal(io.syncs, 0);
	assert_int_equal(result.next, 0);
	box_close(&b);
}

/* What still needs the bytes of the message that goes, and for how long. */
static void bytes_that_others_share_stay(void **state)
{
	static const char *const two[] = {"INBOX", "Junk"};
	struct undelete_choice all = {.mailbox = STR("INBOX")};
	struct box *b = opened_box();
	uint64_t count;

	(void)state;
	deliver(b, 1); /* 1: copied, then expunged */
	deliver(b, 2); /* 2: moved to Trash */
	deliver(b, 3); /* 3: expunged, undeleted, as uid 5 */
	deliver_to(b, 4, 0, two, 2);
	copy(b, "INBOX", 1, "Sent", false);
	copy(b, "INBOX", 2, "Trash", true);
	expunge(b, "INBOX", 3);
	assert_int_equal(box_undelete(b, &all, &count), STORE_OK);
	expunge(b, "INBOX", 1);
	assert_int_equal(snapshot_take(b, false), STORE_OK);
	step(WEEK + 10);
	/* The undelete brought 2 back too: it was expunged from INBOX. */
	erase(b);
	assert_int_equal(result.erased, 0);
	assert_whole(b, "Sent", 1, 1);
	assert_whole(b, "Trash", 1, 2);
	assert_whole(b, "Junk", 1, 4);
	assert_int_equal(undeletable(b), 0);
	for (uint32_t uid = 5; uid < 5 + (uint32_t)count; uid++)
		expunge(b, "INBOX", uid);
	expunge(b, "Sent", 1);
	expunge(b, "Trash", 1);
	expunge(b, "INBOX", 4);
	assert_int_equal(undeletable(b), 3 + count);
	step(WEEK / 2);
	expunge(b, "Junk", 1);
	step(WEEK / 2 + 10);
	erase(b);
	for (unsigned i = 1; i <= 3; i++)
		assert_erased(i);
	/* 4 can still be undeleted. */
	assert_true(on_disk(4));
	assert_int_equal(undeletable(b), 1);
	all.mailbox = STR("Junk");
	assert_int_equal(box_undelete(b, &all, &count), STORE_OK);
	assert_int_equal(count, 1);
	assert_whole(b, "Junk", 2, 4);
	step(WEEK + 10);
	erase(b);
	assert_whole(b, "Junk", 2, 4);
	expunge(b, "Junk", 2);
	step(WEEK + 10);
	erase(b);
	assert_erased(4);
	assert_sound();
	box_close(&b);
}

static void deleted_mailboxes_are_erased(void **state)
{
	static const char *const work[] = {"work"};
	struct box *b = opened_box();

	(void)state;
	assert_int_equal(box_create(b, STR("work"), USE_NONE), STORE_OK);
	for (unsigned i = 1; i <= 6; i++)
		deliver_to(b, i, 0, work, 1);
	deliver(b, 7);
	copy(b, "work", 6, "INBOX", false);
	expunge(b, "work", 1);
	assert_int_equal(snapshot_take(b, false), STORE_OK);
	step(DAY);
	assert_int_equal(box_delete(b, STR("work")), STORE_OK);
	step(WEEK - DAY + 10);
	erase(b);
	assert_int_equal(result.erased, 1);
	assert_erased(1);
	assert_true(on_disk(2));
	assert_int_equal(b->state.dead_count, 1);
	step(DAY);
	erase(b);
	assert_int_equal(result.erased, 5);
	for (unsigned i = 2; i <= 5; i++)
		assert_erased(i);
	assert_int_equal(b->state.dead_count, 0);
	assert_whole(b, "INBOX", 1, 7);
	assert_whole(b, "INBOX", 2, 6);
	assert_sound();
	box_close(&b);
}

static void large_messages_are_erased(void **state)
{
	static const char *const inbox[] = {"INBOX"};
	struct box *b = opened_box();

	(void)state;
	deliver_to(b, 1, INLINE_MAX, inbox, 1);
	deliver_to(b, 2, INLINE_MAX, inbox, 1);
	copy(b, "INBOX", 2, "Sent", false);
	assert_int_equal(count_files("b"), 2);
	expunge(b, "INBOX", 1);
	expunge(b, "INBOX", 2);
	step(WEEK + 10);
	erase(b);
	assert_int_equal(count_files("b"), 1);
	assert_erased(1);
	assert_whole(b, "Sent", 1, 2);
	expunge(b, "Sent", 1);
	step(WEEK + 10);
	erase(b);
	assert_int_equal(count_files("b"), 0);
	assert_erased(2);
	assert_sound();
	box_close(&b);
}

/* Rows are due in the order of their modseqs, whatever the clock said. */
static void the_clock_steps(void **state)
{
	struct box *b = opened_box();

	(void)state;
	for (unsigned i = 1; i <= 4; i++)
		deliver(b, i);
	expunge(b, "INBOX", 1);
	step(2 * DAY);
	expunge(b, "INBOX", 2); /* the clock runs ahead */
	step(-2 * DAY);
	expunge(b, "INBOX", 3);
	step(WEEK + 10);
	erase(b);
	assert_erased(1);
	assert_true(on_disk(2));
	assert_true(on_disk(3)); /* due, but behind one that is not */
	assert_int_equal(undeletable(b), 2);
	assert_in_range(result.next, clock_seconds() + 2 * DAY - 20,
	    clock_seconds() + 2 * DAY);
	/* The clock is set back: nothing comes back to life. */
	step(-WEEK);
	assert_int_equal(undeletable(b), 2);
	erase(b);
	assert_true(on_disk(2));
	step(WEEK + 2 * DAY);
	erase(b);
	assert_erased(2);
	assert_erased(3);
	assert_whole(b, "INBOX", 4, 4);
	assert_sound();
	box_close(&b);
}

static void many_are_erased_in_rounds(void **state)
{
	struct box *b = opened_box();
	char name[16];

	(void)state;
	store->erase_at_once = 16;
	store->segment_rows = 16;
	assert_int_equal(box_create(b, STR("a"), USE_NONE), STORE_OK);
	for (unsigned i = 1; i <= 100; i++) {
		snprintf(name, sizeof(name), "%s", i % 3 ? "INBOX" : "a");
		deliver_to(b, i, 0, (const char *const[]){name}, 1);
		if (i % 30 == 0)
			assert_int_equal(snapshot_take(b, false), STORE_OK);
		if (i % 10 == 0)
			copy(b, name, box_find(b, str_from(name))->uidnext - 1,
			    "Sent", false);
	}
	for (uint32_t uid = 1; uid <= 33; uid++)
		expunge(b, "a", uid);
	for (uint32_t uid = 1; uid <= 40; uid++)
		expunge(b, "INBOX", uid);
	step(WEEK + 10);
	erase(b);
	/* Of 73, 3 have a copy in Sent from a (30, 60, 90) and 4 from INBOX
	 * (10, 20, 40, 50). */
	assert_int_equal(result.erased, 66);
	for (unsigned i = 1; i <= 60; i++) {
		if (i % 10 == 0)
			assert_true(on_disk(i));
		else
			assert_erased(i);
	}
	for (uint32_t uid = 1; uid <= 10; uid++)
		assert_whole(b, "Sent", uid, uid * 10);
	assert_sound();
	box_close(&b);
}

/* A crashed taker of a snapshot left a file with what snapshots hold. */
static void leftovers_of_a_crash_go(void **state)
{
	struct box *b = opened_box();
	char marker[16];
	int fd;

	(void)state;
	deliver(b, 1);
	deliver(b, 2);
	expunge(b, "INBOX", 1);
	marker_of(1, marker);
	fd = openat(box_directory(b), "new.s.1.4711",
	    O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, marker, strlen(marker)), strlen(marker));
	close(fd);
	step(WEEK + 10);
	erase(b);
	assert_erased(1);
	assert_sound();
	box_close(&b);
}

/* Before ERASED is said nothing can come back that had bytes of it. */
static void what_was_dropped_is_durably_gone(void **state)
{
	struct box *b = opened_box();
	int fd;

	(void)state;
	for (unsigned i = 1; i <= 4; i++) {
		deliver(b, i);
		assert_int_equal(snapshot_take(b, false), STORE_OK);
	}
	expunge(b, "INBOX", 1);
	fd = openat(box_directory(b), "new.s.1.4711",
	    O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	close(fd);
	step(WEEK + 10);
	dropped.now = dropped.at_frame = 0;
	erase(b);
	assert_true(dropped.dir != 0);
	assert_int_equal(dropped.at_frame, 0); /* ERASED came last */
	box_close(&b);
}

/* A delivery that died leaves bytes behind the last body. */
static void what_was_never_named_ends_with_its_generation(void **state)
{
	static const char *const inbox[] = {"INBOX"};
	struct box *b = opened_box();
	unsigned died = 0;
	bool left = false;
	int status;

	(void)state;
	deliver(b, 1);
	for (unsigned n = 1; n < 8; n++) {
		pid_t pid;

		fflush(NULL);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			fate.calls = 0;
			fate.at = n;
			deliver_to(
			    opened_box(), 100 + n, 5000 * (8 - n), inbox, 1);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		deliver(b, 1 + n); /* mends what was left */
		if (box_find(b, STR("INBOX"))->uidnext != 2 + n)
			break; /* the other is there too */
		left = left || on_disk(100 + n);
		died = n;
	}
	assert_true(left);
	assert_int_equal(box_seal(b), STORE_OK);
	for (unsigned n = 1; n <= died; n++)
		assert_erased(100 + n);
	assert_whole(b, "INBOX", 1, 1);
	assert_sound();
	box_close(&b);
}

/* ---- crashes and failures ---- */

static void scene(void)
{
	static const char *const inbox[] = {"INBOX"};
	struct box *b = opened_box();

	for (unsigned i = 1; i <= 4; i++)
		deliver(b, i);
	deliver_to(b, 5, INLINE_MAX, inbox, 1);
	assert_int_equal(snapshot_take(b, false), STORE_OK);
	deliver(b, 6);
	copy(b, "INBOX", 3, "Sent", false);
	for (uint32_t uid = 1; uid <= 5; uid++)
		expunge(b, "INBOX", uid);
	box_close(&b);
	step(WEEK + 10);
}

static void assert_scene_erased(struct box *b)
{
	assert_erased(1);
	assert_erased(2);
	assert_erased(4);
	assert_erased(5);
	assert_whole(b, "Sent", 1, 3);
	assert_whole(b, "INBOX", 6, 6);
	assert_int_equal(box_find(b, STR("INBOX"))->messages, 1);
	assert_int_equal(undeletable(b), 0);
	assert_int_equal(box_usage(b).messages, 2);
}

/* Whatever was done of a pass: all of a message can be brought back, or
 * nothing of it, and then the pass can be finished. */
static void assert_finishes(bool undelete)
{
	struct undelete_choice all = {.mailbox = STR("INBOX")};
	struct box *b = opened_box();
	uint64_t count;

	fate.at = 0;
	assert_whole(b, "Sent", 1, 3);
	assert_whole(b, "INBOX", 6, 6);
	if (undelete) {
		assert_int_equal(box_undelete(b, &all, &count), STORE_OK);
		assert_int_equal(count, b->state.horizon == 0 ? 5 : 0);
		for (unsigned i = 1; i <= count; i++)
			assert_whole(b, "INBOX", 6 + i, i);
	}
	if (!undelete || count == 0) {
		erase(b);
		assert_scene_erased(b);
		box_close(&b);
		b = opened_box();
		assert_scene_erased(b);
	}
	assert_sound();
	assert_int_equal(box_reload(b, true), STORE_OK);
	assert_whole(b, "Sent", 1, 3);
	box_close(&b);
}

/* The n-th call of a pass has this fate; false: there were fewer. */
static bool pass_fails_at(unsigned n, int error, bool undelete)
{
	struct box *b;
	pid_t pid;
	int status;

	begin(NULL);
	scene();
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		enum store_result r = open_box(&b);

		fate.calls = 0;
		fate.at = n;
		fate.error = error;
		if (r == STORE_OK)
			r = box_erase(b, &policy, &result);
		_exit(fate.calls < n ? 7 : r == STORE_OK ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_finishes(undelete);
	teardown(NULL);
	return WEXITSTATUS(status) != 7;
}

static void a_pass_may_end_anywhere(void **state)
{
	static const int errors[] = {0, EIO, ENOSPC};
	unsigned step_by = rounds(7, 1);
	unsigned n;

	teardown(state);
	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		for (n = 1 + (unsigned)i; n < 1000; n += step_by)
			if (!pass_fails_at(n, errors[i], (n + i) % 2 == 0))
				break;
		assert_in_range(n, 20, 999);
	}
	begin(state);
}

/* On a full disk snapshots find no room until bytes are gone. */
static void a_full_disk_is_emptied(void **state)
{
	struct box *b;

	(void)state;
	scene();
	b = opened_box();
	no_snapshots = true;
	assert_int_equal(box_erase(b, &policy, &result), STORE_NO_SPACE);
	no_snapshots = false;
	assert_int_equal(result.erased, 4);
	erase(b);
	assert_scene_erased(b);
	assert_sound();
	box_close(&b);
}

static enum store_result full_store(struct box *b)
{
	uint32_t uid = 1;
	struct uid_set set = {&uid, 1};

	return box_store(b, id_of(b, "INBOX"), set, FLAGS_ADD, FLAG_FLAGGED,
	    NULL, 0, 0, NULL, NULL, NULL);
}

static enum store_result full_deliver(struct box *b)
{
	return deliver_id(b, "full");
}

static enum store_result full_move(struct box *b)
{
	uint32_t uid = 1;
	struct uid_set set = {&uid, 1};

	return box_copy(b, id_of(b, "INBOX"), set, STR("Trash"), true, NULL,
	    NULL, NULL, NULL);
}

static enum store_result full_expunge(struct box *b)
{
	return box_expunge(b, id_of(b, "INBOX"), NULL, NULL, NULL);
}

static enum store_result full_remove(struct box *b)
{
	uint32_t uid = 3;
	struct uid_set set = {&uid, 1};

	return box_remove(b, id_of(b, "INBOX"), set);
}

static enum store_result full_delete(struct box *b)
{
	return box_delete(b, STR("work"));
}

static enum store_result full_expire(struct box *b)
{
	static const struct upkeep_expiry junk = {.use = USE_JUNK, .age = DAY};

	policy.expiries = &junk;
	policy.expiry_count = 1;
	return box_expire(b, &policy, &result);
}

/* On a full disk what frees space has the reserve, and nothing else. */
static void what_frees_space_has_the_reserve(void **state)
{
	static const struct {
		enum store_result (*change)(struct box *b);
		bool frees;
	} rows[] = {
	    {full_store, false},
	    {full_deliver, false},
	    {full_move, false},
	    {full_expunge, true},
	    {full_remove, true},
	    {full_delete, true},
	    {full_expire, true},
	};
	uint32_t uid = 2;
	struct uid_set set = {&uid, 1};
	struct box *b = opened_box();

	(void)state;
	assert_int_equal(box_create(b, STR("work"), USE_NONE), STORE_OK);
	for (unsigned i = 1; i <= 3; i++)
		deliver(b, i);
	deliver_to(b, 4, 0, (const char *const[]){"Junk"}, 1);
	assert_int_equal(box_store(b, 1, set, FLAGS_ADD, FLAG_DELETED, NULL, 0,
			     0, NULL, NULL, NULL),
	    STORE_OK);
	step(DAY + 60);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t have;
		enum store_result r;

		assert_int_equal(
		    store_reserve(store, 1 << 20, &have), STORE_OK);
		assert_int_equal(have, 1 << 20);
		disk_full = true;
		r = rows[i].change(b);
		disk_full = false;
		assert_int_equal(r, rows[i].frees ? STORE_OK : STORE_NO_SPACE);
	}
	assert_int_equal(box_find(b, STR("INBOX"))->messages, 1);
	assert_int_equal(box_find(b, STR("Junk"))->messages, 0);
	box_close(&b);
}

static int stop_after;

static int pace(void *arg)
{
	(void)arg;
	return --stop_after == 0;
}

static void a_pass_can_be_interrupted(void **state)
{
	struct box *b;
	unsigned stops = 0;

	(void)state;
	scene();
	step(WEEK); /* nothing else becomes due soon */
	b = opened_box();
	policy.pace = pace;
	for (int n = 1;; n++) {
		enum store_result r;

		stop_after = n;
		r = box_upkeep(b, &policy, &result);
		if (r == STORE_OK)
			break;
		assert_int_equal(r, STORE_BUSY);
		assert_in_range(++stops, 1, 20);
	}
	assert_true(stops >= 5);
	assert_scene_erased(b);
	assert_sound();
	box_close(&b);
}

/* ---- while mail comes and goes ---- */

#define ARRIVALS 200

/* Another process delivers, copies and expunges all the time. */
static void busy_neighbour(void)
{
	struct box *b = opened_box();
	enum store_result r;

	for (unsigned i = 1; i <= ARRIVALS; i++) {
		deliver(b, 1000 + i);
		copy(b, "INBOX", box_find(b, STR("INBOX"))->uidnext - 1, "Sent",
		    i % 2);
		if (i % 4 == 1)
			expunge(
			    b, "Sent", box_find(b, STR("Sent"))->uidnext - 1);
		if (i % 16 != 0)
			continue;
		r = snapshot_take(b, false);
		/* The keepers drop snapshots all the time. */
		if (r != STORE_OK && r != STORE_BUSY && r != STORE_GONE)
			fail_msg("snapshot: %s", store_why(b));
	}
	box_close(&b);
	_exit(0);
}

/* Until it is killed. */
static void other_keeper(void)
{
	struct box *b = opened_box();

	for (;;) {
		enum store_result r = box_upkeep(b, &policy, &result);

		if (r != STORE_OK && r != STORE_BUSY)
			fail_msg("the other's upkeep: %s: %s",
			    store_result_name(r), store_why(b));
		usleep(3000);
	}
}

/* ... and two keepers look after one box. */
static void mail_arrives_meanwhile(void **state)
{
	struct box *b = opened_box();
	unsigned passes = 0;
	int status = -1, other_status;
	pid_t pid, other;

	(void)state;
	engine_set_seal(store_engine(store), 16384, 1 << 20);
	store->segment_rows = 32;
	deliver(b, 1);
	copy(b, "INBOX", 1, "Sent", false);
	policy.undelete = 0;
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		busy_neighbour();
	step(2); /* what the neighbour expunges is due at once */
	other = fork();
	assert_true(other >= 0);
	if (other == 0)
		other_keeper();
	while (waitpid(pid, &status, WNOHANG) == 0) {
		enum store_result r;

		r = box_upkeep(b, &policy, &result);
		if (r != STORE_OK && r != STORE_BUSY)
			fail_msg("upkeep: %s: %s", store_result_name(r),
			    store_why(b));
		passes++;
		usleep(1000);
	}
	kill(other, SIGKILL);
	waitpid(other, &other_status, 0);
	if (WIFEXITED(other_status))
		assert_int_equal(WEXITSTATUS(other_status), 0);
	assert_int_equal(status, 0);
	step(5); /* the neighbour's clock ran behind ours */
	erase(b);
	assert_true(passes > 0);
	assert_whole(b, "INBOX", 1, 1);
	assert_whole(b, "Sent", 1, 1);
	for (unsigned i = 1; i <= ARRIVALS; i++) {
		if (i % 2 == 0) /* copied: it stays in INBOX */
			assert_whole(b, "INBOX", 1 + i, 1000 + i);
		if (i % 4 != 1)
			assert_whole(b, "Sent", 1 + i, 1000 + i);
		else
			assert_erased(1000 + i);
	}
	assert_sound();
	box_close(&b);
}

/* ---- generations ---- */

static void generations(struct box *b, uint64_t *oldest, uint64_t *newest)
{
	uint64_t first;

	assert_int_equal(
	    engine_generations(b->engine, oldest, &first, newest), ENGINE_OK);
}

static uint64_t oldest_generation(struct box *b)
{
	uint64_t oldest, newest;

	generations(b, &oldest, &newest);
	return oldest;
}

static void drop(struct box *b)
{
	assert_int_equal(box_drop_generations(b, &policy, &result), STORE_OK);
}

/* Time goes by, with a snapshot now and then: an old one becomes the base. */
static void weeks(struct box *b, unsigned count)
{
	static unsigned number = 5000;

	for (unsigned i = 0; i < 2 * count; i++) {
		step(WEEK / 2 + 60);
		deliver(b, number++);
		assert_int_equal(box_refresh(b), STORE_OK);
		assert_int_equal(snapshot_take(b, false), STORE_OK);
	}
}

static void generations_go_when_nothing_needs_them(void **state)
{
	static const char *const inbox[] = {"INBOX"};
	uint64_t oldest, newest;
	struct box *b = opened_box();

	(void)state;
	engine_set_seal(store_engine(store), 1 << 20, 1 << 20);
	for (unsigned i = 1; i <= 40; i++) /* 4 generations or more */
		deliver_to(b, i, 100000, inbox, 1);
	generations(b, &oldest, &newest);
	assert_int_equal(oldest, 1);
	assert_true(newest >= 4);
	weeks(b, 3);
	drop(b); /* everything lives */
	assert_int_equal(oldest_generation(b), 1);
	for (uint32_t uid = 1; uid <= 20; uid++)
		expunge(b, "INBOX", uid);
	drop(b); /* it can be undeleted */
	assert_int_equal(oldest_generation(b), 1);
	step(WEEK + 60);
	drop(b); /* it is not erased */
	assert_int_equal(oldest_generation(b), 1);
	erase(b);
	assert_int_equal(result.erased, 20);
	drop(b); /* the base lies past the generation */
	assert_true(oldest_generation(b) > 1);
	assert_true(result.generations > 0);
	for (unsigned i = 21; i <= 40; i++)
		assert_whole(b, "INBOX", i, i);
	box_close(&b);
	b = opened_box();
	for (unsigned i = 21; i <= 40; i++)
		assert_whole(b, "INBOX", i, i);
	deliver(b, 41);
	/* Without the newest snapshots: from the base on. */
	assert_int_equal(box_reload(b, true), STORE_OK);
	for (unsigned i = 21; i <= 40; i++)
		assert_whole(b, "INBOX", i, i);
	assert_sound();
	box_close(&b);
}

/* The log is needed as long as the base is not past it. */
static void generations_wait_for_the_base(void **state)
{
	struct box *b = opened_box();

	(void)state;
	deliver(b, 1);
	expunge(b, "INBOX", 1);
	step(WEEK + 60);
	erase(b); /* seals */
	assert_erased(1);
	assert_int_equal(oldest_generation(b), 1);
	drop(b);
	assert_int_equal(oldest_generation(b), 1);
	weeks(b, 3);
	drop(b);
	assert_true(oldest_generation(b) > 1);
	box_close(&b);
	b = opened_box();
	assert_int_equal(box_find(b, STR("INBOX"))->messages, 6);
	assert_sound();
	box_close(&b);
}

/* A copy has the bytes of the generation that the original came with. */
static void a_copy_keeps_the_generation(void **state)
{
	struct box *b = opened_box();

	(void)state;
	deliver(b, 1);
	copy(b, "INBOX", 1, "Sent", true);
	assert_int_equal(box_seal(b), STORE_OK);
	weeks(b, 3);
	erase(b);
	drop(b);
	assert_int_equal(oldest_generation(b), 1);
	assert_whole(b, "Sent", 1, 1);
	assert_sound();
	box_close(&b);
}

/* Without the log before it a bad snapshot would be the end. */
static void a_bad_snapshot_keeps_the_generations(void **state)
{
	struct box *b = opened_box();
	char name[32];
	struct stat st;
	int fd;

	(void)state;
	deliver(b, 1);
	expunge(b, "INBOX", 1);
	step(WEEK + 60);
	erase(b);
	weeks(b, 3);
	snprintf(name, sizeof(name), "s.%llu",
	    (unsigned long long)b->state.snapshot.number);
	fd = openat(box_directory(b), name, O_RDWR | O_CLOEXEC);
	assert_int_equal(fstat(fd, &st), 0);
	for (off_t at = SNAPSHOT_HEADER; at < st.st_size; at += 16)
		assert_int_equal(pwrite(fd, "\x55", 1, at), 1);
	close(fd);
	assert_int_not_equal(
	    box_drop_generations(b, &policy, &result), STORE_OK);
	assert_int_equal(oldest_generation(b), 1);
	box_close(&b);
}

/* ---- expiry ---- */

static void old_messages_expire(void **state)
{
	static const char *const junk[] = {"Junk"}, *const a[] = {"a"};
	const struct upkeep_expiry expiries[] = {
	    {.use = USE_JUNK, .age = 30 * DAY},
	    {.mailbox = STR("a"), .age = 2 * DAY},
	    {.mailbox = STR("not there"), .age = DAY},
	};
	struct box *b = opened_box();
	uint64_t modseq;

	(void)state;
	policy.expiries = expiries;
	policy.expiry_count = ARRAY_LEN(expiries);
	assert_int_equal(box_expire(b, &policy, &result), STORE_OK);
	assert_int_equal(box_create(b, STR("a"), USE_NONE), STORE_OK);
	assert_int_equal(box_create(b, STR("a/b"), USE_NONE), STORE_OK);
	deliver(b, 1);
	deliver_to(b, 2, 0, junk, 1);
	deliver_to(b, 3, 0, a, 1);
	deliver_to(b, 4, 0, (const char *const[]){"a/b"}, 1);
	step(DAY);
	deliver_to(b, 5, 0, junk, 1);
	deliver_to(b, 6, 0, a, 1);
	copy(b, "INBOX", 1, "a", false); /* it came in just now */
	io.syncs = 0;
	assert_int_equal(box_expire(b, &policy, &result), STORE_OK);
	assert_int_equal(io.syncs, 0);
	assert_in_range(
	    result.next, clock_seconds() + DAY - 5, clock_seconds() + DAY + 5);
	step(DAY + 60);
	modseq = b->state.pos.modseq;
	result.next = 0;
	assert_int_equal(box_expire(b, &policy, &result), STORE_OK);
	assert_int_equal(result.expired, 1);
	assert_int_equal(b->state.pos.modseq, modseq + 1);
	assert_in_range(
	    result.next, clock_seconds() + DAY - 70, clock_seconds() + DAY);
	assert_int_equal(box_find(b, STR("a"))->messages, 2);
	step(28 * DAY);
	assert_int_equal(box_expire(b, &policy, &result), STORE_OK);
	assert_int_equal(result.expired, 4);
	assert_int_equal(box_find(b, STR("a"))->messages, 0);
	assert_int_equal(box_find(b, STR("Junk"))->messages, 1);
	assert_int_equal(box_find(b, STR("a/b"))->messages, 1);
	assert_int_equal(box_find(b, STR("INBOX"))->messages, 1);
	/* They were expunged like any message. */
	assert_int_equal(undeletable(b), 4);
	assert_sound();
	box_close(&b);
}

static void many_expire_in_some_frames(void **state)
{
	const struct upkeep_expiry expiry = {.use = USE_TRASH, .age = DAY};
	struct box *b = opened_box();
	uint32_t *uids = mem_array(16384, sizeof(*uids));
	uint64_t modseq;

	(void)state;
	policy.expiries = &expiry;
	policy.expiry_count = 1;
	for (uint32_t i = 0; i < 16384; i++)
		uids[i] = i + 1;
	deliver_to(b, 1, 0, (const char *const[]){"Trash"}, 1);
	for (size_t n = 1; n < 16384; n *= 2) {
		struct uid_set set = {uids, n};

		assert_int_equal(
		    box_copy(b, id_of(b, "Trash"), set, STR("Trash"), false,
			NULL, NULL, NULL, NULL),
		    STORE_OK);
	}
	step(DAY + 60);
	modseq = b->state.pos.modseq;
	assert_int_equal(box_expire(b, &policy, &result), STORE_OK);
	assert_int_equal(result.expired, 16384);
	assert_int_equal(b->state.pos.modseq, modseq + 2);
	assert_int_equal(box_find(b, STR("Trash"))->messages, 0);
	free(uids);
	box_close(&b);
}

/* ---- orphans ---- */

/* A blob, synced, that no frame names yet. */
static struct store_body *written(struct box *b, unsigned number)
{
	struct store_body *body = store_body_new(b);
	char *text;
	size_t len = text_of(number, 2 * INLINE_MAX, &text);

	assert_int_equal(store_body_add(body, text, len), 0);
	assert_int_equal(body_ready(body), STORE_OK);
	free(text);
	return body;
}

static void sweep(struct box *b)
{
	assert_int_equal(box_sweep(b, &policy, &result), STORE_OK);
}

static void orphans_are_swept(void **state)
{
	static const char *const inbox[] = {"INBOX"};
	struct deliver_item item = {.mailbox = STR("INBOX")};
	struct box *b = opened_box();
	struct store_body *early, *late;

	(void)state;
	sweep(b); /* nothing on disk */
	deliver_to(b, 1, INLINE_MAX, inbox, 1);
	deliver_to(b, 2, INLINE_MAX, inbox, 1);
	expunge(b, "INBOX", 2);
	early = written(b, 3);
	late = written(b, 4);
	assert_int_equal(count_files("b"), 4);
	sweep(b);
	assert_int_equal(result.orphans, 0);
	assert_int_equal(
	    box_deliver(b, STR("early"), 0, early, 0, &item, 1), STORE_OK);
	step(DAY + 60);
	/* 2 can be undeleted. */
	sweep(b);
	assert_int_equal(result.orphans, 1);
	assert_int_equal(count_files("b"), 3);
	assert_whole(b, "INBOX", 1, 1);
	assert_whole(b, "INBOX", 3, 3);
	/* Who comes so late is refused, and nothing of it is to be seen. */
	assert_int_equal(
	    box_deliver(b, STR("late"), 0, late, 0, &item, 1), STORE_ERROR);
	assert_int_equal(box_find(b, STR("INBOX"))->messages, 2);
	store_body_free(&early);
	store_body_free(&late);
	sweep(b);
	assert_int_equal(result.orphans, 1);
	assert_sound();
	box_close(&b);
}

/* The frame of an old blob comes between the look and the lock. */
static struct box *racer;
static struct store_body *racing;

static void name_it_now(void)
{
	struct deliver_item item = {.mailbox = STR("INBOX")};

	assert_int_equal(
	    box_deliver(racer, STR("race"), 0, racing, 0, &item, 1), STORE_OK);
}

static void a_blob_that_is_named_at_last_stays(void **state)
{
	struct box *b = opened_box();

	(void)state;
	racer = opened_box();
	deliver(b, 1);
	assert_int_equal(box_refresh(racer), STORE_OK);
	racing = written(racer, 2);
	step(DAY + 60);
	before_lock = name_it_now;
	sweep(b);
	assert_null(before_lock);
	assert_int_equal(result.orphans, 0);
	assert_int_equal(box_refresh(b), STORE_OK);
	assert_whole(b, "INBOX", 2, 2);
	store_body_free(&racing);
	box_close(&racer);
	box_close(&b);
}

/* ---- all of it ---- */

static void upkeep_does_what_is_due(void **state)
{
	const struct upkeep_expiry expiry = {.use = USE_JUNK, .age = DAY};
	struct box *b = opened_box();

	(void)state;
	policy.expiries = &expiry;
	policy.expiry_count = 1;
	assert_int_equal(box_upkeep(b, &policy, &result), STORE_OK);
	assert_int_equal(result.next, 0);
	for (unsigned i = 1; b->frames_octets < SNAPSHOT_DUE; i++)
		deliver(b, i);
	deliver_to(b, 9001, 0, (const char *const[]){"Junk"}, 1);
	assert_int_equal(box_upkeep(b, &policy, &result), STORE_OK);
	assert_int_equal(result.snapshots, 1);
	assert_in_range(
	    result.next, clock_seconds() + DAY - 5, clock_seconds() + DAY + 5);
	step(DAY + 60);
	result = (struct upkeep_result){0};
	assert_int_equal(box_upkeep(b, &policy, &result), STORE_OK);
	assert_int_equal(result.expired, 1);
	assert_int_equal(result.snapshots, 0);
	assert_true(on_disk(9001));
	/* Due, but others may become due soon. */
	step(WEEK + 60);
	assert_int_equal(box_upkeep(b, &policy, &result), STORE_OK);
	assert_int_equal(result.erased, 0);
	assert_true(result.next > clock_seconds());
	step(result.next - clock_seconds() + 1);
	assert_int_equal(box_upkeep(b, &policy, &result), STORE_OK);
	assert_int_equal(result.erased, 1);
	assert_erased(9001);
	assert_whole(b, "INBOX", 1, 1);
	assert_sound();
	box_close(&b);
}

static int found_accounts;

static int found_account(void *arg, struct str account)
{
	(void)arg;
	assert_true(str_eq(account, ACCOUNT));
	found_accounts++;
	return 0;
}

static void the_store_is_scanned_and_has_a_reserve(void **state)
{
	struct box *b = opened_box();

	(void)state;
	deliver(b, 1);
	found_accounts = 0;
	for (unsigned i = 0; i < STORE_SHARDS; i++)
		assert_int_equal(
		    store_scan(store, i, found_account, NULL), STORE_OK);
	assert_int_equal(found_accounts, 1);
	box_close(&b);
}

static void remove_and_begin(void)
{
	struct box *b;

	assert_int_equal(store_remove_account(store, ACCOUNT), STORE_OK);
	b = opened_box();
	deliver(b, 99);
	box_close(&b);
}

/* What is written down while the account is removed and begins anew is not
 * meant for the new one. */
static void an_account_that_begins_anew(void **state)
{
	struct box *b = opened_box();

	(void)state;
	scene();
	assert_int_equal(box_refresh(b), STORE_OK);
	before_lock = remove_and_begin;
	assert_int_not_equal(box_erase(b, &policy, &result), STORE_OK);
	assert_int_equal(box_refresh(b), STORE_OK);
	assert_int_equal(b->state.horizon, 0);
	assert_int_equal(box_find(b, STR("INBOX"))->messages, 1);
	assert_sound();
	box_close(&b);
}

#define T2(name) cmocka_unit_test_setup_teardown(name, begin, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T2(what_is_due_can_be_read_nowhere),
	    T2(compressed_messages_too),
	    T2(nothing_due_costs_nothing),
	    T2(bytes_that_others_share_stay),
	    T2(deleted_mailboxes_are_erased),
	    T2(large_messages_are_erased),
	    T2(the_clock_steps),
	    T2(many_are_erased_in_rounds),
	    T2(leftovers_of_a_crash_go),
	    T2(what_was_dropped_is_durably_gone),
	    T2(what_was_never_named_ends_with_its_generation),
	    T2(a_pass_may_end_anywhere),
	    T2(a_full_disk_is_emptied),
	    T2(what_frees_space_has_the_reserve),
	    T2(a_pass_can_be_interrupted),
	    T2(mail_arrives_meanwhile),
	    T2(generations_go_when_nothing_needs_them),
	    T2(generations_wait_for_the_base),
	    T2(a_copy_keeps_the_generation),
	    T2(a_bad_snapshot_keeps_the_generations),
	    T2(old_messages_expire),
	    T2(many_expire_in_some_frames),
	    T2(orphans_are_swept),
	    T2(a_blob_that_is_named_at_last_stays),
	    T2(upkeep_does_what_is_due),
	    T2(the_store_is_scanned_and_has_a_reserve),
	    T2(an_account_that_begins_anew),
	};

	return RUN_TESTS(tests);
}
