/* SPDX-License-Identifier: ISC */
/* Who is visited when, and how fast: without a store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "keeper/due.h"
#include "keeper/pace.h"
#include "keeper/walk.h"

/* ---- due ---- */

static void take(struct due *d, int64_t now, const char *want)
{
	char *account = due_take(d, now);

	if (want == NULL)
		assert_null(account);
	else
		assert_string_equal(account, want);
	free(account);
}

static void the_earliest_comes_first(void **state)
{
	struct due d;

	(void)state;
	due_init(&d, 10);
	assert_int_equal(due_next(&d), INT64_MAX);
	due_add(&d, STR("b"), 20);
	due_add(&d, STR("c"), 30);
	due_add(&d, STR("a"), 10);
	due_add(&d, STR("c"), 5);  /* earlier than it was noted for */
	due_add(&d, STR("b"), 90); /* later: the first word counts */
	assert_int_equal(d.count, 3);
	assert_int_equal(due_next(&d), 5);
	take(&d, 4, NULL);
	take(&d, 100, "c");
	take(&d, 100, "a");
	take(&d, 19, NULL);
	take(&d, 20, "b");
	take(&d, 100, NULL);
	due_free(&d);
}

static void what_does_not_fit_is_refused(void **state)
{
	struct due d;

	(void)state;
	due_init(&d, 2);
	assert_true(due_add(&d, STR("a"), 1));
	assert_true(due_add(&d, STR("b"), 2));
	assert_false(due_add(&d, STR("c"), 0));
	assert_true(due_add(&d, STR("b"), 0));
	take(&d, 0, "b");
	assert_true(due_add(&d, STR("c"), 0));
	due_free(&d);
}

/* Against a plain list: whatever the order, times come out sorted. */
static void a_heap_stays_one(void **state)
{
	uint32_t random = 12345;
	struct due d;
	int64_t last = 0;

	(void)state;
	due_init(&d, 5000);
	for (int i = 0; i < 20000; i++) {
		char name[16];

		random = random * 1103515245u + 12345;
		snprintf(name, sizeof(name), "%u", random >> 8 & 1023);
		due_add(&d, str_from(name), random >> 12);
	}
	while (d.count > 0) {
		int64_t at = due_next(&d);
		char *account = due_take(&d, at);

		assert_non_null(account);
		assert_true(at >= last);
		last = at;
		free(account);
	}
	due_free(&d);
}

/* ---- pace ---- */

static void who_spent_too_much_waits(void **state)
{
	struct pace p;

	(void)state;
	pace_init(&p, 1000, 500, 10000);
	assert_int_equal(pace_wait(&p, 500, 10000), 0);
	assert_int_equal(pace_wait(&p, 2500, 10000), 2001);
	assert_int_equal(pace_wait(&p, 2500, 11000), 1001);
	assert_int_equal(pace_wait(&p, 2500, 12001), 0);
	/* A long rest saves up a second's worth, no more. */
	assert_int_equal(pace_wait(&p, 2500, 100000), 0);
	assert_int_equal(pace_wait(&p, 3500, 100000), 0);
	assert_int_equal(pace_wait(&p, 3600, 100000), 101);
	/* Nor does a debt last longer than it takes to pay. */
	assert_int_equal(pace_wait(&p, 3600, 4000000), 0);
}

static void no_rate_is_no_limit(void **state)
{
	struct pace p;

	(void)state;
	pace_init(&p, 0, 0, 0);
	assert_int_equal(pace_wait(&p, INT64_MAX, 1), 0);
	pace_init(&p, INT64_MAX, 0, 0);
	assert_int_equal(pace_wait(&p, 1u << 30, 1000), 0);
}

static void octets_in_a_second(void **state)
{
	struct pace p;
	uint64_t rate = 7;

	(void)state;
	pace_init(&p, 0, 100, 0);
	assert_false(pace_measure(&p, 200, 4999, &rate));
	assert_true(pace_measure(&p, 1100, 10000, &rate));
	assert_int_equal(rate, 100);
	assert_true(pace_measure(&p, 1100, 15000, &rate));
	assert_int_equal(rate, 0);
	assert_int_equal(pace_parse("rchar: 30\nwchar: 12\nsyscr: 1\n"
				    "read_bytes: 4096\n"),
	    42);
	assert_int_equal(pace_parse("nothing"), 0);
}

/* ---- the walk ---- */

static void a_round_takes_the_interval(void **state)
{
	char root[] = "/tmp/keeper_test.XXXXXX";
	enum store_result r;
	struct store *s;
	const char *why;
	struct walk w;
	unsigned seen = 0;
	int64_t now = 5000;
	bool began;

	(void)state;
	assert_non_null(mkdtemp(root));
	s = store_open(root, NULL, &why);
	/* Half a round of the clock has passed. */
	walk_init(&w, 25600, 12800 + 7 * 25600, now);
	assert_int_equal(w.shard, 128);
	assert_int_equal(walk_percent(&w), 50);
	for (; now < 5000 + 25600; now += 10) {
		walk_take(&w, s, now, &began, &r);
		seen += began;
	}
	assert_int_equal(seen, 256);
	assert_int_equal(w.shard, 128);
	/* Nothing happened for a while: it goes on, and does not hurry. */
	now += 10000;
	for (int64_t end = now + 1000; now < end; now += 10) {
		walk_take(&w, s, now, &began, &r);
		seen += began;
	}
	assert_in_range(seen, 256 + 9, 256 + 12);
	walk_free(&w);
	store_close(&s);
	assert_int_equal(remove(root), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_earliest_comes_first),
	    cmocka_unit_test(what_does_not_fit_is_refused),
	    cmocka_unit_test(a_heap_stays_one),
	    cmocka_unit_test(who_spent_too_much_waits),
	    cmocka_unit_test(no_rate_is_no_limit),
	    cmocka_unit_test(octets_in_a_second),
	    cmocka_unit_test(a_round_takes_the_interval),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
