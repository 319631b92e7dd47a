/* SPDX-License-Identifier: ISC */
#include "smtp/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static const struct {
	const char *in, *want;
} rows[] = {
    {"250 ok\r\n", "250 [] 250 ok"},
    {"250\r\n", "250 [] 250"},
    {"250 \r\n", "250 [] 250"},
    {"250 2.1.5 fine\r\n", "250 [2.1.5] 250 2.1.5 fine"},
    {"250-2.0.0 a\r\n250-2.0.0 b\r\n250 c\r\n",
	"250 [2.0.0] 250 2.0.0 a 2.0.0 b c"},
    {"550-\r\n550 no\r\n", "550 [] 550 no"},
    {"550 4.1.1 of another class\r\n", "550 [] 550 4.1.1 of another class"},
    {"550 5.1.1\r\n", "550 [5.1.1] 550 5.1.1"},
    {"550 5.1.1234 x\r\n", "550 [] 550 5.1.1234 x"},
    {"220 bare LF\n", "220 [] 220 bare LF"},
    {"220 a\rb\r\n", "220 [] 220 a b"},
    {"220 a\tb\x01\r\n", "220 [] 220 a b"},
    {"220-a\r\n220-b", "more"},
    {"25", "more"},
    {"", "more"},
    {"\r\n", "bad: a line that is no reply"},
    {"25\r\n", "bad: a line that is no reply"},
    {"2500 x\r\n", "bad: a line that is no reply"},
    {"199 x\r\n", "bad: a line that is no reply"},
    {"600 x\r\n", "bad: a line that is no reply"},
    {"HTTP/1.1 400 Bad Request\r\n", "bad: a line that is no reply"},
    {"250-a\r\n251 b\r\n", "bad: a reply with several codes"},
    {"250-a\r\n250_b\r\n", "bad: a line that is no reply"},
};

/* In pieces of `step` octets; the outcome as one line. */
static void parse(const char *in, size_t step, char *out, size_t size)
{
	enum reply_result result = REPLY_MORE;
	size_t len = strlen(in), at = 0;
	const char *why = NULL;
	struct reply r;
	char words[200];

	reply_start(&r);
	while (result == REPLY_MORE && at < len) {
		size_t used, n = len - at < step ? len - at : step;

		result = reply_feed(&r, in + at, n, &used, &why);
		at += used;
	}
	if (result == REPLY_MORE) {
		snprintf(out, size, "more");
	} else if (result == REPLY_BAD) {
		snprintf(out, size, "bad: %s", why);
	} else {
		reply_words(&r, words, sizeof(words));
		snprintf(out, size, "%u [%s] %s", r.code, r.dsn, words);
	}
}

static void reads_replies(void **state)
{
	char got[300];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t step = 1; step < 40; step += 3) {
			parse(rows[i].in, step, got, sizeof(got));
			assert_string_equal(got, rows[i].want);
		}
}

static void stops_behind_a_reply(void **state)
{
	const char *in = "250 a\r\n354 b\r\n", *why;
	struct reply r;
	size_t used;

	(void)state;
	reply_start(&r);
	assert_int_equal(
	    reply_feed(&r, in, strlen(in), &used, &why), REPLY_DONE);
	assert_int_equal(used, 7);
	reply_start(&r);
	assert_int_equal(reply_feed(&r, in + 7, 7, &used, &why), REPLY_DONE);
	assert_int_equal(r.code, 354);
}

static void is_bounded(void **state)
{
	static char line[REPLY_LINE_MAX * 3];
	enum reply_result result = REPLY_MORE;
	const char *why = NULL;
	struct reply r;
	size_t used, total = 0;
	char words[20];

	(void)state;
	/* A line that is too long is cut; its code still counts. */
	memset(line, 'x', sizeof(line));
	memcpy(line, "250 ", 4);
	memcpy(line + sizeof(line) - 2, "\r\n", 2);
	reply_start(&r);
	assert_int_equal(
	    reply_feed(&r, line, sizeof(line), &used, &why), REPLY_DONE);
	assert_in_range(r.len, 1, REPLY_LINE_MAX);
	reply_words(&r, words, sizeof(words));
	assert_string_equal(words, "250 xxxxxxxxxxxxxxx");
	/* Lines without end. */
	reply_start(&r);
	while (result == REPLY_MORE && total < 10000000) {
		result = reply_feed(&r, "250-again\r\n", 11, &used, &why);
		total += 11;
	}
	assert_int_equal(result, REPLY_BAD);
	assert_string_equal(why, "a reply without end");
	assert_in_range(r.len, 1, REPLY_TEXT_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_replies),
	    cmocka_unit_test(stops_behind_a_reply),
	    cmocka_unit_test(is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
