/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>

#include "login/imap_words.h"

static void astrings(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
	    {"user secret", "user| secret"},
	    {"a@b.c", "a@b.c|"},
	    {"we%rd*\\]", "we%rd*\\]|"},
	    {"\"a b\" x", "a b| x"},
	    {"\"a\\\"\\\\b\"", "a\"\\b|"},
	    {"\"\"", "|"},
	    {"\"\xc3\xa4\"", "\xc3\xa4|"},
	    {"{3}\r\nfoo bar", "foo| bar"},
	    {"{3+}\r\nfoo bar", "foo| bar"},
	    {"{0}\r\n bar", "| bar"},
	    {"", "error"},
	    {" x", "error"},
	    {"\"open", "error"},
	    {"\"a\nb\"", "error"},
	    {"{4}\r\nfoo", "error"},
	    {"{3}\r\nf\r\n", "error"},
	    {"{3}foo", "error"},
	    {"{}\r\nfoo", "error"},
	    {"(x)", "error"},
	};
	struct buf out = buf_new(100);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str args = str_from(rows[i].in);
		char got[80] = "error";

		buf_clear(&out);
		if (imap_cut_astring(&args, &out) == 0)
			snprintf(got, sizeof(got), "%s|%.*s", buf_text(&out),
			    STR_FMT(args));
		assert_string_equal(got, rows[i].want);
	}
	imap_wipe(&out);
}

static void literals(void **state)
{
	static const struct {
		const char *in;
		long long len; /* -1: none */
		bool waits;
	} rows[] = {
	    {"a LOGIN {5}", 5, true},
	    {"a LOGIN {5+}", 5, false},
	    {"a LOGIN {5-}", 5, false},
	    {"{0}", 0, true},
	    {"a {4294967295}", 4294967295, true},
	    {"a {4294967296}", -2, true}, /* larger than anything */
	    {"a {99999999999999999999999+}", -2, false},
	    {"a {5} ", -1, false},
	    {"a {}", -1, false},
	    {"a {+}", -1, false},
	    {"a {5x}", -1, false},
	    {"a 5}", -1, false},
	    {"", -1, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t len = 0;
		bool waits = false;
		bool is = imap_literal(str_from(rows[i].in), &len, &waits);

		assert_int_equal(is, rows[i].len != -1);
		if (!is)
			continue;
		assert_int_equal(waits, rows[i].waits);
		if (rows[i].len == -2)
			assert_true(len == UINT64_MAX);
		else
			assert_true(len == (uint64_t)rows[i].len);
	}
}

static void tags(void **state)
{
	char long_one[129];

	(void)state;
	memset(long_one, 'a', sizeof(long_one));
	assert_true(imap_is_tag(STR("a.1")));
	assert_true(imap_is_tag(str_of(long_one, 128)));
	assert_false(imap_is_tag(str_of(long_one, 129)));
	assert_false(imap_is_tag(STR("")));
	assert_false(imap_is_tag(STR("+")));
	assert_false(imap_is_tag(STR("a+")));
	assert_false(imap_is_tag(STR("*")));
	assert_false(imap_is_tag(STR("a\"")));
	assert_false(imap_is_tag(STR("a\0")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(astrings),
	    cmocka_unit_test(literals),
	    cmocka_unit_test(tags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
