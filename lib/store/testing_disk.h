/* SPDX-License-Identifier: ISC */
/*
 * A disk that loses power. Every change that the engine of local files makes
 * is recorded; then, for each point of that sequence, the disk is built as it
 * could be after the power failed there: what was synced is there, and of
 * what was not each sector, each name and each length may be there or not.
 * A failed sync makes pages look clean: what it should have written is not
 * written by a later sync either.
 *
 * On the way a call can be made to fail, or the process to stop before it.
 */
#ifndef STORE_TESTING_DISK_H
#define STORE_TESTING_DISK_H

#include "store/testing_base.h"

#include <dirent.h>
#include <fcntl.h>

#include "core/memory.h"
#include "store/engine_file.h"

#define FILES_MAX   1024
#define EVENTS_MAX  100000
#define PATH_OCTETS 160
#define SECTOR      512u
#define PAGE        4096u
#define NEVER       SIZE_MAX

enum event_kind {
	WRITE,
	ZERO,
	LENGTH,
	SYNC,
	FAILED_SYNC,
	NAME, /* a file, or a directory, gets a name */
	UNNAME,
	RENAME,
	SYNC_DIR,
	SAID /* something was acknowledged */
};

struct event {
	enum event_kind kind;
	int file;
	char path[PATH_OCTETS], to[PATH_OCTETS];
	uint64_t at, len;
	char *data;
	size_t durable; /* the event that makes this one durable, or NEVER */
	size_t said;
};

struct image {
	char *p;
	size_t len, room;
};

struct name {
	char path[PATH_OCTETS];
	int file;
};

/* What stands on a disk, without what has no name. */
struct disk {
	struct image files[FILES_MAX];
	bool is_dir[FILES_MAX];
	int file_count;
	struct name names[FILES_MAX];
	size_t name_count;
};

struct tape {
	char root[64];
	struct disk base; /* durable at the beginning */
	struct event *events;
	size_t count, room;
	int file_count;
	bool is_dir[FILES_MAX];
	ino_t inodes[FILES_MAX];
	/* Counted down by calls that change something; 0: nothing happens. */
	unsigned stop_in; /* nothing is done from that call on */
	unsigned fail_sync_in, fail_write_in;
	size_t fail_after; /* octets that the failing write writes */
	bool stopped;
};

static struct tape *tape;

/* ---- recording ---- */

/* The new event moves when the next one is recorded. */
static struct event *record(enum event_kind kind)
{
	assert_true(tape->count < EVENTS_MAX);
	if (tape->count == tape->room) {
		tape->room = tape->room * 2 + 64;
		tape->events = mem_resize(
		    tape->events, tape->room, sizeof(*tape->events));
	}
	tape->events[tape->count] = (struct event){
	    .kind = kind, .durable = NEVER};
	return &tape->events[tape->count++];
}

/* The path of a descriptor below the root. */
static void path_of(int fd, char out[PATH_OCTETS])
{
	char link[32], path[512];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	assert_true(len > 0);
	path[len] = '\0';
	assert_true(strncmp(path, tape->root, strlen(tape->root)) == 0);
	len = snprintf(out, PATH_OCTETS, "%s",
	    path[strlen(tape->root)] == '\0' ? ""
					     : path + strlen(tape->root) + 1);
	assert_in_range(len, 0, PATH_OCTETS - 1);
}

static void join(char out[PATH_OCTETS], int dir, const char *path)
{
	char above[PATH_OCTETS];
	int len;

	path_of(dir, above);
	if (strcmp(path, ".") == 0)
		path = "";
	len = snprintf(out, PATH_OCTETS, "%.80s%s%.70s", above,
	    *above != '\0' && *path != '\0' ? "/" : "", path);
	assert_in_range(len, 0, PATH_OCTETS - 1);
}

/* An inode's number is used again: the last file that had it. */
static int file_of(ino_t inode)
{
	for (int i = tape->file_count; i > 0; i--)
		if (tape->inodes[i - 1] == inode)
			return i - 1;
	return -1;
}

static int file_of_fd(int fd)
{
	struct stat st;
	int file;

	assert_int_equal(fstat(fd, &st), 0);
	file = file_of(st.st_ino);
	assert_true(file >= 0);
	return file;
}

static int add_file(ino_t inode, bool is_dir)
{
	assert_true(tape->file_count < FILES_MAX);
	tape->inodes[tape->file_count] = inode;
	tape->is_dir[tape->file_count] = is_dir;
	return tape->file_count++;
}

static void record_name(const char *path, int file)
{
	struct event *e = record(NAME);

	snprintf(e->path, sizeof(e->path), "%s", path);
	e->file = file;
}

/* Another call that changes something: does the process stop before it? */
static bool stops(void)
{
	if (tape->stop_in != 0 && --tape->stop_in == 0)
		tape->stopped = true;
	if (tape->stopped)
		errno = EIO;
	return tape->stopped;
}

static bool counts_down(unsigned *left, int error)
{
	if (*left == 0 || --*left != 0)
		return false;
	errno = error;
	return true;
}

static int disk_open(int dir, const char *path, int flags, mode_t mode)
{
	bool there = faccessat(dir, path, F_OK, 0) == 0;
	char whole[PATH_OCTETS];
	struct stat st;
	int fd;

	if (flags & O_CREAT && !there && stops())
		return -1;
	fd = openat(dir, path, flags, mode);
	if (fd >= 0 && !there) {
		join(whole, dir, path);
		assert_int_equal(fstat(fd, &st), 0);
		record_name(whole, add_file(st.st_ino, false));
	}
	return fd;
}

static int disk_mkdir(int dir, const char *path, mode_t mode)
{
	char whole[PATH_OCTETS];
	struct stat st;

	if (stops() || mkdirat(dir, path, mode) < 0)
		return -1;
	join(whole, dir, path);
	assert_int_equal(fstatat(dir, path, &st, 0), 0);
	record_name(whole, add_file(st.st_ino, true));
	return 0;
}

static int disk_link(int dir, const char *from, const char *to)
{
	char whole[PATH_OCTETS];
	struct stat st;

	if (stops() || linkat(dir, from, dir, to, 0) < 0)
		return -1;
	join(whole, dir, to);
	assert_int_equal(fstatat(dir, to, &st, 0), 0);
	record_name(whole, file_of(st.st_ino));
	return 0;
}

static int disk_unlink(int dir, const char *path)
{
	if (stops() || unlinkat(dir, path, 0) < 0)
		return -1;
	join(record(UNNAME)->path, dir, path);
	return 0;
}

static int disk_rename(int dir, const char *from, const char *to)
{
	struct event *e;

	if (stops() || renameat(dir, from, dir, to) < 0)
		return -1;
	e = record(RENAME);
	join(e->path, dir, from);
	join(e->to, dir, to);
	return 0;
}

static ssize_t disk_pwritev(int fd, const struct iovec *v, int n, off_t at)
{
	bool fails = counts_down(&tape->fail_write_in, ENOSPC);
	size_t most = fails ? tape->fail_after : SIZE_MAX;
	int file = file_of_fd(fd);
	ssize_t done = 0;

	if (stops())
		return -1;
	for (int i = 0; i < n && most > 0; i++) {
		struct event *e = record(WRITE);

		e->file = file;
		e->at = (uint64_t)(at + done);
		e->len = v[i].iov_len < most ? v[i].iov_len : most;
		e->data = mem_alloc(e->len + 1);
		if (e->len > 0)
			memcpy(e->data, v[i].iov_base, e->len);
		assert_int_equal(
		    pwrite(fd, e->data, e->len, (off_t)e->at), (ssize_t)e->len);
		done += (ssize_t)e->len;
		most -= e->len;
	}
	errno = ENOSPC;
	return fails ? -1 : done;
}

static int record_sync(int fd)
{
	bool fails = counts_down(&tape->fail_sync_in, EIO);
	struct event *e;
	struct stat st;

	if (stops())
		return -1;
	assert_int_equal(fstat(fd, &st), 0);
	if (S_ISDIR(st.st_mode)) {
		if (!fails)
			path_of(fd, record(SYNC_DIR)->path);
	} else {
		e = record(fails ? FAILED_SYNC : SYNC);
		e->file = file_of(st.st_ino);
	}
	errno = EIO;
	return fails ? -1 : 0; /* for us the page cache is enough */
}

static int disk_truncate(int fd, off_t len)
{
	struct event *e;

	if (stops() || ftruncate(fd, len) < 0)
		return -1;
	e = record(LENGTH);
	e->file = file_of_fd(fd);
	e->len = (uint64_t)len;
	return 0;
}

static int disk_punch(int fd, off_t at, off_t len)
{
	struct event *e;

	if (stops() || engine_io_system.punch(fd, at, len) < 0)
		return -1;
	e = record(ZERO);
	e->file = file_of_fd(fd);
	e->at = (uint64_t)at;
	e->len = (uint64_t)len;
	return 0;
}

static int disk_allocate(int fd, off_t at, off_t len)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return at + len > st.st_size ? disk_truncate(fd, at + len) : 0;
}

static int disk_lock(int fd, off_t byte, bool on)
{
	if (on && stops())
		return -1;
	return engine_io_system.lock(fd, byte, on);
}

static struct engine_io disk_io(void)
{
	struct engine_io t = engine_io_system;

	t.open = disk_open;
	t.mkdir = disk_mkdir;
	t.link = disk_link;
	t.unlink = disk_unlink;
	t.rename = disk_rename;
	t.pwritev = disk_pwritev;
	t.fdatasync = record_sync;
	t.fsync = record_sync;
	t.truncate = disk_truncate;
	t.punch = disk_punch;
	t.allocate = disk_allocate;
	t.lock = disk_lock;
	return t;
}

/* ---- which event makes which durable ---- */

static void parent(const char *path, char out[PATH_OCTETS])
{
	const char *slash = strrchr(path, '/');

	snprintf(out, PATH_OCTETS, "%.*s",
	    slash == NULL ? 0 : (int)(slash - path), path);
}

static size_t sync_of_dir(const struct tape *t, size_t i)
{
	char dir[PATH_OCTETS];

	parent(t->events[i].path, dir);
	while (++i < t->count)
		if (t->events[i].kind == SYNC_DIR &&
		    strcmp(t->events[i].path, dir) == 0)
			return i;
	return NEVER;
}

static void find_durable(struct tape *t)
{
	size_t next[FILES_MAX];

	for (size_t i = 0; i < FILES_MAX; i++)
		next[i] = NEVER;
	for (size_t i = t->count; i > 0; i--) {
		struct event *e = &t->events[i - 1];

		switch (e->kind) {
		case SYNC:
			next[e->file] = i - 1;
			break;
		case FAILED_SYNC:
			next[e->file] = NEVER;
			break;
		case WRITE:
		case ZERO:
		case LENGTH:
			e->durable = next[e->file];
			break;
		case NAME:
		case UNNAME:
		case RENAME:
			e->durable = sync_of_dir(t, i - 1);
			break;
		default:
			break;
		}
	}
}

/* ---- the disk after a loss ---- */

static void image_grow(struct image *f, size_t len)
{
	if (len > f->room) {
		f->room = len + len / 2;
		f->p = mem_resize(f->p, f->room, 1);
	}
	if (len > f->len)
		memset(f->p + f->len, 0, len - f->len);
	f->len = len > f->len ? len : f->len;
}

static void image_put(struct image *f, uint64_t at, const char *p, size_t len)
{
	image_grow(f, at + len);
	if (p != NULL)
		memcpy(f->p + at, p, len);
	else
		memset(f->p + at, 0, len);
}

/* Of what was not synced: all, nothing, or by chance; in eighths. */
static uint32_t luck;

static bool lucky(void)
{
	return below(8) < luck;
}

static void apply_write(struct image *f, const struct event *e, bool all)
{
	size_t done = 0;

	if (!all && lucky()) /* the length came first */
		image_grow(f, e->at + e->len);
	while (done < e->len) {
		size_t some = SECTOR - (e->at + done) % SECTOR;

		some = some < e->len - done ? some : e->len - done;
		if (all || lucky())
			image_put(f, e->at + done, e->data + done, some);
		done += some;
	}
}

static struct name *find_name(struct disk *d, const char *path)
{
	for (size_t i = 0; i < d->name_count; i++)
		if (strcmp(d->names[i].path, path) == 0)
			return &d->names[i];
	return NULL;
}

static void put_name(struct disk *d, const char *path, int file)
{
	struct name *n = find_name(d, path);

	if (n == NULL) {
		assert_true(d->name_count < FILES_MAX);
		n = &d->names[d->name_count++];
	}
	snprintf(n->path, sizeof(n->path), "%s", path);
	n->file = file;
}

static void drop_name(struct disk *d, const char *path)
{
	struct name *n = find_name(d, path);

	if (n != NULL)
		*n = d->names[--d->name_count];
}

/* What is below it moves along. */
static void move_name(struct disk *d, const char *from, const char *to)
{
	size_t len = strlen(from);

	if (find_name(d, from) == NULL)
		return;
	drop_name(d, to);
	for (size_t i = 0; i < d->name_count; i++) {
		char *path = d->names[i].path, tail[PATH_OCTETS];

		if (strncmp(path, from, len) != 0 ||
		    (path[len] != '\0' && path[len] != '/'))
			continue;
		snprintf(tail, sizeof(tail), "%s", path + len);
		snprintf(path, PATH_OCTETS, "%.80s%.70s", to, tail);
	}
}

static void apply(struct disk *d, const struct event *e, bool durable)
{
	switch (e->kind) {
	case WRITE:
		apply_write(&d->files[e->file], e, durable);
		break;
	case ZERO:
		if (e->at < d->files[e->file].len && (durable || lucky()))
			image_put(&d->files[e->file], e->at, NULL,
			    e->at + e->len < d->files[e->file].len
				? e->len
				: d->files[e->file].len - e->at);
		break;
	case LENGTH:
		if (durable || lucky()) {
			image_grow(&d->files[e->file], e->len);
			d->files[e->file].len = e->len;
		}
		break;
	case NAME:
		if (durable || lucky())
			put_name(d, e->path, e->file);
		break;
	case UNNAME:
		if (durable || lucky())
			drop_name(d, e->path);
		break;
	case RENAME:
		if (durable || lucky())
			move_name(d, e->path, e->to);
		break;
	default:
		break;
	}
}

static struct disk *disk_copy(const struct disk *base)
{
	struct disk *d = NEW(struct disk);

	*d = *base;
	for (int i = 0; i < base->file_count; i++) {
		d->files[i] = (struct image){0};
		if (base->files[i].len > 0)
			image_put(&d->files[i], 0, base->files[i].p,
			    base->files[i].len);
	}
	return d;
}

/* The power fails before event `end`. */
static struct disk *disk_after(const struct tape *t, size_t end)
{
	static const uint32_t lucks[] = {0, 1, 4, 4, 4, 7, 8};
	struct disk *d = disk_copy(&t->base);

	luck = lucks[below(ARRAY_LEN(lucks))];
	d->file_count = t->file_count;
	memcpy(d->is_dir, t->is_dir, sizeof(d->is_dir));
	for (size_t i = 0; i < end; i++)
		apply(d, &t->events[i], t->events[i].durable < end);
	return d;
}

/* ---- putting it where it can be opened ---- */

static bool all_zero(const char *p, size_t len)
{
	return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

static void file_out(int at, const char *path, const struct image *f)
{
	int fd = openat(at, path, O_RDWR | O_CREAT | O_EXCL, 0600);

	if (fd < 0) { /* the directory above did not survive */
		assert_int_equal(errno, ENOENT);
		return;
	}
	for (size_t done = 0; done < f->len; done += PAGE) {
		size_t some = f->len - done < PAGE ? f->len - done : PAGE;

		if (!all_zero(f->p + done, some))
			assert_int_equal(
			    pwrite(fd, f->p + done, some, (off_t)done),
			    (ssize_t)some);
	}
	assert_int_equal(ftruncate(fd, (off_t)f->len), 0);
	close(fd);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(
	    ((const struct name *)a)->path, ((const struct name *)b)->path);
}

/* Into an empty directory; names whose directory is lost are left out. */
static void disk_out(struct disk *d, const char *root_path)
{
	int at = open(root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *first[FILES_MAX] = {NULL};

	assert_true(at >= 0);
	qsort(d->names, d->name_count, sizeof(*d->names), by_path);
	for (size_t i = 0; i < d->name_count; i++) {
		const struct name *n = &d->names[i];

		if (d->is_dir[n->file])
			mkdirat(at, n->path, 0700);
		else if (first[n->file] != NULL &&
		    faccessat(at, first[n->file], F_OK, 0) == 0)
			assert_int_equal(
			    linkat(at, first[n->file], at, n->path, 0), 0);
		else
			file_out(at, n->path, &d->files[n->file]);
		if (first[n->file] == NULL)
			first[n->file] = n->path;
	}
	close(at);
}

/* Drops what could not be put out, and names without a directory. */
static void disk_settle(struct disk *d, const char *root_path)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->name_count; i++) {
		char path[256];

		snprintf(path, sizeof(path), "%.80s/%.150s", root_path,
		    d->names[i].path);
		if (access(path, F_OK) == 0)
			d->names[kept++] = d->names[i];
	}
	d->name_count = kept;
}

/* The events before `end`, for whoever has to find out. */
static void tell_events(const struct tape *t, size_t end)
{
	static const char *const kinds[] = {"write", "zero", "length", "sync",
	    "failed sync", "name", "unname", "rename", "sync of directory",
	    "said"};

	for (size_t i = end > 25 ? end - 25 : 0; i < end; i++) {
		const struct event *e = &t->events[i];

		print_message("%zu%s %s %d %s %s %llu+%llu %zu\n", i,
		    e->durable < end ? "*" : "", kinds[e->kind], e->file,
		    e->path, e->to, (unsigned long long)e->at,
		    (unsigned long long)e->len, e->said);
	}
}

/* ---- tapes ---- */

/* A tape in a directory of its own that begins with a disk, which becomes the
 * tape's; NULL: empty. It is what records from now on. */
static struct tape *tape_new(struct disk *d)
{
	struct tape *t = NEW(struct tape);

	snprintf(t->root, sizeof(t->root), "%s/store_power.XXXXXX",
	    fast_directory());
	assert_non_null(mkdtemp(t->root));
	tape = t;
	if (d == NULL)
		return t;
	disk_out(d, t->root);
	disk_settle(d, t->root);
	t->base = *d;
	free(d);
	t->file_count = t->base.file_count;
	memcpy(t->is_dir, t->base.is_dir, sizeof(t->is_dir));
	for (size_t i = 0; i < t->base.name_count; i++) {
		char path[256];
		struct stat st;

		snprintf(path, sizeof(path), "%.80s/%.150s", t->root,
		    t->base.names[i].path);
		assert_int_equal(stat(path, &st), 0);
		t->inodes[t->base.names[i].file] = st.st_ino;
	}
	return t;
}

static void tape_free(struct tape **t)
{
	for (size_t i = 0; i < (*t)->count; i++)
		free((*t)->events[i].data);
	free((*t)->events);
	for (size_t i = 0; i < FILES_MAX; i++)
		free((*t)->base.files[i].p);
	remove_tree((*t)->root);
	free(*t);
	*t = NULL;
}

#endif
