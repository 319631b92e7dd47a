/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "imapd/input.h"

/*
 * Commands of at most 40 octets; a literal that fits is taken, another is
 * refused. What happened as text: "c" command, "l" literal, "t" too long.
 */
// clang-format off
static const struct {
	const char *in, *want;
} rows[] = {
    {"a NOOP\r\n", "c<a NOOP>"},
    {"a NOOP\nb NOOP\r\n", "c<a NOOP>c<b NOOP>"},
    {"\r\n", "c<>"},
    {"a X {3}\r\nabc\r\n", "l3+c<a X {3}\r\nabc>"},
    {"a X {3+}\r\nabc y\r\n", "l3c<a X {3+}\r\nabc y>"},
    {"a X ~{3+}\r\nabc y\r\n", "l3~c<a X ~{3+}\r\nabc y>"},
    {"a X {0+}\r\n\r\nb\r\n", "l0c<a X {0+}\r\n>c<b>"},
    {"a X {2+}\r\n\r\n {1+}\r\nz\r\n",
        "l2l1c<a X {2+}\r\n\r\n {1+}\r\nz>"},
    /* no literals */
    {"a {x}\r\n", "c<a {x}>"},
    {"a {}\r\n", "c<a {}>"},
    {"a {+}\r\n", "c<a {+}>"},
    {"a {1} \r\n", "c<a {1} >"},
    {"a {1-}\r\n", "c<a {1-}>"},
    /* too large: waits, so nothing follows */
    {"a X {100}\r\nb NOOP\r\n", "l100+rc<b NOOP>"},
    /* too large and sent all the same: skipped with its line */
    {"a X {50+}\r\n01234567890123456789012345678901234567890123456789 y\r\n"
     "b NOOP\r\n",
        "l50rc<b NOOP>"},
    {"a X {99999999999999999999}\r\nb\r\n", "l9223372036854775807+rc<b>"},
    /* 41 octets */
    {"a 345678901234567890123456789012345678\r\nb\r\n",
        "c<a 345678901234567890123456789012345678>c<b>"},
    {"a 3456789012345678901234567890123456789\r\nb\r\n",
        "t<a 3456789012345678901234567890123456789\r>c<b>"},
    {"a 34567890123456789012345678901234567890 {5+}\r\nxx\r\nx\r\nb\r\n",
        "t<a 34567890123456789012345678901234567890>c<b>"},
    {"a 34567890123456789012345678901234567890 {5}\r\nb\r\n",
        "t<a 34567890123456789012345678901234567890>c<b>"},
};
// clang-format on

static void run(const char *text, size_t piece, struct buf *out)
{
	struct input in;
	struct str rest = str_from(text);

	input_init(&in, 40);
	while (rest.len > 0) {
		enum input_event event;
		size_t n = input_feed(&in, str_sub(rest, 0, piece), &event);

		rest = str_skip(rest, n);
		switch (event) {
		case INPUT_MORE:
			break;
		case INPUT_COMMAND:
		case INPUT_TOO_LONG:
			buf_printf(out, "%c<%.*s>",
			    event == INPUT_COMMAND ? 'c' : 't',
			    STR_FMT(buf_str(&in.text)));
			break;
		case INPUT_LITERAL:
			buf_printf(out, "l%llu%s%s",
			    (unsigned long long)in.literal_len,
			    in.literal_binary ? "~" : "",
			    in.literal_waits ? "+" : "");
			if (input_take(&in) < 0) {
				buf_add_char(out, 'r');
				input_refuse(&in);
			}
			break;
		}
	}
	input_free(&in);
}

static void gathers_commands(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (size_t piece = 1; piece < 80; piece++) {
			struct buf out = buf_new(1000);

			run(rows[i].in, piece, &out);
			assert_string_equal(buf_text(&out), rows[i].want);
			buf_free(&out);
		}
	}
}

static void leaves_a_stream_to_the_caller(void **state)
{
	struct str text = STR("a APPEND x {3+}\r\nabc (y)\r\n");
	enum input_event event;
	struct input in;

	(void)state;
	input_init(&in, 40);
	size_t n = input_feed(&in, text, &event);
	assert_int_equal(event, INPUT_LITERAL);
	assert_int_equal(n, 17);
	input_stream(&in);
	assert_true(input_is_empty(&in));
	text = str_skip(text, n + 3);
	n = input_feed(&in, text, &event);
	assert_int_equal(event, INPUT_COMMAND);
	assert_int_equal(n, text.len);
	assert_true(str_eq(buf_str(&in.text), STR(" (y)")));
	input_free(&in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(gathers_commands),
	    cmocka_unit_test(leaves_a_stream_to_the_caller),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
