/* SPDX-License-Identifier: ISC */
/*
 * What is on disk is not what was written there, or comes from a newer
 * version: it is said, nothing is believed that cannot be proven, and nothing
 * is written.
 */
#include "store/testing.h"

#include "core/memory.h"
#include "store/le.h"

/* Offsets that doc/store.md gives. */
#define HEADER_VERSION     8
#define HEADER_FLAGS       12
#define HEADER_INCARNATION 16
#define HEADER_CRC         508
#define FRAME_CRC          4
#define FRAME_REST         8 /* what the checksum and the chain cover */
#define FRAME_FLAGS        12

static int account_file(const char *name)
{
	struct box *b = NULL;
	int fd;

	open_box(&b);
	assert_non_null(b);
	fd = openat(box_directory(b), name, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	box_close(&b);
	return fd;
}

static void put_at(int fd, const void *p, size_t len, uint64_t at)
{
	assert_int_equal(pwrite(fd, p, len, (off_t)at), (ssize_t)len);
}

static void get_at(int fd, void *p, size_t len, uint64_t at)
{
	assert_int_equal(pread(fd, p, len, (off_t)at), (ssize_t)len);
}

static void flip(int fd, uint64_t at)
{
	unsigned char byte;

	get_at(fd, &byte, 1, at);
	byte ^= (unsigned char)(1u << at % 8);
	put_at(fd, &byte, 1, at);
}

static uint64_t file_size(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_size;
}

/* Hash of a whole file. */
static uint64_t file_hash(int fd)
{
	size_t len = (size_t)file_size(fd);
	char *p = mem_alloc(len);
	uint64_t hash;

	get_at(fd, p, len, 0);
	hash = hash64(0, p, len);
	free(p);
	return hash;
}

/* INBOX has messages 1 to count. */
static void fill(unsigned count)
{
	struct box *b = opened_box();
	char id[16];

	for (unsigned i = 1; i <= count; i++) {
		enum store_result r;

		snprintf(id, sizeof(id), "%u", i);
		r = deliver_id(b, id);
		assert_true(r == STORE_OK || r == STORE_DUPLICATE);
	}
	box_close(&b);
}

/* Opens anew and reads every message: how many there are, or minus the result
 * and why. */
static int opened(const char **why)
{
	static char words[200];
	struct buf text = buf_new(64 << 20);
	struct view *v = NULL;
	struct box *b;
	enum store_result r = open_box(&b);
	int count = 0;

	if (r == STORE_OK)
		r = view_open(b, 1, &v);
	for (uint32_t i = 1; r == STORE_OK && i <= view_count(v); i++) {
		buf_clear(&text);
		r = view_read(v, i, 0, UINT64_MAX, &text);
		count++;
	}
	snprintf(words, sizeof(words), "%s", b == NULL ? "" : store_why(b));
	*why = words;
	view_close(&v);
	box_close(&b);
	buf_free(&text);
	return r == STORE_OK ? count : -(int)r;
}

static int count_opened(void)
{
	const char *why;

	return opened(&why);
}

/* ---- newer versions ---- */

static void mend_header(unsigned char *header)
{
	put_u32(header + HEADER_CRC, crc32c(0, header, HEADER_CRC));
}

static void mend_frame(unsigned char *frame, uint64_t incarnation)
{
	unsigned char seed[16];
	size_t rest = get_u32(frame) - FRAME_REST;

	put_u64(seed, incarnation);
	put_u64(seed + 8, 1);
	put_u64(frame + get_u32(frame) - 8,
	    hash64(0, frame + FRAME_REST, rest - 8));
	put_u32(frame + FRAME_CRC,
	    crc32c(crc32c(0, seed, 16), frame + FRAME_REST, rest));
}

/* It is refused in words, and nothing in the file changes. */
static void assert_refused_as_newer(int fd)
{
	uint64_t before = file_hash(fd);
	const char *why;
	struct box *b;

	assert_int_equal(opened(&why), -STORE_ERROR);
	assert_non_null(strstr(why, "newer version"));
	assert_int_equal(open_box(&b), STORE_ERROR);
	assert_int_equal(deliver_id(b, "new"), STORE_ERROR);
	assert_int_equal(box_create(b, STR("new"), USE_NONE), STORE_ERROR);
	box_close(&b);
	assert_true(file_hash(fd) == before);
}

static void newer_headers_are_refused(void **state)
{
	unsigned char header[FRAMES_AT], changed[FRAMES_AT];
	int fd;

	(void)state;
	fill(2);
	fd = account_file("g.1");
	get_at(fd, header, sizeof(header), 0);
	for (unsigned at = HEADER_VERSION; at <= HEADER_FLAGS; at += 4) {
		memcpy(changed, header, sizeof(header));
		put_u32(changed + at, get_u32(changed + at) + (1u << 16));
		mend_header(changed);
		put_at(fd, changed, sizeof(changed), 0);
		assert_refused_as_newer(fd);
	}
	put_at(fd, header, sizeof(header), 0);
	assert_int_equal(count_opened(), 2);
	close(fd);
}

static void newer_frames_are_refused(void **state)
{
	unsigned char header[FRAMES_AT], frame[4096], old[4096];
	uint64_t incarnation;
	int fd;

	(void)state;
	fill(1);
	fd = account_file("g.1");
	get_at(fd, header, sizeof(header), 0);
	incarnation = get_u64(header + HEADER_INCARNATION);
	get_at(fd, old, sizeof(old), FRAMES_AT);
	assert_in_range(get_u32(old), FRAME_LEAST, sizeof(old));
	/* The test can rebuild a frame: as it was, it is accepted. */
	memcpy(frame, old, sizeof(old));
	mend_frame(frame, incarnation);
	assert_memory_equal(frame, old, sizeof(old));
	put_u32(frame + FRAME_FLAGS, 1u << 8);
	mend_frame(frame, incarnation);
	put_at(fd, frame, get_u32(frame), FRAMES_AT);
	assert_refused_as_newer(fd);
	/* A record that must be understood, and one that need not be. */
	memcpy(frame, old, sizeof(old));
	frame[FRAME_FIXED + 1] = 0x7f; /* the type's high octet */
	mend_frame(frame, incarnation);
	put_at(fd, frame, get_u32(frame), FRAMES_AT);
	assert_refused_as_newer(fd);
	put_at(fd, old, sizeof(old), FRAMES_AT);
	assert_int_equal(count_opened(), 1);
	close(fd);
}

struct unknown {
	struct buf heads;
};

static int decide_unknown(
    void *arg, const struct engine_pos *end, struct engine_frame *frame)
{
	struct unknown *u = arg;

	(void)end;
	frame->heads = buf_str(&u->heads);
	frame->count = 1;
	return 0;
}

static int ignore(
    void *arg, struct str heads, const struct engine_frame_info *info)
{
	(void)arg, (void)heads, (void)info;
	return 0;
}

/* Who does not know a record that is not mandatory goes on. */
static void unknown_records_are_skipped(void **state)
{
	struct unknown u = {buf_new(64)};
	struct engine_pos pos = {0};
	struct engine_box *b;
	char record[16] = {0};

	(void)state;
	fill(1);
	put_u32(record, 0x7f7f);
	put_u32(record + 4, sizeof(record));
	buf_add_bytes(&u.heads, record, sizeof(record));
	engine_box_open(store_engine(store), ACCOUNT, &b);
	assert_int_equal(engine_append(b, &pos, ignore, decide_unknown, &u,
			     deadline_in(1000)),
	    ENGINE_OK);
	engine_box_close(&b);
	buf_free(&u.heads);
	fill(2);
	assert_int_equal(count_opened(), 2);
}

/* A snapshot of a newer version is no snapshot: the log says the same. */
static void newer_snapshots_are_left_alone(void **state)
{
	unsigned char header[SNAPSHOT_HEADER];
	struct box *b;
	int fd;

	(void)state;
	fill(3);
	b = opened_box();
	assert_int_equal(snapshot_take(b, false), STORE_OK);
	box_close(&b);
	fd = account_file("s.1");
	get_at(fd, header, sizeof(header), 0);
	for (unsigned at = HEADER_VERSION; at <= HEADER_FLAGS; at += 4) {
		put_u32(header + at, get_u32(header + at) + (1u << 16));
		mend_header(header);
		put_at(fd, header, sizeof(header), 0);
		b = opened_box();
		assert_int_equal(b->state.base, 0);
		assert_int_equal(box_find_id(b, 1)->messages, 3);
		box_close(&b);
		assert_int_equal(count_opened(), 3);
	}
	close(fd);
}

/* ---- flipped bits ---- */

static void a_flipped_header_is_said(void **state)
{
	int fd;

	(void)state;
	fill(2);
	fd = account_file("g.1");
	for (uint64_t at = 0; at < FRAMES_AT; at++) {
		int got;

		flip(fd, at);
		got = count_opened();
		if (got != -STORE_CORRUPT && got != -STORE_ERROR)
			fail_msg("octet %u: %d", (unsigned)at, got);
		flip(fd, at);
	}
	assert_int_equal(count_opened(), 2);
	close(fd);
}

/* In a second generation: what stands in the first one's end, and records
 * that are too many for the head. */
static void flips_in_every_file(void **state)
{
	const uint64_t step = rounds(97, 1);
	char *large = mem_alloc(INLINE_MAX * 2);
	struct box *b;
	static const char *const names[] = {"g.1", "g.2"};

	(void)state;
	memset(large, 'x', INLINE_MAX * 2);
	engine_set_seal(store_engine(store), 2048, SEAL_BODIES);
	fill(6);
	b = opened_box();
	assert_int_equal(
	    deliver_text(b, "blob", large, INLINE_MAX * 2), STORE_OK);
	box_close(&b);
	assert_int_equal(count_opened(), 7);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		int fd = account_file(names[i]);
		uint64_t size = file_size(fd);

		for (uint64_t at = 0; at < size; at += step) {
			int got;

			if (at > 4096 && at < MARK_AT - 4096)
				at = MARK_AT - 4096; /* zeroes */
			flip(fd, at);
			got = count_opened();
			if (got != 7 && got != -STORE_CORRUPT &&
			    got != -STORE_ERROR)
				fail_msg("%s, octet %llu: %d", names[i],
				    (unsigned long long)at, got);
			flip(fd, at);
		}
		close(fd);
	}
	assert_int_equal(count_opened(), 7);
	free(large);
}

#define MANY 200

/* Records that stand in the body area, and the mailbox in the same frame. */
static void flips_in_records_of_many(void **state)
{
	struct append_item items[MANY] = {0};
	uint32_t uidvalidity;
	uint64_t before, size;
	struct box *b = opened_box();
	int fd;

	(void)state;
	fill(1);
	box_refresh(b);
	fd = account_file("g.1");
	before = b->state.pos.bodies;
	for (size_t i = 0; i < MANY; i++) {
		items[i].body = store_body_new(b);
		store_body_add(items[i].body, "x", 1);
	}
	assert_int_equal(
	    box_append(b, STR("INBOX"), items, MANY, &uidvalidity), STORE_OK);
	for (size_t i = 0; i < MANY; i++)
		store_body_free(&items[i].body);
	size = b->state.pos.bodies;
	box_close(&b);
	/* Records come last in the body area. */
	assert_true(size - before > MANY * PLACE_OCTETS);
	for (uint64_t at = size - MANY * PLACE_OCTETS; at < size;
	     at += rounds(211, 1)) {
		int got;

		flip(fd, at);
		got = count_opened();
		if (got != -STORE_CORRUPT)
			fail_msg("octet %llu: %d", (unsigned long long)at, got);
		flip(fd, at);
	}
	assert_int_equal(count_opened(), MANY + 1);
	close(fd);
}

/* ---- behind the mark ---- */

static void set_mark(int fd, uint64_t mark)
{
	unsigned char p[16];

	put_u64(p, mark);
	put_u64(p + 8, ~mark);
	put_at(fd, p, 16, MARK_AT);
}

static uint64_t mark_of(int fd)
{
	unsigned char p[8];

	get_at(fd, p, 8, MARK_AT);
	return get_u64(p);
}

/* A whole frame that would follow, but stands further on: bytes that
 * attackers chose are never taken for a frame. */
static void nobody_searches_for_frames(void **state)
{
	static const unsigned char zero[4096];
	unsigned char frame[4096];
	uint64_t before, end;
	int fd;

	(void)state;
	fill(2);
	fd = account_file("g.1");
	before = mark_of(fd);
	fill(3);
	end = mark_of(fd);
	get_at(fd, frame, end - before, before);
	for (uint64_t ahead = 8; ahead < 2048; ahead += ahead) {
		put_at(fd, zero, 4096, before);
		put_at(fd, "torn", 4, before);
		put_at(fd, frame, end - before, before + ahead);
		set_mark(fd, before);
		assert_int_equal(count_opened(), 2);
		fill(3);
		assert_int_equal(count_opened(), 3);
	}
	close(fd);
}

/* What a snapshot has was durable, whatever the mark says after a crash: who
 * reads the log instead must not lose it again. */
static void a_mark_before_the_snapshot_is_mended(void **state)
{
	static const char nothing[4096];
	uint64_t before, end;
	struct box *b;
	int fd;

	(void)state;
	fill(2);
	fd = account_file("g.1");
	before = mark_of(fd);
	fill(3);
	end = mark_of(fd);
	b = opened_box();
	assert_int_equal(snapshot_take(b, false), STORE_OK);
	box_close(&b);
	put_at(fd, nothing, sizeof(nothing), end); /* the announcement */
	set_mark(fd, before);
	b = opened_box();
	assert_int_equal(b->state.base, 1);
	assert_int_equal(box_find_id(b, 1)->messages, 3);
	assert_int_equal(box_reload(b, true), STORE_OK);
	assert_int_equal(box_find_id(b, 1)->messages, 3);
	box_close(&b);
	close(fd);
}

/* ---- snapshots ---- */

static uint64_t spoil_at; /* the octet of a snapshot that is written wrong */
static bool spoilt;

static ssize_t spoiling_pwritev(int fd, const struct iovec *v, int n, off_t at)
{
	ssize_t done = pwritev(fd, v, n, at);
	char path[64], name[256];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	len = readlink(path, name, sizeof(name) - 1);
	name[len > 0 ? len : 0] = '\0';
	if (strstr(name, "/new.s.") != NULL && done > (ssize_t)spoil_at) {
		flip(fd, spoil_at);
		spoilt = true;
	}
	return done;
}

static void a_spoilt_snapshot_is_not_announced(void **state)
{
	struct box *b;

	(void)state;
	fill(20);
	b = opened_box();
	test_io.pwritev = spoiling_pwritev;
	for (spoil_at = 0; spoil_at < 2000; spoil_at += 97) {
		enum store_result r = snapshot_take(b, false);

		assert_int_not_equal(r, STORE_OK);
		assert_int_equal(b->state.snapshot.number, 0);
	}
	assert_true(spoilt);
	test_io.pwritev = pwritev;
	assert_int_equal(count_opened(), 20);
	assert_int_equal(box_refresh(b), STORE_OK);
	assert_int_equal(snapshot_take(b, false), STORE_OK);
	assert_int_not_equal(b->state.snapshot.number, 0);
	box_close(&b);
	assert_int_equal(count_opened(), 20);
}

static void a_snapshot_number_is_used_once(void **state)
{
	struct iovec part = {(char[]){"first"}, 5};
	struct engine_box *b;
	char got[5];

	(void)state;
	fill(1);
	engine_box_open(store_engine(store), ACCOUNT, &b);
	assert_int_equal(engine_box_prepare(b), ENGINE_OK);
	assert_int_equal(engine_snapshot_put(b, 7, &part, 1), ENGINE_OK);
	part.iov_base = (char[]){"other"};
	assert_int_equal(engine_snapshot_put(b, 7, &part, 1), ENGINE_REFUSED);
	assert_int_equal(engine_snapshot_get(b, 7, 0, got, 5), ENGINE_OK);
	assert_memory_equal(got, "first", 5);
	engine_box_close(&b);
}

static struct box *faster; /* announces one before another is announced */

static int overtaken_lock(int fd, off_t byte, bool on)
{
	struct box *b = faster;

	faster = NULL;
	if (b != NULL)
		assert_int_equal(snapshot_take(b, false), STORE_OK);
	return engine_io_system.lock(fd, byte, on);
}

/* Who was overtaken does not announce: what it points into may be gone. */
static void snapshots_are_announced_in_turn(void **state)
{
	struct box *slow, *fast;
	uint64_t number;

	(void)state;
	fill(10);
	slow = opened_box();
	fast = opened_box();
	assert_int_equal(snapshot_take(slow, false), STORE_OK);
	fill(12);
	faster = fast;
	test_io.lock = overtaken_lock;
	assert_int_equal(snapshot_take(slow, false), STORE_OK);
	test_io.lock = engine_io_system.lock;
	assert_null(faster);
	number = fast->state.snapshot.number;
	assert_true(number > 1);
	assert_int_equal(box_refresh(fast), STORE_OK);
	assert_int_equal(fast->state.snapshot.number, number);
	assert_int_equal(box_refresh(slow), STORE_OK);
	assert_int_equal(slow->state.snapshot.number, number);
	/* The announced one is the one that was taken first. */
	fill(13);
	assert_int_equal(snapshot_take(fast, false), STORE_OK);
	assert_true(fast->state.snapshot.number > number);
	box_close(&slow);
	box_close(&fast);
	assert_int_equal(count_opened(), 13);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(newer_headers_are_refused),
	    T(newer_frames_are_refused),
	    T(unknown_records_are_skipped),
	    T(newer_snapshots_are_left_alone),
	    T(a_flipped_header_is_said),
	    T(flips_in_every_file),
	    T(flips_in_records_of_many),
	    T(nobody_searches_for_frames),
	    T(a_mark_before_the_snapshot_is_mended),
	    T(a_spoilt_snapshot_is_not_announced),
	    T(a_snapshot_number_is_used_once),
	    T(snapshots_are_announced_in_turn),
	};

	return RUN_TESTS(tests);
}
