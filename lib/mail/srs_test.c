/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>

#include "mail/srs.h"

#define TODAY 1577836860 /* 2020-01-01 00:01:00 UTC */
#define DAY   86400
#define A50   "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee"

/* As other implementations' published tests have it. */
static const struct srs plain = {{STR_INIT("tops3cr3t")}, 1, 4, 4, 21};

struct row {
	const char *in, *want;
};

static const char *forward(const struct srs *s, const char *sender)
{
	static char text[1024];
	struct buf out = buf_new(1000);
	enum srs_result r = srs_forward(
	    s, str_from(sender), STR("example.com"), TODAY, &out);

	snprintf(text, sizeof(text), "%s%s", srs_words(r), buf_text(&out));
	buf_free(&out);
	return text;
}

static const char *reverse(
    const struct srs *s, const char *address, int64_t now)
{
	static char text[1024];
	struct buf out = buf_new(1000);
	enum srs_result r = srs_reverse(s, str_from(address), now, &out);

	snprintf(text, sizeof(text), "%s%s", srs_words(r), buf_text(&out));
	buf_free(&out);
	return text;
}

#define FORGED  srs_words(SRS_FORGED)
#define EXPIRED srs_words(SRS_EXPIRED)
#define NONE    srs_words(SRS_NONE)
#define TOOLONG srs_words(SRS_LONG)

static void makes_what_others_make(void **state)
{
	static const struct row rows[] = {
	    {"test@otherdomain.com",
		"SRS0=vmyz=2W=otherdomain.com=test@example.com"},
	    {"sender@otherdomain.com",
		"SRS0=9KJ+=2W=otherdomain.com=sender@example.com"},
	    {"SRS0=opaque+string@otherdomain.com",
		"SRS1=chaI=otherdomain.com==opaque+string@example.com"},
	    {"SRS1=X=thirddomain.com==opaque+string@otherdomain.com",
		"SRS1=JIBX=thirddomain.com==opaque+string@example.com"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(forward(&plain, rows[i].in), rows[i].want);
}

static void comes_back(void **state)
{
	static const struct row rows[] = {
	    {"SRS0=vmyz=2W=otherdomain.com=test@example.com",
		"test@otherdomain.com"},
	    /* as a host writes it that must not have a plus */
	    {"SRS0=9KJ-=2W=otherdomain.com=sender@example.com",
		"sender@otherdomain.com"},
	    {"srs0+VMYZ=2w=OtherDomain.com=Test@example.com",
		"Test@otherdomain.com"},
	    {"SRS1=chaI=otherdomain.com==opaque+string@example.com",
		"SRS0=opaque+string@otherdomain.com"},
	    {"srs1=jibx=thirddomain.com==opaque+string@example.com",
		"SRS0=opaque+string@thirddomain.com"},
	    {"test@example.com", NULL},
	    {"SRS2=vmyz=2W=otherdomain.com=test@example.com", NULL},
	    {"SRS0=@example.com", NULL},
	    {"SRS0", NULL},
	    {"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(reverse(&plain, rows[i].in, TODAY),
		    rows[i].want == NULL ? NONE : rows[i].want);
}

static void refuses_what_is_not_ours(void **state)
{
	static const char *const rows[] = {
	    "SRS0=vmyy=2W=otherdomain.com=test@example.com",
	    "SRS0=vmy=2W=otherdomain.com=test@example.com", /* too short */
	    "SRS0=vmyzA=2W=otherdomain.com=test@example.com",
	    "SRS0==2W=otherdomain.com=test@example.com",
	    "SRS0=vmyz=2X=otherdomain.com=test@example.com",
	    "SRS0=vmyz=2W=otherdomain.org=test@example.com",
	    "SRS0=vmyz=2W=otherdomain.com=tests@example.com",
	    "SRS0=vmyz=2W=otherdomain.com=@example.com",
	    "SRS0=vmyz=2W==test@example.com",
	    "SRS0=vmyz=2=otherdomain.com=test@example.com",
	    "SRS0=vmyz=21=otherdomain.com=test@example.com",
	    "SRS0=vmyz=2W=otherdomain.com@example.com",
	    "SRS0=vmyz@example.com",
	    "SRS1=chaJ=otherdomain.com==opaque+string@example.com",
	    "SRS1=chaI=otherdomain.org==opaque+string@example.com",
	    "SRS1=chaI=otherdomain.com==opaque+strin@example.com",
	    "SRS1=chaI==otherdomain.com=opaque+string@example.com",
	    "SRS1=chaI=otherdomain.com@example.com",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(reverse(&plain, rows[i], TODAY), FORGED);
}

static void ages(void **state)
{
	static const char address[] =
	    "SRS0=vmyz=2W=otherdomain.com=test@example.com";

	(void)state;
	assert_string_equal(
	    reverse(&plain, address, TODAY + 21 * DAY), "test@otherdomain.com");
	assert_string_equal(
	    reverse(&plain, address, TODAY + 22 * DAY), EXPIRED);
	/* A clock behind ours. */
	assert_string_equal(
	    reverse(&plain, address, TODAY - DAY), "test@otherdomain.com");
	assert_string_equal(reverse(&plain, address, TODAY - 2 * DAY), EXPIRED);
	/* Days are counted modulo 1024. */
	assert_string_equal(reverse(&plain, address, TODAY + 1024 * DAY),
	    "test@otherdomain.com");
	/* An expired forgery is a forgery. */
	assert_string_equal(
	    reverse(&plain, "SRS0=vmyy=2W=otherdomain.com=test@example.com",
		TODAY + 30 * DAY),
	    FORGED);
}

static void secrets_rotate(void **state)
{
	const struct srs both = {
	    {STR_INIT("new"), STR_INIT("tops3cr3t")}, 2, 4, 4, 21};
	const struct srs later = {{STR_INIT("new")}, 1, 4, 4, 21};
	char made[200];

	(void)state;
	assert_string_equal(
	    reverse(
		&both, "SRS0=vmyz=2W=otherdomain.com=test@example.com", TODAY),
	    "test@otherdomain.com");
	snprintf(made, sizeof(made), "%s", forward(&both, "a@b.example"));
	assert_string_equal(made, forward(&later, "a@b.example"));
	assert_string_equal(reverse(&later, made, TODAY), "a@b.example");
	assert_string_equal(reverse(&plain, made, TODAY), FORGED);
}

/* A longer hash begins with the shorter one; what is believed has a least
 * length. */
static void hashes_have_lengths(void **state)
{
	const struct srs longer = {{STR_INIT("tops3cr3t")}, 1, 8, 4, 21};
	const struct srs strict = {{STR_INIT("tops3cr3t")}, 1, 8, 8, 21};
	const struct srs most = {
	    {STR_INIT("tops3cr3t")}, 1, SRS_HASH_MAX, 4, 21};
	char made[300];

	(void)state;
	snprintf(made, sizeof(made), "%s", forward(&longer, "a@b.example"));
	assert_string_equal(reverse(&strict, made, TODAY), "a@b.example");
	assert_string_equal(reverse(&plain, made, TODAY), "a@b.example");
	assert_string_equal(
	    reverse(&strict, forward(&plain, "a@b.example"), TODAY), FORGED);
	snprintf(made, sizeof(made), "%s", forward(&most, "a@b.example"));
	assert_int_equal(strchr(made + 5, '=') - (made + 5), SRS_HASH_MAX);
	assert_string_equal(reverse(&plain, made, TODAY), "a@b.example");
}

static void keeps_local_parts(void **state)
{
	static const char *const rows[] = {
	    "User=Name@b.example",
	    "\"\"@b.example",
	    "\"a b\"@b.example",
	    "\"a@b\\\"c\\\\d\"@b.example",
	    "user@[192.0.2.1]",
	    "user@[ipv6:2001:db8::1]",
	    "b\303\274cher@b\303\274cher.example",
	    "SRS0@b.example",
	    "SRS1=x@b.example", /* names no first host: wrapped whole */
	    "SRS1=x=y@b.example",
	    "SRS0-@b.example",
	    "SRS1=x=y=z@b.example",
	    "SRS1=x=y`==z@b.example",
	    (A50 A50 A50 "@b.example"),
	};
	char made[600];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(made, sizeof(made), "%s", forward(&plain, rows[i]));
		assert_true(srs_is(str_from(made)));
		assert_string_equal(reverse(&plain, made, TODAY), rows[i]);
	}
	/* Quotes that are not needed do not count. */
	snprintf(made, sizeof(made), "%s", forward(&plain, "\"ab\"@b.example"));
	assert_string_equal(made, forward(&plain, "ab@b.example"));
}

static void knows_its_bounds(void **state)
{
	char made[600];

	(void)state;
	assert_string_equal(forward(&plain, "no address"), NONE);
	assert_string_equal(forward(&plain, ""), NONE);
	assert_string_equal(forward(&plain, "a@[tag:x=y]"), NONE);
	assert_string_equal(
	    forward(&plain, A50 A50 A50 A50 "abcdefghijklmnopqrst@b.example"),
	    TOOLONG);
	snprintf(made, sizeof(made), "%s",
	    forward(&plain, A50 A50 A50 A50 "abcdefghijklmnopqrs@b.example"));
	assert_true(srs_is(str_from(made)));
	assert_int_equal(strlen(made), 254);
}

/* What two forwarders in a row make leads back over the first. */
static void goes_over_two_hosts(void **state)
{
	const struct srs second = {{STR_INIT("another")}, 1, 6, 6, 21};
	struct buf one = buf_new(1000), two = buf_new(1000);
	struct buf three = buf_new(1000);

	(void)state;
	srs_forward(
	    &plain, STR("a@origin.example"), STR("one.example"), TODAY, &one);
	srs_forward(&second, buf_str(&one), STR("two.example"), TODAY, &two);
	assert_true(str_starts(buf_str(&two), STR("SRS1=")));
	/* The third one replaces the second: it goes straight to the first. */
	srs_forward(&plain, buf_str(&two), STR("three.example"), TODAY, &three);
	assert_true(str_ends(buf_str(&three), STR("@three.example")));
	assert_string_equal(
	    reverse(&second, buf_text(&two), TODAY), buf_text(&one));
	assert_string_equal(
	    reverse(&plain, buf_text(&three), TODAY), buf_text(&one));
	assert_string_equal(
	    reverse(&plain, buf_text(&one), TODAY), "a@origin.example");
	buf_free(&one);
	buf_free(&two);
	buf_free(&three);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(makes_what_others_make),
	    cmocka_unit_test(comes_back),
	    cmocka_unit_test(refuses_what_is_not_ours),
	    cmocka_unit_test(ages),
	    cmocka_unit_test(secrets_rotate),
	    cmocka_unit_test(hashes_have_lengths),
	    cmocka_unit_test(keeps_local_parts),
	    cmocka_unit_test(knows_its_bounds),
	    cmocka_unit_test(goes_over_two_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
