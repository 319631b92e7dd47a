/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "posthouse/time_point.h"

#define NOW 1795271400 /* 2026-11-21T14:30:00Z, a Saturday in winter */

static const struct {
	const char *in;
	int64_t want; /* microseconds from NOW, in Berlin; 1: an error */
} rows[] = {
    {"2026-11-21T14:30Z", 0},
    {"2026-11-21T14:29:59.25Z", -750000},
    {"2026-11-21T15:30+01:00", 0},
    {"2026-11-21T09:00-0530", 0},
    {"2026-11-21T16:30+02", 0},
    {"2026-11-21T15:30", 0},
    {"2026-11-21 15:29:59", -1000000},
    {"2026-11-21", -55800000000},
    {"@1795271400", 0},
    {"@1795271399.5", -500000},
    {"2h", -7200000000},
    {"30m ago", -1800000000},
    {" 1d  AGO ", -86400000000},
    {"1500ms", -1500000},
    /* summer time */
    {"2026-07-01T12:00", -12371400000000},
    {"2026-11-21T14:31Z", 1}, /* the future */
    {"2026-11-21T14:30:00.000001Z", 1},
    {"2026-11-31", 1},
    {"2026-13-01", 1},
    {"2026-02-29", 1},
    {"2026-11-21T24:30", 1},
    {"2026-11-21T14", 1},
    {"2026-11-21T14:30X", 1},
    {"2026-11-21T14:30+1", 1},
    {"2026-11-21T14:30Z ago", 1},
    {"2026-11-21T14:30.", 1},
    {"30", 1},
    {"", 1},
    {"@", 1},
    {"@1x", 1},
    {"@99999999999999999999", 1},
    {"yesterday", 1},
    {"-2h", 1},
    {"99999w", 1},
};

static void times_are_read(void **state)
{
	(void)state;
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const int64_t now = (int64_t)NOW * 1000000;
		const char *why;
		int64_t got = 0;

		if (time_point_parse(rows[i].in, now, &got, &why) < 0)
			got = now + 1;
		if (got - now != rows[i].want)
			fail_msg(
			    "%s: %lld", rows[i].in, (long long)(got - now));
	}
}

static void times_are_said(void **state)
{
	char text[TIME_POINT_TEXT];

	(void)state;
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	assert_string_equal(time_point_text((int64_t)NOW * 1000000, text),
	    "2026-11-21T15:30:00+0100");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(times_are_read),
	    cmocka_unit_test(times_are_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
