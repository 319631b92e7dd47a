/* SPDX-License-Identifier: ISC */
#include "core/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

void file_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

int file_read_fd(int fd, struct buf *out)
{
	for (;;) {
		char piece[16384];
		ssize_t n = read(fd, piece, sizeof(piece));

		if (n == 0)
			return 0;
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		if (buf_add_bytes(out, piece, (size_t)n) < 0) {
			errno = EFBIG;
			return -1;
		}
	}
}

int file_read_at(int dir_fd, const char *path, struct buf *out)
{
	int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	int result;

	if (fd < 0)
		return -1;
	result = file_read_fd(fd, out);
	file_close(&fd);
	return result;
}

int file_read(const char *path, struct buf *out)
{
	return file_read_at(AT_FDCWD, path, out);
}

int file_pread_full(int fd, void *p, size_t len, uint64_t offset)
{
	char *to = p;

	while (len > 0) {
		ssize_t n = pread(fd, to, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO;
		if (n <= 0)
			return -1;
		to += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int file_pwrite_full(int fd, const void *p, size_t len, uint64_t offset)
{
	const char *from = p;

	while (len > 0) {
		ssize_t n = pwrite(fd, from, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		from += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int file_write_full(int fd, const void *p, size_t len)
{
	const char *from = p;

	while (len > 0) {
		ssize_t n = write(fd, from, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		from += n;
		len -= (size_t)n;
	}
	return 0;
}

int file_sync_dir_at(int dir_fd, const char *path)
{
	int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int result;

	if (fd < 0)
		return -1;
	result = fsync(fd);
	file_close(&fd);
	return result;
}

/* Gives the new file the owner and mode of the one that it replaces. */
static int inherit(int fd, const char *path, mode_t mode)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == ENOENT ? fchmod(fd, mode) : -1;
	if (st.st_uid != geteuid() || st.st_gid != getegid())
		if (fchown(fd, st.st_uid, st.st_gid) < 0 && errno != EPERM)
			return -1;
	return fchmod(fd, st.st_mode & 07777);
}

static int sync_parent(const char *path)
{
	char parent[PATH_MAX];
	struct str whole = str_from(path);
	size_t slash = str_find_last(whole, '/');

	if (slash == whole.len)
		return file_sync_dir_at(AT_FDCWD, ".");
	if (str_copy(parent, sizeof(parent),
		str_sub(whole, 0, slash == 0 ? 1 : slash)) < 0) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return file_sync_dir_at(AT_FDCWD, parent);
}

int file_replace(const char *path, struct str content, mode_t mode)
{
	char temporary[PATH_MAX];
	int fd;

	if ((size_t)snprintf(temporary, sizeof(temporary), "%s.%d.tmp", path,
		(int)getpid()) >= sizeof(temporary)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	if (file_write_full(fd, content.p, content.len) < 0 ||
	    inherit(fd, path, mode) < 0 || fsync(fd) < 0 ||
	    rename(temporary, path) < 0) {
		file_close(&fd);
		int saved = errno;
		unlink(temporary);
		errno = saved;
		return -1;
	}
	file_close(&fd);
	return sync_parent(path);
}

int file_make_dirs(const char *path, mode_t mode)
{
	char part[PATH_MAX];
	struct str whole = str_from(path);

	for (size_t i = 1; i <= whole.len; i++) {
		if (i < whole.len && whole.p[i] != '/')
			continue;
		if (str_copy(part, sizeof(part), str_sub(whole, 0, i)) < 0) {
			errno = ENAMETOOLONG;
			return -1;
		}
		if (mkdir(part, mode) < 0 && errno != EEXIST)
			return -1;
	}
	return 0;
}

int file_set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || (flags & O_NONBLOCK))
		return flags < 0 ? -1 : 0;
	return fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

int file_set_cloexec(int fd)
{
	return fcntl(fd, F_SETFD, FD_CLOEXEC);
}
