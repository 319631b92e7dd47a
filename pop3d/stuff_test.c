/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "core/buf.h"
#include "pop3d/stuff.h"

static const struct {
	const char *in, *want;
} rows[] = {
    {"", ".\r\n"},
    {"a\r\n", "a\r\n.\r\n"},
    {"a", "a\r\n.\r\n"},
    {".\r\n", "..\r\n.\r\n"},
    {".", "..\r\n.\r\n"},
    {"..\r\n.a\r\n", "...\r\n..a\r\n.\r\n"},
    {"a.\r\n.b", "a.\r\n..b\r\n.\r\n"},
    {"\r\n.\r\n\r\n", "\r\n..\r\n\r\n.\r\n"},
    {"a\n.b\r\n", "a\n..b\r\n.\r\n"}, /* some clients end lines at LF */
    {"a\r.b\r\n", "a\r.b\r\n.\r\n"},
    {"\n\n..\n", "\n\n...\n.\r\n"},
};

static void add(struct stuffer *st, struct str chunk, struct buf *out)
{
	while (chunk.len > 0) {
		bool dot;
		struct str run = stuff_next(st, &chunk, &dot);

		if (dot)
			buf_add_char(out, '.');
		buf_add(out, run);
	}
}

/* At every place where a chunk, and a second one, may end. */
static void the_same_however_it_is_cut(void **state)
{
	struct buf out = buf_new(100);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str in = str_from(rows[i].in);

		for (size_t a = 0; a <= in.len; a++)
			for (size_t b = a; b <= in.len; b++) {
				struct stuffer st = {false};

				buf_clear(&out);
				add(&st, str_sub(in, 0, a), &out);
				add(&st, str_sub(in, a, b - a), &out);
				add(&st, str_skip(in, b), &out);
				buf_add(&out, stuff_end(&st));
				assert_string_equal(
				    buf_text(&out), rows[i].want);
			}
	}
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_same_however_it_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
