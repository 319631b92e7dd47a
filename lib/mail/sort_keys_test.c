/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mail/sort_keys.h"

static void base_subjects(void **state)
{
	static const struct {
		const char *in, *base;
		bool reply;
	} rows[] = {
	    {"Hello", "hello", false},
	    {"Re: Hello", "hello", true},
	    {"RE:  re : Hello ", "hello", true},
	    {"Re: [list] Fwd [x] : Hello (fwd)  (Fwd)", "hello", true},
	    {"[list] Hello", "hello", false},
	    {"[one] [two] Re: Hello", "hello", true},
	    {"[only]", "[only]", false},
	    {"[one] [two]", "[two]", false},
	    {"[fwd: Re: Hello]", "hello", true},
	    {"Fw: [Fwd: [list] Hello (fwd)]", "hello", true},
	    {"Regarding: x", "regarding: x", false},
	    {"Re Hello", "re hello", false},
	    {"a \t b\r\n  c", "a b c", false},
	    {"Re:", "", true},
	    {"", "", false},
	    {"[fwd:]", "[fwd:]", false},
	    {"Re: STRASSE \xc3\x9f", "strasse ss", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf out = buf_new(1000);

		assert_int_equal(
		    subject_base(str_from(rows[i].in), &out), rows[i].reply);
		if (!str_eq(buf_str(&out), str_from(rows[i].base)))
			fail_msg("%s: %.*s", rows[i].in, (int)out.len,
			    out.p == NULL ? "" : out.p);
		buf_free(&out);
	}
}

static struct sort_keys keys_of(const char *header, struct buf *space)
{
	struct sort_keys k;

	buf_clear(space);
	sort_keys_put(str_from(header), space);
	assert_int_equal(sort_keys_get(buf_str(space), &k), 0);
	return k;
}

static void assert_text(
    const struct sort_keys *k, enum sort_text t, const char *expected)
{
	assert_int_equal(k->texts[t].len, strlen(expected));
	assert_memory_equal(k->texts[t].p, expected, strlen(expected));
}

static void keys_of_a_header(void **state)
{
	struct buf space = buf_new(10000);
	struct sort_keys k;

	(void)state;
	k = keys_of("Subject: =?utf-8?q?Re=3A_Gr=C3=BC=C3=9Fe?=\r\n"
		    "From: \"Doe, Jane\" <Jane.Doe@Example.ORG>\r\n"
		    "To: friends: bob@example.net, carl@example.net;\r\n"
		    "Cc: DAVE@x\r\n"
		    "Date: Sat, 21 Nov 2026 20:22:18 +0100\r\n"
		    "Subject: second\r\n\r\nbody\r\n",
	    &space);
	assert_text(&k, SORT_SUBJECT, "gru\xcc\x88sse");
	assert_text(&k, SORT_FROM, "jane.doe");
	assert_text(&k, SORT_TO, "bob");
	assert_text(&k, SORT_CC, "dave");
	assert_text(&k, SORT_DISPLAY_FROM, "doe, jane");
	assert_text(&k, SORT_DISPLAY_TO, "bob@example.net");
	assert_int_equal(k.flags, SORT_REPLY);
	assert_true(k.date == 1795288938);

	k = keys_of("\r\nno header\r\n", &space);
	for (int i = 0; i < SORT_TEXTS; i++)
		assert_int_equal(k.texts[i].len, 0);
	assert_true(k.date == SORT_NO_DATE);
	assert_int_equal(k.flags, 0);
	buf_free(&space);
}

/* A long text is cut between characters. */
static void long_texts(void **state)
{
	struct buf space = buf_new(10000), header = buf_new(10000);
	struct sort_keys k;

	(void)state;
	buf_add(&header, STR("Subject: x"));
	for (int i = 0; i < 500; i++)
		buf_add(&header, STR("\xc3\xbc"));
	buf_add(&header, STR("\r\n\r\n"));
	sort_keys_put(buf_str(&header), &space);
	assert_int_equal(sort_keys_get(buf_str(&space), &k), 0);
	assert_int_equal(k.texts[SORT_SUBJECT].len, SORT_TEXT_MAX - 1);
	buf_free(&header);
	buf_free(&space);
}

static void malformed_keys(void **state)
{
	struct buf space = buf_new(10000);
	struct sort_keys k;

	(void)state;
	sort_keys_put(STR("Subject: abc\r\n\r\n"), &space);
	for (size_t len = 0; len < space.len; len++)
		assert_int_equal(sort_keys_get(str_of(space.p, len), &k), -1);
	space.p[0] = 2;
	assert_int_equal(sort_keys_get(buf_str(&space), &k), -1);
	buf_free(&space);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(base_subjects),
	    cmocka_unit_test(keys_of_a_header),
	    cmocka_unit_test(long_texts),
	    cmocka_unit_test(malformed_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
