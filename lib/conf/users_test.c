/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "conf/users.h"

static const struct {
	const char *list;
	unsigned uid;
	bool want;
} rows[] = {
    {"static:anyone", 1000, true},
    {"static:anyone", 0, true},
    {"", 0, false},
    {"", 1000, false},
    {"root", 0, true},
    {"root", 1, false},
    {"1000 1001", 1001, true},
    {"1000,1001", 1002, false},
    {"!1000, static:anyone", 1000, false},
    {"!1000, static:anyone", 1001, true},
    {"static:anyone, !1000", 1000, true}, /* the first decides */
    {"!root static:all", 0, false},
    {"there-is-no-such-user", 0, false},
};

static void the_first_entry_decides(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf odd = buf_new(1000), errors = buf_new(1000);
		struct user_list list;

		assert_int_equal(
		    user_list_read(&list, rows[i].list, &odd, &errors), 0);
		assert_int_equal(
		    user_list_has(&list, rows[i].uid), rows[i].want);
		assert_int_equal(errors.len, 0);
		user_list_free(&list);
		buf_free(&odd);
		buf_free(&errors);
	}
}

static void what_is_no_list_is_told(void **state)
{
	static const char *const wrong[] = {
	    "hash:users", "/etc/users", "!", "root, inline:{a=b}"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct buf odd = buf_new(1000), errors = buf_new(1000);
		struct user_list list;

		assert_int_equal(
		    user_list_read(&list, wrong[i], &odd, &errors), -1);
		assert_true(errors.len > 0);
		user_list_free(&list);
		buf_free(&odd);
		buf_free(&errors);
	}
}

static void an_unknown_user_is_odd(void **state)
{
	struct buf odd = buf_new(1000), errors = buf_new(1000);
	struct user_list list;

	(void)state;
	assert_int_equal(
	    user_list_read(&list, "nosuchuser root", &odd, &errors), 0);
	assert_string_equal(buf_text(&odd), "there is no user nosuchuser\n");
	assert_true(user_list_has(&list, 0));
	user_list_free(&list);
	buf_free(&odd);
	buf_free(&errors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_first_entry_decides),
	    cmocka_unit_test(what_is_no_list_is_told),
	    cmocka_unit_test(an_unknown_user_is_odd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
