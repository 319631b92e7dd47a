/* SPDX-License-Identifier: ISC */
#include "core/observe.h"

#include <errno.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

static void (*told)(const char *name, uint64_t us);

void observe_to(void (*sink)(const char *name, uint64_t us))
{
	told = sink;
}

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t observe_begin(void)
{
	return told != NULL ? now_us() : 0;
}

void observe_end(const char *name, int64_t began)
{
	int64_t now;

	if (told == NULL || began == 0)
		return;
	now = now_us();
	told(name, now > began ? (uint64_t)(now - began) : 0);
}

void observe(const char *name, uint64_t us)
{
	if (told != NULL)
		told(name, us);
}

static int synced(int (*sync_it)(int fd), int fd)
{
	int64_t began = observe_begin();
	int result = sync_it(fd), saved = errno;

	observe_end("sync", began);
	errno = saved;
	return result;
}

int observe_fsync(int fd)
{
	return synced(fsync, fd);
}

int observe_fdatasync(int fd)
{
	return synced(fdatasync, fd);
}
