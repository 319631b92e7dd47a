/* SPDX-License-Identifier: ISC */
#include "ipc/wire.h"

#include <stdlib.h>

#include "core/memory.h"

#define LATER_MS 50

struct wire {
	struct loop *loop;
	struct ipc *ipc;
	struct loop_watch *watch;
	struct loop_timer *later; /* made when first needed */
	const struct wire_calls *calls;
	void *arg;
	bool waiting; /* the timer runs */
	bool blocked; /* watches for writing */
	bool inside;  /* ready() is on the stack */
	bool closed;  /* free it when ready() ends */
};

static void release(struct wire *w)
{
	loop_watch_free(&w->watch);
	if (w->later != NULL)
		loop_timer_free(&w->later);
	ipc_close(&w->ipc);
	free(w);
}

static void watch(struct wire *w)
{
	loop_watch_set(w->watch, LOOP_READ | (w->blocked ? LOOP_WRITE : 0u));
}

void wire_push(struct wire *w)
{
	bool was = w->blocked;

	/* What broke is found by reading. */
	w->blocked = ipc_push(w->ipc) == IPC_AGAIN;
	if (w->blocked != was)
		watch(w);
}

/* Messages until there are none; false when the wire has ended. */
static bool take_messages(struct wire *w)
{
	const struct ipc_type *type;
	const void *msg;
	enum ipc_result r;

	while ((r = ipc_next(w->ipc, &type, &msg)) == IPC_OK) {
		w->calls->message(w, w->arg, type, msg);
		if (w->closed)
			return false;
	}
	if (r == IPC_AGAIN)
		return true;
	w->calls->lost(w, w->arg, r == IPC_EOF ? "" : ipc_why(w->ipc));
	return false;
}

static bool take_input(struct wire *w)
{
	enum ipc_result r = ipc_fill(w->ipc);

	if (r == IPC_OK)
		return take_messages(w);
	if (r == IPC_AGAIN)
		return true;
	/* Whole messages may stand before the end. */
	if (r == IPC_EOF && !take_messages(w))
		return false;
	w->calls->lost(w, w->arg, r == IPC_EOF ? "" : ipc_why(w->ipc));
	return false;
}

static void ready(unsigned what, void *arg)
{
	struct wire *w = arg;
	bool alive = true;

	w->inside = true;
	if (what & LOOP_WRITE) {
		wire_push(w);
		if (!w->blocked && w->calls->drained != NULL)
			w->calls->drained(w, w->arg);
		alive = !w->closed;
	}
	if (alive && (what & LOOP_READ))
		alive = take_input(w);
	w->inside = false;
	if (!alive)
		release(w);
}

struct wire *wire_new(
    struct loop *loop, struct ipc *c, const struct wire_calls *calls, void *arg)
{
	struct wire *w = NEW(struct wire);

	w->loop = loop;
	w->ipc = c;
	w->calls = calls;
	w->arg = arg;
	w->watch = loop_watch_new(loop, ipc_fd(c), LOOP_READ, ready, w);
	return w;
}

void wire_close(struct wire **wp)
{
	struct wire *w = *wp;

	*wp = NULL;
	if (w == NULL)
		return;
	if (w->inside)
		w->closed = true;
	else
		release(w);
}

struct ipc *wire_ipc(struct wire *w)
{
	return w->ipc;
}

int wire_put(struct wire *w, const struct ipc_type *type, const void *msg)
{
	return ipc_put(w->ipc, type, msg);
}

static void fired(void *arg)
{
	struct wire *w = arg;

	w->waiting = false;
	wire_push(w);
}

void wire_push_later(struct wire *w)
{
	if (w->waiting || w->blocked)
		return;
	if (w->later == NULL)
		w->later = loop_timer_new(w->loop, fired, w);
	w->waiting = true;
	loop_timer_set(w->later, LATER_MS);
}
