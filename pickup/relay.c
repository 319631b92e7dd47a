/* SPDX-License-Identifier: ISC */
#include "pickup/relay.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "ipc/qmgr.h"
#include "pickup/pickup.h"

#define PENDING_MOST 131072 /* octets that wait for the client */
#define CONNECT_MS   100

struct relay {
	struct wire *client;
	struct ipc *qmgr;
	struct loop_watch *watch;
	struct loop_timer *patience;
	void (*over)(void *arg, bool whole);
	void *arg;
};

void relay_free(struct relay **r)
{
	if (*r == NULL)
		return;
	loop_watch_free(&(*r)->watch);
	loop_timer_free(&(*r)->patience);
	ipc_close(&(*r)->qmgr);
	free(*r);
	*r = NULL;
}

static void end(struct relay *r, bool whole)
{
	void (*over)(void *, bool) = r->over;
	void *arg = r->arg;

	relay_free(&r);
	over(arg, whole);
}

void relay_go_on(struct relay *r)
{
	const struct ipc_type *type;
	enum ipc_result got = IPC_OK;
	const void *msg;

	loop_timer_set(r->patience, pickup.house->ipc_timeout);
	while (ipc_pending(wire_ipc(r->client)) < PENDING_MOST) {
		got = ipc_next(r->qmgr, &type, &msg);
		if (got != IPC_OK)
			break;
		if (wire_put(r->client, type, msg) < 0) {
			end(r, false);
			return;
		}
		if (type == &queue_end) {
			end(r, true);
			return;
		}
		wire_push(r->client);
	}
	if (got != IPC_OK && got != IPC_AGAIN) {
		log_warning("qmgr: %s",
		    got == IPC_EOF ? "connection closed" : ipc_why(r->qmgr));
		end(r, false);
		return;
	}
	loop_watch_set(r->watch, got == IPC_AGAIN ? LOOP_READ : 0);
}

static void ready(unsigned what, void *arg)
{
	struct relay *r = arg;

	(void)what;
	/* What broke is found by ipc_next, behind what is whole. */
	(void)ipc_fill(r->qmgr);
	relay_go_on(r);
}

static void too_long(void *arg)
{
	log_warning("qmgr: no answer in time");
	end(arg, false);
}

struct relay *relay_new(struct wire *client, const struct ipc_type *type,
    const void *msg, void (*over)(void *arg, bool whole), void *arg)
{
	int64_t deadline = deadline_in(CONNECT_MS);
	const char *why = "";
	struct ipc *c = ipc_connect("qmgr", &qmgr_exchange, deadline, &why);
	struct relay *r;

	if (c == NULL) {
		log_warning("qmgr: %s", why);
		return NULL;
	}
	if (ipc_put(c, type, msg) < 0 || ipc_flush(c, deadline) != IPC_OK) {
		log_warning("qmgr does not listen");
		ipc_close(&c);
		return NULL;
	}
	r = NEW(struct relay);
	*r = (struct relay){.client = client,
	    .qmgr = c,
	    .over = over,
	    .arg = arg,
	    .watch = loop_watch_new(
		pickup.loop, ipc_fd(c), LOOP_READ, ready, r),
	    .patience = loop_timer_new(pickup.loop, too_long, r)};
	loop_timer_set(r->patience, pickup.house->ipc_timeout);
	return r;
}
