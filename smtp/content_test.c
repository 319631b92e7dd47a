/* SPDX-License-Identifier: ISC */
#include "smtp/content.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static const struct {
	const char *in, *want;
} rows[] = {
    {"", ".\r\n"},
    {"a\r\n", "a\r\n.\r\n"},
    {"a", "a\r\n.\r\n"},
    {".", "..\r\n.\r\n"},
    {".\r\n", "..\r\n.\r\n"},
    {"..\r\n.a\r\n", "...\r\n..a\r\n.\r\n"},
    {"a.b\r\n", "a.b\r\n.\r\n"},
    {"\r\n.\r\n", "\r\n..\r\n.\r\n"},
    {"a\n.\r\n", "a\n.\r\n.\r\n"}, /* a bare LF ends no line */
    {"a\r.\r\n", "a\r.\r\n.\r\n"}, /* nor does a bare CR */
    {"a\r\r\n.b\r\n", "a\r\r\n..b\r\n.\r\n"},
    {"a\r", "a\r\r\n.\r\n"},
};

static void doubles_dots(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t step = 1; step < 8; step++) {
			struct buf out = buf_new(1000);
			struct dots d = {false, false};
			size_t len = strlen(rows[i].in);

			for (size_t at = 0; at < len; at += step)
				dots_add(&d, rows[i].in + at,
				    len - at < step ? len - at : step, &out);
			dots_end(&d, &out);
			assert_string_equal(buf_text(&out), rows[i].want);
			buf_free(&out);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(doubles_dots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
