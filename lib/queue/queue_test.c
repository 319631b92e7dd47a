/* SPDX-License-Identifier: ISC */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "core/buf.h"
#include "core/checksum.h"
#include "core/clock.h"
#include "core/file.h"
#include "queue/layout.h"
#include "queue/queue_file.h"

static char spool_path[] = "/tmp/queue_testXXXXXX";
static int spool;

static const struct str header = STR_INIT("Subject: test\r\n\r\n");

static int make_spool(void **state)
{
	(void)state;
	if (mkdtemp(spool_path) == NULL)
		return -1;
	spool = open(spool_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return spool < 0 ? -1 : queue_make_spool(spool, 0700);
}

/* Every test has cleaned up behind itself: only empty directories are left,
 * or this fails. */
static int remove_spool(void **state)
{
	static const char a[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	char path[16];
	int failed = 0;

	(void)state;
	for (size_t i = 0; i < 1024; i++) {
		snprintf(
		    path, sizeof(path), "queue/%c%c", a[i / 32], a[i % 32]);
		failed |= unlinkat(spool, path, AT_REMOVEDIR);
	}
	failed |= unlinkat(spool, "queue", AT_REMOVEDIR);
	failed |= unlinkat(spool, "new", AT_REMOVEDIR);
	failed |= unlinkat(spool, "corrupt", AT_REMOVEDIR);
	close(spool);
	return failed | rmdir(spool_path);
}

static struct queue_recipient one[] = {
    {STR_INIT("bob@example.org"), STR_INIT("rfc822;Bob@example.org"),
	QUEUE_NOTIFY_FAILURE | QUEUE_NOTIFY_DELAY, true},
};

static struct queue_envelope plain(void)
{
	return (struct queue_envelope){.session = id_new(),
	    .sender = STR_INIT("alice@example.net"),
	    .forward_sender = STR_INIT("SRS0=x=y=example.net=alice@fwd.test"),
	    .envid = STR_INIT("QQ314159"),
	    .ret = STR_INIT("HDRS"),
	    .body = STR_INIT("8BITMIME"),
	    .smtputf8 = true,
	    .junk = true,
	    .origin = STR_INIT("mx"),
	    .client = STR_INIT("mx.example.net[192.0.2.1]"),
	    .login = STR_EMPTY,
	    .message_id = STR_INIT("<1@example.net>"),
	    .recipient_count = 1,
	    .recipients = one};
}

static void remove_queued(const struct id *id)
{
	char path[QUEUE_PATH_MAX];

	queue_path(id, path);
	assert_int_equal(unlinkat(spool, path, 0), 0);
}

/* Commits a message of body_len octets; returns the descriptor. */
static int commit(struct queue_envelope *e, size_t body_len)
{
	struct queue_writer *w = queue_create(spool);
	int fd = -1;
	char piece[1000];

	assert_non_null(w);
	memset(piece, 'x', sizeof(piece));
	for (size_t at = 0; at < body_len; at += sizeof(piece)) {
		size_t n = body_len - at;

		assert_int_equal(queue_add_body(w, piece,
				     n < sizeof(piece) ? n : sizeof(piece)),
		    0);
	}
	assert_int_equal(queue_body_len(w), body_len);
	assert_int_equal(queue_commit(&w, header, e, &fd), QUEUE_COMMITTED);
	assert_null(w);
	return fd;
}

static void check_text(struct str got, struct str want)
{
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.p, want.p, want.len);
}

static void reads_back(void **state)
{
	static const size_t sizes[] = {0, 1, 4096, 65535, 65536, 65537, 300000};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct queue_envelope e = plain(), back = {0};
		struct arena arena = arena_new(1 << 20);
		struct queue_file f;
		const char *why = "";
		char text[32];
		int fd = commit(&e, sizes[i]);

		if (queue_read(fd, &f, &why) < 0 ||
		    queue_verify(&f, &why) < 0 ||
		    queue_read_envelope(&f, &arena, &back, &why) < 0) {
			fail_msg("%s", why);
			return;
		}
		assert_int_equal(f.body.length, sizes[i]);
		assert_int_equal(f.header.length, header.len);
		assert_int_equal(
		    file_pread_full(fd, text, header.len, f.header.offset), 0);
		assert_memory_equal(text, header.p, header.len);
		check_text(back.sender, e.sender);
		check_text(back.envid, e.envid);
		check_text(back.forward_sender, e.forward_sender);
		check_text(back.ret, e.ret);
		check_text(back.body, e.body);
		check_text(back.origin, e.origin);
		check_text(back.client, e.client);
		check_text(back.login, e.login);
		check_text(back.message_id, e.message_id);
		check_text(id_str(&back.session), id_str(&e.session));
		check_text(id_str(&back.id), id_str(&e.id));
		assert_true(back.smtputf8);
		assert_true(back.junk);
		assert_int_equal(back.arrived_us, e.arrived_us);
		assert_true(e.arrived_us > 0);
		assert_int_equal(back.recipient_count, 1);
		check_text(back.recipients[0].address, one[0].address);
		check_text(back.recipients[0].original, one[0].original);
		assert_int_equal(back.recipients[0].notify, one[0].notify);
		assert_true(back.recipients[0].forwarded);
		arena_free(&arena);
		remove_queued(&e.id);
		close(fd);
	}
}

static void holds_many_recipients(void **state)
{
	enum { COUNT = 5000 };
	struct queue_recipient *to = calloc(COUNT, sizeof(*to));
	struct queue_slot *slots = calloc(COUNT, sizeof(*slots));
	struct arena arena = arena_new(4 << 20);
	struct queue_envelope e = plain(), back = {0};
	struct queue_file f;
	const char *why = "";
	char names[COUNT][32];

	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		snprintf(names[i], sizeof(names[i]), "user%zu@example.org", i);
		to[i] = (struct queue_recipient){str_from(names[i]), STR_EMPTY,
		    (uint8_t)(i & 15), i % 3 == 0};
	}
	e.recipients = to;
	e.recipient_count = COUNT;
	int fd = commit(&e, 2000);
	if (queue_read(fd, &f, &why) < 0 || queue_verify(&f, &why) < 0 ||
	    queue_read_envelope(&f, &arena, &back, &why) < 0) {
		fail_msg("%s", why);
		return;
	}
	assert_int_equal(f.recipient_count, COUNT);
	assert_int_equal(f.slots_offset % QUEUE_SLOT, 0);
	assert_int_equal(queue_read_slots(&f, slots), 0);
	for (size_t i = 0; i < COUNT; i++) {
		check_text(back.recipients[i].address, to[i].address);
		assert_int_equal(slots[i].notify, i & 15);
		assert_int_equal(slots[i].state, QUEUE_PENDING);
		assert_int_equal(slots[i].damaged, 0);
	}
	arena_free(&arena);
	remove_queued(&e.id);
	close(fd);
	free(slots);
	free(to);
}

static void slots_are_overwritten_in_place(void **state)
{
	static const size_t counts[] = {1, 60, 61};
	struct queue_recipient to[61];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(to); i++)
		to[i] = one[0];
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		struct queue_envelope e = plain();
		struct queue_slot slots[61];
		struct queue_file f;
		const char *why = "";

		e.recipients = to;
		e.recipient_count = counts[i];
		int fd = commit(&e, 100);
		assert_int_equal(queue_read(fd, &f, &why), 0);
		for (size_t n = 0; n < counts[i]; n++) {
			struct queue_slot slot = {.state = QUEUE_FAILED,
			    .hold = 1,
			    .notify = 4,
			    .notified = 8,
			    .attempts = (uint32_t)n,
			    .next = 1ull << 40,
			    .last = n,
			    .code = 550,
			    .dsn = "5.123.123",
			    .round = 3};
			assert_int_equal(queue_write_slot(&f, n, &slot), 0);
		}
		struct queue_slot none = {0};
		assert_int_equal(queue_write_slot(&f, counts[i], &none), -1);
		assert_int_equal(queue_read_slot(&f, counts[i], &none), -1);
		assert_int_equal(queue_read_slots(&f, slots), 0);
		for (size_t n = 0; n < counts[i]; n++) {
			assert_int_equal(slots[n].attempts, n);
			assert_int_equal(slots[n].state, QUEUE_FAILED);
			assert_int_equal(slots[n].next, 1ull << 40);
			assert_int_equal(slots[n].code, 550);
			assert_int_equal(slots[n].round, 3);
			assert_string_equal(slots[n].dsn, "5.123.123");
		}
		/* The message is untouched. */
		assert_int_equal(queue_verify(&f, &why), 0);
		assert_int_equal(queue_read(fd, &f, &why), 0);
		remove_queued(&e.id);
		close(fd);
	}
}

/* One way to read a file to its end; NULL when all is well. */
static const char *read_all(int fd)
{
	struct arena arena = arena_new(1 << 20);
	struct queue_envelope e;
	struct queue_slot slots[61] = {{0}};
	struct queue_file f;
	const char *why = NULL;

	if (queue_read(fd, &f, &why) == 0 && f.recipient_count <= 61 &&
	    queue_read_envelope(&f, &arena, &e, &why) == 0 &&
	    queue_verify(&f, &why) == 0) {
		why = queue_read_slots(&f, slots) < 0 ? "no slots" : NULL;
		for (size_t i = 0; why == NULL && i < f.recipient_count; i++)
			if (slots[i].damaged)
				why = "damaged slot";
	}
	arena_free(&arena);
	return why;
}

static void sees_every_flipped_bit(void **state)
{
	struct queue_envelope e = plain();
	int fd = commit(&e, 700);
	off_t size = lseek(fd, 0, SEEK_END);

	(void)state;
	assert_null(read_all(fd));
	for (off_t at = 0; at < size; at++) {
		unsigned char c, flipped;

		/* Room for the slots of recipients that are not there. */
		if (at >= QUEUE_FIXED + QUEUE_SLOT && at < QUEUE_PREAMBLE)
			continue;
		assert_int_equal(pread(fd, &c, 1, at), 1);
		for (unsigned bit = 0; bit < 8; bit++) {
			flipped = (unsigned char)(c ^ 1u << bit);
			assert_int_equal(pwrite(fd, &flipped, 1, at), 1);
			if (read_all(fd) == NULL)
				fail_msg("bit %u of octet %ld", bit, (long)at);
		}
		assert_int_equal(pwrite(fd, &c, 1, at), 1);
	}
	assert_null(read_all(fd));
	remove_queued(&e.id);
	close(fd);
}

static void sees_every_truncation(void **state)
{
	struct queue_recipient to[61];
	struct queue_envelope e = plain();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(to); i++)
		to[i] = one[0];
	e.recipients = to;
	e.recipient_count = ARRAY_LEN(to);
	int fd = commit(&e, 500);
	off_t size = lseek(fd, 0, SEEK_END);
	assert_null(read_all(fd));
	while (size-- > 0) {
		assert_int_equal(ftruncate(fd, size), 0);
		if (read_all(fd) == NULL)
			fail_msg("cut to %ld octets", (long)size);
	}
	remove_queued(&e.id);
	close(fd);
}

static void refuses_what_it_does_not_know(void **state)
{
	static const struct {
		size_t at;
		unsigned char value;
		const char *want;
	} rows[] = {
	    {0, 'X', "bad magic"},
	    {8, 2, "unknown version of the queue file format"},
	    {10, 1, "unknown flags in the preamble"},
	    {12, 0, "bad number of recipients"},
	    {14, 200, "bad number of recipients"},
	    {16, 'U', "bad id"},
	    {48, 16, "header out of place"}, /* body grows over it */
	    {54, 1, "body out of place"},
	    {62, 1, "body out of place"},
	    {73, 0, "header out of place"},
	    {96 + 9, 255, "envelope out of place"},
	    {120, 64, "slots out of place"},
	    {128, 128, "slots out of place"},
	};
	struct queue_envelope e = plain();
	int fd = commit(&e, 600);
	unsigned char good[QUEUE_FIXED];
	uint64_t size = (uint64_t)lseek(fd, 0, SEEK_END);

	(void)state;
	assert_int_equal(pread(fd, good, sizeof(good), 0), sizeof(good));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned char bad[QUEUE_FIXED];
		struct queue_preamble p;
		const char *why = "accepted";
		uint32_t crc;

		memcpy(bad, good, sizeof(bad));
		bad[rows[i].at] = rows[i].value;
		/* With the right checksum, so that the check behind it is
		 * what speaks. */
		crc = crc32c(0, bad, QUEUE_FIXED - 4);
		for (unsigned n = 0; n < 4; n++)
			bad[QUEUE_FIXED - 4 + n] = (unsigned char)(crc >>
			    (8 * n));
		queue_preamble_decode(bad, size, &p, &why);
		assert_string_equal(why, rows[i].want);
	}
	remove_queued(&e.id);
	close(fd);
}

static void later_envelopes(void **state)
{
	static const struct {
		const char *record;
		size_t len;
		const char *want;
	} rows[] = {
	    {"z\3\0\0\0abc", 8, "ok"},
	    {"Z\3\0\0\0abc", 8, "envelope of a later version"},
	    {"\xff\0\0\0\0", 5, "envelope of a later version"},
	    {"z\4\0\0\0abc", 8, "envelope is cut off"},
	    {"z\377\377\377\377abc", 8, "envelope is cut off"},
	    {"z\0\0", 3, "envelope is cut off"},
	    {"R\1\0\0\0a", 6, "wrong number of recipients in the envelope"},
	    {"V\1\0\0\0\2", 6, "bad value in the envelope"},
	    {"I\2\0\0\0ab", 7, "bad value in the envelope"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct queue_envelope e = plain(), back = {0};
		struct arena arena = arena_new(65536);
		struct buf b = buf_new(65536);
		const char *why = "";

		e.id = id_new();
		assert_int_equal(queue_envelope_encode(&e, &b), 0);
		buf_add_bytes(&b, rows[i].record, rows[i].len);
		if (queue_envelope_decode(
			buf_str(&b), 1, &arena, &back, &why) == 0)
			why = "ok";
		assert_string_equal(why, rows[i].want);
		buf_free(&b);
		arena_free(&arena);
	}
}

static void counts_are_no_lever(void **state)
{
	struct arena arena = arena_new(SIZE_MAX);
	struct queue_envelope e;
	const char *why = "";

	(void)state;
	assert_int_equal(queue_envelope_decode(STR("R\1\0\0\0a"),
			     QUEUE_RECIPIENTS_MAX, &arena, &e, &why),
	    -1);
	assert_int_equal(arena.used, 0);
	arena_free(&arena);
}

static int count_entries(const char *below)
{
	char path[64];
	int n = 0;

	snprintf(path, sizeof(path), "%s/%s", spool_path, below);
	DIR *dir = opendir(path);
	if (dir == NULL)
		return -1;
	for (struct dirent *d; (d = readdir(dir)) != NULL;)
		n += d->d_name[0] != '.';
	closedir(dir);
	return n;
}

static void a_full_disk_leaves_nothing(void **state)
{
	static const size_t limits[] = {0, 4096, 70000, 150000};
	struct rlimit before, less;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		struct queue_envelope e = plain();
		struct queue_writer *w = queue_create(spool);
		char piece[1000] = {0};
		int fd = 7;

		less = (struct rlimit){limits[i], before.rlim_max};
		setrlimit(RLIMIT_FSIZE, &less);
		for (size_t n = 0; n < 160; n++)
			queue_add_body(w, piece, sizeof(piece));
		errno = 0;
		enum queue_commit result = queue_commit(&w, header, &e, &fd);
		int saved = errno;
		setrlimit(RLIMIT_FSIZE, &before);
		assert_int_equal(result, QUEUE_FAILED_COMMIT);
		assert_int_equal(saved, EFBIG);
		assert_int_equal(fd, -1);
		assert_null(w);
		assert_int_equal(count_entries("new"), 0);
	}
}

static void a_name_is_taken_once(void **state)
{
	struct queue_envelope first = plain(), second = plain();
	struct queue_writer *w = queue_create(spool);
	struct queue_file f;
	const char *why = "";
	int fd = -1;

	(void)state;
	first.id = id_new();
	second.id = first.id;
	second.sender = STR("mallory@example.net");
	assert_int_equal(
	    queue_commit(&w, header, &first, &fd), QUEUE_COMMITTED);
	close(fd);
	w = queue_create(spool);
	assert_int_equal(queue_commit(&w, header, &second, &fd), QUEUE_EXISTS);
	assert_int_equal(fd, -1);
	assert_null(w);
	assert_int_equal(count_entries("new"), 0);
	char path[QUEUE_PATH_MAX];
	queue_path(&first.id, path);
	fd = openat(spool, path, O_RDONLY);
	struct arena arena = arena_new(65536);
	struct queue_envelope back = {0};
	assert_int_equal(queue_read(fd, &f, &why), 0);
	assert_int_equal(queue_read_envelope(&f, &arena, &back, &why), 0);
	check_text(back.sender, first.sender);
	arena_free(&arena);
	close(fd);
	remove_queued(&first.id);
}

static int collect(const struct id *id, void *arg)
{
	struct buf *seen = arg;

	buf_add(seen, id_str(id));
	return seen->len >= 3 * ID_LEN ? 42 : 0;
}

static void walks_and_sets_aside(void **state)
{
	struct queue_envelope e[3] = {plain(), plain(), plain()};
	struct buf seen = buf_new(1000);
	char path[QUEUE_PATH_MAX + 8];

	(void)state;
	for (size_t i = 0; i < 3; i++)
		close(commit(&e[i], 10));
	/* Names that are no ids, or stand where they do not belong. */
	queue_path(&e[0].id, path);
	path[sizeof("queue/XX/") - 1] = '\0';
	snprintf(path + strlen(path), 8, "x.tmp");
	close(openat(spool, path, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(queue_walk(spool, collect, &seen), 42);
	assert_int_equal(seen.len, 3 * ID_LEN);
	unlinkat(spool, path, 0);
	char misplaced[QUEUE_PATH_MAX];
	snprintf(misplaced, sizeof(misplaced), "queue/%s/%s",
	    e[0].id.text[ID_LEN - 1] == '0' ? "01" : "00", e[0].id.text);
	close(openat(spool, misplaced, O_CREAT | O_WRONLY, 0600));

	assert_int_equal(queue_set_aside(spool, &e[0].id, "bad magic"), 0);
	assert_int_equal(count_entries("corrupt"), 2);
	/* Again under the same id: both are kept. */
	e[0].session = id_new();
	close(commit(&e[0], 10));
	assert_int_equal(queue_set_aside(spool, &e[0].id, "bad id"), 0);
	assert_int_equal(count_entries("corrupt"), 4);
	buf_clear(&seen);
	assert_int_equal(queue_walk(spool, collect, &seen), 0);
	assert_int_equal(seen.len, 2 * ID_LEN);
	unlinkat(spool, misplaced, 0);

	struct buf reason = buf_new(1000);
	snprintf(path, sizeof(path), "corrupt/%s.reason", e[0].id.text);
	assert_int_equal(file_read_at(spool, path, &reason), 0);
	assert_string_equal(buf_text(&reason), "bad magic\n");
	unlinkat(spool, path, 0);
	snprintf(path, sizeof(path), "corrupt/%s.1.reason", e[0].id.text);
	unlinkat(spool, path, 0);
	snprintf(path, sizeof(path), "corrupt/%s.1", e[0].id.text);
	unlinkat(spool, path, 0);
	snprintf(path, sizeof(path), "corrupt/%s", e[0].id.text);
	unlinkat(spool, path, 0);
	assert_int_equal(count_entries("corrupt"), 0);
	assert_int_equal(queue_set_aside(spool, &e[0].id, "gone"), -1);
	remove_queued(&e[1].id);
	remove_queued(&e[2].id);
	buf_free(&reason);
	buf_free(&seen);
}

static void sweeps_only_what_is_old(void **state)
{
	struct queue_writer *w = queue_create(spool);
	char path[64];

	(void)state;
	assert_int_equal(queue_sweep_new(spool, 60), 0);
	assert_int_equal(count_entries("new"), 1);
	snprintf(path, sizeof(path), "new/%s", queue_writer_id(w)->text);
	struct timespec old[2] = {{.tv_sec = clock_seconds() - 100},
	    {.tv_sec = clock_seconds() - 100}};
	assert_int_equal(utimensat(spool, path, old, 0), 0);
	assert_int_equal(queue_sweep_new(spool, 60), 0);
	assert_int_equal(count_entries("new"), 0);
	queue_abort(&w);
	assert_null(w);
}

static void keeps_directories(void **state)
{
	(void)state;
	struct buf used = buf_new(10000);

	queue_keep_dirs(spool);
	for (int i = 0; i < 1000; i++) {
		struct queue_envelope e = plain();
		int fd = commit(&e, 10);
		const char *name = e.id.text + ID_LEN - 2;

		if (strstr(buf_text(&used), name) == NULL)
			buf_printf(&used, "%s ", name);
		remove_queued(&e.id);
		close(fd);
	}
	/* Few directories, but not one: all 64 with overwhelming odds. */
	assert_true(used.len > 3 * 40 && used.len <= 3 * 64);
	buf_free(&used);
	/* A given id goes to its own directory all the same. */
	for (int i = 0; i < 100; i++) {
		struct queue_envelope e = plain();

		e.id = id_new();
		int fd = commit(&e, 10);
		remove_queued(&e.id);
		close(fd);
	}
	queue_forget_dirs();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_back),
	    cmocka_unit_test(holds_many_recipients),
	    cmocka_unit_test(slots_are_overwritten_in_place),
	    cmocka_unit_test(sees_every_flipped_bit),
	    cmocka_unit_test(sees_every_truncation),
	    cmocka_unit_test(refuses_what_it_does_not_know),
	    cmocka_unit_test(later_envelopes),
	    cmocka_unit_test(counts_are_no_lever),
	    cmocka_unit_test(a_full_disk_leaves_nothing),
	    cmocka_unit_test(a_name_is_taken_once),
	    cmocka_unit_test(walks_and_sets_aside),
	    cmocka_unit_test(sweeps_only_what_is_old),
	    cmocka_unit_test(keeps_directories),
	};

	return cmocka_run_group_tests_name(
	    "queue", tests, make_spool, remove_spool);
}
