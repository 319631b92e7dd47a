/* SPDX-License-Identifier: ISC */
#include "store/engine_io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/observe.h"

static int io_open(int dir, const char *path, int flags, mode_t mode)
{
	return openat(dir, path, flags, mode);
}

static int io_mkdir(int dir, const char *path, mode_t mode)
{
	return mkdirat(dir, path, mode);
}

static int io_link(int dir, const char *from, const char *to)
{
	return linkat(dir, from, dir, to, 0);
}

static int io_unlink(int dir, const char *path)
{
	return unlinkat(dir, path, 0);
}

static int io_rename(int dir, const char *from, const char *to)
{
	return renameat(dir, from, dir, to);
}

static int io_punch(int fd, off_t at, off_t len)
{
	return fallocate(
	    fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, len);
}

static int io_allocate(int fd, off_t at, off_t len)
{
	int error = posix_fallocate(fd, at, len);

	errno = error;
	return error == 0 ? 0 : -1;
}

static int io_room(int fd, uint64_t *octets)
{
	struct statvfs st;

	if (fstatvfs(fd, &st) < 0)
		return -1;
	*octets = (uint64_t)st.f_bavail * st.f_frsize;
	return 0;
}

static int io_lock(int fd, off_t byte, bool on)
{
	struct flock lock = {
	    .l_type = on ? F_WRLCK : F_UNLCK,
	    .l_whence = SEEK_SET,
	    .l_start = byte,
	    .l_len = 1,
	};

	return fcntl(fd, F_OFD_SETLK, &lock);
}

const struct engine_io engine_io_system = {
    .open = io_open,
    .mkdir = io_mkdir,
    .link = io_link,
    .unlink = io_unlink,
    .rename = io_rename,
    .pread = pread,
    .pwritev = pwritev,
    .fdatasync = observe_fdatasync,
    .fsync = observe_fsync,
    .truncate = ftruncate,
    .punch = io_punch,
    .allocate = io_allocate,
    .room = io_room,
    .lock = io_lock,
};

ssize_t engine_io_read_some(
    const struct engine_io *io, int fd, void *p, size_t len, uint64_t at)
{
	char *to = p;
	size_t done = 0;

	while (done < len) {
		ssize_t n = io->pread(
		    fd, to + done, len - done, (off_t)(at + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int engine_io_read(
    const struct engine_io *io, int fd, void *p, size_t len, uint64_t at)
{
	ssize_t n = engine_io_read_some(io, fd, p, len, at);

	if (n >= 0 && (size_t)n < len)
		errno = EIO;
	return n >= 0 && (size_t)n == len ? 0 : -1;
}

int engine_io_writev(const struct engine_io *io, int fd, struct iovec *v,
    size_t count, uint64_t at)
{
	while (count > 0) {
		size_t some = count < IOV_MAX ? count : IOV_MAX;
		ssize_t n = io->pwritev(fd, v, (int)some, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		at += (uint64_t)n;
		while (count > 0 && (size_t)n >= v->iov_len) {
			n -= (ssize_t)v->iov_len;
			v++;
			count--;
		}
		if (count > 0 && n > 0) {
			v->iov_base = (char *)v->iov_base + n;
			v->iov_len -= (size_t)n;
		}
	}
	return 0;
}

int engine_io_write(
    const struct engine_io *io, int fd, const void *p, size_t len, uint64_t at)
{
	union {
		const void *from;
		void *to;
	} base = {.from = p};
	struct iovec v = {base.to, len};

	return len == 0 ? 0 : engine_io_writev(io, fd, &v, 1, at);
}
