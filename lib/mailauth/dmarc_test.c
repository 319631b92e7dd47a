/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "mailauth/dmarc.h"

struct zone {
	const char *name, *text; /* text NULL: the name has an address */
	bool is_empty;           /* or only exists */
};

static void answer(struct questions *q, struct str name, enum dns_type type,
    const struct zone *zone)
{
	struct dns_record records[4];
	struct dns_reply r = {
	    .status = DNS_NO_NAME, .why = "NXDOMAIN", .records = records};

	for (; zone->name != NULL; zone++) {
		if (!str_case_eq(name, str_from(zone->name)) ||
		    (zone->text == NULL) != (type == DNS_A))
			continue;
		if (zone->text != NULL && strcmp(zone->text, "TIMEOUT") == 0) {
			r.status = DNS_TEMPORARY;
			r.why = "timeout";
			break;
		}
		if (zone->text == NULL && zone->is_empty) {
			r.status = DNS_NO_DATA;
			break;
		}
		records[r.count++] = (struct dns_record){.type = type,
		    .name = STR_EMPTY,
		    .text = str_from(zone->text)};
		r.status = DNS_OK;
	}
	questions_answer(q, name, type, &r);
}

struct want {
	const char *author, *spf, *dkim;
	const char *unknown;  /* whose SPF and DKIM could not be checked */
	const char *expected; /* "result asked policy-domain" */
};

static unsigned check(const struct want *w, const struct zone *zone)
{
	struct questions *q = questions_new(NULL);
	struct arena arena = arena_new(65536);
	struct str dkim = str_from(w->dkim);
	struct str unknown = str_from(w->unknown);
	struct dmarc_request r = {.author = str_from(w->author),
	    .spf_domain = str_from(w->spf),
	    .dkim_domains = &dkim,
	    .dkim_count = dkim.len > 0,
	    .spf_unknown = unknown,
	    .dkim_unknown = &unknown,
	    .dkim_unknown_count = unknown.len > 0};
	struct dmarc_verdict v;
	enum dns_type type;
	struct str name;
	char text[512];

	while (dmarc_check(q, &r, &arena, &v) == DMARC_PENDING) {
		assert_true(questions_open(q, &name, &type));
		answer(q, name, type, zone);
	}
	snprintf(text, sizeof(text), "%s %s %.*s", dmarc_result_name(v.result),
	    dmarc_policy_name(v.asked), STR_FMT(v.policy_domain));
	assert_string_equal(text, w->expected);
	unsigned asked = questions_count(q);
	arena_free(&arena);
	questions_free(&q);
	return asked;
}

/* clang-format off */
static const struct zone zone[] = {
	{"_dmarc.example.com", "v=DMARC1; p=reject; sp=quarantine; np=reject; pct=10; rua=mailto:r@example.com", false},
	{"news.example.com", NULL, false},
	{"empty.example.com", NULL, true},
	{"_dmarc.strict.example.org", "v=DMARC1;p=reject;adkim=s;aspf=s", false},
	{"_dmarc.example.org", "v=DMARC1; p=none", false},
	{"_dmarc.test.example", "v=DMARC1; p=reject; t=y", false},
	{"_dmarc.two.example", "v=DMARC1; p=reject", false},
	{"_dmarc.two.example", "v=DMARC1; p=none", false},
	{"_dmarc.late.example", "TIMEOUT", false},
	{"_dmarc.nothing.example", "v=DMARC1; p=bogus", false},
	{"_dmarc.reports.example", "v=DMARC1; p=bogus; rua=mailto:x@reports.example", false},
	{"_dmarc.lower.example", "v=dmarc1; p=reject", false},
	{"_dmarc.space.example", " v = DMARC1 ; p = reject ; ", false},
	{"_dmarc.bank", "v=DMARC1; p=reject; sp=reject; np=reject; psd=y", false},
	{"_dmarc.own.bank", "v=DMARC1; p=quarantine", false},
	{"_dmarc.a.part.example.net", "v=DMARC1; p=none; psd=n", false},
	{"_dmarc.example.net", "v=DMARC1; p=reject", false},
	{"_dmarc.j.mail.deep.example", "v=DMARC1; p=quarantine", false},
	{"_dmarc.broken.example.com", "v=DMARC1; p=bogus", false},
	{"_dmarc.badsub.example.com", "v=DMARC1; p=reject; np=bogus", false},
	{"_dmarc.silent.example", "v=DMARC1", false},
	{"_dmarc.own.silent.example", "v=DMARC1; p=reject", false},
	{"_dmarc.other.silent.example", "v=DMARC1; p=reject", false},
	{"_dmarc.suffix", "v=DMARC1; psd=y", false},
	{"_dmarc.own.suffix", "v=DMARC1; p=reject; sp=none; t=y", false},
	{"a.own.suffix", NULL, false},
	{"_dmarc.b.c.d.e.f.g.example.com", "v=DMARC1; p=none; psd=n", false},
	{"_dmarc.long.a.b.c.d.e.f.g.example.org", "v=DMARC1; p=reject; psd=N", false},
	{"_dmarc.quiet.example", "v=DMARC1; p=quarantine; np=reject", false},
	{"there.quiet.example", NULL, false},
	{"_dmarc.mid.quiet.example", "v=DMARC1; p=none; sp=none", false},
	{"_dmarc.parts.example", "v=DMARC1; p=reject; sp=none; t=Y", false},
	{"x.parts.example", NULL, false},
	{NULL, NULL, false},
};

static const struct want wants[] = {
	{"example.com", "", "", "", "fail reject example.com"},
	{"example.com", "bounces.example.com", "", "", "pass reject example.com"},
	{"example.com", "", "mail.example.com", "", "pass reject example.com"},
	{"EXAMPLE.com", "", "example.COM", "", "pass reject EXAMPLE.com"},
	{"example.com", "example.com.evil.test", "evil.test", "", "fail reject example.com"},
	{"example.com", "", "", "example.com", "temperror reject example.com"},
	{"example.com", "", "", "a.example.com", "temperror reject example.com"},
	/* a stranger whose DNS is silent speaks for nobody but himself */
	{"example.com", "", "", "evil.test", "fail reject example.com"},
	{"example.com", "", "", "late.example", "fail reject example.com"},
	{"example.com", "", "", "com", "fail reject example.com"},
	{"example.com", "", "late.example", "", "fail reject example.com"},
	{"strict.example.org", "", "", "mail.strict.example.org", "fail reject strict.example.org"},
	{"example.com", "example.com", "", "example.com", "pass reject example.com"},
	{"news.example.com", "", "", "", "fail quarantine example.com"},
	/* NODATA is no NXDOMAIN */
	{"empty.example.com", "", "", "", "fail quarantine example.com"},
	{"no-such.example.com", "", "", "", "fail reject example.com"},
	{"news.example.com", "", "other.example.com", "", "pass quarantine example.com"},
	{"strict.example.org", "", "mail.strict.example.org", "", "fail reject strict.example.org"},
	{"strict.example.org", "", "strict.example.org", "", "pass reject strict.example.org"},
	{"test.example", "", "", "", "fail quarantine test.example"},
	{"two.example", "", "", "", "none none "},
	{"late.example", "late.example", "", "", "temperror none "},
	{"nothing.example", "", "", "", "none none "},
	{"reports.example", "", "", "", "fail none reports.example"},
	{"lower.example", "", "", "", "none none "},
	{"space.example", "", "", "", "fail reject space.example"},
	{"unknown.test", "unknown.test", "", "", "none none "},
	/* a public suffix speaks for who has no record, and separates */
	{"shop.bank", "", "", "", "fail reject bank"},
	{"own.bank", "", "", "", "fail quarantine own.bank"},
	{"own.bank", "", "other.bank", "", "fail quarantine own.bank"},
	{"own.bank", "", "mail.own.bank", "", "pass quarantine own.bank"},
	/* psd=n makes a part an organisation of its own */
	{"a.part.example.net", "", "example.net", "", "fail none a.part.example.net"},
	{"x.a.part.example.net", "", "y.a.part.example.net", "", "pass none a.part.example.net"},
	/* RFC 9989 section 4.10: a name of many labels */
	{"a.b.c.d.e.f.g.h.i.j.mail.deep.example", "", "x.j.mail.deep.example", "", "pass quarantine j.mail.deep.example"},
	{"not a domain", "", "", "", "none none "},
	/* section 4.10.1: who publishes a policy that asks for nothing has one */
	{"broken.example.com", "", "", "", "none none "},
	{"badsub.example.com", "", "", "", "none none "},
	{"x.broken.example.com", "", "", "", "fail reject example.com"},
	{"a.silent.example", "", "", "", "none none "},
	{"own.silent.example", "", "other.silent.example", "", "pass reject own.silent.example"},
	{"shop.suffix", "", "", "", "none none "},
	{"own.suffix", "shop.suffix", "other.suffix", "", "fail quarantine own.suffix"},
	{"a.own.suffix", "", "", "", "fail none own.suffix"},
	/* section 5.1.8: a cut at eight labels is not seen from ten */
	{"mail.a.b.c.d.e.f.g.example.com", "", "", "", "fail reject example.com"},
	{"a.b.c.d.e.f.g.example.com", "", "x.b.c.d.e.f.g.example.com", "", "pass reject example.com"},
	{"long.a.b.c.d.e.f.g.example.org", "example.org", "", "", "fail reject long.a.b.c.d.e.f.g.example.org"},
	/* np= without sp=, and a record of a part is nobody else's */
	{"there.quiet.example", "", "", "", "fail quarantine quiet.example"},
	{"gone.quiet.example", "", "", "", "fail reject quiet.example"},
	{"x.mid.quiet.example", "", "", "", "fail reject quiet.example"},
	{"mid.quiet.example", "", "", "", "fail none mid.quiet.example"},
	{"parts.example", "", "", "", "fail quarantine parts.example"},
	{"x.parts.example", "", "", "", "fail none parts.example"},
	/* the author is the suffix itself: it is its own organisation */
	{"bank", "", "", "", "fail reject bank"},
	{"bank", "", "own.bank", "", "fail reject bank"},
};
/* clang-format on */

static void test_verdicts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wants); i++)
		check(&wants[i], zone);
}

/* At most eight names for a domain, however long it is. */
static void test_questions_are_bounded(void **state)
{
	static const struct want one = {
	    "a.b.c.d.e.f.g.h.i.j.mail.example.test", "", "", "", "none none "};
	static const struct want near = {
	    "example.com", "example.com", "", "", "pass reject example.com"};

	(void)state;
	assert_int_equal(check(&one, zone), DMARC_WALK_MOST);
	assert_int_equal(check(&near, zone), 1);
}

static void test_records(void **state)
{
	struct dmarc_record d;

	(void)state;
	assert_int_equal(
	    dmarc_record_parse(STR("v=DMARC1;p=quarantine;adkim=S;aspf=x;"
				   "fo=1:d;junk;x=y;rua=mailto:a@b.c,"
				   "mailto:d@e.f!10m"),
		&d),
	    0);
	assert_int_equal(d.policy, DMARC_QUARANTINE);
	assert_true(d.strict_dkim);
	assert_false(d.strict_spf);
	assert_true(str_eq(d.options, STR("1:d")));
	assert_int_equal(d.psd, 'u');
	assert_int_equal(
	    dmarc_record_parse(STR("v=DMARC1; rua=https://x"), &d), 0);
	assert_int_equal(d.policy, DMARC_POLICY_NONE);
	assert_int_equal(dmarc_record_parse(STR("v=DMARC1; rua=x"), &d), -1);
	assert_int_equal(
	    dmarc_record_parse(STR("v=DMARC1; rua=mailto:"), &d), -1);
	assert_int_equal(dmarc_record_parse(STR("p=reject; v=DMARC1"), &d), -1);
	assert_int_equal(dmarc_record_parse(STR("v=DMARC1"), &d), -1);
	assert_int_equal(dmarc_record_parse(STR(""), &d), -1);
	assert_int_equal(
	    dmarc_record_parse(STR("v=DMARC1; p=reject; sp=x"), &d), -1);
}

/* RFC 7489's way, where a list of public suffixes is at hand. */
static void test_public_suffixes(void **state)
{
	struct public_suffixes *list = public_suffixes_open();

	(void)state;
	if (list == NULL)
		skip();
	assert_true(
	    str_eq(public_suffixes_organization(list, STR("a.B.Example.co.uk")),
		STR("Example.co.uk")));
	assert_true(str_eq(
	    public_suffixes_organization(list, STR("co.uk")), STR("co.uk")));
	public_suffixes_close(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_verdicts),
	    cmocka_unit_test(test_questions_are_bounded),
	    cmocka_unit_test(test_records),
	    cmocka_unit_test(test_public_suffixes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
