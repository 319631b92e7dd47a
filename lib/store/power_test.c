/* SPDX-License-Identifier: ISC */
/*
 * Simulated power loss. Every change that the engine makes to its files is
 * recorded; then, for each point of that sequence, a disk is made as it could
 * be after the power failed there: what was synced is there, and of what was
 * not each sector and each directory entry may be there or not. Whatever was
 * acknowledged before that point must be in the box, once, with its bytes,
 * and the box must take the next delivery.
 */
#include "store/testing.h"

#include "core/buf.h"
#include "core/memory.h"

#define EVENTS_MAX 20000
#define FILES_MAX  400
#define FDS_MAX    256
#define SECTOR     512u
#define DELIVERIES 45

enum event_kind { WRITE, SYNC, NAME, UNNAME, SYNC_DIR, ACKNOWLEDGED };

struct event {
	enum event_kind kind;
	int file;       /* WRITE, SYNC, NAME */
	char path[128]; /* NAME, UNNAME; SYNC_DIR: of the directory */
	uint64_t at;
	char *data;
	size_t len;
	unsigned acknowledged;
};

static struct event *events;
static size_t event_count;
static int file_count;       /* inodes; directories too */
static int file_of[FDS_MAX]; /* by descriptor; -1 */
static char path_of[FDS_MAX][128];
static bool is_dir[FILES_MAX];
static struct {
	char path[128];
	int file;
} named[FILES_MAX]; /* as the running system sees it */
static size_t named_count;

/* ---- recording ---- */

static struct event *record(enum event_kind kind)
{
	assert_true(event_count < EVENTS_MAX);
	events[event_count].kind = kind;
	return &events[event_count++];
}

static void join(char out[128], int dir, const char *path)
{
	const char *above = dir >= 0 && dir < FDS_MAX ? path_of[dir] : "";

	if (strcmp(path, ".") == 0)
		path = "";
	assert_true(
	    snprintf(out, 128, "%s%s%s", above,
		*above != '\0' && *path != '\0' ? "/" : "", path) < 128);
}

static int file_named(const char *path)
{
	for (size_t i = named_count; i > 0; i--)
		if (strcmp(named[i - 1].path, path) == 0)
			return named[i - 1].file;
	return -1;
}

static void name(const char *path, int file)
{
	struct event *e = record(NAME);

	assert_true(named_count < FILES_MAX);
	snprintf(named[named_count].path, 128, "%s", path);
	named[named_count++].file = file;
	snprintf(e->path, sizeof(e->path), "%s", path);
	e->file = file;
}

static int rec_open(int dir, const char *path, int flags, mode_t mode)
{
	int fd = openat(dir, path, flags, mode);
	char whole[128];

	if (fd < 0)
		return fd;
	assert_true(fd < FDS_MAX);
	join(whole, dir, path);
	snprintf(path_of[fd], 128, "%s", whole);
	file_of[fd] = file_named(whole);
	if (file_of[fd] < 0 && flags & O_CREAT) {
		file_of[fd] = file_count++;
		name(whole, file_of[fd]);
	}
	return fd;
}

static int rec_mkdir(int dir, const char *path, mode_t mode)
{
	char whole[128];
	int result = mkdirat(dir, path, mode);

	join(whole, dir, path);
	if (result == 0) {
		is_dir[file_count] = true;
		name(whole, file_count++);
	}
	return result;
}

static int rec_link(int dir, const char *from, const char *to)
{
	char source[128], target[128];
	int result = linkat(dir, from, dir, to, 0);

	join(source, dir, from);
	join(target, dir, to);
	if (result == 0)
		name(target, file_named(source));
	return result;
}

static int rec_unlink(int dir, const char *path)
{
	int result = unlinkat(dir, path, 0);
	char whole[128];

	join(whole, dir, path);
	if (result == 0) {
		struct event *e = record(UNNAME);

		snprintf(e->path, sizeof(e->path), "%s", whole);
		for (size_t i = 0; i < named_count; i++)
			if (strcmp(named[i].path, whole) == 0)
				named[i].path[0] = '\0';
	}
	return result;
}

static ssize_t rec_pwritev(int fd, const struct iovec *v, int n, off_t at)
{
	ssize_t done = 0;

	for (int i = 0; i < n; i++) {
		struct event *e = record(WRITE);

		e->file = file_of[fd];
		e->at = (uint64_t)(at + done);
		e->len = v[i].iov_len;
		e->data = mem_alloc(e->len + 1);
		memcpy(e->data, v[i].iov_base, e->len);
		done += (ssize_t)e->len;
	}
	assert_int_equal(pwritev(fd, v, n, at), done);
	return done;
}

static int rec_sync(int fd)
{
	struct stat st;
	struct event *e;

	fstat(fd, &st);
	e = record(S_ISDIR(st.st_mode) ? SYNC_DIR : SYNC);
	e->file = file_of[fd];
	snprintf(e->path, sizeof(e->path), "%s", path_of[fd]);
	return 0; /* the page cache is enough for the running system */
}

static int setup_power(void **state)
{
	const char *why;

	(void)state;
	events = mem_array(EVENTS_MAX, sizeof(*events));
	event_count = named_count = 0;
	file_count = 0;
	memset(path_of, 0, sizeof(path_of));
	memset(file_of, 0xff, sizeof(file_of));
	test_io = engine_io_system;
	test_io.open = rec_open;
	test_io.mkdir = rec_mkdir;
	test_io.link = rec_link;
	test_io.unlink = rec_unlink;
	test_io.pwritev = rec_pwritev;
	test_io.fsync = rec_sync;
	test_io.fdatasync = rec_sync;
	snprintf(root, sizeof(root), "/tmp/store_test.XXXXXX");
	assert_non_null(mkdtemp(root));
	store = store_open_with(engine_file_open(root, &test_io, &why), NULL);
	assert_non_null(store);
	engine_set_seal(store_engine(store), 4096, 512u << 10);
	store->segment_rows = 8;
	return 0;
}

static int teardown_power(void **state)
{
	for (size_t i = 0; i < event_count; i++)
		free(events[i].data);
	free(events);
	return teardown(state);
}

/* ---- what happens ---- */

static const char *text_of(unsigned number, size_t *len)
{
	static char text[INLINE_MAX + 1000];
	int head = snprintf(text, sizeof(text), "Subject: %u\r\n\r\n", number);

	/* One of them is a blob. */
	*len = number == 20 ? INLINE_MAX + 500 : 300 + number * 37 % 700;
	memset(text + head, 'a' + (int)(number % 26), *len - (size_t)head);
	return text;
}

static enum store_result deliver_number(struct box *b, unsigned number)
{
	char id[16];
	size_t len;
	const char *text = text_of(number, &len);

	snprintf(id, sizeof(id), "id%u", number);
	return deliver_text(b, id, text, len);
}

static void run(void)
{
	struct box *b;

	assert_int_equal(open_box(&b), STORE_OK);
	for (unsigned i = 1; i <= DELIVERIES; i++) {
		assert_int_equal(deliver_number(b, i), STORE_OK);
		record(ACKNOWLEDGED)->acknowledged = i;
		if (i % 9 == 0)
			assert_int_equal(snapshot_take(b, false), STORE_OK);
	}
	box_close(&b);
}

/* ---- the disk afterwards ---- */

static bool lucky(void)
{
	return below(2);
}

/* The first event from i on, before the end, that makes event i durable. */
static bool durable(size_t i, size_t end)
{
	const struct event *e = &events[i];
	char parent[128];
	char *slash;

	snprintf(parent, sizeof(parent), "%s", e->path);
	slash = strrchr(parent, '/');
	if (slash != NULL)
		*slash = '\0';
	else
		parent[0] = '\0';
	for (size_t k = i + 1; k < end; k++) {
		if (e->kind == WRITE && events[k].kind == SYNC &&
		    events[k].file == e->file)
			return true;
		if (e->kind != WRITE && events[k].kind == SYNC_DIR &&
		    strcmp(events[k].path, parent) == 0)
			return true;
	}
	return false;
}

static void write_sectors(int fd, const struct event *e, bool all)
{
	size_t done = 0;

	while (done < e->len) {
		size_t at = (size_t)e->at + done;
		size_t some = SECTOR - at % SECTOR;

		some = some < e->len - done ? some : e->len - done;
		if (all || lucky())
			assert_int_equal(
			    pwrite(fd, e->data + done, some, (off_t)at),
			    (ssize_t)some);
		done += some;
	}
}

/* Fails where the directory above did not survive. */
static void link_there(int at, const char *number, const char *path)
{
	if (linkat(at, number, at, path, 0) < 0)
		assert_true(errno == ENOENT || errno == EEXIST);
}

/* Files by number below `at`, then linked under the names that survived. */
static void make_disk(int at, size_t end)
{
	char number[16];
	int fds[FILES_MAX];

	for (int i = 0; i < file_count; i++) {
		snprintf(number, sizeof(number), "%d", i);
		fds[i] = is_dir[i] ? -1
				   : openat(at, number, O_RDWR | O_CREAT, 0600);
	}
	for (size_t i = 0; i < end; i++) {
		const struct event *e = &events[i];

		if (e->kind == WRITE)
			write_sectors(fds[e->file], e, durable(i, end));
		if (e->kind == NAME && (durable(i, end) || lucky())) {
			snprintf(number, sizeof(number), "%d", e->file);
			if (is_dir[e->file])
				mkdirat(at, e->path, 0700);
			else
				link_there(at, number, e->path);
		}
		if (e->kind == UNNAME && (durable(i, end) || lucky()))
			unlinkat(at, e->path, 0);
	}
	for (int i = 0; i < file_count; i++) {
		snprintf(number, sizeof(number), "%d", i);
		if (fds[i] >= 0)
			close(fds[i]);
		unlinkat(at, number, 0);
	}
}

/* Acknowledged deliveries are there in order; perhaps one more. */
static void check(struct box *b, unsigned acknowledged, size_t end)
{
	struct buf text = buf_new(1 << 20);
	struct view *v;
	size_t len;

	if (box_find(b, STR("INBOX"))->messages < acknowledged)
		fail_msg("after event %zu: %u acknowledged, %u there", end,
		    acknowledged,
		    (unsigned)box_find(b, STR("INBOX"))->messages);
	assert_int_equal(view_open(b, 1, &v), STORE_OK);
	assert_in_range(view_count(v), acknowledged, acknowledged + 1);
	for (uint32_t i = 1; i <= view_count(v); i++) {
		const char *want = text_of(i, &len);

		buf_clear(&text);
		if (view_read(v, i, 0, UINT64_MAX, &text) != STORE_OK)
			fail_msg("after event %zu, message %u: %s", end, i,
			    store_why(b));
		assert_int_equal(text.len, len);
		assert_memory_equal(text.p, want, len);
	}
	view_close(&v);
	buf_free(&text);
}

static void fail_at(size_t end, unsigned acknowledged)
{
	char disk[] = "/tmp/store_power.XXXXXX";
	struct store *after;
	const char *why;
	struct box *b;
	enum store_result r;
	int at;

	assert_non_null(mkdtemp(disk));
	at = open(disk, O_RDONLY | O_DIRECTORY);
	make_disk(at, end);
	close(at);
	after = store_open(disk, NULL, &why);
	r = box_open(after, ACCOUNT, DEADLINE_NEVER, &b);
	if (r != STORE_OK)
		fail_msg("after event %zu: %s: %s", end, store_result_name(r),
		    b == NULL ? "" : store_why(b));
	check(b, acknowledged, end);
	r = deliver_number(b, acknowledged + 1);
	if (r != STORE_OK && r != STORE_DUPLICATE)
		fail_msg("after event %zu, a delivery: %s: %s", end,
		    store_result_name(r), store_why(b));
	check(b, acknowledged + 1, end);
	box_close(&b);
	store_close(&after);
	nftw(disk, unlink_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void power_fails_at_every_point(void **state)
{
	unsigned acknowledged = 0;

	(void)state;
	run();
	for (size_t end = 1; end < event_count; end++) {
		if (events[end - 1].kind == ACKNOWLEDGED)
			acknowledged = events[end - 1].acknowledged;
		fail_at(end, acknowledged);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		power_fails_at_every_point, setup_power, teardown_power),
	};

	return RUN_TESTS(tests);
}
