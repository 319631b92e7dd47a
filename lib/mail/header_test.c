/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>

#include "mail/header.h"

struct row {
	const char *in, *want;
};

/* Every field as "[name=value]", junk as "!", and what is left behind. */
static void fields(struct str in, struct buf *out)
{
	struct header_field f;
	int got;

	while ((got = header_next(&in, &f)) != 0) {
		if (got < 0)
			buf_printf(out, "!%zu", f.whole.len);
		else
			buf_printf(out, "[%.*s=%.*s]", STR_FMT(f.name),
			    STR_FMT(f.value));
	}
	buf_printf(out, "|%.*s", STR_FMT(in));
}

static void cuts_fields(void **state)
{
	static const struct row rows[] = {
	    {"A: b\r\nC: d\r\n\r\nbody", "[A=b][C=d]|body"},
	    {"A: b\nC:d\n\nbody", "[A=b][C=d]|body"},
	    {"A: b\r\n c\r\n\td\r\n\r\n", "[A=b\r\n c\r\n\td]|"},
	    {"A:\r\n b\r\n", "[A=b]|"},
	    {"A:\r\nB: c", "[A=][B=c]|"},
	    {"A : b\r\n", "[A=b]|"},
	    {"no field\r\nA: b\r\n", "!10[A=b]|"},
	    {" early\r\nA: b\r\n", "!8[A=b]|"},
	    {"From x Mon 10:11\r\nA: b\r\n", "!18[A=b]|"},
	    {": x\r\n", "!5|"},
	    {"\r\nx", "|x"},
	    {"\nx", "|x"},
	    {"", "|"},
	    {"A: b", "[A=b]|"},
	    {"A: b\r", "[A=b\r]|"},
	};
	struct buf out = buf_new(400);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf_clear(&out);
		fields(str_from(rows[i].in), &out);
		assert_string_equal(buf_text(&out), rows[i].want);
	}
	buf_free(&out);
}

static void finds_and_measures(void **state)
{
	struct header_field f;

	(void)state;
	assert_true(header_find(
	    STR("a: 1\r\njunk\r\nB: 2\r\nb: 3\r\n\r\nc: 4"), STR("B"), &f));
	assert_true(str_eq(f.value, STR("2")));
	assert_false(header_find(STR("a: 1\r\n\r\nc: 4"), STR("c"), &f));
	assert_int_equal(header_length(STR("a: 1\r\n\r\nbody")), 8);
	assert_int_equal(header_length(STR("a: 1\n\nbody")), 6);
	assert_int_equal(header_length(STR("\r\nbody")), 2);
	assert_int_equal(header_length(STR("a: 1\r\nbody")), 10);
	assert_int_equal(header_length(STR("")), 0);
}

static void unfolds_and_folds(void **state)
{
	struct buf out = buf_new(4000);

	(void)state;
	header_unfold(STR("a\r\n b\n\tc"), &out);
	assert_string_equal(buf_text(&out), "a b\tc");
	buf_clear(&out);
	header_put(&out, "Subject", STR("  one\r\nX-Evil: two "));
	assert_string_equal(buf_text(&out), "Subject: oneX-Evil: two\r\n");
	buf_clear(&out);
	header_put(&out, "References",
	    STR("<aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@example.org> "
		"<bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb@example.org>"));
	assert_string_equal(buf_text(&out),
	    "References: <aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@example.org>\r\n"
	    " <bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb@example.org>\r\n");
	buf_free(&out);
}

static void decodes_words(void **state)
{
	/* the examples of RFC 2047 section 8, and what is sent in its place */
	static const struct row rows[] = {
	    {"=?ISO-8859-1?Q?a?=", "a"},
	    {"=?ISO-8859-1?Q?a?= b", "a b"},
	    {"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"},
	    {"=?ISO-8859-1?Q?a?=\r\n     =?ISO-8859-1?Q?b?=", "ab"},
	    {"=?ISO-8859-1?Q?a_b?=", "a b"},
	    {"=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"},
	    {"x =?utf-8?B?w6Q=?= y", "x \xc3\xa4 y"},
	    {"=?iso-8859-1*de?q?=E4?=", "\xc3\xa4"},
	    {"=?utf-8?B?ww==?= =?utf-8?B?pA==?=", "\xc3\xa4"},
	    {"=?windows-1252?Q?=80?=", "\xe2\x82\xac"},
	    {"=?koi8-r?B?8NLJ18XU?=",
		"\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82"},
	    {"=?x-unknown?Q?a?=", "=?x-unknown?Q?a?="},
	    {"=?utf-8//IGNORE?Q?a?=", "=?utf-8//IGNORE?Q?a?="},
	    {"=?utf-8?Q?a", "=?utf-8?Q?a"},
	    {"=?utf-8?X?a?=", "=?utf-8?X?a?="},
	    {"a == b =? c", "a == b =? c"},
	    {"two\r\n lines", "two lines"},
	    {"raw \xff", "raw \xef\xbf\xbd"},
	    {"", ""},
	};
	struct buf out = buf_new(400);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf_clear(&out);
		header_decode(str_from(rows[i].in), &out);
		assert_string_equal(buf_text(&out), rows[i].want);
	}
	buf_free(&out);
}

static void message_ids(void **state)
{
	static const struct row rows[] = {
	    {"<a@b>", "a@b"},
	    {" (c) <a@b> x", "a@b"},
	    {"a@b", ""},
	    {"<a b@c>", ""},
	    {"<a", ""},
	    {"<>", ""},
	    {"", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_true(str_eq(header_message_id(str_from(rows[i].in)),
		    str_from(rows[i].want)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(cuts_fields),
	    cmocka_unit_test(finds_and_measures),
	    cmocka_unit_test(unfolds_and_folds),
	    cmocka_unit_test(decodes_words),
	    cmocka_unit_test(message_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
