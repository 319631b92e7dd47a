/* SPDX-License-Identifier: ISC */
/*
 * Faults: failing and counted system calls, a torn last frame, flipped bits.
 */
#include "store/testing.h"

#include "store/engine_file.h"
#include "store/le.h"

/* A descriptor of the account's file. */
static int account_file(const char *name)
{
	struct box *b;
	int fd = -1;

	if (open_box(&b) == STORE_OK || b != NULL)
		fd = openat(box_directory(b), name, O_RDWR | O_CLOEXEC);
	box_close(&b);
	return fd;
}

static unsigned messages(struct box *b)
{
	return (unsigned)box_find(b, STR("INBOX"))->messages;
}

/* Opens anew; how many messages it has, or minus the result. Every message's
 * bytes are what was delivered. */
static int opened(void)
{
	struct buf text = buf_new(1 << 20);
	struct view *v = NULL;
	struct box *b;
	int result = -(int)open_box(&b);

	if (result == 0)
		result = -(int)view_open(b, 1, &v);
	for (uint32_t i = 1; result >= 0 && i <= view_count(v); i++) {
		char want[32];

		buf_clear(&text);
		enum store_result r = view_read(v, i, 0, UINT64_MAX, &text);
		snprintf(want, sizeof(want), "Subject: %u\r\n", i);
		if (r == STORE_OK &&
		    !str_starts(buf_str(&text), str_from(want)))
			fail_msg("message %u has other bytes", i);
		result = r == STORE_OK ? (int)i : -(int)r;
	}
	view_close(&v);
	box_close(&b);
	buf_free(&text);
	return result;
}

static void fill(unsigned count)
{
	struct box *b;
	char id[16];

	assert_int_equal(open_box(&b), STORE_OK);
	for (unsigned i = 1; i <= count; i++) {
		snprintf(id, sizeof(id), "%u", i);
		assert_int_equal(deliver_id(b, id), STORE_OK);
	}
	box_close(&b);
}

static void a_delivery_is_one_sync(void **state)
{
	uint32_t uid = 1;
	struct uid_set set = {&uid, 1};
	struct box *b;

	(void)state;
	fill(1);
	open_box(&b);
	io.syncs = 0;
	assert_int_equal(deliver_id(b, "2"), STORE_OK);
	assert_int_equal(io.syncs, 1);
	assert_int_equal(deliver_id(b, "2"), STORE_DUPLICATE);
	assert_int_equal(io.syncs, 1);
	box_set_quota(b, 0, 2);
	assert_int_equal(deliver_id(b, "3"), STORE_OVER_QUOTA);
	assert_int_equal(io.syncs, 1);
	assert_int_equal(box_store(b, 1, set, FLAGS_ADD, FLAG_SEEN, NULL, 0, 0,
			     NULL, NULL, NULL),
	    STORE_OK);
	assert_int_equal(io.syncs, 2);
	assert_int_equal(box_store(b, 1, set, FLAGS_ADD, FLAG_SEEN, NULL, 0, 0,
			     NULL, NULL, NULL),
	    STORE_OK); /* nothing to do */
	assert_int_equal(io.syncs, 2);
	assert_int_equal(box_create(b, STR("INBOX"), USE_NONE), STORE_EXISTS);
	assert_int_equal(io.syncs, 2);
	box_close(&b);
}

/* ---- what each operation costs ---- */

#define THOUSANDS 10000

static enum store_result cost_large(struct box *b)
{
	char *large = malloc(INLINE_MAX * 2);
	enum store_result r;

	memset(large, 'x', INLINE_MAX * 2);
	r = deliver_text(b, "large", large, INLINE_MAX * 2);
	free(large);
	return r;
}

static enum store_result cost_first(struct box *b)
{
	return deliver_id(b, "1");
}

static enum store_result cost_delivery(struct box *b)
{
	return deliver_id(b, "2");
}

/* Into three mailboxes, one of them new. */
static enum store_result cost_three(struct box *b)
{
	struct deliver_item items[] = {{.mailbox = STR("INBOX")},
	    {.mailbox = STR("Junk")}, {.mailbox = STR("new"), .create = true}};
	struct store_body *body = store_body_new(b);
	enum store_result r;

	store_body_add(body, "x", 1);
	r = box_deliver(b, STR("three"), 0, body, 0, items, 3);
	store_body_free(&body);
	return r;
}

static enum store_result cost_refusal(struct box *b)
{
	enum store_result r;

	box_set_quota(b, 1, 1);
	r = deliver_id(b, "3");
	box_set_quota(b, 0, 0);
	return r;
}

static enum store_result cost_append(struct box *b)
{
	struct append_item *items = calloc(THOUSANDS, sizeof(*items));
	struct store_body *body = store_body_new(b);
	enum store_result r;
	uint32_t uidvalidity;

	store_body_add(body, "x", 1);
	for (size_t i = 0; i < THOUSANDS; i++)
		items[i].body = body;
	r = box_append(b, STR("Sent"), items, THOUSANDS, &uidvalidity);
	store_body_free(&body);
	free(items);
	return r;
}

static struct uid_set thousands(void)
{
	static uint32_t uids[THOUSANDS];

	for (uint32_t i = 0; i < THOUSANDS; i++)
		uids[i] = i + 1;
	return (struct uid_set){uids, THOUSANDS};
}

static enum store_result cost_copy(struct box *b)
{
	return box_copy(b, box_find(b, STR("Sent"))->id, thousands(),
	    STR("Trash"), false, NULL, NULL, NULL, NULL);
}

static enum store_result cost_move(struct box *b)
{
	return box_copy(b, box_find(b, STR("Sent"))->id, thousands(),
	    STR("Junk"), true, NULL, NULL, NULL, NULL);
}

static enum store_result cost_store(struct box *b)
{
	return box_store(b, box_find(b, STR("Trash"))->id, thousands(),
	    FLAGS_ADD, FLAG_DELETED, NULL, 0, 0, NULL, NULL, NULL);
}

static enum store_result cost_expunge(struct box *b)
{
	return box_expunge(b, box_find(b, STR("Trash"))->id, NULL, NULL, NULL);
}

static enum store_result cost_create(struct box *b)
{
	return box_create(b, STR("a/b/c"), USE_NONE);
}

static enum store_result cost_rename(struct box *b)
{
	return box_rename(b, STR("a"), STR("z"));
}

static enum store_result cost_snapshot(struct box *b)
{
	return snapshot_take(b, false);
}

static enum store_result cost_look(struct box *b)
{
	struct buf text = buf_new(64 << 20);
	struct view *v;

	assert_int_equal(box_refresh(b), STORE_OK);
	assert_int_equal(view_open(b, 1, &v), STORE_OK);
	assert_int_equal(view_read(v, 1, 0, UINT64_MAX, &text), STORE_OK);
	view_close(&v);
	buf_free(&text);
	return STORE_OK;
}

/* clang-format off */
static const struct {
	const char *what;
	enum store_result (*run)(struct box *b), want;
	unsigned syncs;
} costs[] = {
	/* the generation, three directories, the frame */
	{"the first delivery",     cost_first,    STORE_OK,         5},
	{"a delivery",             cost_delivery, STORE_OK,         1},
	{"a repeated delivery",    cost_delivery, STORE_DUPLICATE,  0},
	{"a refused delivery",     cost_refusal,  STORE_OVER_QUOTA, 0},
	{"one into three",         cost_three,    STORE_OK,         1},
	/* the blob, two directories, the frame */
	{"a large delivery",       cost_large,    STORE_OK,         4},
	{"APPEND of 10,000",       cost_append,   STORE_OK,         1},
	{"COPY of 10,000",         cost_copy,     STORE_OK,         1},
	{"MOVE of 10,000",         cost_move,     STORE_OK,         1},
	{"STORE of 10,000",        cost_store,    STORE_OK,         1},
	{"the same once more",     cost_store,    STORE_OK,         0},
	{"EXPUNGE of 10,000",      cost_expunge,  STORE_OK,         1},
	{"EXPUNGE of nothing",     cost_expunge,  STORE_OK,         0},
	{"CREATE of three levels", cost_create,   STORE_OK,         1},
	{"CREATE of one there",    cost_create,   STORE_EXISTS,     0},
	{"RENAME of three",        cost_rename,   STORE_OK,         1},
	/* the file, the directory, the announcement */
	{"a snapshot",             cost_snapshot, STORE_OK,         3},
	/* the next generation and the directory; nothing is in it */
	{"a seal",                 box_seal,      STORE_OK,         2},
	{"a seal of nothing",      box_seal,      STORE_OK,         0},
	{"a look",                 cost_look,     STORE_OK,         0},
};
/* clang-format on */

static void syncs_are_counted(void **state)
{
	struct box *b;

	(void)state;
	assert_int_equal(open_box(&b), STORE_OK);
	for (size_t i = 0; i < ARRAY_LEN(costs); i++) {
		enum store_result r;

		io.syncs = 0;
		r = costs[i].run(b);
		if (r != costs[i].want || io.syncs != costs[i].syncs)
			fail_msg("%s: %s, %u syncs, not %s, %u", costs[i].what,
			    store_result_name(r), io.syncs,
			    store_result_name(costs[i].want), costs[i].syncs);
	}
	box_close(&b);
}

static void a_failed_sync_is_unknown_and_then_known(void **state)
{
	struct box *a, *b;

	(void)state;
	fill(2);
	open_box(&a);
	open_box(&b);
	io.fail_sync = 1;
	io.error = EIO;
	assert_int_equal(deliver_id(a, "3"), STORE_UNKNOWN);
	/* No reader sees it before it is durable. */
	assert_int_equal(box_refresh(b), STORE_OK);
	assert_int_equal(messages(b), 2);
	/* The next one that writes makes it so. */
	io.syncs = 0;
	assert_int_equal(deliver_id(b, "3"), STORE_DUPLICATE);
	assert_int_equal(io.syncs, 1);
	assert_int_equal(messages(b), 3);
	assert_int_equal(deliver_id(a, "4"), STORE_OK);
	assert_int_equal(messages(a), 4);
	box_close(&a);
	box_close(&b);
	assert_int_equal(opened(), 4);
}

static void a_failed_sync_is_found_on_opening(void **state)
{
	struct box *a;

	(void)state;
	fill(2);
	open_box(&a);
	io.fail_sync = 1;
	io.error = EIO;
	assert_int_equal(deliver_id(a, "3"), STORE_UNKNOWN);
	box_close(&a);
	assert_int_equal(opened(), 3);
}

/* The caller lets go of the body, and its blob stays all the same. */
static void a_blob_stays_while_its_frame_is_in_doubt(void **state)
{
	size_t len = INLINE_MAX * 2;
	char *large = malloc(len);
	struct box *b;

	(void)state;
	memset(large, 'x', len);
	memcpy(large, "Subject: 2\r\n", 12);
	fill(1);
	open_box(&b);
	io.fail_sync =
	    4; /* the blob, its directory, the account's; the frame */
	io.error = EIO;
	assert_int_equal(deliver_text(b, "2", large, len), STORE_UNKNOWN);
	assert_int_equal(io.fail_sync, 0);
	box_close(&b);
	assert_int_equal(opened(), 2);
	free(large);
}

/* Each write of a delivery in turn: no space, nothing to be seen of it. */
static void a_full_disk_leaves_nothing(void **state)
{
	char *large = malloc(INLINE_MAX * 2);
	struct box *b;
	char id[16];

	(void)state;
	memset(large, 'x', INLINE_MAX * 2);
	memcpy(large, "Subject: 2\r\n", 12);
	fill(1);
	open_box(&b);
	for (unsigned i = 1;; i++) {
		enum store_result r;

		io.fail_write = i;
		io.error = ENOSPC;
		r = i % 2 ? deliver_id(b, "2")
			  : deliver_text(b, "2", large, INLINE_MAX / 2);
		if (io.fail_write != 0) { /* it needed fewer */
			io.fail_write = 0;
			assert_true(r == STORE_OK || r == STORE_DUPLICATE);
			break;
		}
		/* The mark is a lower bound: when it alone fails, the
		 * delivery is durable. */
		assert_true(r == STORE_NO_SPACE || r == STORE_OK);
		if (r == STORE_NO_SPACE)
			assert_int_equal(opened(), 1);
		else
			break;
	}
	assert_int_equal(opened(), 2);
	for (unsigned i = 3; i < 6; i++) {
		snprintf(id, sizeof(id), "%u", i);
		assert_int_equal(deliver_id(b, id), STORE_OK);
	}
	box_close(&b);
	assert_int_equal(opened(), 5);
	free(large);
}

/* The frame is there as a whole and the write fails all the same: what was
 * refused must not come to life when its blob is gone. */
static void a_refused_frame_stays_refused(void **state)
{
	size_t len = INLINE_MAX * 2;
	char *large = malloc(len);
	bool refused = false;
	struct box *b;

	(void)state;
	memset(large, 'x', len);
	memcpy(large, "Subject: 2\r\n", 12);
	fill(1);
	open_box(&b);
	io.fail_after = SIZE_MAX;
	io.error = ENOSPC;
	for (unsigned i = 1; i < 20; i++) {
		enum store_result r;

		io.fail_write = i;
		r = deliver_text(b, "2", large, len);
		if (r == STORE_OK || r == STORE_DUPLICATE)
			break;
		refused = true;
		io.fail_write = 0;
		assert_int_equal(opened(), 1);
	}
	io.fail_write = 0;
	io.fail_after = 0;
	assert_true(refused);
	assert_int_equal(opened(), 2);
	box_close(&b);
	free(large);
}

/* ---- on disk ---- */

static void put_at(int fd, const void *p, size_t len, uint64_t at)
{
	assert_int_equal(pwrite(fd, p, len, (off_t)at), (ssize_t)len);
}

static void get_at(int fd, void *p, size_t len, uint64_t at)
{
	assert_int_equal(pread(fd, p, len, (off_t)at), (ssize_t)len);
}

static uint64_t mark_of(int fd)
{
	unsigned char p[8];

	get_at(fd, p, 8, MARK_AT);
	return get_u64(p);
}

static void set_mark(int fd, uint64_t mark)
{
	unsigned char p[16];

	put_u64(p, mark);
	put_u64(p + 8, ~mark);
	put_at(fd, p, 16, MARK_AT);
}

static void the_last_frame_is_cut_at_every_byte(void **state)
{
	unsigned char frame[4096], tail_now[4096], zero[4096] = {0};
	uint64_t before, end;
	struct box *b;
	int fd;

	(void)state;
	fill(2);
	fd = account_file("g.1");
	before = mark_of(fd);
	open_box(&b);
	assert_int_equal(deliver_id(b, "3"), STORE_OK);
	box_close(&b);
	end = mark_of(fd);
	assert_true(end - before <= sizeof(frame));
	get_at(fd, frame, end - before, before);
	for (uint64_t cut = 0; cut <= end - before; cut++) {
		char *tail = (char *)frame + cut;
		size_t len = (size_t)(end - before - cut);
		bool whole = len == 0 || memcmp(tail, zero, len) == 0;

		put_at(fd, frame, cut, before);
		put_at(fd, zero, len, before + cut);
		set_mark(fd, before);
		assert_int_equal(opened(), whole ? 3 : 2);
		if (whole)
			continue;
		/* Torn: zeroed, and the next delivery takes its place. */
		assert_int_equal(mark_of(fd), before);
		get_at(fd, tail_now, end - before, before);
		assert_memory_equal(tail_now, zero, end - before);
		open_box(&b);
		assert_int_equal(deliver_id(b, "3"), STORE_OK);
		box_close(&b);
		assert_int_equal(opened(), 3);
		/* Back to the frame as it was. */
		put_at(fd, frame, end - before, before);
	}
	close(fd);
}

static void a_frame_without_its_body_is_none(void **state)
{
	uint64_t before;
	struct stat st;
	struct box *b;
	int fd;

	(void)state;
	fill(2);
	fd = account_file("g.1");
	before = mark_of(fd);
	fstat(fd, &st);
	open_box(&b);
	assert_int_equal(deliver_id(b, "3"), STORE_OK);
	box_close(&b);
	/* The head reached the disk, of the body nothing but its length. */
	set_mark(fd, before);
	assert_int_equal(ftruncate(fd, st.st_size), 0);
	assert_int_equal(ftruncate(fd, st.st_size + 4096), 0);
	assert_int_equal(opened(), 2);
	open_box(&b);
	assert_int_equal(deliver_id(b, "3"), STORE_OK);
	box_close(&b);
	assert_int_equal(opened(), 3);
	close(fd);
}

/* Wherever a bit flips, mail is as it was or the damage is said. */
static void a_flipped_bit_is_never_believed(void **state)
{
	struct stat st;
	uint64_t end;
	unsigned corrupt = 0;
	int fd;

	(void)state;
	fill(3);
	fd = account_file("g.1");
	fstat(fd, &st);
	end = mark_of(fd);
	for (uint64_t at = 0; at < (uint64_t)st.st_size; at++) {
		unsigned char byte, flipped;
		int got;

		if (at == end)
			at = MARK_AT; /* zeroes that nobody reads */
		if (at == MARK_AT + 48)
			at = HEAD_SIZE;
		get_at(fd, &byte, 1, at);
		flipped = byte ^ (unsigned char)(1u << at % 8);
		put_at(fd, &flipped, 1, at);
		got = opened();
		corrupt += got == -STORE_CORRUPT;
		if (got != 3 && got != -STORE_CORRUPT && got != -STORE_ERROR)
			fail_msg(
			    "bit at %llu: %d", (unsigned long long)at, got);
		/* The mark may have been mended; all else stays. */
		put_at(fd, &byte, 1, at);
	}
	assert_true(corrupt > end - 1024);
	assert_int_equal(opened(), 3);
	close(fd);
}

static void a_corrupt_box_takes_nothing(void **state)
{
	unsigned char x = 0x55;
	struct box *a, *b;
	int fd;

	(void)state;
	fill(3);
	open_box(&a);
	fd = account_file("g.1");
	put_at(fd, &x, 1, FRAMES_AT + 20);
	close(fd);
	assert_int_equal(open_box(&b), STORE_CORRUPT);
	assert_non_null(strstr(store_why(b), "frame"));
	assert_int_equal(deliver_id(b, "4"), STORE_CORRUPT);
	box_close(&b);
	box_close(&a);
}

static void a_bad_snapshot_costs_no_mail(void **state)
{
	struct stat st;
	struct box *b;
	int fd;

	(void)state;
	fill(20);
	open_box(&b);
	assert_int_equal(snapshot_take(b, false), STORE_OK);
	assert_int_equal(deliver_id(b, "21"), STORE_OK);
	box_close(&b);
	assert_int_equal(opened(), 21);
	fd = account_file("s.1");
	fstat(fd, &st);
	for (uint64_t at = 0; at < (uint64_t)st.st_size; at += 7) {
		unsigned char byte, flipped;

		get_at(fd, &byte, 1, at);
		flipped = byte ^ 0x10;
		put_at(fd, &flipped, 1, at);
		assert_int_equal(opened(), 21);
		put_at(fd, &byte, 1, at);
	}
	assert_int_equal(ftruncate(fd, st.st_size / 2), 0);
	assert_int_equal(opened(), 21);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(a_delivery_is_one_sync),
	    T(syncs_are_counted),
	    T(a_failed_sync_is_unknown_and_then_known),
	    T(a_failed_sync_is_found_on_opening),
	    T(a_blob_stays_while_its_frame_is_in_doubt),
	    T(a_full_disk_leaves_nothing),
	    T(a_refused_frame_stays_refused),
	    T(the_last_frame_is_cut_at_every_byte),
	    T(a_frame_without_its_body_is_none),
	    T(a_flipped_bit_is_never_believed),
	    T(a_corrupt_box_takes_nothing),
	    T(a_bad_snapshot_costs_no_mail),
	};

	return RUN_TESTS(tests);
}
