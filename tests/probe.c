/* SPDX-License-Identifier: ISC */
/*
 * The probe: a daemon that does what it is told, to find out what a jail
 * keeps it from. It is never installed; tests/test_jail.py runs it under each
 * role in turn, and, with --plain and no jail at all, to see that what fails
 * there does work elsewhere.
 *
 * A line is a request, a line is the answer: the result, and with -1 the name
 * of the errno.
 *
 *	call NAME [ARG]...  the system call; ARG is a number, s:text, x:octets
 *	                    in hexadecimal (its address is given), or b:SIZE,
 *	                    so many zero octets
 *	fork, thread        make one, and wait for it
 *	compile             PCRE2's compiler: the rights of what it maps
 *	self tgkill|...     call with our own process id in front
 *	folders             descriptors of folders, and what is found above them
 *	environment         its names
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "daemon/daemon.h"

#define LINE_MOST 65536
#define ARGS_MOST 6
#define FDS_MOST  200

static char space[ARGS_MOST][LINE_MOST];

/* ---- system calls ----------------------------------------------------------- */

static long octets(char *out, const char *hex)
{
	size_t n = 0;

	for (; n < LINE_MOST && hex[0] != '\0' && hex[1] != '\0'; hex += 2) {
		const char pair[3] = {hex[0], hex[1], '\0'};

		out[n++] = (char)strtoul(pair, NULL, 16);
	}
	return (long)(uintptr_t)out;
}

static long argument(int i, const char *word)
{
	memset(space[i], 0, sizeof(space[i]));
	if (strncmp(word, "s:", 2) == 0) {
		snprintf(space[i], sizeof(space[i]), "%s", word + 2);
		return (long)(uintptr_t)space[i];
	}
	if (strncmp(word, "x:", 2) == 0)
		return octets(space[i], word + 2);
	if (strncmp(word, "b:", 2) == 0)
		return (long)(uintptr_t)space[i];
	return strtol(word, NULL, 0);
}

/* The words behind the name; with self our process id stands before them. */
static long do_call(char *words, int self)
{
	char *rest = NULL, *name = strtok_r(words, " ", &rest), *word;
	long args[ARGS_MOST] = {getpid()};
	int number = seccomp_syscall_resolve_name(name);

	for (int i = self; i < ARGS_MOST; i++) {
		word = strtok_r(NULL, " ", &rest);
		if (word == NULL)
			break;
		args[i] = argument(i, word);
	}
	return syscall(
	    number, args[0], args[1], args[2], args[3], args[4], args[5]);
}

/* ---- what takes more than one call ------------------------------------------- */

static long do_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid < 0 ? -1 : waitpid(pid, NULL, 0) != pid;
}

static void *nothing(void *arg)
{
	return arg;
}

static long do_thread(void)
{
	pthread_t t;

	errno = pthread_create(&t, NULL, nothing, NULL);
	return errno != 0 ? -1 : pthread_join(t, NULL);
}

static long do_compile(void)
{
	int error;
	PCRE2_SIZE at;
	pcre2_code *code = pcre2_compile(
	    (PCRE2_SPTR) "a(b|c)+d", 8, 0, &error, &at, NULL);
	int r = pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);

	pcre2_code_free(code);
	errno = EACCES;
	return r == 0 ? 0 : -1;
}

/* The way out of a root: from a folder that was opened before. */
static long do_folders(char *out, size_t size)
{
	struct stat st;
	long found = 0;
	size_t len = 0;

	for (int fd = 0; fd < FDS_MOST; fd++) {
		if (fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode))
			continue;
		int n = snprintf(out + len, size - len, " %d", fd);
		len += n > 0 ? (size_t)n : 0;
		int file = openat(
		    fd, "../../../../../../../../../../etc/passwd", O_RDONLY);
		if (file >= 0) {
			close(file);
			found++;
		}
	}
	return found;
}

static void names_of_environment(char *out, size_t size)
{
	size_t len = 0;

	for (char **e = environ; *e != NULL; e++) {
		int n = snprintf(
		    out + len, size - len, " %.*s", (int)strcspn(*e, "="), *e);
		len += n > 0 ? (size_t)n : 0;
	}
}

/* ---- the conversation -------------------------------------------------------- */

static void answer(FILE *out, char *line)
{
	char more[1024] = "";
	long result = 0;

	line[strcspn(line, "\n")] = '\0';
	errno = 0;
	if (strncmp(line, "call ", 5) == 0)
		result = do_call(line + 5, 0);
	else if (strncmp(line, "self ", 5) == 0)
		result = do_call(line + 5, 1);
	else if (strcmp(line, "fork") == 0)
		result = do_fork();
	else if (strcmp(line, "thread") == 0)
		result = do_thread();
	else if (strcmp(line, "compile") == 0)
		result = do_compile();
	else if (strcmp(line, "folders") == 0)
		result = do_folders(more, sizeof(more));
	else if (strcmp(line, "environment") == 0)
		names_of_environment(more, sizeof(more));
	else
		snprintf(more, sizeof(more), " what?");
	if (result == -1)
		fprintf(out, "-1 %s%s\n", strerrorname_np(errno), more);
	else
		fprintf(out, "%ld%s\n", result, more);
	fflush(out);
}

static void converse(FILE *in, FILE *out)
{
	static char line[LINE_MOST];

	while (fgets(line, sizeof(line), in) != NULL)
		answer(out, line);
}

/* A folder that stays open, as the role's own daemon has it. */
static int before_jail(void)
{
	static int folder;
	const struct house_conf *h = daemon_house();
	const struct {
		const char *role, *folder;
	} rows[] = {{"cleanup", h->queue_directory},
	    {"qmgr", h->queue_directory}, {"local", h->mail_store_directory},
	    {"logd", h->log_directory}, {"reportd", h->report_directory},
	    {"feedback", h->feedback_directory},
	    {"policyd", h->policy_directory}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(rows[i].role, daemon_role()) == 0)
			folder = open(rows[i].folder, O_RDONLY | O_DIRECTORY);
	return folder < 0;
}

static void serve(struct conn *conn)
{
	FILE *in = fdopen(conn->fd, "r"), *out = fdopen(dup(conn->fd), "w");

	if (in != NULL && out != NULL)
		converse(in, out);
	if (in != NULL)
		fclose(in);
	if (out != NULL)
		fclose(out);
}

int main(int argc, char **argv)
{
	static const struct daemon probe = {
	    .name = "probe",
	    .kind = DAEMON_WORKER,
	    .before_jail = before_jail,
	    .serve = serve,
	};

	if (argc == 2 && strcmp(argv[1], "--plain") == 0) {
		converse(stdin, stdout);
		return 0;
	}
	return daemon_main(&probe, argc, argv);
}
