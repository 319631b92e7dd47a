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

/* What waits for one answer asks for what it will need behind it too: three
 * look-ups at a time, for the third that finds nothing is the end. */
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
	assert_int_equal(questions_count(q), 4);
	answer_text(q, "B.Example", "v=spf1 ?all");
	assert_int_equal(spf_check(q, &r, &arena, &v), SPF_PENDING);
	assert_int_equal(questions_count(q), 5);
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

/* Section 11.1: names that are not there, of somebody who is to be asked for
 * them. */
static void test_few_names_that_are_not_there(void **state)
{
	struct questions *q = questions_new(NULL);
	struct arena arena = arena_new(65536);
	struct spf_request r = request_of("192.0.2.9", "user@example.com");
	struct spf_verdict v;
	enum dns_type type;
	struct str name;

	(void)state;
	spf_check(q, &r, &arena, &v);
	answer_text(q, "example.com",
	    "v=spf1 a:1.victim.test mx:2.victim.test exists:3.victim.test "
	    "a:4.victim.test mx:5.victim.test redirect=6.victim.test");
	while (spf_check(q, &r, &arena, &v) == SPF_PENDING) {
		assert_true(questions_open(q, &name, &type));
		struct str copy = arena_copy(&arena, name);
		answer_none(q, copy.p, type);
	}
	assert_int_equal(v.result, SPF_PERMERROR);
	assert_int_equal(questions_count(q), 1 + SPF_VOIDS_MOST + 1);
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
	    {"%{D2R}", "example.email"},
	    {"%{d02}", "example.com"},
	    {"%{d127}", "email.example.com"},
	    {"%{d18446744073709551617}", "email.example.com"},
	    /* empty parts count (section 7.3) */
	    {"%{h-}", "..a.b."},
	    {"%{h2-}", "b."},
	    {"%{hr-}", ".b.a.."},
	    {"%{h2r-}", "."},
	    {"%{H}", "--a-b-"},
	};
	static const char *const wrong[] = {"%", "%{", "%{}", "%{x}", "%{d0}",
	    "%{d00}", "%{d2x}", "%{dr2}", "%{d.r}", "%{d:}", "%(d)", "%{d",
	    "a b"};
	struct spf_macros m = {.sender = STR("strong-bad@email.example.com"),
	    .local_part = STR("strong-bad"),
	    .sender_domain = STR("email.example.com"),
	    .domain = STR("email.example.com"),
	    .address = STR("192.0.2.3"),
	    .family = STR("in-addr"),
	    .helo = STR("--a-b-")};

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

/* %{c}, %{r} and %{t} are words of the syntax, and mean something in an
 * explanation alone: a modifier that nobody knows may have them. */
static void test_letters_of_explanations(void **state)
{
	(void)state;
	for (const char *c = "crt"; *c != '\0'; c++) {
		char text[] = "%{x}.example";
		text[2] = *c;
		assert_false(spf_macro_valid(str_from(text), SPF_DOMAIN));
		assert_true(spf_macro_valid(str_from(text), SPF_MODIFIER));
		assert_true(spf_macro_valid(str_from(text), SPF_EXPLANATION));
	}
}

/* A value has as many parts as it has, also more than a name has labels. */
static void test_many_parts(void **state)
{
	char many[1001];
	struct spf_macros m = {.local_part = str_of(many, sizeof(many) - 1)};
	struct buf out = buf_new(2000);

	(void)state;
	memset(many, '-', sizeof(many) - 1);
	many[sizeof(many) - 2] = 'z';
	many[0] = 'a';
	assert_int_equal(
	    spf_macro_expand(STR("%{l1-} %{l1r-}"), SPF_EXPLANATION, &m, &out),
	    0);
	assert_string_equal(buf_text(&out), "z a");
	buf_clear(&out);
	assert_int_equal(
	    spf_macro_expand(STR("%{lr-}"), SPF_EXPLANATION, &m, &out), 0);
	assert_int_equal(out.len, 1000);
	assert_true(out.p[0] == 'z' && out.p[999] == 'a');
	buf_free(&out);
}

/* Section 7.3: labels go at the left until 253 octets are left, which is a name
 * that can be asked for. */
static void test_long_names(void **state)
{
	char label[64];
	struct spf_macros m = {.local_part = str_of(label, 63)};
	struct buf out = buf_new(1000);

	(void)state;
	memset(label, 'a', 63);
	assert_int_equal(
	    spf_macro_domain(
		STR("first.%{l}.%{l}.%{l}.%{l}.example."), &m, &out),
	    0);
	assert_int_equal(out.len, 3 * 64 + strlen("example"));
	assert_true(str_ends(buf_str(&out), STR("a.example")));
	buf_clear(&out);
	/* 253 octets stay whole */
	assert_int_equal(
	    spf_macro_domain(
		STR("%{l}.%{l}.%{l}.012345678901234567890123456789012345678901"
		    "23456789012.example"),
		&m, &out),
	    0);
	assert_int_equal(out.len, 253);
	buf_free(&out);
}

/* What is expanded to nothing costs as much as it is long. */
static void test_long_templates(void **state)
{
	struct spf_macros m = {
	    .local_part = STR("-aaaaaaaaaaaaaaaaaaaaaaaaaa")};
	struct buf text = buf_new(2 * SPF_TEMPLATE_MOST);
	struct buf out = buf_new(1000);

	(void)state;
	while (text.len + strlen("%{l1r-}b.example") <= SPF_TEMPLATE_MOST)
		buf_add_text(&text, "%{l1r-}");
	buf_add_text(&text, "b.example");
	assert_int_equal(spf_macro_domain(buf_str(&text), &m, &out), 0);
	assert_string_equal(buf_text(&out), "b.example");
	while (text.len <= SPF_TEMPLATE_MOST)
		buf_add_text(&text, ".");
	assert_int_equal(spf_macro_domain(buf_str(&text), &m, &out), -1);
	buf_free(&text);
	buf_free(&out);
}

/* ---- whole checks ---- */

struct fact {
	const char *name;
	enum dns_type type;
	const char *value; /* text, address, or host; NULL: a failure */
};

/* clang-format off */
static const struct fact facts[] = {
	{"local.example", DNS_TXT, "v=spf1 exists:%{l}.u.example -all exp=why.example"},
	{"user.u.example", DNS_A, "127.0.0.2"},
	{"why.example", DNS_TXT, "%{s} may not"},
	{"late.example", DNS_TXT, "v=spf1 -all exp=late.why.example"},
	{"late.why.example", DNS_TXT, NULL},
	{"two.example", DNS_TXT, "v=spf1 -all exp=two.why.example"},
	{"two.why.example", DNS_TXT, "a"},
	{"two.why.example", DNS_TXT, "b"},
	{"wrong.example", DNS_TXT, "v=spf1 -all exp=wrong.why.example"},
	{"wrong.why.example", DNS_TXT, "see %{x}"},
	{"included.example", DNS_TXT, "v=spf1 include:local.example -all"},
	{"redirect.example", DNS_TXT, "v=spf1 redirect=%{l}.u.example exp=why.example"},
	{"long.example", DNS_TXT, "v=spf1 a:%{h}%{h}%{h}%{h}%{h}%{h}%{h}%{h}%{h}%{h}%{h}%{h}%{h}%{h}%{h}%{h}%{h}%{h}%{h}%{h}%{h}%{h}%{h}%{h}%{h}%{h}%{h}%{h}%{h}%{h}%{h}%{h}%{h}%{h}%{h}%{h}%{h}%{h}%{h}%{h} ?all"},
	{"dot.example", DNS_TXT, "v=spf1 ptr -all"},
	{"9.2.0.192.in-addr.arpa", DNS_PTR, "mx.dot.example"},
	{"mx.dot.example", DNS_A, "192.0.2.9"},
	{"xn--bcher-kva.example", DNS_TXT, "v=spf1 exists:%{o}.o.example -all"},
	{"xn--bcher-kva.example.o.example", DNS_A, "127.0.0.2"},
	{"twice.example", DNS_TXT, "v=spf1 exp=a.example Exp=b.example -all"},
	{"other.example", DNS_TXT, "v=spf1 x=%{r} y-._1= x=2 ip4:192.0.2.0/24 -all"},
	{"before.example", DNS_TXT, "v=spf1 redirect=dot.example ?all"},
	{"nowhere.example", DNS_TXT, "v=spf1 redirect=void.example"},
	{"badmx.example", DNS_TXT, "v=spf1 mx -all"},
	{"badmx.example", DNS_MX, "late.a.example"},
	{"late.a.example", DNS_A, NULL},
	{"cidr.example", DNS_TXT, "v=spf1 a:net.example/24//64 -all"},
	{"net.example", DNS_A, "192.0.2.200"},
	{"net.example", DNS_AAAA, "2001:db8::1"},
	{"six.example", DNS_TXT, "v=spf1 exists:%{ir}.%{v}.example ip4:0.0.0.0/0 -all"},
};

static const struct {
	const char *client, *helo, *sender;
	enum spf_result result;
	const char *explanation;
	bool of_local_part;
} checks[] = {
	{"192.0.2.9", "h.example", "user@local.example", SPF_PASS, "", true},
	{"192.0.2.9", "h.example", "x@local.example", SPF_FAIL, "x@local.example may not", true},
	/* RFC 8616 section 4 */
	{"192.0.2.9", "h.example", "\xc3\xa4@local.example", SPF_FAIL, "", false},
	{"192.0.2.9", "h.example", "\xc3\xa4@redirect.example", SPF_NEUTRAL, "", false},
	{"192.0.2.9", "h.example", "user@redirect.example", SPF_PERMERROR, "", true},
	{"192.0.2.9", "h.example", "user@B\xc3\xbc" "cher.example", SPF_PASS, "", false},
	{"192.0.2.9", "h.example", "user@\xff.example", SPF_NONE, "", false},
	/* exp that cannot be had is none */
	{"192.0.2.9", "h.example", "x@late.example", SPF_FAIL, "", false},
	{"192.0.2.9", "h.example", "x@two.example", SPF_FAIL, "", false},
	{"192.0.2.9", "h.example", "x@wrong.example", SPF_FAIL, "", false},
	/* nor one of a record that is only included */
	{"192.0.2.9", "h.example", "x@included.example", SPF_FAIL, "", true},
	/* names that nobody can ask for do not match */
	{"192.0.2.9", "012345678901234567890123456789", "x@long.example", SPF_NEUTRAL, "", false},
	{"192.0.2.9", "h.example", "x@dot.example.", SPF_PASS, "", false},
	{"192.0.2.9", "dot.example.", "", SPF_PASS, "", false},
	{"::ffff:192.0.2.9", "dot.example", "", SPF_PASS, "", false},
	{"192.0.2.9", "[192.0.2.9]", "", SPF_NONE, "", false},
	{"192.0.2.9", "localhost", "", SPF_NONE, "", false},
	{"192.0.2.9", "a..example", "", SPF_NONE, "", false},
	{"192.0.2.9", "h.example", "x@twice.example", SPF_PERMERROR, "", false},
	{"192.0.2.9", "h.example", "x@other.example", SPF_PASS, "", false},
	{"192.0.2.99", "h.example", "x@before.example", SPF_NEUTRAL, "", false},
	{"192.0.2.99", "h.example", "x@nowhere.example", SPF_PERMERROR, "", false},
	{"192.0.2.99", "h.example", "x@badmx.example", SPF_TEMPERROR, "", false},
	{"192.0.2.99", "h.example", "x@cidr.example", SPF_PASS, "", false},
	{"2001:db8::ffff", "h.example", "x@cidr.example", SPF_PASS, "", false},
	{"2001:db8:0:1::1", "h.example", "x@cidr.example", SPF_FAIL, "", false},
	{"2001:db8::1", "h.example", "x@six.example", SPF_FAIL, "", false},
};
/* clang-format on */

static void answer_by_facts(
    struct questions *q, struct str name, enum dns_type type)
{
	struct dns_record records[4];
	struct dns_reply r = {
	    .status = DNS_NO_NAME, .why = "NXDOMAIN", .records = records};

	for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
		const struct fact *f = &facts[i];
		if (f->type != type || !str_case_eq(name, str_from(f->name)))
			continue;
		r.status = f->value == NULL ? DNS_TEMPORARY : DNS_OK;
		if (f->value == NULL)
			break;
		struct dns_record *one = &records[r.count++];
		*one = (struct dns_record){.type = type,
		    .name = str_from(f->value),
		    .text = str_from(f->value)};
		if (type == DNS_A || type == DNS_AAAA)
			netaddr_parse(str_from(f->value), 0, &one->addr);
	}
	questions_answer(q, name, type, &r);
}

static void test_checks(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		struct questions *q = questions_new(NULL);
		struct arena arena = arena_new(65536);
		struct spf_request r = request_of(
		    checks[i].client, checks[i].sender);
		struct spf_verdict v;
		struct str name;
		enum dns_type type;
		char text[512], got[512];

		r.helo = str_from(checks[i].helo);
		while (spf_check(q, &r, &arena, &v) == SPF_PENDING) {
			assert_true(questions_open(q, &name, &type));
			answer_by_facts(q, name, type);
		}
		snprintf(text, sizeof(text), "%s %s %d \"%s\"",
		    checks[i].sender, spf_result_name(checks[i].result),
		    checks[i].of_local_part, checks[i].explanation);
		snprintf(got, sizeof(got), "%s %s %d \"%.*s\"",
		    checks[i].sender, spf_result_name(v.result),
		    v.of_local_part, STR_FMT(v.explanation));
		assert_string_equal(got, text);
		arena_free(&arena);
		questions_free(&q);
	}
}

/* What is wrong with a record is told in its own words, but not in its control
 * octets. */
static void test_problem_is_text(void **state)
{
	struct questions *q = questions_new(NULL);
	struct arena arena = arena_new(65536);
	struct spf_request r = request_of("192.0.2.9", "user@example.com");
	struct spf_verdict v;

	(void)state;
	spf_check(q, &r, &arena, &v);
	answer_text(q, "example.com", "v=spf1 a\r\nb\x7f");
	assert_int_equal(spf_check(q, &r, &arena, &v), SPF_PERMERROR);
	assert_true(str_eq(v.problem, STR("unknown mechanism: a??b?")));
	arena_free(&arena);
	questions_free(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_asks_ahead),
	    cmocka_unit_test(test_few_names_that_are_not_there),
	    cmocka_unit_test(test_what_is_behind_all_is_not_asked),
	    cmocka_unit_test(test_loopback),
	    cmocka_unit_test(test_budget),
	    cmocka_unit_test(test_bounds),
	    cmocka_unit_test(test_helo_without_sender),
	    cmocka_unit_test(test_macros),
	    cmocka_unit_test(test_letters_of_explanations),
	    cmocka_unit_test(test_many_parts),
	    cmocka_unit_test(test_long_names),
	    cmocka_unit_test(test_long_templates),
	    cmocka_unit_test(test_checks),
	    cmocka_unit_test(test_problem_is_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
