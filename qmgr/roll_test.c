/* SPDX-License-Identifier: ISC */
#include "qmgr/roll.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

/* Whatever the number of pieces: every id once, in their order. */
static void all_in_order(void **state)
{
	static const size_t counts[] = {
	    0, 1, 2, ROLL_PIECE - 1, ROLL_PIECE, ROLL_PIECE + 1, 20000};

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(counts); k++) {
		struct messages ms = {0};
		struct id last = {""}, id;
		struct roll r;
		size_t n = 0;

		for (size_t i = 0; i < counts[k]; i++) {
			id = id_new();
			messages_add(&ms, &id, STR_EMPTY, 1);
		}
		roll_all(&r, &ms);
		while (roll_sort(&r))
			;
		while (roll_next(&r, &id)) {
			assert_true(memcmp(last.text, id.text, ID_LEN) < 0);
			assert_non_null(messages_find(&ms, id_str(&id)));
			last = id;
			n++;
		}
		assert_int_equal(n, counts[k]);
		roll_free(&r);
		messages_free(&ms);
	}
}

static void one_alone(void **state)
{
	struct id id = id_new(), got;
	struct roll r;

	(void)state;
	roll_one(&r, &id);
	assert_false(roll_sort(&r));
	assert_true(roll_next(&r, &got));
	assert_string_equal(got.text, id.text);
	assert_false(roll_next(&r, &got));
	roll_free(&r);
	r = (struct roll){.ids = NULL};
	assert_false(roll_sort(&r));
	assert_false(roll_next(&r, &got));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_in_order),
	    cmocka_unit_test(one_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
