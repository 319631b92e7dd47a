/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/str.h"
#include "daemon/board.h"
#include "daemon/house_conf.h"
#include "daemon/roles.h"

static void two_processes_see_one_board(void **state)
{
	int fd;
	struct board *a = board_new(&fd), *b;

	(void)state;
	assert_non_null(a);
	b = board_map(fd);
	assert_non_null(b);
	assert_int_equal(board_take(a, 7), 0);
	assert_int_equal(board_take(b, 8), 1);
	assert_int_equal(b->slots[0].pid, 7);
	assert_int_equal(b->slots[0].state, BOARD_STARTING);
	a->slots[0].state = BOARD_IDLE;
	a->idle++;
	board_release(b, 0);
	assert_int_equal(a->idle, 0);
	a->slots[1].state = BOARD_BUSY;
	board_release(b, 1);
	assert_int_equal(a->idle, 0);
	assert_int_equal(board_take(a, 9), 0);
	board_release(a, -1);
	board_unmap(&a);
	board_unmap(&b);
	close(fd);
}

static void a_full_board_says_so(void **state)
{
	int fd;
	struct board *b = board_new(&fd);

	(void)state;
	for (int i = 0; i < BOARD_SLOTS; i++)
		assert_int_equal(board_take(b, 1), i);
	assert_int_equal(board_take(b, 1), -1);
	board_unmap(&b);
	close(fd);
}

static void counters_are_found_by_name(void **state)
{
	int fd;
	struct board *b = board_new(&fd);
	char name[60];

	(void)state;
	board_count(b, "one", 1);
	board_count(b, "two", 5);
	board_count(b, "one", 2);
	assert_string_equal(b->counters[0].name.text, "one");
	assert_int_equal(b->counters[0].value, 3);
	assert_int_equal(b->counters[1].value, 5);
	board_gauge(b, "two", 4);
	assert_int_equal(b->counters[1].value, 4);
	assert_int_equal(b->counters[0].gauge, 0);
	assert_int_equal(b->counters[1].gauge, 1);
	for (int i = 0; i < 2 * BOARD_COUNTERS; i++) {
		snprintf(name, sizeof(name),
		    "a very long name that does not "
		    "fit in%d",
		    i);
		board_count(b, name, 1);
		snprintf(name, sizeof(name), "%d", i);
		board_count(b, name, 1);
	}
	assert_int_equal(b->counters[2].value, 2 * BOARD_COUNTERS);
	board_unmap(&b);
	close(fd);
}

static void times_are_seen_by_another_process(void **state)
{
	int fd;
	struct board *a = board_new(&fd), *b = board_map(fd);
	struct histogram h;
	char name[BOARD_NAME_MAX];

	(void)state;
	board_observe(a, "sync", 100);
	board_observe(b, "sync", 7000);
	board_observe(b, "dns", 20);
	assert_int_equal(board_name_read(&a->times[0].name, name), 4);
	assert_string_equal(name, "sync");
	assert_int_equal(board_name_read(&a->times[2].name, name), 0);
	board_times_read(&a->times[0], &h);
	assert_int_equal(h.count, 2);
	assert_int_equal(h.sum, 7100);
	assert_int_equal(h.max, 7000);
	assert_int_equal(h.buckets[histogram_bucket(100)], 1);
	for (int i = 0; i < 2 * BOARD_TIMES; i++) {
		snprintf(name, sizeof(name), "%d", i);
		board_observe(a, name, 1);
	}
	board_observe(a, "dns", 20);
	assert_int_equal(a->times[1].count, 2);
	board_unmap(&a);
	board_unmap(&b);
	close(fd);
}

/* A process writes what it likes; a terminal does not see it. */
static void names_are_harmless(void **state)
{
	int fd;
	struct board *b = board_new(&fd);
	char name[BOARD_NAME_MAX];

	(void)state;
	board_count(b, "\033[2Jx\x80", 1);
	assert_int_equal(board_name_read(&b->counters[0].name, name), 6);
	assert_string_equal(name, "?[2Jx?");
	memset(b->counters[0].name.text, 'y', BOARD_NAME_MAX);
	assert_int_equal(
	    board_name_read(&b->counters[0].name, name), BOARD_NAME_MAX - 1);
	board_unmap(&b);
	close(fd);
}

/* No process can be made to read past the end of one. */
static void what_is_no_board_is_refused(void **state)
{
	int fd = memfd_create("test", MFD_CLOEXEC), good;
	struct board *b = board_new(&good);

	(void)state;
	assert_null(board_map(fd));
	assert_int_equal(ftruncate(fd, sizeof(struct board)), 0);
	assert_null(board_map(fd));
	assert_int_equal(ftruncate(good, 10), -1);
	board_unmap(&b);
	close(fd);
	close(good);
}

static void roles_are_what_the_design_says(void **state)
{
	static const char *const jailed[] = {
	    "smtpd", "submission", "lmtpd", "smtp", "login"};
	struct house_conf house = {.role_uid_base = 5000};
	unsigned uid, gid, other;
	char why[100];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(jailed); i++)
		assert_true(role_find(jailed[i])->jailed);
	assert_null(role_find("root"));
	assert_null(role_find("smtp")->calls[0]);
	assert_int_equal(
	    role_ids(&house, "vmail", &uid, &gid, why, sizeof(why)), 0);
	assert_int_equal(
	    role_ids(&house, "smtpd", &other, &gid, why, sizeof(why)), 0);
	assert_int_not_equal(uid, other);
	assert_in_range(uid, 5000, 5100);
	assert_int_equal(
	    role_ids(&house, "root", &uid, &gid, why, sizeof(why)), -1);
	house.role_uid_base = 0;
	house.role_user_prefix = "no-such-prefix-";
	assert_int_equal(
	    role_ids(&house, "smtpd", &uid, &gid, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "no-such-prefix-smtpd"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(two_processes_see_one_board),
	    cmocka_unit_test(a_full_board_says_so),
	    cmocka_unit_test(counters_are_found_by_name),
	    cmocka_unit_test(times_are_seen_by_another_process),
	    cmocka_unit_test(names_are_harmless),
	    cmocka_unit_test(what_is_no_board_is_refused),
	    cmocka_unit_test(roles_are_what_the_design_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
