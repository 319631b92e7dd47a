/* SPDX-License-Identifier: ISC */
#include "daemon/desk.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "core/log.h"
#include "core/memory.h"

struct visitor {
	struct wire *wire;
	void *peer;
	struct visitor *next, **at; /* at: what points here */
};

static struct visitor *visitors;
static const struct ipc_exchange *exchange;
static const struct desk_calls *calls;

static void done_when_empty(void)
{
	if (visitors == NULL && daemon_draining())
		daemon_done();
}

static void forget(struct visitor *v)
{
	if (calls->gone != NULL)
		calls->gone(v->peer);
	*v->at = v->next;
	if (v->next != NULL)
		v->next->at = v->at;
	free(v);
	done_when_empty();
}

static void message(
    struct wire *w, void *arg, const struct ipc_type *type, const void *msg)
{
	struct visitor *v = arg;

	if (calls->answer(w, v->peer, type, msg) < 0) {
		wire_close(&v->wire);
		forget(v);
	} else if (!ipc_has_input(wire_ipc(w))) {
		wire_push(w);
	}
}

static void lost(struct wire *w, void *arg, const char *why)
{
	(void)w;
	if (why[0] != '\0')
		log_warning("a peer was dropped: %s", why);
	forget(arg);
}

void desk_open(const struct ipc_exchange *x, const struct desk_calls *c)
{
	exchange = x;
	calls = c;
}

void desk_accepted(struct conn *conn)
{
	static const struct wire_calls wire_calls = {message, lost, NULL};
	struct visitor *v = NEW(struct visitor);

	v->wire = wire_new(
	    daemon_loop(), ipc_server(conn->fd, exchange), &wire_calls, v);
	if (calls->come != NULL)
		v->peer = calls->come(v->wire);
	v->next = visitors;
	v->at = &visitors;
	if (visitors != NULL)
		visitors->at = &v->next;
	visitors = v;
}

void desk_drain(void)
{
	for (struct visitor *v = visitors; v != NULL; v = v->next)
		shutdown(ipc_fd(wire_ipc(v->wire)), SHUT_RD);
	done_when_empty();
}

void desk_drain_patiently(void)
{
	done_when_empty();
}
