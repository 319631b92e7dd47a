/* SPDX-License-Identifier: ISC */
#include "core/clock.h"

#include <limits.h>
#include <time.h>

static int64_t stepped; /* microseconds */
static int64_t skipped; /* milliseconds */

int64_t clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 + skipped;
}

void clock_skip(int64_t ms)
{
	skipped += ms;
}

uint64_t clock_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (
	    uint64_t)((int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000 + stepped);
}

void clock_step(int64_t seconds)
{
	stepped += seconds * 1000000;
}

int64_t clock_seconds(void)
{
	return (int64_t)(clock_us() / 1000000);
}

int64_t deadline_in(int64_t ms)
{
	int64_t now = clock_ms();

	return ms < 0 || ms > INT64_MAX - now ? DEADLINE_NEVER : now + ms;
}

int deadline_left(int64_t deadline)
{
	if (deadline == DEADLINE_NEVER)
		return -1;
	int64_t left = deadline - clock_ms();
	if (left <= 0)
		return 0;
	return left > INT_MAX ? INT_MAX : (int)left;
}
