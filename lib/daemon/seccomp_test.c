/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/daemon_private.h"

/* The number of the first thing that is not as it should be; 0: all is. */
static int try_all(void)
{
	static const int mail[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
	static const int others[] = {AF_PACKET, AF_KEY, AF_ALG, AF_VSOCK};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return 1;
	seccomp_enter();
	if (execl("/bin/true", "true", (char *)NULL) == 0 || errno != EPERM)
		return 2;
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 || errno != EPERM)
		return 3;
	for (size_t i = 0; i < ARRAY_LEN(mail); i++)
		if (socket(mail[i], SOCK_DGRAM, 0) < 0 &&
		    errno == EAFNOSUPPORT && mail[i] != AF_INET6)
			return 4;
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (socket(others[i], SOCK_RAW, 0) >= 0 ||
		    errno != EAFNOSUPPORT)
			return 5;
	if (open("/dev/null", O_RDWR) < 0 || fork() < 0)
		return 6;
	return 0;
}

static void calls_are_refused(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(try_all());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(calls_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
