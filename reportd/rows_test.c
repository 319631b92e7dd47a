/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/remove_tree_testing.h"
#include "core/clock.h"
#include "daemon/database.h"
#include "reportd/rows.h"

/* A day that is still to come when rows_open looks at the clock. */
#define DAY (((uint64_t)clock_seconds() / ROWS_DAY + 10) * ROWS_DAY)

static char folder[64];
static struct reportd_conf conf;

static int open_rows(void **state)
{
	(void)state;
#ifdef WITHOUT_BDB
	return 0;
#endif
	conf = (struct reportd_conf){.dmarc_report_domain_limit = 100,
	    .dmarc_report_row_limit = 100,
	    .dmarc_report_database_limit = 1 << 20};
	(void)snprintf(folder, sizeof(folder), "/tmp/rows-XXXXXX");
	if (mkdtemp(folder) == NULL ||
	    database_prepare("test_directory", folder, "rows") < 0)
		return -1;
	return rows_open(&conf);
}

static int close_rows(void **state)
{
	(void)state;
#ifdef WITHOUT_BDB
	return 0;
#endif
	rows_close();
	return remove_tree(folder);
}

static void count(const char *domain, const char *address, uint64_t now)
{
	struct report_row row = {.client_address = str_from(address),
	    .author = str_from(domain),
	    .policy_domain = str_from(domain),
	    .record = STR_INIT("v=DMARC1; p=reject; rua=mailto:a@own.test"),
	    .envelope_from = STR_EMPTY,
	    .spf_domain = STR_EMPTY,
	    .dkim = STR_EMPTY,
	    .comment = STR_EMPTY};

	rows_count(&row, now);
}

static size_t day_of(const struct period *p)
{
	return (size_t)(p->begin / ROWS_DAY - DAY / ROWS_DAY);
}

/* "domain day messages/rows+left_out": all periods, each followed by LF. */
static void expect(uint64_t now, const char *want)
{
	struct buf at = buf_new(ROWS_KEY_MAX), got = buf_new(4096);
	struct period p;

	rows_settle(now);
	while (rows_next_period(&at, &p))
		buf_printf(&got, "%.*s %zu %llu/%llu+%llu\n", STR_FMT(p.domain),
		    day_of(&p), (unsigned long long)p.messages,
		    (unsigned long long)p.rows, (unsigned long long)p.left_out);
	assert_string_equal(buf_text(&got), want);
	buf_free(&at);
	buf_free(&got);
}

static uint64_t counted(const char *domain, uint64_t begin)
{
	struct buf at = buf_new(ROWS_KEY_MAX);
	struct counted_row row;
	struct period p;
	uint64_t messages = 0;

	assert_true(rows_find_period(str_from(domain), begin, &p));
	while (rows_next(&p, &at, &row))
		messages += row.count;
	buf_free(&at);
	return messages;
}

static void alike_is_one_row(void **state)
{
	(void)state;
#ifdef WITHOUT_BDB
	skip();
#endif
	for (int i = 0; i < 10; i++)
		count("One.TEST", i % 3 == 0 ? "192.0.2.1" : "192.0.2.2", DAY);
	expect(DAY, "one.test 0 10/2+0\n");
	assert_int_equal(counted("one.test", DAY), 10);
	assert_true(rows_begun());
	assert_false(rows_begun());
}

/* The last second of a day is of that day, the next one of the next. */
static void a_new_day_is_a_new_period(void **state)
{
	(void)state;
#ifdef WITHOUT_BDB
	skip();
#endif
	count("one.test", "192.0.2.1", DAY);
	count("one.test", "192.0.2.1", DAY + ROWS_DAY - 1);
	count("one.test", "192.0.2.1", DAY + ROWS_DAY);
	count("one.test", "192.0.2.1", DAY + 3 * ROWS_DAY + 5);
	expect(DAY + 3 * ROWS_DAY + 5,
	    "one.test 0 2/1+0\none.test 1 1/1+0\none.test 3 1/1+0\n");
	assert_int_equal(counted("one.test", DAY), 2);
	assert_int_equal(counted("one.test", DAY + ROWS_DAY), 1);
}

/* Rows of one period are not another's, whatever their names begin with. */
static void periods_keep_apart(void **state)
{
	(void)state;
	struct period p;

#ifdef WITHOUT_BDB
	skip();
#endif
	count("a.test", "192.0.2.1", DAY);
	count("a.tes", "192.0.2.1", DAY);
	count("a.testx", "192.0.2.1", DAY);
	count("a.test", "192.0.2.1", DAY + ROWS_DAY);
	rows_settle(DAY + ROWS_DAY);
	assert_true(rows_find_period(STR("a.test"), DAY, &p));
	/* The views end with the next call. */
	struct period copy = p;
	copy.domain = STR("a.test");
	rows_remove_period(&copy);
	expect(
	    DAY + ROWS_DAY, "a.tes 0 1/1+0\na.test 1 1/1+0\na.testx 0 1/1+0\n");
	assert_int_equal(counted("a.tes", DAY), 1);
	assert_int_equal(counted("a.testx", DAY), 1);
	assert_int_equal(counted("a.test", DAY + ROWS_DAY), 1);
	assert_false(rows_find_period(STR("a.test"), DAY, &p));
}

static void the_operator_ends_a_period(void **state)
{
	(void)state;
	struct period p;

#ifdef WITHOUT_BDB
	skip();
#endif
	assert_false(rows_end_period(STR("one.test"), DAY + 60));
	count("one.test", "192.0.2.1", DAY + 1);
	/* In the second in which it began there is nothing to end. */
	assert_false(rows_end_period(STR("one.test"), DAY));
	assert_true(rows_end_period(STR("ONE.test"), DAY + 60));
	count("one.test", "192.0.2.1", DAY + 61);
	rows_settle(DAY + 61);
	assert_true(rows_find_period(STR("one.test"), DAY, &p));
	assert_int_equal(p.end, DAY + 60);
	assert_int_equal(p.messages, 1);
	assert_true(rows_find_period(STR("one.test"), DAY + 60, &p));
	assert_int_equal(p.end, DAY + ROWS_DAY);
	assert_int_equal(p.messages, 1);
}

/* A rest of a day in which nothing came leaves nothing. */
static void an_empty_rest_goes(void **state)
{
	(void)state;
#ifdef WITHOUT_BDB
	skip();
#endif
	count("one.test", "192.0.2.1", DAY);
	assert_true(rows_end_period(STR("one.test"), DAY + 60));
	expect(DAY + ROWS_DAY, "one.test 0 1/1+0\n");
}

static void limits(void **state)
{
	(void)state;
	char address[20];

#ifdef WITHOUT_BDB
	skip();
#endif
	conf.dmarc_report_row_limit = 3;
	for (int i = 0; i < 5; i++) {
		(void)snprintf(address, sizeof(address), "192.0.2.%d", i);
		count("one.test", address, DAY);
	}
	/* A row that is there goes on counting. */
	count("one.test", "192.0.2.0", DAY);
	expect(DAY, "one.test 0 4/3+2\n");
	conf.dmarc_report_domain_limit = 2;
	count("two.test", "192.0.2.1", DAY);
	count("three.test", "192.0.2.1", DAY);
	expect(DAY, "one.test 0 4/3+2\ntwo.test 0 1/1+0\n");
	conf.dmarc_report_domain_limit = 100;
	conf.dmarc_report_database_limit = 0;
	count("two.test", "192.0.2.9", DAY);
	count("two.test", "192.0.2.1", DAY);
	expect(DAY, "one.test 0 4/3+2\ntwo.test 0 2/1+1\n");
}

static void what_cannot_be_counted_is_not(void **state)
{
	(void)state;
	struct report_row row = {.client_address = STR_INIT("192.0.2.1"),
	    .author = STR_INIT("one.test"),
	    .policy_domain = STR_INIT("one.test"),
	    .record = STR_INIT("v=DMARC1; p=reject"),
	    .envelope_from = STR_EMPTY,
	    .spf_domain = STR_EMPTY,
	    .dkim = STR_EMPTY,
	    .comment = STR_EMPTY};

#ifdef WITHOUT_BDB
	skip();
#endif
	rows_count(&row, DAY); /* nobody asked */
	row.record = STR("v=spf1 -all");
	rows_count(&row, DAY);
	count("no name", "192.0.2.1", DAY);
	count("a..test", "192.0.2.1", DAY);
	count("", "192.0.2.1", DAY);
	expect(DAY, "");
}

/* A process that is killed: what was settled is counted, and the next one
 * counts on in the same rows. */
static void killed_it_counts_on(void **state)
{
	(void)state;
	int status;
	pid_t child;

#ifdef WITHOUT_BDB
	skip();
#endif
	rows_close();
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		rows_open(&conf);
		count("one.test", "192.0.2.1", DAY);
		count("one.test", "192.0.2.2", DAY);
		rows_settle(DAY);
		count("one.test", "192.0.2.1", DAY); /* is lost */
		count("two.test", "192.0.2.1", DAY);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(rows_open(&conf), 0);
	expect(DAY, "one.test 0 2/2+0\n");
	count("one.test", "192.0.2.1", DAY);
	expect(DAY, "one.test 0 3/2+0\n");
	assert_int_equal(counted("one.test", DAY), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		alike_is_one_row, open_rows, close_rows),
	    cmocka_unit_test_setup_teardown(
		a_new_day_is_a_new_period, open_rows, close_rows),
	    cmocka_unit_test_setup_teardown(
		periods_keep_apart, open_rows, close_rows),
	    cmocka_unit_test_setup_teardown(
		the_operator_ends_a_period, open_rows, close_rows),
	    cmocka_unit_test_setup_teardown(
		an_empty_rest_goes, open_rows, close_rows),
	    cmocka_unit_test_setup_teardown(limits, open_rows, close_rows),
	    cmocka_unit_test_setup_teardown(
		what_cannot_be_counted_is_not, open_rows, close_rows),
	    cmocka_unit_test_setup_teardown(
		killed_it_counts_on, open_rows, close_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
