/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/remove_tree_testing.h"
#include "core/log.h"
#include "daemon/database.h"

static char folder[64];

static int make_folder(void **state)
{
	(void)state;
#ifdef WITHOUT_BDB
	return 0;
#endif
	(void)snprintf(folder, sizeof(folder), "/tmp/database-XXXXXX");
	if (mkdtemp(folder) == NULL ||
	    database_prepare("test_directory", folder, "rows") < 0)
		return -1;
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
#ifdef WITHOUT_BDB
	return 0;
#endif
	return remove_tree(folder);
}

static void begin(void)
{
#ifdef WITHOUT_BDB
	skip();
#endif
	assert_int_equal(database_open(), 0);
}

static void put(const char *key, const char *value)
{
	assert_int_equal(database_put(str_from(key), str_from(value)), 0);
}

/* "" when there is none. */
static void expect(const char *key, const char *value)
{
	struct buf got = buf_new(1000);
	int found = database_get(str_from(key), &got);

	assert_int_equal(found, value[0] != '\0');
	if (found == 1)
		assert_string_equal(buf_text(&got), value);
	buf_free(&got);
}

/* Every key in its order, each followed by a blank. */
static void expect_keys(const char *from, const char *keys)
{
	struct buf key = buf_new(1000), value = buf_new(1000);
	struct buf all = buf_new(1000);

	buf_add_text(&key, from);
	while (database_next(&key, &value) == 1)
		buf_printf(&all, "%.*s ", STR_FMT(buf_str(&key)));
	assert_string_equal(buf_text(&all), keys);
	buf_free(&key);
	buf_free(&value);
	buf_free(&all);
}

static void records_have_an_order(void **state)
{
	(void)state;
	begin();
	put("b", "2");
	put("a", "1");
	put("aa", "11");
	put("b", "22");
	expect("b", "22");
	expect("c", "");
	expect_keys("", "a aa b ");
	expect_keys("a", "aa b ");
	expect_keys("ab", "b ");
	expect_keys("b", "");
	assert_int_equal(database_remove(STR("aa")), 0);
	assert_int_equal(database_remove(STR("nobody")), 0);
	expect_keys("", "a b ");
	assert_int_equal(database_commit(), 0);
	database_close();
	begin();
	expect_keys("", "a b ");
	database_close();
}

static void what_is_undone_was_never_there(void **state)
{
	(void)state;
	begin();
	put("kept", "1");
	assert_int_equal(database_commit(), 0);
	put("kept", "2");
	put("lost", "1");
	expect("lost", "1");
	database_undo();
	expect("kept", "1");
	expect("lost", "");
	/* Nothing to undo or to commit is no failure. */
	database_undo();
	assert_int_equal(database_commit(), 0);
	database_remove(STR("kept"));
	assert_int_equal(database_commit(), 0);
	database_close();
}

/* A process that is killed: what it committed is there, and nothing else. */
static void die(const char *key, const char *value, bool commit)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		if (database_open() < 0 ||
		    database_put(str_from(key), str_from(value)) < 0 ||
		    database_put(STR("together"), str_from(value)) < 0 ||
		    (commit && database_commit() < 0))
			_exit(1);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
}

static void killed_between_put_and_commit(void **state)
{
	(void)state;
#ifdef WITHOUT_BDB
	skip();
#endif
	die("one", "1", true);
	die("two", "2", false);
	begin();
	expect("one", "1");
	expect("two", "");
	expect("together", "1");
	database_close();
	for (int i = 0; i < 5; i++)
		die("three", i % 2 == 0 ? "even" : "odd", i % 2 == 0);
	begin();
	expect("three", "even");
	expect("together", "even");
	database_sync();
	database_close();
}

/* A value beyond what the reader holds is a failure, not half a value. */
static void what_does_not_fit_is_a_failure(void **state)
{
	(void)state;
	static char large[200000];
	struct buf small = buf_new(1000), key = buf_new(100);

	memset(large, 'x', sizeof(large));
	begin();
	assert_int_equal(
	    database_put(STR("large"), str_of(large, sizeof(large))), 0);
	assert_int_equal(database_get(STR("large"), &small), -1);
	buf_add_text(&key, "lar");
	buf_clear(&small);
	assert_int_equal(database_next(&key, &small), -1);
	struct buf enough = buf_new(sizeof(large));
	assert_int_equal(database_get(STR("large"), &enough), 1);
	assert_int_equal(enough.len, sizeof(large));
	database_remove(STR("large"));
	assert_int_equal(database_commit(), 0);
	database_close();
	buf_free(&small);
	buf_free(&enough);
	buf_free(&key);
}

static unsigned set_aside(void)
{
	DIR *dir = opendir(folder);
	struct dirent *e;
	unsigned count = 0;

	while ((e = readdir(dir)) != NULL)
		count += strncmp(e->d_name, "rows.damaged.", 13) == 0;
	closedir(dir);
	return count;
}

static void damaged_is_set_aside(void **state)
{
	(void)state;
	char path[128], noise[8192];
	int fd;

	begin();
	put("before", "1");
	assert_int_equal(database_commit(), 0);
	database_close();
	memset(noise, 0xff, sizeof(noise));
	(void)snprintf(path, sizeof(path), "%s/rows/rows.db", folder);
	fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, noise, sizeof(noise)), sizeof(noise));
	close(fd);
	begin();
	assert_int_equal(set_aside(), 1);
	expect("before", "");
	put("after", "1");
	assert_int_equal(database_commit(), 0);
	database_close();
	begin();
	expect("after", "1");
	database_close();
}

/* Nothing is wrong with what is stored when there is no descriptor left. */
static void what_the_system_refuses_stays(void **state)
{
	(void)state;
	struct rlimit before, none;
	unsigned aside = set_aside();

	begin();
	put("kept", "1");
	assert_int_equal(database_commit(), 0);
	database_close();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	int next = open("/", O_PATH | O_CLOEXEC);
	assert_true(next >= 0);
	close(next);
	none = before;
	none.rlim_cur = (rlim_t)next + 1; /* for the working directory */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	int result = database_open();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(result, -1);
	assert_int_equal(set_aside(), aside);
	begin();
	expect("kept", "1");
	database_close();
}

/* A second owner would recover what the first one is at work on. */
static void there_is_one_owner(void **state)
{
	(void)state;
	int ready[2];
	char octet;

#ifdef WITHOUT_BDB
	skip();
#endif
	assert_int_equal(pipe(ready), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (database_open() < 0 ||
		    database_put(STR("owner"), STR("first")) < 0 ||
		    database_commit() < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &octet, 1), 1);
	int second = database_open();
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(second, -1);
	close(ready[0]);
	close(ready[1]);
	begin();
	expect("owner", "first");
	database_close();
}

/* Closed, everything fails and nothing crashes. */
static void closed_nothing_is_stored(void **state)
{
	(void)state;
	struct buf key = buf_new(100), value = buf_new(100);

#ifdef WITHOUT_BDB
	skip();
#endif
	database_close();
	assert_int_equal(database_put(STR("a"), STR("b")), -1);
	assert_int_equal(database_get(STR("a"), &value), -1);
	assert_int_equal(database_remove(STR("a")), -1);
	assert_int_equal(database_next(&key, &value), -1);
	assert_int_equal(database_commit(), -1);
	assert_int_equal(database_sync(), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(records_have_an_order),
	    cmocka_unit_test(what_is_undone_was_never_there),
	    cmocka_unit_test(killed_between_put_and_commit),
	    cmocka_unit_test(what_does_not_fit_is_a_failure),
	    cmocka_unit_test(what_the_system_refuses_stays),
	    cmocka_unit_test(damaged_is_set_aside),
	    cmocka_unit_test(there_is_one_owner),
	    cmocka_unit_test(closed_nothing_is_stored),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
