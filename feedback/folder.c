/* SPDX-License-Identifier: ISC */
#include "feedback/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "daemon/daemon.h"

#define NAME_LEN    64
#define SWEEP_EVERY 3600 /* seconds */
#define TEMPORARY   3600 /* seconds after which one is nobody's */
#define BLOCK       4096 /* a file takes no less */
#define WRITTEN_MAX ((size_t)256 << 20)

static int folder = -1;
static const struct feedback_conf *conf;
static uint64_t octets; /* as the last sweep left it, and since */
static int64_t swept;   /* seconds since 1970 */

int folder_open(const char *path, const struct feedback_conf *c)
{
	conf = c;
	folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder >= 0)
		return 0;
	log_error("feedback_directory %s: %s", path, strerror(errno));
	return -1;
}

/* ---- storing ---- */

/* A new file under a name that is not there; errno EEXIST when it is. */
static int put_file(const char *name, struct str content)
{
	char temporary[NAME_LEN];
	int fd, result = -1, error;

	snprintf(temporary, sizeof(temporary), ".new-%ld", (long)getpid());
	fd = openat(folder, temporary,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	if (file_write_full(fd, content.p, content.len) == 0 && fsync(fd) == 0)
		result = linkat(folder, temporary, folder, name, 0);
	error = errno;
	file_close(&fd);
	unlinkat(folder, temporary, 0);
	if (result == 0)
		octets += content.len + BLOCK;
	errno = error;
	return result;
}

/* One that is there is of an earlier attempt. */
static int put_mail(const char *kind, const char *key, struct str message)
{
	struct str kept = str_sub(message, 0, (size_t)conf->feedback_kept_size);
	char name[NAME_LEN];

	if (conf->feedback_kept_size == 0)
		return 0;
	snprintf(name, sizeof(name), "%s-%s.eml", kind, key);
	return put_file(name, kept) == 0 || errno == EEXIST ? 0 : -1;
}

/* The mail first: the report's name says that all of it is there. */
enum kept folder_store(
    const struct report *r, const char *key, struct str message)
{
	const char *kind = report_kind_names[r->kind];
	struct buf out = buf_new(WRITTEN_MAX);
	enum kept result = KEPT_NOT;
	char name[NAME_LEN];

	snprintf(name, sizeof(name), "%s-%s.json", kind, key);
	report_write(r, &out);
	if (out.overflow)
		errno = EFBIG;
	else if (faccessat(folder, name, F_OK, 0) == 0)
		result = KEPT_KNOWN;
	else if ((r->kind != REPORT_UNREADABLE ||
		     put_mail(kind, key, message) == 0) &&
	    put_file(name, buf_str(&out)) == 0 &&
	    file_sync_dir_at(folder, ".") == 0)
		result = KEPT_NEW;
	else if (errno == EEXIST)
		result = KEPT_KNOWN;
	buf_free(&out);
	return result;
}

/* ---- sweeping ---- */

struct entry {
	char name[NAME_LEN];
	int64_t time; /* seconds since 1970 */
	uint64_t size;
};

struct entries {
	struct entry *list;
	size_t count, room;
	uint64_t octets;
};

static void take(struct entries *all, const char *name, const struct stat *st)
{
	struct entry *e;

	if (all->count == all->room) {
		all->room = all->room == 0 ? 256 : all->room * 2;
		all->list = mem_resize(
		    all->list, all->room, sizeof(*all->list));
	}
	e = &all->list[all->count++];
	str_copy(e->name, sizeof(e->name), str_from(name));
	e->time = st->st_mtime;
	e->size = (uint64_t)st->st_size + BLOCK;
	all->octets += e->size;
}

static int read_entries(struct entries *all)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	struct stat st;

	if (dir == NULL) {
		file_close(&fd);
		return -1;
	}
	// cppcheck-suppress readdirCalled
	while ((e = readdir(dir)) != NULL)
		if (strcmp(e->d_name, ".") != 0 &&
		    strcmp(e->d_name, "..") != 0 &&
		    strlen(e->d_name) < NAME_LEN &&
		    fstatat(folder, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode))
			take(all, e->d_name, &st);
	closedir(dir);
	return 0;
}

static bool is_unreadable(const struct entry *e)
{
	return str_starts(
	    str_from(e->name), str_from(report_kind_names[REPORT_UNREADABLE]));
}

/* In the order in which they would go. */
static int compare(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (is_unreadable(x) != is_unreadable(y))
		return is_unreadable(x) ? -1 : 1;
	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return strcmp(x->name, y->name);
}

static bool too_old(const struct entry *e, int64_t now)
{
	return e->time +
	    (e->name[0] == '.' ? TEMPORARY : conf->feedback_lifetime / 1000) <
	    now;
}

void folder_sweep(int64_t now, bool at_once)
{
	struct entries all = {0};
	size_t crowded = 0;

	if (!at_once && now - swept < SWEEP_EVERY &&
	    octets <= conf->feedback_storage_limit)
		return;
	swept = now;
	if (read_entries(&all) < 0) {
		log_warning(
		    "feedback_directory cannot be read: %s", strerror(errno));
		return;
	}
	if (all.count > 0)
		qsort(all.list, all.count, sizeof(*all.list), compare);
	octets = all.octets;
	for (size_t i = 0; i < all.count; i++) {
		const struct entry *e = &all.list[i];
		bool old = too_old(e, now);

		if ((!old && octets <= conf->feedback_storage_limit) ||
		    (e->name[0] == '.' && !old))
			continue;
		if (unlinkat(folder, e->name, 0) < 0)
			continue;
		octets -= e->size;
		crowded += !old;
		daemon_count(old ? "feedback_expired" : "feedback_crowded", 1);
	}
	if (crowded > 0)
		log_warning("%zu files of received reports are removed for "
			    "room: feedback_storage_limit",
		    crowded);
	free(all.list);
}
