/* SPDX-License-Identifier: ISC */
/*
 * Every call by which the files engine changes or reads its files, in one
 * table, so that a test can count, record and fail them. Each behaves as the
 * system call of its name: -1 and errno.
 */
#ifndef STORE_ENGINE_IO_H
#define STORE_ENGINE_IO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct engine_io {
	int (*open)(int dir, const char *path, int flags, mode_t mode);
	int (*mkdir)(int dir, const char *path, mode_t mode);
	int (*link)(int dir, const char *from, const char *to);
	int (*unlink)(int dir, const char *path);
	int (*rename)(int dir, const char *from, const char *to);
	ssize_t (*pread)(int fd, void *p, size_t len, off_t at);
	ssize_t (*pwritev)(int fd, const struct iovec *v, int count, off_t at);
	int (*fdatasync)(int fd);
	int (*fsync)(int fd);
	int (*truncate)(int fd, off_t length);
	/* Gives the blocks of a range back; it reads as zeroes, the file keeps
	 * its length (fallocate). */
	int (*punch)(int fd, off_t at, off_t len);
	/* Makes sure of blocks for a range (posix_fallocate). */
	int (*allocate)(int fd, off_t at, off_t len);
	/* Octets that the file system still has for us. */
	int (*room)(int fd, uint64_t *octets);
	/* Takes or gives one byte of a lock file, exclusively, for this open
	 * file description (F_OFD_SETLK); EAGAIN when another has it. */
	int (*lock)(int fd, off_t byte, bool on);
};

extern const struct engine_io engine_io_system;

/* All of it, over short transfers and EINTR; reading beyond the end is EIO.
 * 0 or -1. */
int engine_io_read(
    const struct engine_io *io, int fd, void *p, size_t len, uint64_t at);
/* As much as there is up to len; the length, or -1. */
ssize_t engine_io_read_some(
    const struct engine_io *io, int fd, void *p, size_t len, uint64_t at);
/* v is used up. */
int engine_io_writev(const struct engine_io *io, int fd, struct iovec *v,
    size_t count, uint64_t at);
int engine_io_write(
    const struct engine_io *io, int fd, const void *p, size_t len, uint64_t at);

#endif
