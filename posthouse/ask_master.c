/* SPDX-License-Identifier: ISC */
#include "posthouse/ask_master.h"

#include <poll.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"

#define WAIT_MS (15 * 60 * 1000)

static void pass_on(
    const struct ask_calls *calls, const struct ipc_type *type, const void *msg)
{
	const struct master_note *note = msg;

	if (calls->any != NULL)
		calls->any(type, msg, calls->arg);
	else if (type == &master_service && calls->service != NULL)
		calls->service(msg, calls->arg);
	else if (type == &master_counter && calls->counter != NULL)
		calls->counter(msg, calls->arg);
	else if (type == &master_session && calls->session != NULL)
		calls->session(msg, calls->arg);
	else if (type == &master_end && calls->end != NULL)
		calls->end(msg, calls->arg);
	else if (type == &master_note)
		fprintf(stderr, "%.*s\n", STR_FMT(note->text));
}

static int answered(const char *command, const struct master_end *end)
{
	if (end->ok)
		return 0;
	return posthouse_fail(command, "%.*s", STR_FMT(end->text));
}

/* Master's process; -1: the kernel cannot tell, or it is in a container. */
static int process_of(struct ipc *c)
{
	pid_t pid = ipc_peer_pid(c);

	return pid > 0 ? pidfd_open(pid, 0) : -1;
}

/* The connection ends a moment before the process does, and also where another
 * program goes on in the process. */
static bool has_ended(struct ipc *c, int process, int64_t deadline)
{
	struct pollfd end = {process, POLLIN, 0};
	const struct ipc_type *type;
	const void *msg;

	if (ipc_wait(c, &type, &msg, deadline) == IPC_TIMEOUT)
		return false;
	return process < 0 || poll(&end, 1, deadline_left(deadline)) == 1;
}

int ask_master(struct posthouse *p, const char *command, int verb,
    const char *service, const struct ask_calls *calls, bool *gone)
{
	return ask_master_with(p, command, verb, service, "", calls, gone);
}

int ask_master_with(struct posthouse *p, const char *command, int verb,
    const char *service, const char *argument, const struct ask_calls *calls,
    bool *gone)
{
	static const struct ask_calls none;
	struct master_ask ask = {verb, str_from(service), str_from(argument)};
	int64_t deadline = deadline_in(WAIT_MS);
	struct ipc *c = posthouse_connect(
	    p, command, "master", &master_exchange);
	const struct ipc_type *type = NULL;
	enum ipc_result r;
	const void *msg;
	int status = 1, process;

	if (c == NULL)
		return 1;
	process = gone != NULL ? process_of(c) : -1;
	if (calls == NULL)
		calls = &none;
	r = ipc_put(c, &master_ask, &ask) < 0 ? IPC_BROKEN
					      : ipc_flush(c, deadline);
	while (r == IPC_OK && type != &master_end) {
		r = ipc_wait(c, &type, &msg, deadline);
		if (r != IPC_OK)
			break;
		pass_on(calls, type, msg);
		if (type == &master_end)
			status = answered(command, msg);
	}
	if (r != IPC_OK)
		posthouse_fail(command, "master did not answer%s%s",
		    r == IPC_BROKEN ? ": " : "",
		    r == IPC_BROKEN ? ipc_why(c) : "");
	if (gone != NULL && r == IPC_OK)
		*gone = has_ended(c, process, deadline);
	file_close(&process);
	ipc_close(&c);
	return status;
}
