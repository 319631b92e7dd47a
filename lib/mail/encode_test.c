/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "mail/encode.h"

struct row {
	const char *in, *want;
};

static void base64_is_strict(void **state)
{
	static const struct row rows[] = {
	    {"", ""},
	    {"Zg==", "f"},
	    {"Zm8=", "fo"},
	    {"Zm9v", "foo"},
	    {"Zm9vYg==", "foob"},
	    {"Zg=", "error"},
	    {"Zg", "error"},
	    {"Zh==", "error"},
	    {"Zm9=", "error"},
	    {"Z===", "error"},
	    {"====", "error"},
	    {"Zm 9", "error"},
	    {"Zg==Zg==", "error"},
	    {"Zm9v\n", "error"},
	};
	struct buf out = buf_new(100);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf_clear(&out);
		int r = base64_decode(str_from(rows[i].in), &out);
		if (r < 0)
			assert_int_equal(out.len, 0);
		assert_string_equal(
		    r < 0 ? "error" : buf_text(&out), rows[i].want);
		if (r < 0)
			continue;
		buf_clear(&out);
		base64_encode(str_from(rows[i].want), &out);
		assert_string_equal(buf_text(&out), rows[i].in);
	}
	buf_free(&out);
}

static void base64_of_bodies_is_tolerant(void **state)
{
	static const struct row rows[] = {
	    {"Zm9v\r\nYmFy\r\n", "foobar"},
	    {"Z m 9 v", "foo"},
	    {"Zm9vYg", "foob"},
	    {"Zm9vYmE", "fooba"},
	    {"Zg==Zm9v", "ffoo"},
	    {"!!!", ""},
	    {"Z", ""},
	};
	struct buf out = buf_new(10000);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf_clear(&out);
		base64_decode_mime(str_from(rows[i].in), &out);
		assert_string_equal(buf_text(&out), rows[i].want);
	}
	char many[58];
	memset(many, 0, sizeof(many));
	buf_clear(&out);
	base64_encode_mime(str_of(many, sizeof(many)), &out);
	assert_int_equal(out.len, 76 + 2 + 4 + 2);
	assert_memory_equal(out.p + 76, "\r\nAA==\r\n", 8);
	buf_free(&out);
}

static void quoted_printable(void **state)
{
	static const struct row decode[] = {
	    {"a=3Db", "a=b"},
	    {"a=3db", "a=b"},
	    {"soft=\r\nbreak", "softbreak"},
	    {"soft= \t\r\nbreak", "softbreak"},
	    {"soft=\nbreak", "softbreak"},
	    {"blanks  \r\nx", "blanks\r\nx"},
	    {"end ", "end"},
	    {"a  b", "a  b"},
	    {"bad=ZZ", "bad=ZZ"},
	    {"end=", "end"},
	    {"a_b", "a_b"},
	    {"=4", "=4"},
	};
	static const struct row encode[] = {
	    {"a=b", "a=3Db"},
	    {"a \r\nb", "a=20\r\nb"},
	    {"a\tb ", "a\tb=20"},
	    {"\r", "=0D"},
	    {"a\nb", "a=0Ab"},
	    {"\xc3\xa4", "=C3=A4"},
	    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	     "aaaaaaaaaaaaaabc",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaa=\r\nbc"},
	};
	struct buf out = buf_new(400);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(decode); i++) {
		buf_clear(&out);
		qp_decode(str_from(decode[i].in), false, &out);
		assert_string_equal(buf_text(&out), decode[i].want);
	}
	for (size_t i = 0; i < ARRAY_LEN(encode); i++) {
		buf_clear(&out);
		qp_encode(str_from(encode[i].in), &out);
		assert_string_equal(buf_text(&out), encode[i].want);
	}
	buf_clear(&out);
	qp_decode(STR("a_b=20 c"), true, &out);
	assert_string_equal(buf_text(&out), "a b  c");
	buf_free(&out);
}

static void xtext(void **state)
{
	static const struct row rows[] = {
	    {"a+2Bb", "a+b"},
	    {"+3D+20", "= "},
	    {"a+b", "error"},
	    {"a b", "error"},
	    {"a=", "error"},
	    {"+2", "error"},
	    {"+", "error"},
	};
	struct buf out = buf_new(100);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf_clear(&out);
		int r = xtext_decode(str_from(rows[i].in), &out);
		assert_string_equal(
		    r < 0 ? "error" : buf_text(&out), rows[i].want);
		if (r < 0)
			continue;
		buf_clear(&out);
		xtext_encode(str_from(rows[i].want), &out);
		assert_string_equal(buf_text(&out), rows[i].in);
	}
	buf_free(&out);
}

static void utf8(void **state)
{
	static const char *const good[] = {"", "ascii only, quite long",
	    "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x93\xae", "12345678\xc3\xa4",
	    "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf"};
	static const char *const bad[] = {"\x80", "\xc3", "\xc0\x80",
	    "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
	    "\xf0\x80\x80\x80", "\xff", "12345678\xc3", "\xe2\x82"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(utf8_valid(str_from(good[i])));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(utf8_valid(str_from(bad[i])));
	assert_int_equal(utf8_valid_length(STR("12345678a\xc3(")), 9);
}

static void output_stops_at_its_maximum(void **state)
{
	struct buf out = buf_new(3);

	(void)state;
	base64_encode(STR("foo"), &out);
	assert_true(out.overflow && out.len == 0);
	buf_clear(&out);
	assert_int_equal(base64_decode(STR("Zm9vYg=="), &out), -1);
	buf_clear(&out);
	xtext_encode(STR("===="), &out);
	assert_true(out.overflow && out.len == 3);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(base64_is_strict),
	    cmocka_unit_test(base64_of_bodies_is_tolerant),
	    cmocka_unit_test(quoted_printable),
	    cmocka_unit_test(xtext),
	    cmocka_unit_test(utf8),
	    cmocka_unit_test(output_stops_at_its_maximum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
