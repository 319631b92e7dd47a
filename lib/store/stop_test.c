/* SPDX-License-Identifier: ISC */
/*
 * A process is killed, or stopped and resumed, before each call by which it
 * changes something, or that call fails; in between others read and write.
 * What it did is there as a whole or not at all, once, and what others did
 * stays.
 */
#include "store/testing.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "core/memory.h"
#include "store/recovery.h"

#define MANY       130 /* their records stand in the body area */
#define POINTS_MAX 400

/* ---- points ---- */

/* Shared with the child: where it came to. */
struct progress {
	unsigned calls;
	char point[200]; /* the call that it stopped before */
};
static struct progress *progress;
static unsigned stop_at; /* the how manieth call; 0: none */
static int how;          /* SIGKILL, SIGSTOP; 0: it fails */
static int failure;      /* errno, when it fails */
static bool fails_whole; /* a write that fails has written everything */

/* Whether the call that comes shall fail. */
static bool point(const char *call, int fd, const char *path)
{
	char link[32], file[128];
	ssize_t len;

	if (stop_at == 0 || ++progress->calls != stop_at)
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, file, sizeof(file) - 1);
	file[len > 0 ? len : 0] = '\0';
	snprintf(progress->point, sizeof(progress->point), "%s %s %s", call,
	    file, path);
	if (how != 0)
		raise(how);
	errno = failure;
	return how == 0;
}

static int point_open(int dir, const char *path, int flags, mode_t mode)
{
	if (flags & O_CREAT && point("open", dir, path))
		return -1;
	return openat(dir, path, flags, mode);
}

static int point_mkdir(int dir, const char *path, mode_t mode)
{
	return point("mkdir", dir, path) ? -1 : mkdirat(dir, path, mode);
}

static int point_link(int dir, const char *from, const char *to)
{
	return point("link", dir, to) ? -1 : linkat(dir, from, dir, to, 0);
}

static int point_unlink(int dir, const char *path)
{
	return point("unlink", dir, path) ? -1 : unlinkat(dir, path, 0);
}

static int point_rename(int dir, const char *from, const char *to)
{
	return point("rename", dir, from) ? -1 : renameat(dir, from, dir, to);
}

static ssize_t point_pwritev(int fd, const struct iovec *v, int n, off_t at)
{
	char where[32];

	snprintf(where, sizeof(where), "at %lld", (long long)at);
	if (!point("pwritev", fd, where))
		return pwritev(fd, v, n, at);
	/* What a full disk does: some of it, then no more. */
	if (fails_whole && pwritev(fd, v, n, at) < 0)
		return -1;
	if (!fails_whole && pwrite(fd, v->iov_base, v->iov_len / 2, at) < 0)
		return -1;
	errno = failure;
	return -1;
}

/* kill(2) loses nothing that was written: no need to wait for a disk. */
static int point_sync(int fd)
{
	return point("sync", fd, "") ? -1 : 0;
}

static int point_truncate(int fd, off_t length)
{
	return point("truncate", fd, "") ? -1 : ftruncate(fd, length);
}

static int point_punch(int fd, off_t at, off_t len)
{
	return point("punch", fd, "") ? -1
				      : engine_io_system.punch(fd, at, len);
}

static int point_lock(int fd, off_t byte, bool on)
{
	int result;

	if (on && point("lock", fd, ""))
		return -1;
	result = engine_io_system.lock(fd, byte, on);
	if (!on)
		point("unlocked", fd, "");
	return result;
}

static int setup_points(void **state)
{
	static struct engine_io points;
	const char *why;

	(void)state;
	points = engine_io_system;
	points.open = point_open;
	points.mkdir = point_mkdir;
	points.link = point_link;
	points.unlink = point_unlink;
	points.rename = point_rename;
	points.pwritev = point_pwritev;
	points.fdatasync = points.fsync = point_sync;
	points.truncate = point_truncate;
	points.punch = point_punch;
	points.lock = point_lock;
	make_root();
	store = store_open_with(
	    assert_engine(engine_file_open(root, &points, &why)), NULL);
	engine_set_seal(store_engine(store), 4096, 1u << 20);
	store->segment_rows = 8;
	store->lock_wait_ms = 15;
	stop_at = 0;
	return 0;
}

/* ---- what is done at which the process stops ---- */

static void deliver_some(struct box *b, unsigned count)
{
	char id[32];

	for (unsigned i = 0; i < count; i++) {
		snprintf(id, sizeof(id), "before %u", i);
		assert_int_equal(deliver_id(b, id), STORE_OK);
	}
}

static void nothing(struct box *b)
{
	(void)b;
}

static void three(struct box *b)
{
	deliver_some(b, 3);
}

/* Until the next one seals. */
static void full(struct box *b)
{
	char id[32];

	for (unsigned i = 0; b->state.pos.length < 4096; i++) {
		snprintf(id, sizeof(id), "full %u", i);
		assert_int_equal(deliver_id(b, id), STORE_OK);
	}
}

static enum store_result deliver(struct box *b)
{
	return deliver_id(b, "the one");
}

static int delivered(struct box *b, uint64_t before)
{
	return box_find_id(b, 1)->messages == before + 1;
}

static enum store_result deliver_blob(struct box *b)
{
	char *large = mem_alloc(INLINE_MAX + 1);
	enum store_result r = deliver_text(b, "the one", large, INLINE_MAX + 1);

	free(large);
	return r;
}

/* One frame: a mailbox is made, and two have the message. */
static enum store_result deliver_twice(struct box *b)
{
	struct deliver_item items[2] = {{.mailbox = STR("INBOX")},
	    {.mailbox = STR("lists/new"), .create = true}};
	struct store_body *body = store_body_new(b);
	enum store_result r;

	store_body_add(body, "x", 1);
	r = box_deliver(b, STR("the one"), 0, body, 0, items, 2);
	store_body_free(&body);
	return r;
}

static int delivered_twice(struct box *b, uint64_t before)
{
	const struct mailbox_info *info = box_find(b, STR("lists/new"));
	bool there = delivered(b, before);

	assert_int_equal(info != NULL && info->messages == 1, there);
	assert_int_equal(box_find(b, STR("lists")) != NULL, there);
	return there;
}

static enum store_result append_many(struct box *b)
{
	struct append_item items[MANY] = {0};
	enum store_result r = STORE_OK;
	uint32_t uidvalidity;

	if (box_find(b, STR("Sent"))->messages > 0)
		return STORE_OK;
	for (size_t i = 0; i < MANY; i++) {
		items[i].body = store_body_new(b);
		store_body_add(items[i].body, "x", 1);
	}
	r = box_append(b, STR("Sent"), items, MANY, &uidvalidity);
	for (size_t i = 0; i < MANY; i++)
		store_body_free(&items[i].body);
	return r;
}

static int appended(struct box *b, uint64_t before)
{
	uint64_t count = box_find(b, STR("Sent"))->messages;

	assert_int_equal(box_find_id(b, 1)->messages, before);
	assert_true(count == 0 || count == MANY);
	return count == MANY;
}

static enum store_result move_all(struct box *b)
{
	uint32_t uids[64];
	struct uid_set set = {uids, 0};

	for (uint32_t i = 1; i <= 64; i++)
		uids[set.count++] = i;
	return box_copy(b, 1, set, STR("Trash"), true, NULL, NULL, NULL, NULL);
}

static int moved(struct box *b, uint64_t before)
{
	uint64_t here = box_find_id(b, 1)->messages;
	uint64_t there = box_find(b, STR("Trash"))->messages;

	assert_true(
	    (here == before && there == 0) || (here == 0 && there == before));
	return there > 0;
}

static enum store_result take_snapshot(struct box *b)
{
	return snapshot_take(b, false);
}

static enum store_result seal(struct box *b)
{
	return box_seal(b);
}

static int same(struct box *b, uint64_t before)
{
	assert_int_equal(box_find_id(b, 1)->messages, before);
	return 1;
}

static enum store_result remove_account(struct box *b)
{
	(void)b;
	return store_remove_account(store, ACCOUNT);
}

static int removed(struct box *b, uint64_t before)
{
	uint64_t count = box_find_id(b, 1)->messages;

	assert_true(count == 0 || count == before);
	return count == 0;
}

struct work {
	const char *name;
	void (*prepare)(struct box *b);
	enum store_result (*run)(struct box *b);
	/* There (1) or not (0); anything between fails. before: messages in
	 * INBOX. */
	int (*done)(struct box *b, uint64_t before);
	bool long_stops; /* only for torture: others wait at each point */
};

static const struct work works[] = {
    {"the first delivery", nothing, deliver, delivered, false},
    {"a delivery", three, deliver, delivered, false},
    {"a large delivery", three, deliver_blob, delivered, true},
    {"a delivery to two", three, deliver_twice, delivered_twice, true},
    {"a delivery that seals", full, deliver, delivered, false},
    {"many messages", three, append_many, appended, true},
    {"a move", three, move_all, moved, true},
    {"a snapshot", full, take_snapshot, same, false},
    {"a seal", three, seal, same, true},
    {"a removal", three, remove_account, removed, false},
};

/* ---- the child, and who comes meanwhile ---- */

static pid_t begin_child(const struct work *w)
{
	pid_t pid;

	progress->calls = 0;
	progress->point[0] = '\0';
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct box *b;
		enum store_result r = open_box(&b);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		store->lock_wait_ms = 10000;
		if (r == STORE_OK)
			r = w->run(b);
		box_close(&b);
		stop_at = 0;
		_exit((int)r);
	}
	return pid;
}

static const struct work *current;

/* Fails with the point in words. */
static void expect(bool holds, const char *what, enum store_result r)
{
	if (!holds)
		fail_msg("%s, %s %s: %s (%s)", current->name,
		    how == SIGKILL ? "killed before"
			: how == 0 ? strerror(failure)
				   : "stopped before",
		    progress->point, what, store_result_name(r));
}

static struct box *open_meanwhile(void)
{
	struct box *b;
	enum store_result r = open_box(&b);

	expect(r == STORE_OK, "opening", r);
	return b;
}

static uint64_t inbox(struct box *b)
{
	return box_find_id(b, 1)->messages;
}

static uint64_t prepare(const struct work *w)
{
	struct box *b = opened_box();
	uint64_t count;

	w->prepare(b);
	count = inbox(b);
	box_close(&b);
	return count;
}

static void found_damage(void *arg, const struct store_finding *f)
{
	(void)arg;
	if (f->kind == FINDING_DAMAGE || f->kind == FINDING_READABLE)
		fail_msg("%s, before %s: %s: %s", current->name,
		    progress->point, f->file, f->text);
}

static void proven(void)
{
	struct check_result checked;
	enum store_result r = box_check(
	    store, ACCOUNT, true, found_damage, NULL, &checked);

	expect(r == STORE_OK, checked.why, r);
}

/* ---- killed ---- */

/* False when it did not come to that point any more. */
static bool killed_at(const struct work *w, unsigned at)
{
	uint64_t before = prepare(w);
	enum store_result r;
	struct box *b;
	int status, there;
	pid_t pid;

	stop_at = at;
	pid = begin_child(w);
	stop_at = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	b = open_meanwhile();
	there = w->done(b, before);
	/* It is repeated: done once, whether its answer was lost or not. */
	if (w->run != remove_account && (w->run != move_all || !there)) {
		r = w->run(b);
		expect(r == STORE_OK || (r == STORE_DUPLICATE && there),
		    "again", r);
		expect(w->done(b, before), "not there", r);
	}
	r = deliver_id(b, "after");
	expect(r == STORE_OK, "a delivery", r);
	box_close(&b);
	proven();
	return WIFSIGNALED(status);
}

static void at_every_point(bool (*stopped_at)(const struct work *, unsigned))
{
	void *state = NULL;

	progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(progress != MAP_FAILED);
	for (size_t i = 0; i < ARRAY_LEN(works); i++) {
		bool more = true;

		current = &works[i];
		if (how == SIGSTOP && current->long_stops && !torture())
			continue;
		for (unsigned at = 1; more; at++) {
			assert_in_range(at, 1, POINTS_MAX);
			setup_points(&state);
			more = stopped_at(current, at);
			teardown(&state);
		}
	}
	munmap(progress, sizeof(*progress));
}

static void killed_at_every_point(void **state)
{
	(void)state;
	how = SIGKILL;
	at_every_point(killed_at);
}

/* ---- a call that fails ---- */

/* Of a call of its own the same handle says what became of it, and goes on. */
static bool fails_at(const struct work *w, unsigned at)
{
	uint64_t before = prepare(w);
	struct box *b = opened_box();
	enum store_result r;
	bool there, hit;

	progress->calls = 0;
	progress->point[0] = '\0';
	stop_at = at;
	r = w->run(b);
	stop_at = 0;
	hit = progress->point[0] != '\0';
	if (!hit)
		expect(r == STORE_OK, "without a failure", r);
	if (below(2)) {
		box_close(&b);
		b = open_meanwhile();
	} else {
		r = r == STORE_OK ? box_refresh(b) : r;
	}
	there = w->done(b, before);
	if (r == STORE_OK && w->done != same)
		expect(there, "not there", r);
	if ((r == STORE_NO_SPACE || r == STORE_ERROR) && w->done != same &&
	    w->done != removed)
		expect(!there, "refused and there", r);
	if (w->run != remove_account && (w->run != move_all || !there)) {
		r = w->run(b);
		expect(r == STORE_OK || r == STORE_DUPLICATE, "again", r);
		expect(w->done(b, before), "not there", r);
	}
	r = deliver_id(b, "after");
	expect(r == STORE_OK, "a delivery", r);
	box_close(&b);
	proven();
	return hit;
}

static void every_call_may_fail(void **state)
{
	static const int failures[] = {ENOSPC, EIO, EDQUOT};

	(void)state;
	how = 0;
	for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
		failure = failures[i];
		fails_whole = i == 0;
		at_every_point(fails_at);
	}
}

/* ---- stopped, for an hour ---- */

/* With its lock held others wait until their deadline, then say so. */
static void others_meanwhile(uint64_t before, bool *delivered_meanwhile)
{
	struct box *b = open_meanwhile();
	enum store_result r;

	/* What is not synced is not seen. */
	if (strncmp(progress->point, "sync", 4) == 0 &&
	    current->run != remove_account)
		expect(inbox(b) == before, "reading", STORE_OK);
	r = deliver_id(b, "meanwhile");
	expect(r == STORE_OK || r == STORE_BUSY, "a delivery", r);
	/* The log is changed by nobody else meanwhile. */
	if (strstr(progress->point, "/g.") != NULL)
		expect(r == STORE_BUSY, "locked", r);
	*delivered_meanwhile = r == STORE_OK;
	box_close(&b);
}

static bool stopped_at(const struct work *w, unsigned at)
{
	uint64_t before = prepare(w);
	bool mine;
	enum store_result r;
	struct box *b;
	int status;
	pid_t pid;

	stop_at = at;
	pid = begin_child(w);
	stop_at = 0;
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	if (!WIFSTOPPED(status))
		return false;
	alarm(60); /* nobody waits for ever */
	others_meanwhile(before, &mine);
	alarm(0);
	kill(pid, SIGCONT);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	r = (enum store_result)WEXITSTATUS(status);
	expect(WIFEXITED(status) && r == STORE_OK, "resumed", r);
	b = open_meanwhile();
	if (w->run != remove_account) {
		r = deliver_id(b, "meanwhile");
		expect(r == (mine ? STORE_DUPLICATE : STORE_OK), "once", r);
		if (w->run != move_all)
			expect(w->done(b, before + 1), "not there", r);
	}
	r = deliver_id(b, "after");
	expect(r == STORE_OK, "a delivery", r);
	box_close(&b);
	proven();
	return true;
}

static void stopped_at_every_point(void **state)
{
	(void)state;
	how = SIGSTOP;
	at_every_point(stopped_at);
}

/* ---- without the lock ---- */

/* The lock file is removed while one holds it, another comes and makes a new
 * one: from the next frame on both lock the same again. */
static void a_lock_file_that_is_gone_is_not_held(void **state)
{
	struct box *a = opened_box(), *b;
	int held;

	(void)state;
	deliver_some(a, 2);
	assert_int_equal(unlinkat(box_directory(a), "lock", 0), 0);
	b = opened_box();
	assert_int_equal(deliver_id(b, "1"), STORE_OK);
	held = openat(box_directory(b), "lock", O_RDWR);
	assert_int_equal(engine_io_system.lock(held, 0, true), 0);
	assert_int_equal(deliver_id(a, "2"), STORE_BUSY);
	assert_int_equal(deliver_id(b, "2"), STORE_BUSY);
	close(held);
	assert_int_equal(deliver_id(a, "2"), STORE_OK);
	assert_int_equal(deliver_id(b, "3"), STORE_OK);
	assert_int_equal(inbox(b), 5);
	/* A removed account is no lock to wait for. */
	assert_int_equal(store_remove_account(store, ACCOUNT), STORE_OK);
	assert_int_equal(deliver_id(a, "4"), STORE_OK);
	assert_int_equal(inbox(a), 1);
	box_close(&a);
	box_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(killed_at_every_point),
	    cmocka_unit_test(every_call_may_fail),
	    cmocka_unit_test(stopped_at_every_point),
	    cmocka_unit_test_setup_teardown(
		a_lock_file_that_is_gone_is_not_held, setup_points, teardown),
	};

	return RUN_TESTS(tests);
}
