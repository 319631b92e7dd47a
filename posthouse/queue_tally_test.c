/* SPDX-License-Identifier: ISC */
#include "posthouse/queue_tally.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void equal_reasons_count_as_one(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
	    {"", "(not tried yet)"},
	    {"4.4.1 connect to a[1.2.3.4]:25: Connection refused",
		"connect to a[1.2.3.4]:25: Connection refused"},
	    {"4.4.1 delivery temporarily suspended: connect to "
	     "a[1.2.3.4]:25: Connection refused",
		"connect to a[1.2.3.4]:25: Connection refused"},
	    {"4.7.1 host a[1.2.3.4] said: 451 4.7.1 Later (in reply to DATA "
	     "command)",
		"451 4.7.1 Later (in reply to DATA command)"},
	    {"451 come back", "451 come back"},
	    {"4.7.1", "(not tried yet)"},
	    {"x.y.z words", "x.y.z words"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char got[200];
		struct str s = tally_reason(str_from(rows[i].in));

		snprintf(got, sizeof(got), "%.*s", STR_FMT(s));
		assert_string_equal(got, rows[i].want);
	}
}

static void ages_and_order(void **state)
{
	struct tally t = {.all = {.name = NULL}};
	struct tally_line **lines;
	size_t n;

	(void)state;
	tally_add(&t, STR("a"), 100000, 5, 100000);
	tally_add(&t, STR("b"), 100000 - 299, 9, 100000);
	tally_add(&t, STR("b"), 100000 - 300, 7, 100000);
	tally_add(&t, STR("b"), 100000 - 1280 * 60, 0, 100000);
	/* From the future: a clock was set. */
	tally_add(&t, STR("c"), 200000, 0, 100000);
	lines = tally_sorted(&t, &n);
	assert_int_equal(n, 3);
	assert_string_equal(lines[0]->name, "b");
	assert_string_equal(lines[1]->name, "a");
	assert_int_equal(lines[0]->total, 3);
	assert_int_equal(lines[0]->ages[0], 1);
	assert_int_equal(lines[0]->ages[1], 1);
	assert_int_equal(lines[0]->ages[TALLY_AGES - 1], 1);
	assert_int_equal(lines[0]->oldest, 100000 - 1280 * 60);
	assert_int_equal(lines[0]->last, 9);
	assert_int_equal(lines[2]->ages[0], 1);
	assert_int_equal(t.all.total, 5);
	free(lines);
	tally_free(&t);
}

static void names_are_bounded(void **state)
{
	struct tally t = {.all = {.name = NULL}};
	struct tally_line **lines;
	char name[20];
	size_t n;

	(void)state;
	for (int i = 0; i < TALLY_MOST + 10; i++) {
		snprintf(name, sizeof(name), "d%d", i);
		tally_add(&t, str_from(name), 1, 1, 1);
	}
	lines = tally_sorted(&t, &n);
	assert_int_equal(n, TALLY_MOST + 1);
	assert_string_equal(lines[0]->name, "(others)");
	assert_int_equal(lines[0]->total, 10);
	free(lines);
	tally_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(equal_reasons_count_as_one),
	    cmocka_unit_test(ages_and_order),
	    cmocka_unit_test(names_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
