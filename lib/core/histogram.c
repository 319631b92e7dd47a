/* SPDX-License-Identifier: ISC */
#include "core/histogram.h"

#define FIRST   4 /* the first bucket ends at 2^4 */
#define PARTS   4 /* of each doubling */
#define OCTAVES 35

_Static_assert(HISTOGRAM_BUCKETS == 2 + OCTAVES * PARTS,
    "one before the first doubling, one behind the last");

unsigned histogram_bucket(uint64_t us)
{
	uint64_t v = us > 0 ? us - 1 : 0;
	unsigned e;

	if (v < 1u << FIRST)
		return 0;
	e = 63 - (unsigned)__builtin_clzll(v);
	if (e >= FIRST + OCTAVES)
		return HISTOGRAM_BUCKETS - 1;
	return 1 + (e - FIRST) * PARTS + ((unsigned)(v >> (e - 2)) & 3);
}

uint64_t histogram_most(unsigned bucket)
{
	unsigned e;

	if (bucket == 0)
		return 1u << FIRST;
	if (bucket >= HISTOGRAM_BUCKETS - 1)
		return UINT64_MAX;
	e = FIRST + (bucket - 1) / PARTS;
	return (uint64_t)(PARTS + 1 + (bucket - 1) % PARTS) << (e - 2);
}

void histogram_add(struct histogram *to, const struct histogram *h)
{
	to->count += h->count;
	to->sum += h->sum;
	if (h->max > to->max)
		to->max = h->max;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		to->buckets[i] += h->buckets[i];
}

/* Counters begin again when master does. */
static uint64_t less(uint64_t now, uint64_t before)
{
	return now >= before ? now - before : now;
}

void histogram_since(struct histogram *h, const struct histogram *before)
{
	h->count = less(h->count, before->count);
	h->sum = less(h->sum, before->sum);
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		h->buckets[i] = less(h->buckets[i], before->buckets[i]);
}

/* Of the buckets: who counts may be between two of its additions. */
static uint64_t total(const struct histogram *h)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		n += h->buckets[i];
	return n;
}

uint64_t histogram_quantile(const struct histogram *h, unsigned permille)
{
	uint64_t all = total(h), n = 0, most;
	uint64_t rank = all / 1000 * permille + all % 1000 * permille / 1000;

	if (all == 0)
		return 0;
	if (rank * 1000 < all * permille || rank == 0)
		rank++;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		n += h->buckets[i];
		if (n < rank)
			continue;
		most = histogram_most(i);
		return most < h->max || h->max == 0 ? most : h->max;
	}
	return h->max;
}

uint64_t histogram_within(const struct histogram *h, uint64_t us)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		if (histogram_most(i) <= us)
			n += h->buckets[i];
	return n;
}
