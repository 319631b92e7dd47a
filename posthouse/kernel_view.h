/* SPDX-License-Identifier: ISC */
/* What the kernel says of a process: proc(5). */
#ifndef POSTHOUSE_KERNEL_VIEW_H
#define POSTHOUSE_KERNEL_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"

#define VIEW_NO_LIMIT UINT64_MAX

struct kernel_view {
	unsigned uid[4], gid[4]; /* real, effective, saved, of files */
	unsigned groups[8];
	size_t group_count;
	bool no_new_privs, dumpable;
	unsigned seccomp, filters; /* mode; how many filters */
	/* inheritable, permitted, effective, bounding, ambient */
	uint64_t capabilities[5];
	/* hard limits: core, processes, size of a file, memory */
	uint64_t core, processes, file_size, data;
	char root[4096]; /* "" where we may not look */
};

extern const char *const view_capability_names[5];

/* -1 when there is no such process (any more). */
int kernel_view(unsigned pid, struct kernel_view *out);

/* Appends the names of the sockets in a folder, blanks between them, and to
 * others those of files that are no sockets. -1 with errno. */
int kernel_view_sockets(
    const char *folder, struct buf *sockets, struct buf *others);

#endif
