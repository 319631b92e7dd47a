/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>

#include "mail/address.h"

#define A10 "aaaaaaaaaa"
#define A60 A10 A10 A10 A10 A10 A10

struct row {
	const char *in, *want;
};

static void splits_and_rejects(void **state)
{
	static const struct row rows[] = {
	    {"a@example.org", "a at example.org"},
	    {"\"a@b\"@example.org", "\"a@b\" at example.org"},
	    {"\"a\\\"b\"@example.org", "\"a\\\"b\" at example.org"},
	    {"a.b+c=d@x", "a.b+c=d at x"},
	    {"a@[192.0.2.1]", "a at [192.0.2.1]"},
	    {"a@[IPv6:2001:db8::1]", "a at [IPv6:2001:db8::1]"},
	    {"a@[tag:x]", "a at [tag:x]"},
	    {A60 "abcd@x", A60 "abcd at x"},
	    {A60 "abcde@x", A60 "abcde at x"},
	    {A60 A60 A60 A60 "abcdefghijklmno@x",
		A60 A60 A60 A60 "abcdefghijklmno at x"},
	    {A60 A60 A60 A60 "abcdefghijklmnop@x",
		"error: local part too long"},
	    {"a", "error: no domain"},
	    {"a@", "error: no domain"},
	    {"@example.org", "error: no local part"},
	    {"", "error: no local part"},
	    {"a b@example.org", "error: space in address"},
	    {"a@exa mple.org", "error: malformed domain"},
	    {"a@b@c", "error: malformed domain"},
	    {"a..b@x", "error: misplaced dot in local part"},
	    {".a@x", "error: misplaced dot in local part"},
	    {"a.@x", "error: misplaced dot in local part"},
	    {"a@x..y", "error: malformed domain"},
	    {"a@-x", "error: malformed domain"},
	    {"a@x-", "error: malformed domain"},
	    {"a@x.", "error: malformed domain"},
	    {"a@[300.0.2.1]", "error: malformed domain"},
	    {"a@[IPv6:2001:zz]", "error: malformed domain"},
	    {"a@[192.0.2.1", "error: malformed domain"},
	    {"\"a@b", "error: unclosed quote"},
	    {"\"a\"b@c", "error: bad character in address"},
	    {"a\x01@x", "error: control character in address"},
	    {"\xc3\xa4@x", "error: octet above 127 in address"},
	    {"a@" A60 "aaa." A60 "aaa." A60 "aaa." A60 "aaa",
		"a at " A60 "aaa." A60 "aaa." A60 "aaa." A60 "aaa"},
	    {"a@" A60 "aaa." A60 "aaa." A60 "aaa." A60 "aaa.a",
		"error: domain too long"},
	    {"a@" A60 "aaaa", "error: malformed domain"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct address a;
		const char *why;
		char got[400];

		if (address_split(str_from(rows[i].in), false, &a, &why) < 0)
			snprintf(got, sizeof(got), "error: %s", why);
		else
			snprintf(got, sizeof(got), "%.*s at %.*s",
			    STR_FMT(a.local), STR_FMT(a.domain));
		assert_string_equal(got, rows[i].want);
	}
}

static void takes_utf8_when_asked(void **state)
{
	struct address a;
	const char *why;

	(void)state;
	assert_int_equal(
	    address_split(STR("\xc3\xa4@b\xc3\xbc.example"), true, &a, &why),
	    0);
	assert_int_equal(address_split(STR("\xc3@x"), true, &a, &why), -1);
	assert_string_equal(why, "malformed UTF-8 in address");
	/* "ESC [" of eight bits */
	assert_int_equal(address_split(STR("a\xc2\x9b"
					   "2Jb@x.test"),
			     true, &a, &why),
	    -1);
	assert_string_equal(why, "control character in address");
	assert_int_equal(
	    address_split(STR("\"\xc2\x80\"@x.test"), true, &a, &why), -1);
	assert_int_equal(
	    address_split(STR("\xc2\xa0@x.test"), true, &a, &why), 0);
	assert_true(address_is_domain(STR("b\xc3\xbc.example"), true));
	assert_false(address_is_domain(STR("b\xc3\xbc.example"), false));
}

static void cuts_paths(void **state)
{
	static const struct row rows[] = {
	    {"<a@b> SIZE=3", "a@b| SIZE=3"},
	    {" <a@b>", "a@b|"},
	    {"<>", "|"},
	    {"<pOSTMASTER>", "Postmaster|"},
	    {"<@x,@y.z:a@b>", "a@b|"},
	    {"<\"a>b\"@c>x", "\"a>b\"@c|x"},
	    {"<@x:>", "error: no local part"},
	    {"<@x,y:a@b>", "error: malformed source route"},
	    {"<a>", "error: no domain"},
	    {"a@b", "error: no address in angle brackets"},
	    {"<a@b", "error: no closing angle bracket"},
	    {"< a@b>", "error: space in address"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str args = str_from(rows[i].in), mailbox;
		const char *why;
		char got[200];

		if (address_cut_path(&args, false, &mailbox, &why) < 0)
			snprintf(got, sizeof(got), "error: %s", why);
		else
			snprintf(got, sizeof(got), "%.*s|%.*s",
			    STR_FMT(mailbox), STR_FMT(args));
		assert_string_equal(got, rows[i].want);
	}
}

static void normalizes(void **state)
{
	static const struct row rows[] = {
	    {"Joe@Example.ORG", "joe@example.org"},
	    {"\"Joe\"@Example.ORG", "joe@example.org"},
	    {"\"J\\oe\"@x", "joe@x"},
	    {"\"a b\"@X", "\"a b\"@x"},
	    {"\"a\\\"\\b\"@X", "\"a\\\"b\"@x"},
	    {"\"\"@x", "\"\"@x"},
	    {"\"a.\"@x", "\"a.\"@x"},
	    {"joe", "error"},
	};
	struct buf out = buf_new(400);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf_clear(&out);
		int r = address_normalize(str_from(rows[i].in), true, &out);
		assert_string_equal(
		    r < 0 ? "error" : buf_text(&out), rows[i].want);
	}
	buf_clear(&out);
	assert_int_equal(address_normalize(STR("Joe@X"), false, &out), 0);
	assert_string_equal(buf_text(&out), "Joe@x");
	buf_free(&out);
}

/* Entries as "name|local|domain", groups as "{name" and "}". */
static void list_text(struct str in, size_t most, struct buf *out)
{
	struct arena arena = arena_new(1 << 20);
	struct mailbox *list;
	size_t n = address_list(in, &arena, most, &list);

	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_add(out, STR(" , "));
		if (list[i].group_start)
			buf_printf(out, "{%.*s", STR_FMT(list[i].name));
		else if (list[i].group_end)
			buf_add(out, STR("}"));
		else
			buf_printf(out, "%.*s|%.*s|%.*s", STR_FMT(list[i].name),
			    STR_FMT(list[i].local), STR_FMT(list[i].domain));
	}
	arena_free(&arena);
}

static void reads_lists(void **state)
{
	static const struct row rows[] = {
	    {"a@b", "|a|b"},
	    {"Joe Q. Public <john.q.public@example.com>",
		"Joe Q. Public|john.q.public|example.com"},
	    {"\"Giant; \\\"Big\\\" Box\" <x@y>", "Giant; \"Big\" Box|x|y"},
	    {"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
		"Pete|pete|silly.test"},
	    {"a@b (Ann (Mc) Bee), c@d", "Ann (Mc) Bee|a|b , |c|d"},
	    {"A Group:Ed <e@x>,j@y;", "{A Group , Ed|e|x , |j|y , }"},
	    {"Undisclosed recipients:;", "{Undisclosed recipients , }"},
	    {"g:a@b", "{g , |a|b , }"},
	    {"g:a@b;, c@d", "{g , |a|b , } , |c|d"},
	    {"<@x,@y:a@b>", "|a|b"},
	    {"\"a b\"@c", "|a b|c"},
	    {"a . b @ c . d", "|a.b|c.d"},
	    {"John Doe jd@x", "John Doe|jd|x"},
	    {"jd@x <jd@x>", "jd@x|jd|x"},
	    {"root", "|root|"},
	    {",, a@b ,,", "|a|b"},
	    {"a@b; c@d", "|a|b , |c|d"},
	    {"<>", ""},
	    {"Foo <>", "Foo||"},
	    {"\"Foo <a@b>", "\"Foo|a|b"},
	    {"Foo <a@b, Bar <c@d>", "Foo|a|b , Bar|c|d"},
	    {"Foo (x <a@b>", "x <a@b>|Foo|"},
	    {"a@[IPv6:::1]", "|a|[IPv6:::1]"},
	    {"=?utf-8?q?J=C3=B6rg?=\r\n <j@x>", "=?utf-8?q?J=C3=B6rg?=|j|x"},
	    {" (only) ", "only||"},
	    {" \t ", ""},
	};
	struct buf out = buf_new(4000);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf_clear(&out);
		list_text(str_from(rows[i].in), 100, &out);
		assert_string_equal(buf_text(&out), rows[i].want);
	}
	buf_clear(&out);
	list_text(STR("a@b, c@d, e@f"), 2, &out);
	assert_string_equal(buf_text(&out), "|a|b , |c|d");
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(splits_and_rejects),
	    cmocka_unit_test(takes_utf8_when_asked),
	    cmocka_unit_test(cuts_paths),
	    cmocka_unit_test(normalizes),
	    cmocka_unit_test(reads_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
