/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "core/file.h"
#include "sendmail/content.h"

#define MOST 1000

static void take(struct content *c, struct str in, size_t step)
{
	while (in.len > 0 && !c->ended)
		in = str_skip(in, content_feed(c, str_sub(in, 0, step)));
	content_end(c);
}

/* "header|body". */
static void show(struct content *c, struct buf *out)
{
	char *room;

	buf_add(out, content_header(c));
	buf_add_char(out, '|');
	assert_int_equal(c->error, 0);
	if (c->size == 0)
		return;
	room = buf_room(out, (size_t)c->size);
	assert_int_equal(file_pread_full(c->body, room, (size_t)c->size, 0), 0);
	buf_added(out, (size_t)c->size);
}

static const struct {
	struct str in;
	const char *dots, *ignored; /* without and with -i */
} rows[] = {
    {STR_INIT(""), "|", "|"},
    {STR_INIT("A: b\n\nx\n"), "A: b\r\n|x\r\n", "A: b\r\n|x\r\n"},
    {STR_INIT("A: b\r\n\r\nx"), "A: b\r\n|x\r\n", "A: b\r\n|x\r\n"},
    {STR_INIT("A: b"), "A: b\r\n|", "A: b\r\n|"},
    {STR_INIT("just text\n"), "|just text\r\n", "|just text\r\n"},
    {STR_INIT("\nbody\n"), "|body\r\n", "|body\r\n"},
    {STR_INIT("A: b\n\nx\n.\nA: c\n"), "A: b\r\n|x\r\n",
	"A: b\r\n|x\r\n.\r\nA: c\r\n"},
    {STR_INIT("A: b\n.\nx\n"), "A: b\r\n|", "A: b\r\n|.\r\nx\r\n"},
    {STR_INIT("From u Sat Nov 21 10:00:00\nA: b\n\nFrom x\n"),
	"A: b\r\n|From x\r\n", "A: b\r\n|From x\r\n"},
    {STR_INIT("From u\n>From v\nA: b\n\n"), "A: b\r\n|", "A: b\r\n|"},
    {STR_INIT("From: a@x\n\n"), "From: a@x\r\n|", "From: a@x\r\n|"},
    {STR_INIT("From u"), "|", "|"},
    {STR_INIT("A: b\n c\n\n.\r\n"), "A: b\r\n c\r\n|", "A: b\r\n c\r\n|.\r\n"},
    {STR_INIT("A: b\n\nx\r.\r\ny\n"), "A: b\r\n|x .\r\ny\r\n",
	"A: b\r\n|x .\r\ny\r\n"},
};

static void input_becomes_header_and_body(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t step = 1; step < 70; step += 3)
			for (int ignore = 0; ignore < 2; ignore++) {
				struct buf out = buf_new(4096);
				struct content c;

				assert_int_equal(
				    content_open(&c, MOST, MOST), 0);
				c.ignore_dots = ignore;
				take(&c, rows[i].in, step);
				show(&c, &out);
				assert_string_equal(buf_text(&out),
				    ignore ? rows[i].ignored : rows[i].dots);
				content_close(&c);
				buf_free(&out);
			}
}

static void octets_are_octets(void **state)
{
	struct buf out = buf_new(4096);
	struct content c;

	(void)state;
	assert_int_equal(content_open(&c, MOST, MOST), 0);
	take(&c, STR("A: b\n\n\0\xff\x80z\n"), 100);
	show(&c, &out);
	assert_memory_equal(out.p, "A: b\r\n|\0\xff\x80z\r\n", 13);
	assert_true(c.eight_bit);
	content_close(&c);
	buf_free(&out);
}

static void what_is_too_large_is_noticed(void **state)
{
	static char large[3 * MOST];
	struct content c;

	(void)state;
	memset(large, 'x', sizeof(large));
	assert_int_equal(content_open(&c, MOST, MOST), 0);
	take(&c, STR("\n"), 1);
	take(&c, str_of(large, MOST - 100), 100);
	assert_false(content_too_large(&c));
	take(&c, str_of(large, 200), 100);
	assert_true(content_too_large(&c));
	assert_int_equal(content_clear(&c), 0);
	assert_false(content_too_large(&c));
	/* A header without an end. */
	take(&c, STR("A: "), 10);
	content_clear(&c);
	content_feed(&c, STR("A: "));
	content_feed(&c, str_of(large, sizeof(large)));
	content_end(&c);
	assert_true(content_too_large(&c));
	content_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(input_becomes_header_and_body),
	    cmocka_unit_test(octets_are_octets),
	    cmocka_unit_test(what_is_too_large_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
