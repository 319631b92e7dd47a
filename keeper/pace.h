/* SPDX-License-Identifier: ISC */
/*
 * How fast keeper may be: octets read and written in a second, by the
 * kernel's account of this process.
 */
#ifndef KEEPER_PACE_H
#define KEEPER_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
	uint64_t rate; /* octets in a second, 0: no limit */
	int64_t
	    credit; /* octets that may be spent now; below 0: too many were */
	int64_t since;  /* ms: credit was reckoned */
	uint64_t spent; /* octets in all, as last seen */
	/* When pace_measure last said something. */
	int64_t measured_since; /* ms */
	uint64_t measured_spent;
};

/* spent: what the process had used by now (ms, monotonic). */
void pace_init(struct pace *p, uint64_t rate, uint64_t spent, int64_t now);
/* Milliseconds to wait before the next octet; 0: go on. */
int64_t pace_wait(struct pace *p, uint64_t spent, int64_t now);
/* Octets in a second since the last time, PACE_MEASURE_MS ago or more. False
 * when it is too early. */
#define PACE_MEASURE_MS 5000
bool pace_measure(
    struct pace *p, uint64_t spent, int64_t now, uint64_t *per_second);

/* The sum of rchar and wchar in the text of /proc/self/io. */
uint64_t pace_parse(const char *text);

#endif
