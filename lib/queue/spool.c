/* SPDX-License-Identifier: ISC */
#include "queue/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/file.h"
#include "queue/queue_file.h"

#define DIR_LEN    2 /* characters of a directory's name */
#define REASON_MAX 1000

/* The alphabet of ids (core/id.h). */
static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void queue_path(const struct id *id, char out[QUEUE_PATH_MAX])
{
	snprintf(out, QUEUE_PATH_MAX, "queue/%s/%s",
	    id->text + ID_LEN - DIR_LEN, id->text);
}

void queue_new_path(const struct id *id, char out[QUEUE_PATH_MAX])
{
	snprintf(out, QUEUE_PATH_MAX, "new/%s", id->text);
}

int queue_move(int from_fd, const char *from, int to_fd, const char *to)
{
	if (renameat2(from_fd, from, to_fd, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	if (linkat(from_fd, from, to_fd, to, 0) < 0)
		return -1;
	return unlinkat(from_fd, from, 0);
}

/* ---- directories kept open ---- */

#define KEPT 64

static struct {
	int spool_fd; /* -1: nothing is kept */
	struct {
		char name[DIR_LEN + 1]; /* "": not yet chosen */
		int fd;
	} dirs[KEPT];
} kept = {.spool_fd = -1};

void queue_forget_dirs(void)
{
	for (size_t i = 0; kept.spool_fd >= 0 && i < KEPT; i++) {
		if (kept.dirs[i].name[0] != '\0')
			file_close(&kept.dirs[i].fd);
		kept.dirs[i].name[0] = '\0';
	}
	kept.spool_fd = -1;
}

void queue_keep_dirs(int spool_fd)
{
	queue_forget_dirs();
	kept.spool_fd = spool_fd;
}

/* The same row for ids whose two last characters agree in their low bits. */
static size_t row_of(const char *name)
{
	size_t row = 0;

	for (size_t i = 0; i < DIR_LEN; i++) {
		const char *at = strchr(alphabet, name[i]);

		row = row * 32 + (size_t)(at == NULL ? 0 : at - alphabet);
	}
	return row % KEPT;
}

static int open_dir(int spool_fd, const char *name)
{
	char path[QUEUE_PATH_MAX];

	snprintf(path, sizeof(path), "queue/%s", name);
	return openat(spool_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

void queue_dir_steer(int spool_fd, struct id *id)
{
	char *last = id->text + ID_LEN - DIR_LEN;
	size_t row = row_of(last);
	int fd;

	if (kept.spool_fd < 0 || kept.spool_fd != spool_fd)
		return;
	if (kept.dirs[row].name[0] == '\0') {
		if ((fd = open_dir(spool_fd, last)) < 0)
			return; /* the commit will say why */
		kept.dirs[row].fd = fd;
		memcpy(kept.dirs[row].name, last, DIR_LEN + 1);
		return;
	}
	memcpy(last, kept.dirs[row].name, DIR_LEN + 1);
}

int queue_dir_open(int spool_fd, const struct id *id, struct queue_dir *out)
{
	const char *name = id->text + ID_LEN - DIR_LEN;
	size_t row = row_of(name);

	out->kept = kept.spool_fd >= 0 && kept.spool_fd == spool_fd &&
	    strcmp(kept.dirs[row].name, name) == 0;
	out->fd = out->kept ? kept.dirs[row].fd : open_dir(spool_fd, name);
	return out->fd < 0 ? -1 : 0;
}

void queue_dir_close(struct queue_dir *dir)
{
	if (!dir->kept)
		file_close(&dir->fd);
}

/* ---- the spool as a whole ---- */

static int make_dir(int spool_fd, const char *path, mode_t mode)
{
	return mkdirat(spool_fd, path, mode) < 0 && errno != EEXIST ? -1 : 0;
}

int queue_make_spool(int spool_fd, mode_t mode)
{
	static const char *const top[] = {"new", "queue", "corrupt"};
	char path[QUEUE_PATH_MAX];

	for (size_t i = 0; i < ARRAY_LEN(top); i++)
		if (make_dir(spool_fd, top[i], mode) < 0)
			return -1;
	for (size_t i = 0; i < 32 * 32; i++) {
		snprintf(path, sizeof(path), "queue/%c%c", alphabet[i / 32],
		    alphabet[i % 32]);
		if (make_dir(spool_fd, path, mode) < 0)
			return -1;
	}
	if (file_sync_dir_at(spool_fd, "queue") < 0)
		return -1;
	return file_sync_dir_at(spool_fd, ".");
}

static DIR *open_listing(int at_fd, const char *path)
{
	int fd = openat(at_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir == NULL)
		file_close(&fd);
	return dir;
}

/* NULL at the end (errno 0) or on failure. Each listing is one caller's, so
 * readdir(3) is safe. */
static const struct dirent *next_entry(DIR *dir)
{
	errno = 0;
	// cppcheck-suppress readdirCalled
	return readdir(dir);
}

/* Names of one directory that are ids and belong there. */
static int walk_dir(DIR *dir, const char *name,
    int (*found)(const struct id *id, void *arg), void *arg)
{
	const struct dirent *entry;
	struct id id;
	int result = 0;

	while (result == 0 && (entry = next_entry(dir)) != NULL)
		if (id_parse(str_from(entry->d_name), &id) == 0 &&
		    strcmp(id.text + ID_LEN - DIR_LEN, name) == 0)
			result = found(&id, arg);
	return result == 0 && errno != 0 ? -1 : result;
}

int queue_walk(
    int spool_fd, int (*found)(const struct id *id, void *arg), void *arg)
{
	for (size_t i = 0; i < 32 * 32; i++) {
		char name[] = {alphabet[i / 32], alphabet[i % 32], '\0'};
		char path[QUEUE_PATH_MAX];
		DIR *dir;
		int result;

		snprintf(path, sizeof(path), "queue/%s", name);
		dir = open_listing(spool_fd, path);
		if (dir == NULL && errno == ENOENT)
			continue;
		if (dir == NULL)
			return -1;
		result = walk_dir(dir, name, found, arg);
		int saved = errno;
		closedir(dir);
		errno = saved;
		if (result != 0)
			return result;
	}
	return 0;
}

/* The reason beside the file. Only a help for the operator: on a full disk
 * it is left away, and the log has it. */
static void write_reason(int spool_fd, const char *path, const char *reason)
{
	char name[QUEUE_PATH_MAX + 16];
	char text[REASON_MAX + 64];
	int fd;

	snprintf(name, sizeof(name), "%s.reason", path);
	snprintf(text, sizeof(text), "%.*s\n", REASON_MAX, reason);
	fd = openat(
	    spool_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (fd < 0)
		return;
	if (file_write_full(fd, text, strlen(text)) < 0)
		unlinkat(spool_fd, name, 0);
	file_close(&fd);
}

int queue_set_aside(int spool_fd, const struct id *id, const char *reason)
{
	char from[QUEUE_PATH_MAX], to[QUEUE_PATH_MAX];
	struct queue_dir dir;

	queue_path(id, from);
	snprintf(to, sizeof(to), "corrupt/%s", id->text);
	/* A name that is there already keeps its file: nothing is deleted. */
	for (int i = 1; queue_move(spool_fd, from, spool_fd, to) < 0; i++) {
		if (errno != EEXIST || i > 99)
			return -1;
		snprintf(to, sizeof(to), "corrupt/%s.%d", id->text, i);
	}
	write_reason(spool_fd, to, reason);
	if (file_sync_dir_at(spool_fd, "corrupt") < 0 ||
	    queue_dir_open(spool_fd, id, &dir) < 0)
		return -1;
	int result = fsync(dir.fd);
	queue_dir_close(&dir);
	return result;
}

int queue_sweep_new(int spool_fd, int64_t age)
{
	DIR *dir = open_listing(spool_fd, "new");
	const struct dirent *entry;
	int64_t now = clock_seconds();
	struct stat st;
	struct id id;

	if (dir == NULL)
		return -1;
	while ((entry = next_entry(dir)) != NULL) {
		if (id_parse(str_from(entry->d_name), &id) < 0 ||
		    fstatat(dirfd(dir), entry->d_name, &st,
			AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISREG(st.st_mode) || now - st.st_mtime <= age)
			continue;
		unlinkat(dirfd(dir), entry->d_name, 0);
	}
	closedir(dir);
	return 0;
}
