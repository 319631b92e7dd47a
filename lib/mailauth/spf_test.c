/* SPDX-License-Identifier: ISC */
/* What the public suite (tests/test_spf.py) does not ask. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "core/clock.h"
#include "mailauth/questions.h"
#include "mailauth/spf.h"
#include "mailauth/spf_macro.h"

static struct spf_request request_of(const char *client, const char *sender)
{
	struct spf_request r = {.helo = STR("mail.example.org"),
	    .sender = str_from(sender),
	    .receiver = STR("here.example.net"),
	    .now = 1000000000};

	assert_int_equal(netaddr_parse(str_from(client), 0, &r.client), 0);
	return r;
}

static void answer_text(struct questions *q, const char *name, const char *text)
{
	struct dns_record record = {
	    .type = DNS_TXT, .name = STR_EMPTY, .text = str_from(text)};
	struct dns_reply reply = {
	    .status = DNS_OK, .why = "", .count = 1, .records = &record};

	questions_answer(q, str_from(name), DNS_TXT, &reply);
}

static void answer_none(
    struct questions *q, const char *name, enum dns_type type)
{
	struct dns_reply reply = {.status = DNS_NO_NAME, .why = "NXDOMAIN"};

	questions_answer(q, str_from(name), type, &reply);
}

/* What waits for one answer asks for what it will need behind it too. */
static void test_asks_ahead(void **state)
{
	struct questions *q = questions_new(NULL);
	struct arena arena = arena_new(65536);
	struct spf_request r = request_of("192.0.2.9", "user@example.com");
	struct spf_verdict v;

	(void)state;
	assert_int_equal(spf_check(q, &r, &arena, &v), SPF_PENDING);
	assert_int_equal(questions_count(q), 1);
	answer_text(q, "example.com",
	    "v=spf1 include:a.example include:b.example mx a:c.example "
	    "ip4:192.0.2.9 include:not.needed.example");
	assert_int_equal(spf_check(q, &r, &arena, &v), SPF_PENDING);
	assert_int_equal(questions_count(q), 6);
	answer_text(q, "B.Example", "v=spf1 ?all");
	assert_int_equal(spf_check(q, &r, &arena, &v), SPF_PENDING);
	answer_text(q, "a.example", "v=spf1 -all");
	answer_none(q, "example.com", DNS_MX);
	answer_none(q, "c.example", DNS_A);
	assert_int_equal(spf_check(q, &r, &arena, &v), SPF_PASS);
	assert_true(str_eq(v.term, STR("ip4:192.0.2.9")));
	assert_true(str_eq(v.term_domain, STR("example.com")));
	assert_int_equal(v.lookups, 4);
	assert_int_equal(v.voids, 2);
	arena_free(&arena);
	questions_free(&q);
}

static void test_what_is_behind_all_is_not_asked(void **state)
{
	struct questions *q = questions_new(NULL);
	struct arena arena = arena_new(65536);
	struct spf_request r = request_of("192.0.2.9", "user@example.com");
	struct spf_verdict v;

	(void)state;
	spf_check(q, &r, &arena, &v);
	answer_text(q, "example.com", "v=spf1 a ~all mx include:x.example");
	assert_int_equal(spf_check(q, &r, &arena, &v), SPF_PENDING);
	assert_int_equal(questions_count(q), 2);
	arena_free(&arena);
	questions_free(&q);
}

/* Loopback addresses are evaluated like any other; who is spared is a matter of
 * parameters, not of SPF. */
static void test_loopback(void **state)
{
	static const struct {
		const char *client, *record;
		enum spf_result result;
	} rows[] = {
	    {"127.0.0.1", "v=spf1 -all", SPF_FAIL},
	    {"127.0.0.1", "v=spf1 ip4:127.0.0.0/8 -all", SPF_PASS},
	    {"127.0.0.9", "v=spf1 ip4:127.0.0.1 ~all", SPF_SOFTFAIL},
	    {"::1", "v=spf1 ip4:127.0.0.1 -all", SPF_FAIL},
	    {"::1", "v=spf1 ip6:::1 -all", SPF_PASS},
	    {"::ffff:127.0.0.1", "v=spf1 ip4:127.0.0.1 -all", SPF_PASS},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct questions *q = questions_new(NULL);
		struct arena arena = arena_new(65536);
		struct spf_request r = request_of(
		    rows[i].client, "user@example.com");
		struct spf_verdict v;
		spf_check(q, &r, &arena, &v);
		answer_text(q, "example.com", rows[i].record);
		assert_int_equal(spf_check(q, &r, &arena, &v), rows[i].result);
		arena_free(&arena);
		questions_free(&q);
	}
}

/* A budget that is over makes what is open temporary, not a refusal. */
static void test_budget(void **state)
{
	struct questions *q = questions_new(NULL);
	struct arena arena = arena_new(65536);
	struct spf_request r = request_of("192.0.2.9", "user@example.com");
	struct spf_verdict v;

	(void)state;
	questions_clear(q, clock_ms() - 1);
	assert_int_equal(spf_check(q, &r, &arena, &v), SPF_TEMPERROR);
	assert_true(str_eq(v.problem, STR("timeout: example.com")));
	questions_clear(q, DEADLINE_NEVER);
	assert_int_equal(spf_check(q, &r, &arena, &v), SPF_PENDING);
	arena_free(&arena);
	questions_free(&q);
}

/* A domain whose records lead everywhere costs a bounded number of questions
 * and ends with an error. */
static void test_bounds(void **state)
{
	struct questions *q = questions_new(NULL);
	struct arena arena = arena_new(65536);
	struct spf_request r = request_of("192.0.2.9", "user@example.com");
	struct spf_verdict v;
	struct str name;
	enum dns_type type;
	char text[512];

	(void)state;
	while (spf_check(q, &r, &arena, &v) == SPF_PENDING) {
		assert_true(questions_open(q, &name, &type));
		snprintf(text, sizeof(text),
		    "v=spf1 include:1.%.*s include:2.%.*s include:3.%.*s -all",
		    STR_FMT(name), STR_FMT(name), STR_FMT(name));
		struct str copy = arena_copy(&arena, name);
		answer_text(q, copy.p, text);
		assert_true(questions_count(q) < 40);
	}
	assert_int_equal(v.result, SPF_PERMERROR);
	assert_true(str_starts(v.problem, STR("more than 10 look-ups")));
	arena_free(&arena);
	questions_free(&q);
}

static void test_helo_without_sender(void **state)
{
	struct questions *q = questions_new(NULL);
	struct arena arena = arena_new(65536);
	struct spf_request r = request_of("2001:db8::cb01", "");
	struct spf_verdict v;

	(void)state;
	spf_check(q, &r, &arena, &v);
	answer_text(q, "mail.example.org", "v=spf1 ip6:2001:db8::/32 -all");
	assert_int_equal(spf_check(q, &r, &arena, &v), SPF_PASS);
	assert_true(v.of_helo);
	assert_true(str_eq(v.domain, STR("mail.example.org")));
	arena_free(&arena);
	questions_free(&q);
}

/* The examples of section 7.4. */
static void test_macros(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
	    {"%{s}", "strong-bad@email.example.com"},
	    {"%{o}", "email.example.com"},
	    {"%{d4}", "email.example.com"},
	    {"%{d3}", "email.example.com"},
	    {"%{d2}", "example.com"},
	    {"%{d1}", "com"},
	    {"%{dr}", "com.example.email"},
	    {"%{d2r}", "example.email"},
	    {"%{l-}", "strong.bad"},
	    {"%{lr}", "strong-bad"},
	    {"%{lr-}", "bad.strong"},
	    {"%{l1r-}", "strong"},
	    {"%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"},
	    {"%{S}", "strong-bad%40email.example.com"},
	    {"a%%b%_c%-d", "a%b c%20d"},
	};
	static const char *const wrong[] = {
	    "%", "%{", "%{}", "%{x}", "%{d0}", "%{d2x}", "%(d)", "%{d", "a b"};
	struct spf_macros m = {.sender = STR("strong-bad@email.example.com"),
	    .local_part = STR("strong-bad"),
	    .sender_domain = STR("email.example.com"),
	    .domain = STR("email.example.com"),
	    .address = STR("192.0.2.3"),
	    .family = STR("in-addr")};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out = buf_new(1000);
		assert_int_equal(spf_macro_expand(str_from(cases[i].text),
				     SPF_MODIFIER, &m, &out),
		    0);
		assert_string_equal(buf_text(&out), cases[i].expected);
		buf_free(&out);
	}
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_false(spf_macro_valid(str_from(wrong[i]), SPF_MODIFIER));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_asks_ahead),
	    cmocka_unit_test(test_what_is_behind_all_is_not_asked),
	    cmocka_unit_test(test_loopback),
	    cmocka_unit_test(test_budget),
	    cmocka_unit_test(test_bounds),
	    cmocka_unit_test(test_helo_without_sender),
	    cmocka_unit_test(test_macros),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
