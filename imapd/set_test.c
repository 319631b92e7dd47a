/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "imapd/set.h"

#include "core/buf.h"

/* With 10 for "*"; what comes out is written as a set again. */
// clang-format off
static const struct {
	const char *in, *want;
} rows[] = {
    {"1", "1 (1)"},
    {"5,1", "1,5 (2)"},
    {"1:3", "1:3 (3)"},
    {"3:1", "1:3 (3)"},
    {"*", "10 (1)"},
    {"1:*", "1:10 (10)"},
    {"*:4,5:7", "4:10 (7)"},
    {"2,4:7,9,12:*", "2,4:7,9:12 (9)"}, /* 12:* is 12:10 */
    {"1:3,2:5", "1:5 (5)"},
    {"1,2,3", "1:3 (3)"},
    {"4294967295", "4294967295 (1)"},
    {"1:4294967295", "1:4294967295 (4294967295)"},
    {"4294967295,4294967295:*", "10:4294967295 (4294967286)"},
    {"$", "saved"},
    {"0", "error: a number in a sequence set is out of range"},
    {"01", "error: a number in a sequence set is out of range"},
    {"4294967296", "error: a number in a sequence set is out of range"},
    {"99999999999999999999999",
        "error: a number in a sequence set is out of range"},
    {"", "error: a number is missing in a sequence set"},
    {"1,", "error: a number is missing in a sequence set"},
    {"1:", "error: a number is missing in a sequence set"},
    {":1", "error: a number is missing in a sequence set"},
    {"1:2:3", "error: a sequence set is malformed"},
    {"$,1", "error: a number is missing in a sequence set"},
    {"1;2", "error: a sequence set is malformed"},
};
// clang-format on

static void describe(
    const struct set *set, struct arena *arena, struct buf *out)
{
	struct ranges r;

	if (set->saved) {
		buf_add_text(out, "saved");
		return;
	}
	assert_int_equal(set_normalize(set, 10, arena, &r), 0);
	for (size_t i = 0; i < r.count; i++) {
		buf_printf(out, "%s%u", i > 0 ? "," : "", r.r[i].first);
		if (r.r[i].last != r.r[i].first)
			buf_printf(out, ":%u", r.r[i].last);
		assert_true(ranges_have(&r, r.r[i].first));
		assert_true(ranges_have(&r, r.r[i].last));
		if (i > 0)
			assert_false(ranges_have(&r, r.r[i].first - 1));
	}
	buf_printf(out, " (%llu)", (unsigned long long)r.total);
}

static void parses_and_normalizes(void **state)
{
	struct arena arena = arena_new(1 << 20);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf out = buf_new(1000);
		struct set set;
		const char *why = "?";

		if (set_parse(str_from(rows[i].in), &arena, &set, &why) < 0)
			buf_printf(&out, "error: %s", why);
		else
			describe(&set, &arena, &out);
		assert_string_equal(buf_text(&out), rows[i].want);
		buf_free(&out);
	}
	arena_free(&arena);
}

static void adds_in_order(void **state)
{
	struct arena arena = arena_new(1 << 20);
	struct ranges r = {NULL, 0, 0};
	size_t room = 0;

	(void)state;
	for (uint32_t n = 1; n <= 1000; n++)
		if (n % 10 != 0)
			assert_int_equal(ranges_add(&r, &room, n, &arena), 0);
	assert_int_equal(r.count, 100);
	assert_int_equal(r.total, 900);
	assert_true(ranges_have(&r, 999));
	assert_false(ranges_have(&r, 990));
	assert_false(ranges_have(&r, 0));
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(parses_and_normalizes),
	    cmocka_unit_test(adds_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
