/* SPDX-License-Identifier: ISC */
/*
 * How long things take: told where the waiting happens, in whatever library,
 * to whoever shows it (lib/daemon). Nobody listening, nothing is done; no
 * system call in any case.
 *
 *	int64_t began = observe_begin();
 *	result = fdatasync(fd);
 *	observe_end("sync", began);
 */
#ifndef CORE_OBSERVE_H
#define CORE_OBSERVE_H

#include <stdint.h>

/* name is a constant; it has a row in lib/daemon/figures.c. */
void observe_to(void (*sink)(const char *name, uint64_t us));
/* The time of now, for observe_end; 0 when nobody listens. */
int64_t observe_begin(void);
void observe_end(const char *name, int64_t began);
/* A time that is known already. */
void observe(const char *name, uint64_t us);
/* fsync(2) and fdatasync(2), observed as "sync". */
int observe_fsync(int fd);
int observe_fdatasync(int fd);

#endif
