/* SPDX-License-Identifier: ISC */
/*
 * Times in buckets: four for each doubling, from 16 microseconds to six days,
 * the same for everybody, so that what many processes counted can be added
 * up. A time lies in its bucket within a fifth of its value.
 */
#ifndef CORE_HISTOGRAM_H
#define CORE_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS 142

struct histogram {
	uint64_t count, sum, max; /* sum and max in microseconds */
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* The bucket of a time in microseconds. */
unsigned histogram_bucket(uint64_t us);
/* The longest time of a bucket; UINT64_MAX for the last one. */
uint64_t histogram_most(unsigned bucket);
void histogram_add(struct histogram *to, const struct histogram *h);
/* What came since `before`, of which max is not known: it stays h's. */
void histogram_since(struct histogram *h, const struct histogram *before);
/* The time that `permille` of all did not exceed, in microseconds, rounded up
 * to the end of its bucket and never above max; 0 when there are none. */
uint64_t histogram_quantile(const struct histogram *h, unsigned permille);
/* How many took at most so long; exact where us ends a bucket. */
uint64_t histogram_within(const struct histogram *h, uint64_t us);

#endif
