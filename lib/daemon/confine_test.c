/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/confine.h"

static char dir[] = "/tmp/confine-test-XXXXXX";

static const char *path(const char *name)
{
	static char space[2][100];
	static int turn;

	turn = !turn;
	snprintf(space[turn], sizeof(space[turn]), "%s/%s", dir, name);
	return space[turn];
}

static bool can_make(const char *name)
{
	int fd = open(path(name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Runs confined to "mine"; the exit status says what went wrong. */
static void confined(void)
{
	int above = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int mine = open(path("mine"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (confine_to(mine, dir, path("told")) != 1)
		_exit(10);
	if (!can_make("mine/new") ||
	    rename(path("mine/new"), path("mine/renamed")) < 0 ||
	    truncate(path("mine/renamed"), 10) < 0 ||
	    unlink(path("mine/renamed")) < 0)
		_exit(11);
	if (can_make("other/new"))
		_exit(12);
	if (open(path("other/there"), O_RDONLY | O_CLOEXEC) >= 0)
		_exit(13);
	if (open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0)
		_exit(14);
	if (open(path("other"), O_RDONLY | O_DIRECTORY | O_CLOEXEC) < 0)
		_exit(15);
	/* What was opened before leads nowhere else either. */
	if (openat(above, "other/there", O_RDONLY | O_CLOEXEC) >= 0)
		_exit(16);
	if (linkat(above, "other/there", mine, "there", 0) == 0)
		_exit(17);
	if (renameat(above, "other/there", mine, "there") == 0)
		_exit(18);
	if (unlinkat(above, "other/there", 0) == 0)
		_exit(19);
	_exit(0);
}

static void keeps_to_one_directory(void **state)
{
	int status;

	(void)state;
	if (!confine_possible())
		skip();
	assert_non_null(mkdtemp(dir));
	assert_int_equal(mkdir(path("mine"), 0700), 0);
	assert_int_equal(mkdir(path("other"), 0700), 0);
	assert_true(can_make("other/there"));
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0)
		confined();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	unlink(path("other/there"));
	unlink(path("other/new"));
	rmdir(path("other"));
	rmdir(path("mine"));
	rmdir(dir);
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keeps_to_one_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
