/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "sendmail/dots.h"

/* want: the content, and "|" and what is left when the dot was found. */
static const struct {
	const char *in, *plain, *smtp;
} rows[] = {
    {"", "", ""},
    {"a\n.\nrest", "a\n|rest", "a\n|rest"},
    {"a\r\n.\r\nrest", "a\r\n|rest", "a\r\n|rest"},
    {".\n", "|", "|"},
    {".\r\nx", "|x", "|x"},
    {"a\n..\n.\n", "a\n..\n|", "a\n.\n|"},
    {"a\n.b\n", "a\n.b\n", "a\nb\n"},
    {"a.\n.\n", "a.\n|", "a.\n|"},
    {"a\n.\rb\n", "a\n.\rb\n", "a\n\rb\n"},
    {"a\n.", "a\n.", "a\n"},
    {"a\n. \n", "a\n. \n", "a\n \n"},
    {"a\r.\r\n", "a\r.\r\n", "a\r.\r\n"},
};

static void run(const char *in, bool unstuff, size_t step, struct buf *out)
{
	struct dots d = {.unstuff = unstuff, .state = LINE_START};
	struct str rest = str_from(in);
	bool ended = false;

	while (rest.len > 0 && !ended) {
		struct str piece = str_sub(rest, 0, step);

		rest = str_skip(rest, dots_feed(&d, piece, out, &ended));
	}
	if (!ended) {
		dots_end(&d, out);
		return;
	}
	buf_add_char(out, '|');
	buf_add(out, rest);
}

static void a_single_dot_ends(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t step = 1; step < 10; step++) {
			struct buf out = buf_new(1000);

			run(rows[i].in, false, step, &out);
			assert_string_equal(buf_text(&out), rows[i].plain);
			buf_clear(&out);
			run(rows[i].in, true, step, &out);
			assert_string_equal(buf_text(&out), rows[i].smtp);
			buf_free(&out);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_single_dot_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
