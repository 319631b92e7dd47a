/* SPDX-License-Identifier: ISC */
/*
 * A disk that is really full: a small tmpfs of the test's own, as root or in
 * a user namespace. With any number of pages left, what was acknowledged stays,
 * what was refused is not there, and with room again everything goes on.
 */
#include "store/testing_base.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include "core/memory.h"
#include "store/recovery.h"
#include "store/upkeep.h"

#define DISK    "size=12m"
#define PAGE    4096u
#define RESERVE (UINT64_C(2) << 20)
#define WEEK    (7 * 86400)
#define LETTER  20000u

static bool mounted;

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return n < 0 ? -1 : 0;
}

/* Mounts of this process alone; who is not root becomes it in a namespace. */
static int own_namespace(void)
{
	char map[64];
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (uid == 0)
		return unshare(CLONE_NEWNS);
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 ||
	    write_text("/proc/self/setgroups", "deny") < 0)
		return -1;
	snprintf(map, sizeof(map), "0 %u 1", (unsigned)uid);
	if (write_text("/proc/self/uid_map", map) < 0)
		return -1;
	snprintf(map, sizeof(map), "0 %u 1", (unsigned)gid);
	return write_text("/proc/self/gid_map", map);
}

static int setup(void **state)
{
	const char *why;

	(void)state;
	make_root();
	mounted = mount("store", root, "tmpfs", 0, DISK) == 0;
	store = store_open(root, NULL, &why);
	assert_non_null(store);
	store_set_undelete(store, WEEK);
	return 0;
}

static int clear(void **state)
{
	(void)state;
	store_close(&store);
	if (mounted)
		assert_int_equal(umount(root), 0);
	return remove_tree(root);
}

static void need_disk(void)
{
	if (!mounted) {
		print_message("no small disk: neither root nor namespaces\n");
		skip();
	}
}

/* ---- ballast ---- */

static uint64_t room(void)
{
	struct statvfs st;

	assert_int_equal(statvfs(root, &st), 0);
	return (uint64_t)st.f_bavail * st.f_frsize;
}

static int ballast_file(void)
{
	int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = openat(dir, "ballast", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	close(dir);
	assert_true(fd >= 0);
	return fd;
}

/* Leaves so many pages. */
static void leave(unsigned pages)
{
	int fd = ballast_file();
	uint64_t have = room(), want = (uint64_t)pages * PAGE;

	assert_true(have >= want);
	if (have > want)
		assert_int_equal(
		    posix_fallocate(fd, 0, (off_t)(have - want)), 0);
	close(fd);
	assert_int_equal(room(), want);
}

static void make_room(void)
{
	int fd = ballast_file();

	assert_int_equal(ftruncate(fd, 0), 0);
	close(fd);
}

/* ---- with any number of pages left ---- */

static enum store_result deliver(struct box *b, const char *id, size_t len)
{
	char *text = mem_alloc(len);
	enum store_result r;

	memset(text, 'x', len);
	r = deliver_text(b, id, text, len);
	free(text);
	return r;
}

static enum store_result op_deliver(struct box *b)
{
	return deliver(b, "new", LETTER);
}

static enum store_result op_blob(struct box *b)
{
	return deliver(b, "new", INLINE_MAX + 1);
}

static enum store_result op_copy(struct box *b)
{
	uint32_t uids[] = {1, 2};
	struct uid_set set = {uids, 2};

	return box_copy(b, 1, set, STR("Trash"), true, NULL, NULL, NULL, NULL);
}

static enum store_result op_seal(struct box *b)
{
	enum store_result r = box_seal(b);

	return r == STORE_OK ? op_deliver(b) : r;
}

static enum store_result op_snapshot(struct box *b)
{
	return snapshot_take(b, false);
}

static enum store_result (*const ops[])(struct box *b) = {
    op_deliver, op_blob, op_copy, op_seal, op_snapshot};

static char *shown(struct box *b)
{
	struct buf text = buf_new(16 << 20);
	char *out;

	assert_int_equal(box_refresh(b), STORE_OK);
	dump_box(b, &text);
	out = str_dup(buf_str(&text));
	buf_free(&text);
	return out;
}

static void proven(void)
{
	struct check_result checked;

	assert_int_equal(
	    box_check(store, ACCOUNT, true, NULL, NULL, &checked), STORE_OK);
}

/* Whether there was room enough. */
static bool with_pages(
    enum store_result (*op)(struct box *b), unsigned pages, void **state)
{
	struct box *b, *other;
	enum store_result r;
	char *before, *after;

	setup(state);
	b = opened_box();
	for (unsigned i = 0; i < 3; i++) {
		char id[16];

		snprintf(id, sizeof(id), "%u", i);
		assert_int_equal(deliver(b, id, LETTER), STORE_OK);
	}
	before = shown(b);
	leave(pages);
	r = op(b);
	if (r != STORE_OK && r != STORE_NO_SPACE)
		fail_msg("%u pages left: %s: %s", pages, store_result_name(r),
		    store_why(b));
	other = opened_box();
	after = shown(other);
	if (r == STORE_NO_SPACE)
		assert_string_equal(after, before);
	make_room();
	if (r == STORE_NO_SPACE)
		assert_int_equal(op(b), STORE_OK);
	assert_int_equal(deliver(other, "more", LETTER), STORE_OK);
	proven();
	box_close(&other);
	box_close(&b);
	free(before);
	free(after);
	clear(state);
	return r == STORE_OK;
}

static void any_number_of_pages_may_be_left(void **state)
{
	need_disk();
	clear(state);
	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		unsigned enough = 0;

		for (unsigned pages = 0; enough < 3; pages++) {
			assert_in_range(pages, 0, 200);
			enough += with_pages(ops[i], pages, state);
		}
	}
	setup(state);
}

/* ---- filled, emptied, filled again ---- */

static unsigned fill(struct box *b, const char *name)
{
	enum store_result r = STORE_OK;
	unsigned count = 0;
	char id[32];

	for (unsigned failed = 0; failed < 5; failed += r != STORE_OK) {
		snprintf(id, sizeof(id), "%s %u", name, count);
		r = deliver(b, id, LETTER);
		if (r != STORE_OK && r != STORE_NO_SPACE)
			fail_msg("%s: %s", store_result_name(r), store_why(b));
		count += r == STORE_OK;
	}
	assert_int_equal(box_refresh(b), STORE_OK);
	return count;
}

/* On a full disk mail can be expunged, erased, and then there is room. */
static void a_full_disk_can_be_emptied(void **state)
{
	struct upkeep_policy policy = {.undelete = WEEK, .orphan_age = WEEK};
	struct upkeep_result result = {0};
	uint32_t uids[1000];
	struct uid_set set = {uids, 0};
	unsigned count;
	uint64_t have;
	enum store_result r;
	struct box *b;

	(void)state;
	need_disk();
	assert_int_equal(store_reserve(store, RESERVE, &have), STORE_OK);
	assert_true(have > 0);
	engine_set_seal(store_engine(store), 1u << 20, 1u << 20);
	b = opened_box();
	count = fill(b, "first");
	assert_true(count > 50);
	assert_int_equal(box_find_id(b, 1)->messages, count);
	while (set.count < count / 2) {
		uids[set.count] = (uint32_t)set.count + 1;
		set.count++;
	}
	leave(0);
	r = box_remove(b, 1, set);
	if (r != STORE_OK)
		fail_msg("%s: %s", store_result_name(r), store_why(b));
	clock_step(WEEK + WEEK / 8);
	r = box_upkeep(b, &policy, &result);
	if (r != STORE_OK)
		fail_msg("%s: %s", store_result_name(r), store_why(b));
	assert_int_equal(result.erased, set.count);
	assert_true(room() > 1u << 20);
	assert_true(fill(b, "second") > 10);
	box_close(&b);
	proven();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		any_number_of_pages_may_be_left, setup, clear),
	    cmocka_unit_test_setup_teardown(
		a_full_disk_can_be_emptied, setup, clear),
	};

	if (own_namespace() == 0 &&
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		perror("mounts are shared");
	return RUN_TESTS(tests);
}
