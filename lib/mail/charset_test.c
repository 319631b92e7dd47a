/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "mail/charset.h"

static void converts(void **state)
{
	static const struct {
		const char *charset, *in, *want;
	} rows[] = {
	    {"us-ascii", "a\x80", "a\xef\xbf\xbd"},
	    {"ISO-8859-1", "\xe4", "\xc3\xa4"},
	    {"iso-8859-15", "\xa4", "\xe2\x82\xac"},
	    {"utf-8", "\xc3\xa4\xc3", "\xc3\xa4\xef\xbf\xbd"},
	    {"utf-8", "\xe2\x82x", "\xef\xbf\xbdx"},
	    {"euc-jp", "\xb4\xc1\xff", "\xe6\xbc\xa2\xef\xbf\xbd"},
	    {"no-such", "a\xe4", "a\xef\xbf\xbd"},
	};
	struct buf out = buf_new(400);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf_clear(&out);
		charset_to_utf8(
		    str_from(rows[i].charset), str_from(rows[i].in), &out);
		assert_string_equal(buf_text(&out), rows[i].want);
	}
	buf_free(&out);
}

static void folds_case(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
	    {"ABC xyz", "abc xyz"},
	    {"STRA\xc3\x9f"
	     "E",
		"strasse"},
	    {"\xc3\x84", "a\xcc\x88"},
	    {"A\xcc\x88", "a\xcc\x88"},
	    {"a\xff"
	     "B",
		"a\xff"
		"b"},
	    {"\xc3\x89\r\nX", "e\xcc\x81\r\nx"},
	};
	struct buf out = buf_new(400);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf_clear(&out);
		text_casefold(str_from(rows[i].in), &out);
		assert_string_equal(buf_text(&out), rows[i].want);
	}
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(converts),
	    cmocka_unit_test(folds_case),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
