/* SPDX-License-Identifier: ISC */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "mail/crlf.h"

static const struct {
	struct str in, want;
} rows[] = {
    {STR_INIT(""), STR_INIT("")},
    {STR_INIT("a\n"), STR_INIT("a\r\n")},
    {STR_INIT("a\r\n"), STR_INIT("a\r\n")},
    {STR_INIT("a\nb\r\n\nc"), STR_INIT("a\r\nb\r\n\r\nc\r\n")},
    {STR_INIT("\n\n"), STR_INIT("\r\n\r\n")},
    {STR_INIT("a\rb\n"), STR_INIT("a b\r\n")},
    {STR_INIT("a\r\rb"), STR_INIT("a  b\r\n")},
    {STR_INIT("a\r\r\nb\n"), STR_INIT("a \r\nb\r\n")},
    {STR_INIT("\r"), STR_INIT("\r\n")},
    {STR_INIT("a\r"), STR_INIT("a\r\n")},
    {STR_INIT("a\0b\n"), STR_INIT("a\0b\r\n")},
    {STR_INIT("x\r.\r\n.\n"), STR_INIT("x .\r\n.\r\n")},
};

static void convert(struct str in, size_t step, struct buf *out)
{
	struct crlf c = {false, false};

	while (in.len > 0) {
		crlf_feed(&c, str_sub(in, 0, step), out);
		in = str_skip(in, step);
	}
	crlf_end(&c, out);
}

static void lines_end_as_they_should(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t step = 1; step < 5; step++) {
			struct buf out = buf_new(1000), again = buf_new(1000);

			convert(rows[i].in, step, &out);
			assert_int_equal(out.len, rows[i].want.len);
			assert_memory_equal(
			    out.len > 0 ? out.p : "", rows[i].want.p, out.len);
			/* What has passed once passes again. */
			convert(buf_str(&out), step, &again);
			assert_true(str_eq(buf_str(&out), buf_str(&again)));
			buf_free(&out);
			buf_free(&again);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines_end_as_they_should),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
