/* SPDX-License-Identifier: ISC */
/* posthouse start: runs master in the background and waits until it says how
 * it stands. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/str.h"
#include "posthouse/posthouse.h"

/* With FD -1 in the foreground, in place of this process. */
static void run_master(struct posthouse *p, int fd)
{
	char number[16], *program, *directory;

	directory = realpath(p->config_directory, NULL);
	if (directory == NULL ||
	    asprintf(&program, "%s/master", p->house.daemon_directory) < 0)
		return;
	snprintf(number, sizeof(number), "%d", fd);
	if (fd < 0)
		execl(program, "master", "-f", "-c", directory, (char *)NULL);
	else
		execl(program, "master", "-w", number, "-c", directory,
		    (char *)NULL);
	fprintf(stderr, "%s: %s\n", program, strerror(errno));
}

/* Passes on what master says; 0 when the last of it is "ready". */
static int listen_to(int fd)
{
	FILE *from = fdopen(fd, "r");
	char line[4096];
	bool ready = false;

	if (from == NULL)
		return posthouse_fail("start", "%s", strerror(errno));
	while (fgets(line, sizeof(line), from) != NULL) {
		ready = strcmp(line, "ready\n") == 0;
		if (!ready)
			fprintf(stderr, "%s", line);
	}
	fclose(from);
	return ready ? 0 : 1;
}

/* Whether the process goes on, though it did not say "ready". */
static bool runs(pid_t pid)
{
	for (int i = 0; i < 50; i++) {
		if (waitpid(pid, NULL, WNOHANG) != 0)
			return false;
		poll(NULL, 0, 10);
	}
	return true;
}

int cmd_start(struct posthouse *p, int argc, char **argv)
{
	int status, fds[2];
	pid_t pid;

	if (argc > 2 || (argc == 2 && strcmp(argv[1], "--foreground") != 0))
		return posthouse_usage("start");
	if (posthouse_conf(p) < 0)
		return 1;
	if (argc == 2) {
		run_master(p, -1);
		return 1;
	}
	if (pipe(fds) < 0 || (pid = fork()) < 0)
		return posthouse_fail("start", "%s", strerror(errno));
	if (pid == 0) {
		close(fds[0]);
		setsid();
		run_master(p, fds[1]);
		_exit(1);
	}
	close(fds[1]);
	status = listen_to(fds[0]);
	if (status != 0 && runs(pid))
		return posthouse_fail("start",
		    "the suite runs, but not all of "
		    "it; see \"posthouse status\"");
	if (status != 0)
		return posthouse_fail("start", "not started");
	if (!p->json)
		printf("started, process %d\n", (int)pid);
	else
		printf("{\"started\":true,\"pid\":%d}\n", (int)pid);
	return 0;
}
