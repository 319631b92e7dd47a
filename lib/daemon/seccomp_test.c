/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf/map.h"
#include "core/file.h"
#include "daemon/calls.h"
#include "daemon/daemon_private.h"

#define NO_SUCH_CALL 1000

/* ---- running a try in a process that may be confined ----------------------- */

static char said[4096]; /* by the last try on stderr */

/* The number that the try returned: of the first thing that is not as it
 * should be; 0: all is. */
static int run(int (*try)(const char *), const char *arg)
{
	int status, pipe_fds[2];
	ssize_t n;
	size_t len = 0;
	pid_t pid;

	assert_int_equal(pipe(pipe_fds), 0);
	pid = fork();
	if (pid == 0) {
		dup2(pipe_fds[1], STDERR_FILENO);
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		_exit(try(arg));
	}
	close(pipe_fds[1]);
	while ((n = read(pipe_fds[0], said + len, sizeof(said) - 1 - len)) > 0)
		len += (size_t)n;
	said[len] = '\0';
	close(pipe_fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool fails(long result, int error)
{
	return result == -1 && errno == error;
}

#ifndef __SANITIZE_ADDRESS__
static void *map_anonymous(int protection)
{
	return mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
#endif

/* ---- a role with nothing but the base -------------------------------------- */

static int try_base(const char *role)
{
	static const int families[] = {
	    AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_KEY, AF_ALG, AF_VSOCK};
	struct rlimit r = {10, 10};
	void *page;

	if (seccomp_enter(rights_find(role), SECCOMP_ENFORCE) < 0)
		return 1;
	if (!fails(execl("/bin/true", "true", (char *)NULL), EPERM))
		return 2;
	if (!fails(ptrace(PTRACE_TRACEME, 0, NULL, NULL), EPERM))
		return 3;
	for (size_t i = 0; i < ARRAY_LEN(families); i++)
		if (!fails(socket(families[i], SOCK_RAW, 0), EAFNOSUPPORT))
			return 4;
	if (socket(AF_UNIX, SOCK_STREAM, 0) < 0)
		return 5;
	if (!fails(fork(), EPERM))
		return 6;
#ifndef __SANITIZE_ADDRESS__
	if (!fails(open("/dev/null", O_RDONLY), EACCES))
		return 7;
	page = map_anonymous(PROT_READ | PROT_EXEC);
	if (page != MAP_FAILED || errno != EACCES)
		return 8;
	page = map_anonymous(PROT_READ | PROT_WRITE);
	if (page == MAP_FAILED || mprotect(page, 4096, PROT_READ) < 0 ||
	    !fails(mprotect(page, 4096, PROT_EXEC), EACCES))
		return 9;
#else
	(void)page;
#endif
	if (!fails(kill(getppid(), 0), EPERM) || !fails(kill(1, 0), EPERM) ||
	    !fails(syscall(SYS_tgkill, getppid(), getppid(), 0), EPERM) ||
	    syscall(SYS_tgkill, getpid(), getpid(), 0) < 0)
		return 10;
	if (!fails(setrlimit(RLIMIT_NOFILE, &r), EPERM) ||
	    getrlimit(RLIMIT_NOFILE, &r) < 0)
		return 11;
	if (!fails(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), EINVAL))
		return 12;
	if (!fails(syscall(NO_SUCH_CALL), ENOSYS) ||
	    !fails(syscall(SYS_clone3, NULL, 0), ENOSYS))
		return 13;
	if (!fails(unlink("/nowhere"), ENOSYS))
		return 14;
	return 0;
}

static void the_base_is_little(void **state)
{
	char want[80];
	const char *first;

	(void)state;
	assert_int_equal(run(try_base, "bounce"), 0);
	/* Once for each call. */
	snprintf(want, sizeof(want), "(role bounce): system call %d is refused",
	    SYS_socket);
	first = strstr(said, want);
	assert_non_null(first);
	assert_null(strstr(first + 1, want));
}

/* ---- what the other rights bring ------------------------------------------- */

static void *nothing(void *arg)
{
	return arg;
}

static int try_network(const char *role)
{
	if (seccomp_enter(rights_find(role), SECCOMP_ENFORCE) < 0)
		return 1;
	if (socket(AF_INET, SOCK_STREAM, 0) < 0)
		return 2;
	if (!fails(socket(AF_PACKET, SOCK_RAW, 0), EAFNOSUPPORT))
		return 3;
	return 0;
}

static int try_thread(const char *role)
{
	sigset_t all;
	pthread_t t;

	/* A refused call must not end a thread that blocks signals. */
	sigfillset(&all);
	sigdelset(&all, SIGSYS);
	if (seccomp_enter(rights_find(role), SECCOMP_ENFORCE) < 0)
		return 1;
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	if (pthread_create(&t, NULL, nothing, NULL) != 0 ||
	    pthread_join(t, NULL) != 0)
		return 2;
	if (!fails(syscall(SYS_bpf, 0, NULL, 0), EPERM))
		return 3;
	return fails(fork(), EPERM) ? 0 : 4;
}

static int try_fork(const char *role)
{
	int status;
	pid_t pid;

	if (seccomp_enter(rights_find(role), SECCOMP_ENFORCE) < 0)
		return 1;
	pid = fork();
	if (pid == 0)
		_exit(unlink("/nowhere") == -1 && errno == ENOENT ? 7 : 8);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 7 << 8)
		return 2;
	if (!fails(syscall(SYS_clone, 0x10000000 | SIGCHLD, 0, 0, 0, 0), EPERM))
		return 3; /* a user namespace */
#ifndef __SANITIZE_ADDRESS__
	if (map_anonymous(PROT_READ | PROT_WRITE | PROT_EXEC) != MAP_FAILED ||
	    errno != EACCES)
		return 4;
#endif
	return 0;
}

static void rights_bring_calls(void **state)
{
	(void)state;
	assert_int_equal(run(try_network, "smtpd"), 0);
	assert_int_equal(run(try_network, "smtp"), 0);
	assert_int_equal(run(try_network, "login"), 2);
	assert_int_equal(run(try_thread, "auth"), 0);
	assert_int_equal(run(try_thread, "bounce"), 2);
	assert_int_equal(run(try_fork, "imapd"), 0);
	assert_int_equal(run(try_fork, "keeper"), 2);
}

/* Makes the table before, opens it after. */
static int try_pattern(const char *role)
{
	char path[] = "/tmp/seccomp-test-XXXXXX", spec[100];
	struct buf value = buf_new(100);
	int fd = mkstemp(path);
	const char *why;
	struct map *m;

	if (file_write_full(fd, "/^a(.)c$/ is $1\n", 16) < 0)
		return 1;
	snprintf(spec, sizeof(spec), "pcre:%s", path);
	if (seccomp_enter(rights_find(role), SECCOMP_ENFORCE) < 0)
		return 2;
	m = map_open(spec, "/", &why);
	if (m == NULL)
		return 3;
	if (map_find(m, STR("abc"), &value) != MAP_FOUND ||
	    !str_eq(buf_str(&value), STR("is b")) ||
	    map_find(m, STR("abd"), &value) != MAP_NONE)
		return 4;
	unlink(path);
	return 0;
}

static void patterns_work_without_executable_memory(void **state)
{
	char want[60];

	(void)state;
	snprintf(want, sizeof(want), "system call %d is refused", SYS_mmap);
	assert_int_equal(run(try_pattern, "lookup"), 0);
	assert_null(strstr(said, want));
	assert_int_equal(run(try_pattern, "keeper"), 0);
#ifndef __SANITIZE_ADDRESS__
	assert_non_null(strstr(said, want)); /* it was asked for */
#endif
}

/* ---- modes ------------------------------------------------------------------ */

static int try_log(const char *role)
{
	if (seccomp_enter(rights_find(role), SECCOMP_LOG) < 0)
		return 1;
	if (socket(AF_INET, SOCK_STREAM, 0) < 0)
		return 2;
	if (!fails(execl("/bin/true", "true", (char *)NULL), EPERM))
		return 3;
	if (!fails(syscall(SYS_bpf, 0, NULL, 0), EPERM))
		return 4;
	return 0;
}

static int try_off(const char *role)
{
	if (seccomp_enter(rights_find(role), SECCOMP_OFF) < 0)
		return 1;
	return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 0 ? 0 : 2;
}

static void modes_differ(void **state)
{
	(void)state;
	assert_int_equal(run(try_log, "bounce"), 0);
	assert_string_equal(said, "");
	assert_int_equal(run(try_off, "bounce"), 0);
}

/* ---- the tables -------------------------------------------------------------- */

static int try_enter(const char *role)
{
	return seccomp_enter(rights_find(role), SECCOMP_ENFORCE) < 0;
}

static void every_role_has_rights(void **state)
{
	(void)state;
	for (const struct role *r = roles; r->name != NULL; r++) {
		if (strcmp(r->name, "queue") == 0 ||
		    strcmp(r->name, "postdrop") == 0)
			continue; /* whose files they are: no process */
		assert_non_null(rights_find(r->name));
		assert_int_equal(run(try_enter, r->name), 0);
	}
	for (const struct rights *r = role_rights; r->role != NULL; r++)
		assert_non_null(role_find(r->role));
}

/* In log mode the later rule would not count. */
static void no_set_has_what_is_refused(void **state)
{
	(void)state;
	for (unsigned s = 0; s < call_set_count; s++)
		for (unsigned i = 0; i < call_sets[s].count; i++)
			for (unsigned k = 0; k < calls_refused_count; k++)
				assert_int_not_equal(
				    call_sets[s].calls[i].number,
				    calls_refused[k]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_base_is_little),
	    cmocka_unit_test(rights_bring_calls),
	    cmocka_unit_test(patterns_work_without_executable_memory),
	    cmocka_unit_test(modes_differ),
	    cmocka_unit_test(every_role_has_rights),
	    cmocka_unit_test(no_set_has_what_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
