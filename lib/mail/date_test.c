/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>

#include "mail/date.h"

static void writes(void **state)
{
	static const struct {
		int64_t seconds;
		int zone;
		const char *mail, *imap;
	} rows[] = {
	    {0, 0, "Thu, 1 Jan 1970 00:00:00 +0000",
		" 1-Jan-1970 00:00:00 +0000"},
	    {1795288938, 0, "Sat, 21 Nov 2026 19:22:18 +0000",
		"21-Nov-2026 19:22:18 +0000"},
	    {951782400, 60, "Tue, 29 Feb 2000 01:00:00 +0100",
		"29-Feb-2000 01:00:00 +0100"},
	    {-1, -90, "Wed, 31 Dec 1969 22:29:59 -0130",
		"31-Dec-1969 22:29:59 -0130"},
	    {4107542399, 0, "Sun, 28 Feb 2100 23:59:59 +0000",
		"28-Feb-2100 23:59:59 +0000"},
	};
	char got[DATE_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t back;
		int zone;

		date_rfc5322(rows[i].seconds, rows[i].zone, got);
		assert_string_equal(got, rows[i].mail);
		assert_int_equal(
		    date_parse_rfc5322(str_from(got), &back, &zone), 0);
		assert_true(back == rows[i].seconds && zone == rows[i].zone);
		date_imap(rows[i].seconds, rows[i].zone, got);
		assert_string_equal(got, rows[i].imap);
		assert_int_equal(
		    date_parse_imap(str_from(got), &back, &zone), 0);
		assert_true(back == rows[i].seconds && zone == rows[i].zone);
	}
	date_rfc5322(INT64_MAX, INT32_MAX, got); /* fits whatever comes */
	date_imap(INT64_MIN, INT32_MIN, got);
}

static void reads_mail_dates(void **state)
{
	static const struct {
		const char *in;
		long long seconds; /* -1: refused */
		int zone;
	} rows[] = {
	    {"Thu, 1 Jan 1970 00:00:10 +0000", 10, 0},
	    {"1 Jan 1970 00:00", 0, 0},
	    {"  Fri ,  21  Nov  97 09(comment):55 : 06 -0600", 880127706, -360},
	    {"21 Nov 1997 09:55:06 EST", 880124106, -300},
	    {"21 Nov 1997 09:55:06 Z", 880106106, 0},
	    {"21 Nov 103 00:00:00 GMT", 1069372800, 0},
	    {"Fri, 21-Nov-1997 09:55:06 GMT", 880106106, 0},
	    {"29 Feb 1999 00:00:00 +0000", -1, 0},
	    {"31 Apr 1999 00:00:00 +0000", -1, 0},
	    {"1 Foo 1999 00:00:00 +0000", -1, 0},
	    {"1 Jan 1999 24:00:00 +0000", -1, 0},
	    {"1 Jan 1999 00:00:00 +9999", -1, 0},
	    {"1 Jan 1999", -1, 0},
	    {"", -1, 0},
	    {"((((", -1, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t seconds = -1;
		int zone = 0;

		if (date_parse_rfc5322(str_from(rows[i].in), &seconds, &zone) <
		    0)
			seconds = -1;
		if (seconds != rows[i].seconds || zone != rows[i].zone)
			print_error("%s: %lld %d\n", rows[i].in,
			    (long long)seconds, zone);
		assert_true(seconds == rows[i].seconds);
		assert_int_equal(zone, rows[i].zone);
	}
}

static void imap_dates_are_strict(void **state)
{
	static const char *const bad[] = {"21-Nov-2026", "",
	    "21-Nov-2026 19:22:18", "21-Nov-2026 19:22 +0000",
	    "21-Nov-2026 19:22:18 GMT", "21-November-2026 19:22:18 +0000",
	    "21-Nov-26 19:22:18 +0000", "21-Nov-2026 19:22:18 +0000 "};
	int64_t n;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(
		    date_parse_imap(str_from(bad[i]), &n, NULL), -1);
	assert_int_equal(date_parse_imap_day(STR("2-Jan-1970"), &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(date_parse_imap_day(STR("02-jan-1970"), &n), 0);
	assert_int_equal(date_parse_imap_day(STR("30-Feb-1970"), &n), -1);
	assert_int_equal(date_parse_imap_day(STR("2-Jan-1970x"), &n), -1);
}

/* Every day of 800 years, there and back. */
static void days_round_trip(void **state)
{
	(void)state;
	for (int64_t day = -146097; day < 146097; day++) {
		char text[DATE_TEXT_MAX];
		int64_t back;

		date_imap(day * 86400, 0, text);
		assert_int_equal(
		    date_parse_imap_day(str_of(text, 11), &back), 0);
		assert_true(back == day);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(writes),
	    cmocka_unit_test(reads_mail_dates),
	    cmocka_unit_test(imap_dates_are_strict),
	    cmocka_unit_test(days_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
