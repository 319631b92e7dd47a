/* SPDX-License-Identifier: ISC */
/*
 * Files: whole reads and writes, and the order that makes a change durable.
 * Every function returns -1 with errno set on failure.
 */
#ifndef CORE_FILE_H
#define CORE_FILE_H

#include <stdint.h>
#include <sys/types.h>

#include "core/buf.h"

/* Appends the whole file to out; EFBIG past out's maximum. */
int file_read_at(int dir_fd, const char *path, struct buf *out);
int file_read(const char *path, struct buf *out);
int file_read_fd(int fd, struct buf *out);

/* Exactly len octets, or -1; a file that ends early is EIO. */
int file_pread_full(int fd, void *p, size_t len, uint64_t offset);
int file_pwrite_full(int fd, const void *p, size_t len, uint64_t offset);
int file_write_full(int fd, const void *p, size_t len);

/* fsync(2) of a directory, by path or below dir_fd ("." for itself). */
int file_sync_dir_at(int dir_fd, const char *path);

/*
 * Replaces path by content, all or nothing, also over a crash: temporary
 * file in the same directory, fsync, rename, fsync of the directory. An
 * existing file keeps its owner and mode; a new one gets `mode`.
 */
int file_replace(const char *path, struct str content, mode_t mode);

/* Creates a directory and its parents; one that exists is fine. */
int file_make_dirs(const char *path, mode_t mode);

int file_set_nonblocking(int fd);
int file_set_cloexec(int fd);

/* close(2) once, and *fd becomes -1; keeps errno. */
void file_close(int *fd);

#endif
