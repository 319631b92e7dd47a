/* SPDX-License-Identifier: ISC */
#include "smtpd/data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Decodes with the input cut at two places. As text: the output, what was
 * seen, and what is left for the next command. */
static void decode(struct str in, size_t a, size_t b, char *got, size_t size)
{
	struct data_decoder d = data_decoder_new();
	struct buf out = buf_new(100000);
	const struct str parts[] = {
	    str_sub(in, 0, a), str_sub(in, a, b - a), str_skip(in, b)};
	size_t at = 0;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		size_t taken = data_decode(&d, parts[i], &out);
		at += taken;
		if (taken < parts[i].len)
			break;
	}
	snprintf(got, size, "%.*s|%s%s%s%s|%.*s", STR_FMT(buf_str(&out)),
	    d.state == DATA_ENDED ? "end" : "more", d.bare_cr ? " cr" : "",
	    d.bare_lf ? " lf" : "", d.nul ? " nul" : "",
	    STR_FMT(str_skip(in, at)));
	buf_free(&out);
}

/* clang-format off */
static const struct {
	const char *in, *want;
} rows[] = {
	{".\r\n",                      "|end|"},
	{".\r\nQUIT\r\n",              "|end|QUIT\r\n"},
	{"a\r\n.\r\nQUIT\r\n",         "a\r\n|end|QUIT\r\n"},
	{"\r\n.\r\n",                  "\r\n|end|"},
	{"a\r\n\r\nb\r\n.\r\n",        "a\r\n\r\nb\r\n|end|"},
	{"a\r\n",                      "a\r\n|more|"},
	{"a\r\n.",                     "a\r\n|more|"},
	{"a\r\n.\r",                   "a\r\n|more|"},
	{"no end",                     "no end|more|"},
	/* dot stuffing, 4.5.2 */
	{"..\r\n.\r\n",                ".\r\n|end|"},
	{"..a\r\n.b\r\n.\r\n",         ".a\r\nb\r\n|end|"},
	{"...\r\n.\r\n",               "..\r\n|end|"},
	{"a.\r\n.\r\n",                "a.\r\n|end|"},
	{"a\r\n. \r\n.\r\n",           "a\r\n \r\n|end|"},
	/* smuggling: none of these ends the message */
	{"a\n.\n",                     "a\r\n.\r\n|more lf|"},
	{"a\n.\r\nMAIL",               "a\r\n.\r\nMAIL|more lf|"},
	{"a\r\n.\nMAIL",               "a\r\n\r\nMAIL|more lf|"},
	{"a\r.\rMAIL",                 "a . MAIL|more cr|"},
	{"a\r\n.\rMAIL",               "a\r\n MAIL|more cr|"},
	{"a\r.\r\nMAIL",               "a .\r\nMAIL|more cr|"},
	{"a\n.\rMAIL",                 "a\r\n. MAIL|more cr lf|"},
	{"a\r\n\r.\r\nMAIL",           "a\r\n .\r\nMAIL|more cr|"},
	{"a\r\r\n.\r\nQUIT",           "a \r\n|end cr|QUIT"},
	{"a\r\n.\r\r\nMAIL",           "a\r\n \r\nMAIL|more cr|"},
	{"a\n\n.\r\n.\r\nQ",           "a\r\n\r\n.\r\n|end lf|Q"},
	{"a\n\r\n.\r\nQ",              "a\r\n\r\n|end lf|Q"},
	{"\n.\r\nx\r\n.\r\nQ",         "\r\n.\r\nx\r\n|end lf|Q"},
	{".\nx\r\n.\r\nQ",             "\r\nx\r\n|end lf|Q"},
	{".\rx\r\n.\r\nQ",             " x\r\n|end cr|Q"},
	{"\r\r\r\n.\r\n",              "  \r\n|end cr|"},
};
/* clang-format on */

static void does_not_depend_on_arrival(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str in = str_from(rows[i].in);
		for (size_t a = 0; a <= in.len; a++)
			for (size_t b = a; b <= in.len; b++) {
				char got[200];
				decode(in, a, b, got, sizeof(got));
				assert_string_equal(got, rows[i].want);
			}
	}
}

/* The same, octet by octet. */
static void one_octet_at_a_time(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str in = str_from(rows[i].in);
		struct data_decoder d = data_decoder_new();
		struct buf out = buf_new(1000);
		size_t at = 0;
		while (at < in.len && d.state != DATA_ENDED)
			at += data_decode(&d, str_sub(in, at, 1), &out);
		size_t len = str_find(str_from(rows[i].want), '|');
		assert_true(str_eq(buf_str(&out), str_of(rows[i].want, len)));
		buf_free(&out);
	}
}

static void notes_nul_and_long_lines(void **state)
{
	struct data_decoder d = data_decoder_new();
	struct buf out = buf_new(100000);

	(void)state;
	data_decode(&d, STR("ab\0c\r\n12345"), &out);
	assert_true(d.nul);
	assert_true(str_eq(buf_str(&out), STR("ab\0c\r\n12345")));
	assert_int_equal(d.longest, 5);
	data_decode(&d, STR("678\r\n1\r\n.\r\n"), &out);
	assert_int_equal(d.longest, 8);
	assert_int_equal(d.state, DATA_ENDED);
	buf_free(&out);
}

static void long_content_passes_unchanged(void **state)
{
	struct data_decoder d = data_decoder_new();
	struct buf in = buf_new(1000000), out = buf_new(3000000);

	(void)state;
	for (int i = 0; i < 3000; i++)
		buf_printf(&in, "line %d %0*d\r\n", i, i % 200, i);
	struct str all = buf_str(&in);
	for (size_t at = 0; at < all.len; at += 1021) {
		struct str piece = str_sub(all, at, 1021);
		assert_int_equal(data_decode(&d, piece, &out), piece.len);
	}
	assert_int_equal(d.state, DATA_LINE_START);
	assert_false(d.bare_cr || d.bare_lf || d.nul);
	assert_true(str_eq(all, buf_str(&out)));
	buf_free(&in);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(does_not_depend_on_arrival),
	    cmocka_unit_test(one_octet_at_a_time),
	    cmocka_unit_test(notes_nul_and_long_lines),
	    cmocka_unit_test(long_content_passes_unchanged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
