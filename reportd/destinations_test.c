/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/buf.h"
#include "reportd/destinations.h"

struct zone {
	const char *name, *text;
};

/* ---- the list of a record ---- */

static void expect_list(const char *rua, size_t most, const char *want)
{
	struct arena arena = arena_new(65536);
	struct buf got = buf_new(4096);
	struct destinations d;

	destinations_parse(str_from(rua), most, &arena, &d);
	for (size_t i = 0; i < d.count; i++)
		buf_printf(&got, "%s%.*s|%.*s", i == 0 ? "" : " ",
		    STR_FMT(d.list[i].address), STR_FMT(d.list[i].domain));
	assert_string_equal(buf_text(&got), want);
	buf_free(&got);
	arena_free(&arena);
}

static void addresses_of_a_record(void **state)
{
	(void)state;
	static const struct {
		const char *rua, *want;
	} rows[] = {
	    {"mailto:a@b.test", "a@b.test|b.test"},
	    {"MAILTO:a@b.test", "a@b.test|b.test"},
	    {"mailto:a@b.test,mailto:c@d.test",
		"a@b.test|b.test c@d.test|d.test"},
	    {" mailto:a@b.test , mailto:c@d.test ",
		"a@b.test|b.test c@d.test|d.test"},
	    /* once is enough */
	    {"mailto:a@b.test,mailto:A@B.test", "a@b.test|b.test"},
	    /* the size of RFC 7489 is passed over, in every spelling */
	    {"mailto:a@b.test!10m", "a@b.test|b.test"},
	    {"mailto:a@b.test!10m,mailto:c@d.test!1",
		"a@b.test|b.test c@d.test|d.test"},
	    {"mailto:a@b.test!", "a@b.test|b.test"},
	    {"mailto:a@b.test!10x", "a@b.test|b.test"},
	    /* fields of RFC 6068 */
	    {"mailto:a@b.test?subject=x", "a@b.test|b.test"},
	    /* nothing but mail */
	    {"https://b.test/report,mailto:c@d.test", "c@d.test|d.test"},
	    {"a@b.test", ""},
	    {"mailto:", ""},
	    {"mailto:a", ""},
	    {"mailto:@b.test", ""},
	    {"mailto:a@", ""},
	    {"mailto:a@b..test", ""},
	    {"", ""},
	    {",,,", ""},
	    /* percent-encoding: of "!" and "," too */
	    {"mailto:a%2bb@c.test", "a+b@c.test|c.test"},
	    {"mailto:a%2Cb@c.test", ""},
	    {"mailto:%22a%2Cb%22@c.test", "\"a,b\"@c.test|c.test"},
	    {"mailto:a%21b@c.test!5m", "a!b@c.test|c.test"},
	    {"mailto:a%40b.test", "a@b.test|b.test"},
	    {"mailto:a%@b.test", ""},
	    {"mailto:a%4@b.test", ""},
	    {"mailto:a%zz@b.test", ""},
	    {"mailto:a@b.test%", ""},
	    /* what would end a line or a path of ours */
	    {"mailto:a%0d%0aBcc:x@b.test", ""},
	    {"mailto:a%00@b.test", ""},
	    {"mailto:a%3e@b.test", ""},
	    {"mailto:a%20b@c.test", ""},
	    {"mailto:\xc3\xa4@b.test", ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		expect_list(rows[i].rua, 10, rows[i].want);
	expect_list("mailto:a@b.test,x,mailto:c@d.test,mailto:e@f.test", 2,
	    "a@b.test|b.test c@d.test|d.test");
	expect_list("mailto:a@b.test", 0, "");
}

static void a_long_address_is_none(void **state)
{
	(void)state;
	struct buf rua = buf_new(2000);

	buf_add_text(&rua, "mailto:");
	for (int i = 0; i < 600; i++)
		buf_add_char(&rua, 'a');
	buf_add_text(&rua, "@b.test,mailto:c@d.test");
	expect_list(buf_text(&rua), 10, "c@d.test|d.test");
	buf_free(&rua);
}

/* ---- consent ---- */

static void answer(struct questions *q, struct str name, enum dns_type type,
    const struct zone *zone)
{
	struct dns_record records[4];
	struct dns_reply r = {
	    .status = DNS_NO_NAME, .why = "NXDOMAIN", .records = records};

	for (; zone->name != NULL; zone++) {
		if (!str_case_eq(name, str_from(zone->name)))
			continue;
		if (strcmp(zone->text, "TIMEOUT") == 0) {
			r.status = DNS_TEMPORARY;
			break;
		}
		records[r.count++] = (struct dns_record){.type = type,
		    .name = STR_EMPTY,
		    .text = str_from(zone->text)};
		r.status = DNS_OK;
	}
	questions_answer(q, name, type, &r);
}

/* "address+" allowed, "address-" refused, "address?" temporary. */
static void expect_by(const struct public_suffixes *suffixes,
    const char *policy_domain, const char *rua, size_t most,
    const struct zone *zone, const char *want)
{
	const struct destination_rules rules = {
	    .policy_domain = str_from(policy_domain),
	    .most = most,
	    .suffixes = suffixes};
	static const char signs[] = {
	    [DESTINATION_PENDING] = '!',
	    [DESTINATION_ALLOWED] = '+',
	    [DESTINATION_REFUSED] = '-',
	    [DESTINATION_TEMPORARY] = '?',
	};
	struct questions *q = questions_new(NULL);
	struct arena arena = arena_new(65536);
	struct buf got = buf_new(4096);
	struct destinations d;
	enum dns_type type;
	struct str name;

	destinations_parse(str_from(rua), most, &arena, &d);
	while (!destinations_verify(&d, &rules, q, &arena)) {
		assert_true(questions_open(q, &name, &type));
		assert_int_equal(type, DNS_TXT);
		answer(q, name, type, zone);
	}
	for (size_t i = 0; i < d.count; i++)
		buf_printf(&got, "%s%.*s%c", i == 0 ? "" : " ",
		    STR_FMT(d.list[i].address), signs[d.list[i].state]);
	assert_string_equal(buf_text(&got), want);
	questions_free(&q);
	buf_free(&got);
	arena_free(&arena);
}

static void expect(const char *policy_domain, const char *rua, size_t most,
    const struct zone *zone, const char *want)
{
	expect_by(NULL, policy_domain, rua, most, zone, want);
}

#define CONSENT "own.test._report._dmarc."

/* Step by step of RFC 9990 section 4. */
static void others_have_to_agree(void **state)
{
	(void)state;
	static const struct zone zone[] = {{CONSENT "yes.test", "v=DMARC1"},
	    {CONSENT "more.test", "v=DMARC1; rua=mailto:new@more.test"},
	    {CONSENT "several.test", "v=DMARC1"},
	    {CONSENT "several.test", "v=DMARC1; rua=mailto:b@several.test"},
	    {CONSENT "several.test", "something else"},
	    {CONSENT "away.test", "v=DMARC1; rua=mailto:x@victim.test"},
	    {CONSENT "sub.away.test", "v=DMARC1; rua=mailto:x@away.test"},
	    {CONSENT "broken.test", "v=DMARC2"}, {CONSENT "word.test", "hello"},
	    {CONSENT "slow.test", "TIMEOUT"},
	    {"*._report._dmarc.star.test", "v=DMARC1"}, {NULL, NULL}};
	static const struct {
		const char *rua, *want;
	} rows[] = {
	    {"mailto:a@own.test", "a@own.test+"},
	    {"mailto:a@OWN.test", "a@OWN.test+"},
	    {"mailto:a@yes.test", "a@yes.test+"},
	    {"mailto:a@silent.test", "a@silent.test-"},
	    {"mailto:a@more.test", "new@more.test+"},
	    {"mailto:a@several.test", "b@several.test+"},
	    {"mailto:a@away.test", "a@away.test-"},
	    /* another host, even one of the same organization */
	    {"mailto:a@sub.away.test", "a@sub.away.test-"},
	    {"mailto:a@broken.test", "a@broken.test-"},
	    {"mailto:a@word.test", "a@word.test-"},
	    {"mailto:a@slow.test", "a@slow.test?"},
	    {"mailto:a@yes.test,mailto:b@silent.test,mailto:c@own.test",
		"a@yes.test+ b@silent.test- c@own.test+"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		expect("own.test", rows[i].rua, 5, zone, rows[i].want);
	/* A wildcard answers for the name that is asked for; here nobody makes
	 * it up. */
	expect("own.test", "mailto:a@star.test", 5, zone, "a@star.test-");
}

/* What the consent names takes the place, and no more than the limit. */
static void the_limit_holds_for_what_is_named(void **state)
{
	(void)state;
	static const struct zone zone[] = {
	    {CONSENT "many.test",
		"v=DMARC1; rua=mailto:1@many.test,mailto:2@many.test,"
		"mailto:3@many.test,mailto:4@many.test"},
	    {NULL, NULL}};

	expect("own.test", "mailto:a@many.test,mailto:b@own.test", 3, zone,
	    "1@many.test+ b@own.test+ 2@many.test+");
}

/* The same organization needs no consent; DNS that is silent is waited for. */
static void the_same_organization(void **state)
{
	(void)state;
	static const struct zone zone[] = {
	    {"_dmarc.family.test", "v=DMARC1; p=none"},
	    {"_dmarc.mute.test", "TIMEOUT"}, {NULL, NULL}};

	expect("out.family.test", "mailto:a@in.family.test", 5, zone,
	    "a@in.family.test+");
	expect("family.test", "mailto:a@in.family.test", 5, zone,
	    "a@in.family.test+");
	expect("own.test", "mailto:a@in.family.test", 5, zone,
	    "a@in.family.test-");
	/* Without a record above both, each is its own. */
	expect("out.strange.test", "mailto:a@in.strange.test", 5, zone,
	    "a@in.strange.test-");
	expect("out.mute.test", "mailto:a@in.mute.test", 5, zone,
	    "a@in.mute.test?");
}

/* dmarc_organizational_domain = psl: what the verdict takes for one
 * organization is one here, with no record of DMARC above both. */
static void organizations_by_the_list(void **state)
{
	(void)state;
	static const struct zone zone[] = {
	    {"_dmarc.co.uk", "v=DMARC1; p=none"}, {NULL, NULL}};
	struct public_suffixes *list = public_suffixes_open();

	if (list == NULL)
		skip();
	expect_by(list, "out.strange.co.uk", "mailto:a@in.strange.co.uk", 5,
	    zone, "a@in.strange.co.uk+");
	expect_by(list, "out.strange.co.uk", "mailto:a@strange.co.uk", 5, zone,
	    "a@strange.co.uk+");
	/* A public suffix with a record makes no family of its registrants,
	 * which the walk would have it. */
	expect_by(
	    list, "one.co.uk", "mailto:a@two.co.uk", 5, zone, "a@two.co.uk-");
	expect("one.co.uk", "mailto:a@two.co.uk", 5, zone, "a@two.co.uk+");
	public_suffixes_close(&list);
}

static void a_name_too_long_for_dns_is_refused(void **state)
{
	(void)state;
	static const struct zone zone[] = {{NULL, NULL}};
	struct buf domain = buf_new(1000);

	for (int i = 0; i < 4; i++)
		buf_printf(&domain, "%s%.50s", i == 0 ? "" : ".",
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	buf_add_text(&domain, ".test");
	struct buf rua = buf_new(1000), want = buf_new(1000);
	buf_printf(&rua, "mailto:a@b%s", buf_text(&domain));
	buf_printf(&want, "a@b%s-", buf_text(&domain));
	expect(buf_text(&domain), buf_text(&rua), 5, zone, buf_text(&want));
	buf_free(&domain);
	buf_free(&rua);
	buf_free(&want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(addresses_of_a_record),
	    cmocka_unit_test(a_long_address_is_none),
	    cmocka_unit_test(others_have_to_agree),
	    cmocka_unit_test(the_limit_holds_for_what_is_named),
	    cmocka_unit_test(the_same_organization),
	    cmocka_unit_test(organizations_by_the_list),
	    cmocka_unit_test(a_name_too_long_for_dns_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
