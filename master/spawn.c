/* SPDX-License-Identifier: ISC */
/* In the child: its descriptors, its arguments, its program. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/log.h"
#include "master/master.h"

#define ARGS_MAX 512
#define HIGH_FD  128 /* descriptors are moved here, then to their place */

/* What of our environment a daemon gets: no more than it needs. */
static char **make_environment(void)
{
	static const char *const keep[] = {"TZ", "ASAN_OPTIONS",
	    "UBSAN_OPTIONS", "LSAN_OPTIONS", "MALLOC_ARENA_MAX"};
	static char *environment[ARRAY_LEN(keep) + 2];
	size_t n = 0;

	environment[n++] = (char *)(uintptr_t) "PATH=/usr/bin:/bin";
	for (size_t i = 0; i < ARRAY_LEN(keep); i++) {
		const char *value = getenv(keep[i]);

		if (value != NULL &&
		    asprintf(&environment[n], "%s=%s", keep[i], value) >= 0)
			n++;
	}
	environment[n] = NULL;
	return environment;
}

/* The command line that options.c of the skeleton reads. */
static void make_args(const struct process *p, const char *args[ARGS_MAX])
{
	static char count[16], slot[16], line[16];
	const struct running *s = p->service;
	const struct service *row = s->config->row;
	char *place;
	size_t n = 0;

	snprintf(count, sizeof(count), "%d", s->listener_count);
	snprintf(slot, sizeof(slot), "%d", p->slot);
	args[n++] = row->command;
	args[n++] = "-n";
	args[n++] = s->name;
	args[n++] = "-t";
	args[n++] = config_type_name(s->type);
	args[n++] = "-s";
	args[n++] = count;
	args[n++] = "-i";
	args[n++] = slot;
	/* Only master.cf's lines are told by number. */
	if (strcmp(service_place(row), "master.cf") == 0) {
		snprintf(line, sizeof(line), "%u", row->line);
		args[n++] = "-l";
		args[n++] = line;
	}
	if (row->chroot)
		args[n++] = "-c";
	if (asprintf(&place, "config_directory=%s",
		master.config->house.config_directory) >= 0) {
		args[n++] = "-o";
		args[n++] = place;
	}
	for (char *const *a = row->args; a != NULL && *a != NULL; a++)
		if (n < ARGS_MAX - 1)
			args[n++] = *a;
	args[n] = NULL;
}

/* Descriptors to the places that channel.h names. */
static void place_descriptors(const struct running *s, int channel)
{
	int fds[LISTENERS_FD + SERVICE_LISTENERS + 2];
	int last = LISTENERS_FD + s->listener_count;
	char snapshot[32];

	snprintf(
	    snapshot, sizeof(snapshot), "/proc/self/fd/%d", master.snapshot);
	fds[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
	fds[1] = fds[2] = master.foreground ? STDERR_FILENO
					    : master.stderr_pipe[1];
	fds[CHANNEL_FD] = channel;
	fds[BOARD_FD] = s->board_fd;
	/* Opened anew: its own file offset, and no right to write. */
	fds[SNAPSHOT_FD] = open(snapshot, O_RDONLY | O_CLOEXEC);
	for (int i = 0; i < s->listener_count; i++)
		fds[LISTENERS_FD + i] = s->listeners[i].fd;
	fds[last] = master.alive;
	if (s->kept_fd >= 0)
		fds[++last] = s->kept_fd;
	for (int i = 0; i <= last; i++)
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, HIGH_FD);
	for (int i = 0; i <= last; i++)
		if (fds[i] < 0 || dup2(fds[i], i) < 0)
			_exit(1);
}

void process_become(const struct process *p, int channel)
{
	const char *args[ARGS_MAX];
	char *program = NULL;

	setpgid(0, 0);
	make_args(p, args);
	place_descriptors(p->service, channel);
	if (asprintf(&program, "%s/%s", master.config->house.daemon_directory,
		args[0]) >= 0)
		execve(program, (char **)(uintptr_t)args, make_environment());
	dprintf(CHANNEL_FD, "%ccannot execute %s: %s", CHANNEL_FATAL, program,
	    strerror(errno));
	_exit(1);
}
