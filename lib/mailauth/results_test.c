/* SPDX-License-Identifier: ISC */
/* The grammars of RFC 8601 section 2.2 and RFC 7208 section 9.1, and what may
 * not come in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "mailauth/results.h"

#define HERE "here.example.org"

static void expect(struct buf *got, const char *what, const char *want)
{
	char text[1024];

	snprintf(text, sizeof(text), HERE "%s%s", what, want);
	assert_string_equal(buf_text(got), text);
}

/* ---- values ---- */

static void test_values(void **state)
{
	static const struct {
		const char *value, *written;
	} rows[] = {
	    {"alice", "alice"},
	    {"alice@b.example", "alice@b.example"},
	    {"a/b=c?d@b.example", "a/b=c?d@b.example"},
	    {"\"a b\"@b.example", "\"a b\"@b.example"},
	    {"\xc3\xa4@b\xc3\xbc.example", "\xc3\xa4@b\xc3\xbc.example"},
	    {"@b.example", "@b.example"},
	    {"b\xc3\xbc.example", "b\xc3\xbc.example"},
	    {"a b", "\"a b\""},
	    {"a/b", "\"a/b\""},
	    {"a@b@c", "\"a@b@c\""},
	    {"a@", "\"a@\""},
	    {"@", "\"@\""},
	    {"@a@b.example", "\"@a@b.example\""},
	    {"a..b@c.example", "\"a..b@c.example\""},
	    {"a@[192.0.2.1]", "\"a@[192.0.2.1]\""},
	    {"\xc3\xa4", "\"\xc3\xa4\""},
	    {"x; dmarc=pass", "\"x; dmarc=pass\""},
	    {"\"\\", "\"\\\"\\\\\""},
	    {"a\r\n b\x7f", "\"a b\""},
	    {"\"a\r\nb\"@c.example", "\"\\\"ab\\\"@c.example\""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct results_context c = {
		    .server = STR(HERE), .user = str_from(rows[i].value)};
		struct buf out = buf_new(1000);
		results_write(NULL, &c, &out);
		expect(&out, ";\r\n\tauth=pass smtp.auth=", rows[i].written);
		buf_free(&out);
	}
}

static void test_names_of_servers(void **state)
{
	static const char *const rows[][2] = {
	    {"mx.example", "mx.example; none"},
	    {"mx", "mx; none"},
	    {"a b@c", "\"a b@c\"; none"},
	    {"a@c.example", "\"a@c.example\"; none"},
	    {"b\xc3\xbc.example", "\"b\xc3\xbc.example\"; none"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct results_context c = {
		    .server = str_from(rows[i][0]), .user = STR_EMPTY};
		struct buf out = buf_new(1000);
		results_write(NULL, &c, &out);
		assert_string_equal(buf_text(&out), rows[i][1]);
		assert_true(results_are_of(buf_str(&out), c.server));
		buf_free(&out);
	}
}

static void test_iprev(void **state)
{
	static const struct {
		enum dns_status status;
		const char *written;
	} rows[] = {
	    {DNS_OK, "pass (mx.example) policy.iprev=192.0.2.1"},
	    {DNS_NO_DATA, "fail policy.iprev=192.0.2.1"},
	    {DNS_NO_NAME, "permerror policy.iprev=192.0.2.1"},
	    {DNS_TEMPORARY, "temperror policy.iprev=192.0.2.1"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct results_context c = {.server = STR(HERE),
		    .name_asked = true,
		    .name_status = rows[i].status,
		    .client_name = STR("mx.example"),
		    .user = STR_EMPTY};
		struct buf out = buf_new(1000);
		netaddr_parse(STR("192.0.2.1"), 0, &c.client);
		results_write(NULL, &c, &out);
		expect(&out, ";\r\n\tiprev=", rows[i].written);
		buf_free(&out);
	}
}

/* ---- Received-SPF ---- */

static void spf_is(const struct spf_verdict *spf, const char *client,
    const char *helo, const char *sender, const char *want)
{
	struct results_context c = {.server = STR(HERE),
	    .helo = str_from(helo),
	    .sender = str_from(sender)};
	struct buf out = buf_new(4096);

	netaddr_parse(str_from(client), 0, &c.client);
	results_write_spf(spf, &c, &out);
	assert_string_equal(buf_text(&out), want);
	assert_true(results_spf_is_of(buf_str(&out), STR(HERE)));
	assert_false(results_spf_is_of(buf_str(&out), STR("there.example")));
	buf_free(&out);
}

static void test_received_spf(void **state)
{
	struct spf_verdict v = {.result = SPF_PASS,
	    .term = STR("ip4:192.0.2.0/24"),
	    .problem = STR_EMPTY};

	(void)state;
	spf_is(&v, "192.0.2.1", "mx.a.example", "joe@a.example",
	    "pass\r\n\t(here.example.org: domain of joe@a.example\r\n"
	    "\tdesignates 192.0.2.1 as permitted sender)\r\n"
	    "\tidentity=mailfrom;\r\n\treceiver=here.example.org;\r\n"
	    "\tclient-ip=192.0.2.1;\r\n\thelo=mx.a.example;\r\n"
	    "\tenvelope-from=\"joe@a.example\";\r\n"
	    "\tmechanism=\"ip4:192.0.2.0/24\"");
	v.result = SPF_NEUTRAL;
	v.term = STR_EMPTY;
	v.of_helo = true;
	spf_is(&v, "2001:db8::1", "mx(.a.example.", "",
	    "neutral\r\n\t(here.example.org: domain of mx_.a.example.\r\n"
	    "\tneither permits nor denies 2001:db8::1)\r\n"
	    "\tidentity=helo;\r\n\treceiver=here.example.org;\r\n"
	    "\tclient-ip=\"2001:db8::1\";\r\n\thelo=\"mx(.a.example.\";\r\n"
	    "\tmechanism=default");
	v.result = SPF_PERMERROR;
	v.problem = STR("unknown mechanism: \"x");
	spf_is(&v, "192.0.2.1", "h", "",
	    "permerror\r\n\t(here.example.org: domain of h\r\n"
	    "\thas a policy with an error for 192.0.2.1)\r\n"
	    "\tidentity=helo;\r\n\treceiver=here.example.org;\r\n"
	    "\tclient-ip=192.0.2.1;\r\n\thelo=h;\r\n"
	    "\tproblem=\"unknown mechanism: \\\"x\"");
	v.result = SPF_NONE;
	v.problem = STR_EMPTY;
	spf_is(&v, "192.0.2.1", "h", "",
	    "none\r\n\t(here.example.org: domain of h\r\n"
	    "\thas no policy for 192.0.2.1)\r\n"
	    "\tidentity=helo;\r\n\treceiver=here.example.org;\r\n"
	    "\tclient-ip=192.0.2.1;\r\n\thelo=h");
}

static void test_forged_received_spf(void **state)
{
	static const struct {
		const char *value;
		bool ours;
	} rows[] = {
	    {"pass (x) receiver=here.example.org; client-ip=192.0.2.1", true},
	    {"pass Receiver=\"HERE.example.org\"; helo=a", true},
	    {"pass client-ip=1;\r\n\treceiver (a) = (b)\r\n here.example.org.",
		true},
	    {"pass helo=x receiver=here.example.org", true},
	    {"pass receiver=there.example; receiver=here.example.org", true},
	    /* whoever does not say whose it is */
	    {"pass (there.example: domain of a designates b)", true},
	    {"pass", true},
	    {"", true},
	    {"pass (receiver=there.example)", true},
	    {"pass receiver=there.example; client-ip=192.0.2.1", false},
	    {"pass helo=\"x; receiver=here.example.org\"; receiver=there.test",
		false},
	    {"pass receiver=there.example; x=here.example.org", false},
	    /* who names many means to hide one */
	    {"pass receiver=a.test; receiver=b.test", false},
	    {"pass receiver=a; receiver=b; receiver=c; receiver=d", false},
	    {"pass receiver=a receiver=b receiver=c receiver=d receiver=e",
		true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(
		    results_spf_is_of(str_from(rows[i].value), STR(HERE)),
		    rows[i].ours);
}

/* ---- Authentication-Results that come in ---- */

static void test_forged(void **state)
{
	static const char *const ours[] = {"here.example.org; spf=pass",
	    "HERE.example.ORG 1; none", " (a (b) \\) c)\r\n here.example.org;",
	    "\"here.example.\\org\"; x", "here.example.org",
	    "here.example.org.; spf=pass", "here.example.org/1; spf=pass",
	    "here.example.org(x) 1 ; spf=pass", "here.example.org\t;",
	    "here.example.org=x; spf=pass"};
	static const char *const others[] = {"there.example.org; spf=pass",
	    "here.example.org.evil.test; spf=pass", "", "(here.example.org)",
	    "xhere.example.org", "(\\)here.example.org", "\"",
	    "\"here.example.org x\"; a"};
	static const char *const names[] = {"b\xc3\xbc"
					    "cher.example; none",
	    "\"B\xc3\x9c"
	    "cher.example.\" 1; none",
	    "XN--bcher-kva.example; none"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		assert_true(results_are_of(str_from(ours[i]), STR(HERE)));
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		assert_false(results_are_of(str_from(others[i]), STR(HERE)));
	/* section 5: a name is the same in A-labels and in U-labels */
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		assert_true(results_are_of(
		    str_from(names[i]), STR("xn--bcher-kva.example")));
		assert_true(results_are_of(str_from(names[i]),
		    STR("b\xc3\xbc"
			"cher.example")));
	}
}

static void test_versions(void **state)
{
	static const char *const known[] = {"a.example; none",
	    "a.example 1; none", "a.example (2)\r\n\t01 (3) ; none",
	    "a.example", "a.example 1", "", "\"a b 2\"; none",
	    "a.example spf=pass", "a.example 2nd=pass"};
	static const char *const unknown[] = {"a.example 2; none",
	    "a.example 2", "a.example 12; none", "a.example (1) 10(1); none",
	    "\"a b\" 2; none", "a.example 99999999999999999999999; none"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		assert_true(results_are_readable(str_from(known[i])));
	for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
		assert_false(results_are_readable(str_from(unknown[i])));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_values),
	    cmocka_unit_test(test_names_of_servers),
	    cmocka_unit_test(test_iprev),
	    cmocka_unit_test(test_received_spf),
	    cmocka_unit_test(test_forged_received_spf),
	    cmocka_unit_test(test_forged),
	    cmocka_unit_test(test_versions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
