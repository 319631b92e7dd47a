/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "screen/line.h"
#include "screen/site.h"

static void judges_first_lines(void **state)
{
	(void)state;
	/* clang-format off */
	static const struct {
		const char *input;
		unsigned want;
	} rows[] = {
		{"", 0},
		{"EHLO a", 0},
		{"EHLO a\r", 0},
		{"EHLO a\r\n", LINE_WHOLE},
		{"helo a\r\n", LINE_WHOLE},
		{"  QUIT\r\n", LINE_WHOLE},
		{"EHLO a\n", LINE_WHOLE | LINE_BARE},
		{"\r\n", LINE_WHOLE | LINE_FOREIGN},
		{"\n", LINE_WHOLE | LINE_FOREIGN | LINE_BARE},
		{"GET / HTTP/1.0\r\n", LINE_WHOLE | LINE_FOREIGN},
		{"EHLOa\r\n", LINE_WHOLE | LINE_FOREIGN},
		{"EHLO a\r\nM", LINE_WHOLE | LINE_BEHIND},
		{"x\ny", LINE_WHOLE | LINE_FOREIGN | LINE_BARE | LINE_BEHIND},
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(
		    line_judge(str_from(rows[i].input)), rows[i].want);
	assert_int_equal(
	    line_judge(str_of("NOOP\0\r\n", 7)), LINE_WHOLE | LINE_FOREIGN);
}

/* "domain weight answers" for each site, or what is wrong. Answers are those
 * of 127.0.0.0 to 127.0.0.15 that match. */
static const char *tell(const char *text)
{
	static char out[1000];
	static struct sites sites;
	struct str bad;
	const char *why;
	size_t at = 0;

	if (sites_parse(str_from(text), &sites, &bad, &why) < 0) {
		snprintf(out, sizeof(out), "%.*s: %s", STR_FMT(bad), why);
		return out;
	}
	out[0] = '\0';
	for (size_t i = 0; i < sites.count; i++) {
		const struct site *s = &sites.site[i];
		unsigned bits = 0;

		for (uint8_t n = 0; n < 16; n++) {
			uint8_t answer[4] = {127, 0, 0, n};
			bits |= site_matches(s, answer) ? 1u << n : 0;
		}
		at += (size_t)snprintf(out + at, sizeof(out) - at,
		    "%s%.*s %d %x%s", i > 0 ? ", " : "", STR_FMT(s->domain),
		    s->weight, bits, s->again ? " again" : "");
	}
	return out;
}

static void reads_sites(void **state)
{
	(void)state;
#define FILTER                                                                 \
	": the filter is an address, of which each octet may be a set as "     \
	"[1;4..7]"
#define WEIGHT ": the weight is a number from -1000 to 1000, not 0"
	/* clang-format off */
	static const char *const rows[][2] = {
		{"", ""},
		{"a.test", "a.test 1 ffff"},
		{" a.test, b.test*-2\n", "a.test 1 ffff, b.test -2 ffff"},
		{"a.test*+3", "a.test 3 ffff"},
		{"a.test=127.0.0.2", "a.test 1 4"},
		{"a.test=127.0.0.[2..4;9]*5", "a.test 5 21c"},
		{"a.test=127.[0].0.[0..255]", "a.test 1 ffff"},
		{"a.test=127.1.0.2", "a.test 1 0"},
		{"a.test=127.0.0.2 A.test=127.0.0.3",
		    "a.test 1 4, A.test 1 8 again"},
		{"a.test*0", "a.test*0" WEIGHT},
		{"a.test*", "a.test*" WEIGHT},
		{"a.test*1001", "a.test*1001" WEIGHT},
		{"a.test*--1", "a.test*--1" WEIGHT},
		{"a.test=", "a.test=" FILTER},
		{"a.test=127.0.0", "a.test=127.0.0" FILTER},
		{"a.test=127.0.0.256", "a.test=127.0.0.256" FILTER},
		{"a.test=127.0.0.2.", "a.test=127.0.0.2." FILTER},
		{"a.test=127.0.0.1..2", "a.test=127.0.0.1..2" FILTER},
		{"a.test=127.0.0.[", "a.test=127.0.0.[" FILTER},
		{"a.test=127.0.0.[]", "a.test=127.0.0.[]" FILTER},
		{"a.test=127.0.0.[4..2]", "a.test=127.0.0.[4..2]" FILTER},
		{"a.test=127.0.0.[1]x", "a.test=127.0.0.[1]x" FILTER},
		{"=127.0.0.2", "=127.0.0.2: this is no domain"},
		{"a_b/c", "a_b/c: this is no domain"},
		{".a", ".a: this is no domain"},
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(tell(rows[i][0]), rows[i][1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(judges_first_lines),
	    cmocka_unit_test(reads_sites),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
