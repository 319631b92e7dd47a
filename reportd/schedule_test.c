/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "reportd/schedule.h"

#define END 1795305600

static const struct reportd_conf conf = {.dmarc_reporting = true,
    .dmarc_report_time = 30 * 60 * 1000,
    .dmarc_report_jitter = 2 * 3600 * 1000,
    .dmarc_report_lifetime = 3 * 86400 * 1000};

static struct period period(const char *id)
{
	return (struct period){.domain = STR_INIT("own.test"),
	    .begin = END - ROWS_DAY,
	    .end = END,
	    .id = str_from(id),
	    .messages = 1};
}

/* Spread over the jitter, and the same whenever it is asked. */
static void the_first_time_is_spread(void **state)
{
	(void)state;
	char id[] = "0123456789ABCDEFGHJKM0";
	uint64_t least = UINT64_MAX, most = 0;

	for (int i = 0; i < 32; i++) {
		id[21] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"[i];
		struct period p = period(id);
		uint64_t when = schedule_time(&conf, &p);

		assert_int_equal(when, schedule_time(&conf, &p));
		assert_in_range(when, END + 1800, END + 1800 + 7199);
		least = when < least ? when : least;
		most = when > most ? when : most;
		assert_false(schedule_due(&conf, &p, when - 1));
		assert_true(schedule_due(&conf, &p, when));
	}
	assert_true(most - least > 3600);
}

static void what_was_put_off_waits(void **state)
{
	(void)state;
	struct period p = period("0123456789ABCDEFGHJKMN");

	p.next = END + 5 * 3600;
	assert_int_equal(schedule_time(&conf, &p), p.next);
	assert_false(schedule_due(&conf, &p, p.next - 1));
	assert_true(schedule_due(&conf, &p, p.next));
	/* Beyond its lifetime it is dropped, not tried. */
	p.next = END + 4 * 86400;
	assert_int_equal(schedule_time(&conf, &p), END + 3 * 86400);
	assert_false(schedule_over(&conf, &p, END + 3 * 86400 - 1));
	assert_true(schedule_over(&conf, &p, END + 3 * 86400));
	assert_false(schedule_due(&conf, &p, END + 3 * 86400));
}

/* Switched off, the only date is that of its end. */
static void switched_off_nothing_is_due(void **state)
{
	(void)state;
	struct reportd_conf off = conf;
	struct period p = period("0123456789ABCDEFGHJKMN");

	off.dmarc_reporting = false;
	assert_int_equal(schedule_time(&off, &p), END + 3 * 86400);
	assert_false(schedule_due(&off, &p, END + 86400));
	/* No jitter, no wait. */
	off = conf;
	off.dmarc_report_jitter = off.dmarc_report_time = 0;
	assert_int_equal(schedule_time(&off, &p), END);
	assert_true(schedule_due(&off, &p, END));
	/* An open period is never due. */
	assert_false(schedule_due(&off, &p, END - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_first_time_is_spread),
	    cmocka_unit_test(what_was_put_off_waits),
	    cmocka_unit_test(switched_off_nothing_is_due),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
