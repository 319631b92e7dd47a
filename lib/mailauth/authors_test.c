/* SPDX-License-Identifier: ISC */
/* Whose message it is, however From is written (RFC 9989 sections 5.3.1 and
 * 11.5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "mailauth/authors.h"

/* clang-format off */
static const struct {
	const char *header, *domains; /* "!": in doubt */
} rows[] = {
	{"From: a@b.example\r\n", "b.example"},
	{"FROM:\r\n\t(x)\r\n <a@B.Example>\r\n", "b.example"},
	{"From : a@b.example\r\n", "b.example"},
	{"From: a@b.example.\r\n", "b.example"},
	{"From: A <@route.example:a@b.example>\r\n", "b.example"},
	/* what is shown is not who it is */
	{"From: \"boss@bank.example\" <a@evil.example>\r\n", "evil.example"},
	{"From: (boss@bank.example) a@evil.example\r\n", "evil.example"},
	{"From: =?utf-8?q?boss=40bank.example?= <a@evil.example>\r\n", "evil.example"},
	{"From: \"boss@bank.example\"@evil.example\r\n", "evil.example"},
	{"From: \"a\\\"@bank.example\" <a@evil.example>\r\n", "evil.example"},
	{"From: boss@bank.example <a@evil.example>\r\n", "evil.example"},
	{"From: a -> b <a@evil.example> (x <y> z)\r\n", "evil.example"},
	{"From: \"<boss@bank.example> x\" <a@evil.example>,\r\n", "evil.example"},
	/* RFC 8616 section 6 */
	{"From: a@b\xc3\xbc" "cher.example\r\n", "xn--bcher-kva.example"},
	{"From: \xc3\xa4@B\xc3\x9c" "CHER.example\r\n", "xn--bcher-kva.example"},
	{"From: a@XN--bcher-kva.example\r\n", "xn--bcher-kva.example"},
	{"From: a@xn--bcher-kva.example, b@b\xc3\xbc" "cher.example\r\n", "xn--bcher-kva.example"},
	{"From: a@\xff.example\r\n", "!"},
	{"From: a@xn--a.example\r\n", "!"},
	/* several */
	{"From: a@b.example, c@b.example\r\n", "b.example"},
	{"From: a@b.example, c@d.example\r\n", "b.example d.example"},
	{"From: team: a@b.example, c@d.example;\r\n", "b.example d.example"},
	{"From: team: a@b.example;, c@d.example\r\n", "b.example d.example"},
	{"From: a@b.example\r\nFrom: c@d.example\r\n", "b.example d.example !"},
	{"From: a@b.example\r\nFrom: a@b.example\r\n", "b.example !"},
	{"From: a@b.example, nobody\r\n", "b.example !"},
	/* none */
	{"Subject: x\r\n", "!"},
	{"From:\r\n", "!"},
	{"From: me\r\n", "!"},
	{"From: team:;\r\n", "!"},
	{"From: a@[192.0.2.1]\r\n", "!"},
	{"From: =?utf-8?q?boss=40bank.example?=\r\n", "!"},
	{"From: a@b..example\r\n", "!"},
	{"From: a@b c.example\r\n", "!"},
};
/* clang-format on */

static void test_authors(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct arena arena = arena_new(65536);
		struct header_fields fields;
		struct author_domains d;
		struct buf got = buf_new(1000);
		char want[500];

		header_fields_of(str_from(rows[i].header), &fields);
		author_domains(&fields, &arena, &d);
		buf_printf(&got, "%s", rows[i].header);
		for (size_t k = 0; k < d.count; k++)
			buf_printf(&got, "%s%.*s", k > 0 ? " " : "",
			    STR_FMT(d.list[k]));
		if (d.doubtful)
			buf_printf(&got, "%s!", d.count > 0 ? " " : "");
		snprintf(want, sizeof(want), "%s%s", rows[i].header,
		    rows[i].domains);
		assert_string_equal(buf_text(&got), want);
		buf_free(&got);
		header_fields_free(&fields);
		arena_free(&arena);
	}
}

/* Two mailboxes where a reader may see the one and another the other. */
static void test_what_readers_disagree_about(void **state)
{
	static const char *const headers[] = {
	    "From: <a@evil.example> boss@bank.example\r\n",
	    "From: <a@evil.example> \"boss@bank.example\"\r\n",
	    "From: <a@evil.example> (\\)) <boss@bank.example>\r\n",
	    "From: x <boss@bank.example> <a@evil.example>\r\n",
	    "From: b@c.example, <a@evil.example>, <b@c.example>d,\r\n",
	    "From: <a@evil.example>, <boss@bank.example>\r\n",
	    "From: <a@evil.example>\r\n (\r\n\t) , boss@bank.example\r\n",
	    "From: boss@bank.example a@evil.example\r\n",
	    "From: boss@bank.example (x) a@evil.example, b@c.example\r\n",
	    "From: boss@bank.example@evil.example\r\n",
	    "From: <boss@bank.example@evil.example>\r\n",
	    "From: boss@bank.example:a@evil.example;\r\n",
	    "From: <boss@bank.example:a@evil.example>\r\n",
	    "From: <@c.example:boss@bank.example:a@evil.example>\r\n",
	    "From: boss@bank.example/a@evil.example\r\n",
	    "From: \"boss@bank.example <a@evil.example>\r\n",
	    "From: a@evil.example (<boss@bank.example>\r\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		struct arena arena = arena_new(65536);
		struct header_fields fields;
		struct author_domains d;
		bool evil = false, bank = false;

		header_fields_of(str_from(headers[i]), &fields);
		author_domains(&fields, &arena, &d);
		for (size_t k = 0; k < d.count; k++) {
			evil |= str_eq(d.list[k], STR("evil.example"));
			bank |= str_eq(d.list[k], STR("bank.example"));
		}
		if (!(evil && bank) && !d.doubtful)
			fail_msg("%s", headers[i]);
		header_fields_free(&fields);
		arena_free(&arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_authors),
	    cmocka_unit_test(test_what_readers_disagree_about),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
