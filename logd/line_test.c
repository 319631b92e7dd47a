/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>

#include "core/memory.h"
#include "logd/line.h"

/* What stands in "fields" of a line with this text. */
static const struct {
	const char *text, *fields;
} rows[] = {
    {"hello", "{}"},
    {"a=1, b=two words, c=3", "{\"a\":\"1\",\"b\":\"two words\",\"c\":\"3\"}"},
    {"rip=1.2.3.4, lip=5.6.7.8, TLS, session=<x>",
	"{\"rip\":\"1.2.3.4\",\"lip\":\"5.6.7.8\",\"session\":\"x\"}"},
    /* A comma in a value ends it only where another piece begins. */
    {"why=not now, since the disk is full, a=1",
	"{\"why\":\"not now, since the disk is full\",\"a\":\"1\"}"},
    {"reason=first, second thing: a, b c, n=2",
	"{\"reason\":\"first, second thing: a, b c\",\"n\":\"2\"}"},
    /* What a stranger chose stands in brackets and is no piece. */
    {"from=<\"x, size=0\"@y.test>, size=9, nrcpt=1",
	"{\"from\":\"\\\"x, size=0\\\"@y.test\",\"size\":\"9\","
	"\"nrcpt\":\"1\"}"},
    {"to=<a>, relay=none", "{\"to\":\"a\",\"relay\":\"none\"}"},
    {"to=<, relay=none", "{\"to\":\"<\",\"relay\":\"none\"}"},
    {"to=<a@b>, dsn=2.0.0, status=sent (250 Ok, a=b, c)",
	"{\"to\":\"a@b\",\"dsn\":\"2.0.0\",\"status\":\"sent\",\"reason\":"
	"\"250 Ok, a=b, c\"}"},
    /* The first of two equal names counts. */
    {"a=1, a=2", "{\"a\":\"1\"}"},
    {"=1, b=, c d=3", "{\"b\":\", c d=3\"}"},
};

static void values_have_their_commas(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct log_line l = {.host = "h",
		    .prefix = "p",
		    .program = STR("t"),
		    .text = str_from(rows[i].text)};
		struct buf out = buf_new(65536);
		const char *fields;

		line_json(&out, &l);
		fields = strstr(buf_text(&out), "\"fields\":");
		assert_non_null(fields);
		fields += sizeof("\"fields\":") - 1;
		struct str got = str_from(fields);

		got.len -= 2; /* the object's end, and the line's */
		char *text = str_dup(got);

		assert_string_equal(text, rows[i].fields);
		free(text);
		buf_free(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(values_have_their_commas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
