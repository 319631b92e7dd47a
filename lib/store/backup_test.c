/* SPDX-License-Identifier: ISC */
/*
 * Copies of a box in another store: what they say is what the box said at one
 * position, while it is written and whatever interrupts the copying.
 */
#include "store/testing_steps.h"

#include <signal.h>
#include <sys/wait.h>

static char copies_root[80];
static struct store *copies;
static struct engine_io copies_io;
static struct backup_result done;

/* ---- calls after which the copying process is no more ---- */

static unsigned calls_left; /* 0: no end to them */

static void call(void)
{
	if (calls_left != 0 && --calls_left == 0)
		_exit(7);
}

static int call_open(int dir, const char *path, int flags, mode_t mode)
{
	call();
	return openat(dir, path, flags, mode);
}

static int call_mkdir(int dir, const char *path, mode_t mode)
{
	call();
	return mkdirat(dir, path, mode);
}

static int call_link(int dir, const char *from, const char *to)
{
	call();
	return linkat(dir, from, dir, to, 0);
}

static int call_unlink(int dir, const char *path)
{
	call();
	return unlinkat(dir, path, 0);
}

static ssize_t call_pwritev(int fd, const struct iovec *v, int n, off_t at)
{
	call();
	return pwritev(fd, v, n, at);
}

static int call_sync(int fd)
{
	(void)fd;
	call();
	return 0;
}

static int setup_copies(void **state)
{
	const char *why;

	setup_fast(state);
	snprintf(copies_root, sizeof(copies_root), "%s/copies", root);
	assert_int_equal(mkdir(copies_root, 0700), 0);
	copies_io = engine_io_system;
	copies_io.open = call_open;
	copies_io.mkdir = call_mkdir;
	copies_io.link = call_link;
	copies_io.unlink = call_unlink;
	copies_io.pwritev = call_pwritev;
	copies_io.fsync = copies_io.fdatasync = call_sync;
	copies = store_open_with(
	    assert_engine(engine_file_open(copies_root, &copies_io, &why)),
	    NULL);
	return 0;
}

static int teardown_copies(void **state)
{
	store_close(&copies);
	return teardown(state);
}

/* ---- comparing ---- */

static void copy(void)
{
	enum store_result r = store_backup(store, copies, ACCOUNT, &done);

	if (r != STORE_OK)
		fail_msg("backup: %s: %s", store_result_name(r), done.why);
}

static void dump_and_close(struct box *b, struct buf *out)
{
	*out = buf_new(64 << 20);
	dump_box(b, out);
	box_close(&b);
}

static void copy_is_healthy(void)
{
	enum store_result r;

	found_count = 0;
	r = box_check(copies, ACCOUNT, true, keep, NULL, &checked);
	if (r != STORE_OK || found_count > 0) {
		print_findings();
		fail_msg("check of the copy: %s: %s", store_result_name(r),
		    checked.why);
	}
}

/* What the copy says is what the box said when it had this position. */
static void copy_is_right(void)
{
	struct buf a, b;
	struct box *box;
	enum store_result r = box_open_at(store, ACCOUNT, 0, done.modseq, &box);

	if (r != STORE_OK)
		fail_msg("the box at %llu: %s", (unsigned long long)done.modseq,
		    store_result_name(r));
	dump_and_close(box, &a);
	assert_int_equal(
	    box_open(copies, ACCOUNT, DEADLINE_NEVER, &box), STORE_OK);
	assert_int_equal(box->state.pos.modseq, done.modseq);
	dump_and_close(box, &b);
	if (a.len != b.len || memcmp(a.p, b.p, a.len) != 0)
		fail_msg(
		    "the box:\n%s\nthe copy:\n%s", buf_text(&a), buf_text(&b));
	buf_free(&a);
	buf_free(&b);
	copy_is_healthy();
}

static uint64_t modseq_now(void)
{
	struct box *b = opened_box();
	uint64_t modseq = b->state.pos.modseq;

	box_close(&b);
	return modseq;
}

/* ---- tests ---- */

static void an_account_without_mail(void **state)
{
	(void)state;
	copy();
	assert_int_equal(done.modseq, 0);
	assert_int_equal(done.written, 0);
}

static void a_copy_is_the_box(void **state)
{
	uint64_t first = 0;
	struct box *b;

	(void)state;
	begin_chance(20011);
	with_upkeep = true;
	for (unsigned round = 0; round < rounds(8, 100); round++) {
		random_box(30);
		copy();
		assert_int_equal(done.modseq, modseq_now());
		copy_is_right();
		if (round == 0)
			first = done.written;
	}
	/* Nothing new is nothing written, a little is little. */
	copy();
	assert_int_equal(done.written, 0);
	b = opened_box();
	assert_int_equal(deliver_id(b, "one more"), STORE_OK);
	box_close(&b);
	copy();
	assert_true(done.written > 0);
	assert_true(done.written < 4096);
	assert_true(done.written < first);
	copy_is_right();
}

/* The copy is a store of its own. */
static void a_copy_takes_mail(void **state)
{
	struct box *b;

	(void)state;
	random_box(30);
	copy();
	assert_int_equal(
	    box_open(copies, ACCOUNT, DEADLINE_NEVER, &b), STORE_OK);
	assert_int_equal(deliver_id(b, "to the copy"), STORE_OK);
	box_close(&b);
	copy_is_healthy();
}

static void another_life(void **state)
{
	(void)state;
	begin_chance(77);
	random_box(30);
	copy();
	assert_int_equal(store_remove_account(store, ACCOUNT), STORE_OK);
	/* No mail: the last copy stays. */
	copy();
	assert_int_equal(done.modseq, 0);
	copy_is_healthy();
	random_box(10);
	copy();
	assert_int_equal(done.modseq, modseq_now());
	copy_is_right();
}

static void a_damaged_box_is_not_copied(void **state)
{
	enum store_result r;
	struct box *b;
	int fd;

	(void)state;
	b = opened_box();
	assert_int_equal(deliver_id(b, "1"), STORE_OK);
	assert_int_equal(deliver_id(b, "2"), STORE_OK);
	fd = openat(box_directory(b), "g.1", O_RDWR | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "damage", 6, FRAMES_AT + 40), 6);
	close(fd);
	box_close(&b);
	r = store_backup(store, copies, ACCOUNT, &done);
	assert_int_equal(r, STORE_CORRUPT);
	assert_non_null(strstr(done.why, "frame"));
}

/* ---- while mail arrives ---- */

static void use_it(unsigned seconds)
{
	int64_t end = clock_ms() + 1000 * (int64_t)seconds;
	struct box *b;

	if (open_box(&b) != STORE_OK)
		_exit(1);
	while (clock_ms() < end)
		step(b);
	_exit(0);
}

static void while_it_is_used(void **state)
{
	enum store_result r = STORE_OK;
	unsigned count = 0;
	pid_t pid;
	int status;

	(void)state;
	begin_chance(4);
	with_upkeep = false;
	random_box(20);
	pid = fork();
	if (pid == 0)
		use_it(rounds(2, 20));
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (r == STORE_OK)
			r = store_backup(store, copies, ACCOUNT, &done);
		else
			kill(pid, SIGKILL);
		count++;
	}
	if (r != STORE_OK)
		fail_msg("backup: %s: %s", store_result_name(r), done.why);
	assert_int_equal(status, 0);
	assert_true(count > 3);
	copy_is_right();
	copy();
	assert_int_equal(done.modseq, modseq_now());
	copy_is_right();
}

/* With upkeep, which takes away what is being copied. */
static void while_it_is_looked_after(void **state)
{
	enum store_result r = STORE_OK;
	pid_t pid;
	int status;

	(void)state;
	begin_chance(5);
	with_upkeep = true;
	random_box(60);
	pid = fork();
	if (pid == 0)
		use_it(rounds(2, 20));
	clock_now(); /* by which files have their ages */
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (r != STORE_OK && r != STORE_BUSY) {
			kill(pid, SIGKILL);
			continue;
		}
		found_count = 0;
		r = store_backup(store, copies, ACCOUNT, &done);
		if (r == STORE_OK)
			r = box_check(
			    copies, ACCOUNT, true, keep, NULL, &checked);
		if (found_count > 0)
			r = STORE_CORRUPT;
	}
	if (r != STORE_OK && r != STORE_BUSY) {
		print_findings();
		fail_msg("%s: %s", store_result_name(r), done.why);
	}
	assert_int_equal(status, 0);
	copy();
	copy_is_right();
}

/* ---- interrupted ---- */

/* A process that copies, until its how manieth call. Whether it came so
 * far. */
static bool copy_until(unsigned calls)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		calls_left = calls;
		_exit(store_backup(store, copies, ACCOUNT, &done) == STORE_OK
			? 0
			: 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_not_equal(WEXITSTATUS(status), 1);
	return WEXITSTATUS(status) == 7;
}

/* Whether the box itself still has it. */
static bool is_live(const struct store_finding *f)
{
	struct box *b = opened_box();
	struct view *v;
	bool live = false;

	if (f->uid != 0 && view_open(b, f->mailbox, &v) == STORE_OK) {
		live = view_seq(v, f->uid) != 0;
		view_close(&v);
	}
	box_close(&b);
	return live;
}

/* A copy that is not done grows before anything is taken from it: the log is
 * there before the snapshots that it announces, and erased bytes stay while
 * the log says already that they are gone. And it lacks what was erased since
 * a generation that it does not have yet: nothing that anybody has. */
static bool to_be_expected(const struct store_finding *f)
{
	return f->kind == FINDING_DERIVED || f->kind == FINDING_LEFTOVER ||
	    f->kind == FINDING_READABLE ||
	    strstr(f->text, "the log's beginning was dropped") != NULL ||
	    strstr(f->text, "the announced snapshot is missing") != NULL ||
	    (f->uid != 0 && !is_live(f));
}

/* However far it came, all that anybody still has is whole. */
static void whatever_is_there_is_whole(unsigned calls)
{
	enum store_result r;
	size_t kept = 0;

	found_count = 0;
	r = box_check(copies, ACCOUNT, true, keep, NULL, &checked);
	for (size_t i = 0; i < found_count; i++)
		if (!to_be_expected(&found[i]))
			found[kept++] = found[i];
	found_count = kept;
	if (r == STORE_OK && found_count == 0)
		return;
	print_findings();
	fail_msg(
	    "after call %u: %s: %s", calls, store_result_name(r), checked.why);
}

static void a_killed_copy(void **state)
{
	unsigned calls = 1;

	(void)state;
	begin_chance(3);
	with_upkeep = true;
	random_box(25);
	for (unsigned round = 0; round < 3; round++) {
		/* From nothing, then from the copy that is there. */
		while (copy_until(calls)) {
			whatever_is_there_is_whole(calls);
			calls += 1 + calls / 16;
			if (round == 0 && calls % 2 == 0)
				store_remove_account(copies, ACCOUNT);
		}
		copy();
		copy_is_right();
		random_box(25);
		calls = 1;
	}
}

int main(void)
{
#define COPIES(name)                                                           \
	cmocka_unit_test_setup_teardown(name, setup_copies, teardown_copies)
	const struct CMUnitTest tests[] = {
	    COPIES(an_account_without_mail),
	    COPIES(a_copy_is_the_box),
	    COPIES(a_copy_takes_mail),
	    COPIES(another_life),
	    COPIES(a_damaged_box_is_not_copied),
	    COPIES(while_it_is_used),
	    COPIES(while_it_is_looked_after),
	    COPIES(a_killed_copy),
	};

	return RUN_TESTS(tests);
}
