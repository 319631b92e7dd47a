/* SPDX-License-Identifier: ISC */
#include "core/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Every time lies above the end of the bucket before its own and not above
 * the end of its own; the ends grow. */
static void buckets_hold_what_they_say(void **state)
{
	(void)state;
	for (unsigned i = 1; i < HISTOGRAM_BUCKETS; i++)
		assert_true(histogram_most(i) > histogram_most(i - 1));
	for (unsigned i = 0; i + 1 < HISTOGRAM_BUCKETS; i++) {
		uint64_t most = histogram_most(i);

		assert_int_equal(histogram_bucket(most), i);
		assert_int_equal(histogram_bucket(most + 1), i + 1);
	}
	assert_int_equal(histogram_bucket(0), 0);
	assert_int_equal(histogram_bucket(16), 0);
	assert_int_equal(histogram_most(4), 32);
	assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

static void observe(struct histogram *h, uint64_t us)
{
	h->count++;
	h->sum += us;
	if (us > h->max)
		h->max = us;
	h->buckets[histogram_bucket(us)]++;
}

static void quantiles_are_within_a_bucket(void **state)
{
	struct histogram h = {0};

	(void)state;
	assert_int_equal(histogram_quantile(&h, 500), 0);
	for (uint64_t us = 1; us <= 100000; us++)
		observe(&h, us);
	for (unsigned p = 10; p <= 990; p += 10) {
		uint64_t exact = 100u * p, got = histogram_quantile(&h, p);

		assert_true(got >= exact);
		assert_true(got <= exact + exact / 4 + 16);
	}
	assert_int_equal(histogram_quantile(&h, 1000), 100000);
	assert_int_equal(histogram_within(&h, 1024), 1024);
	assert_int_equal(histogram_within(&h, UINT64_MAX), 100000);
}

static void one_time_is_every_quantile(void **state)
{
	struct histogram h = {0};

	(void)state;
	observe(&h, 5000);
	assert_int_equal(histogram_quantile(&h, 1), 5000);
	assert_int_equal(histogram_quantile(&h, 990), 5000);
	observe(&h, 900000);
	assert_int_equal(histogram_quantile(&h, 500), 5120);
	assert_int_equal(histogram_quantile(&h, 501), 900000);
}

static void what_came_since(void **state)
{
	struct histogram before = {0}, h;

	(void)state;
	observe(&before, 100);
	observe(&before, 100);
	h = before;
	observe(&h, 3000);
	histogram_since(&h, &before);
	assert_int_equal(h.count, 1);
	assert_int_equal(h.sum, 3000);
	assert_int_equal(histogram_quantile(&h, 500), 3000);
	histogram_add(&h, &before);
	assert_int_equal(h.count, 3);
	/* Master began anew meanwhile. */
	h = (struct histogram){0};
	observe(&h, 50);
	histogram_since(&h, &before);
	assert_int_equal(h.count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(buckets_hold_what_they_say),
	    cmocka_unit_test(quantiles_are_within_a_bucket),
	    cmocka_unit_test(one_time_is_every_quantile),
	    cmocka_unit_test(what_came_since),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
