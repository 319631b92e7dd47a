/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/clock.h"
#include "ipc/pickup.h"
#include "posthouse/queue.h"

#define CONNECT_MS 5000
#define ANSWER_MS  60000

bool queue_is_stranger(struct posthouse *p)
{
	struct stat st;

	return geteuid() != 0 && posthouse_conf(p) == 0 &&
	    (stat(p->house.run_directory, &st) < 0 || st.st_uid != geteuid());
}

static struct ipc *connect_pickup(const struct posthouse *p)
{
	const char *why = "out of memory";
	struct ipc *c = NULL;
	char *path;

	if (asprintf(&path, "%s/public/pickup", p->house.run_directory) >= 0) {
		c = ipc_connect(
		    path, &pickup_exchange, deadline_in(CONNECT_MS), &why);
		free(path);
	}
	if (c == NULL)
		posthouse_fail("queue",
		    "cannot talk to pickup, which shows users their own mail: "
		    "%s; is the suite running?",
		    why);
	return c;
}

struct ipc *queue_connect(struct posthouse *p)
{
	if (queue_is_stranger(p))
		return connect_pickup(p);
	return posthouse_connect(p, "queue", "qmgr", &qmgr_exchange);
}

static int lost(struct ipc *c, enum ipc_result r)
{
	if (r == IPC_EOF)
		return posthouse_fail("queue",
		    "the queue manager ended the conversation; you may not ask "
		    "this, or it was stopped");
	return posthouse_fail("queue", "no answer from the queue manager%s%s",
	    r == IPC_BROKEN ? ": " : "", r == IPC_BROKEN ? ipc_why(c) : "");
}

int queue_question(
    struct ipc *c, const struct queue_ask *ask, const struct queue_calls *calls)
{
	const struct ipc_type *type;
	const struct queue_end *end;
	const void *msg;
	enum ipc_result r;

	if (ipc_put(c, &queue_ask, ask) < 0)
		return posthouse_fail("queue", "a filter is too long");
	if (ipc_flush(c, deadline_in(ANSWER_MS)) != IPC_OK)
		return posthouse_fail(
		    "queue", "the queue manager does not listen");
	do {
		r = ipc_wait(c, &type, &msg, deadline_in(ANSWER_MS));
		if (r != IPC_OK)
			return lost(c, r);
		if (type == &queue_row && calls->row != NULL)
			calls->row(msg, calls->arg);
		else if (type == &queue_why && calls->why != NULL)
			calls->why(msg, calls->arg);
		else if (type == &queue_hop && calls->hop != NULL)
			calls->hop(msg, calls->arg);
	} while (type != &queue_end);
	end = msg;
	if (!end->ok)
		return posthouse_fail("queue", "%.*s", STR_FMT(end->text));
	if (calls->end != NULL)
		calls->end(end, calls->arg);
	return 0;
}

int queue_ask_once(struct posthouse *p, const struct queue_ask *ask,
    const struct queue_calls *calls)
{
	struct ipc *c = queue_connect(p);
	int status;

	if (c == NULL)
		return 1;
	status = queue_question(c, ask, calls);
	ipc_close(&c);
	return status;
}
