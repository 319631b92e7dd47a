/* SPDX-License-Identifier: ISC */
#include "qmgr/server.h"

#include <stdlib.h>
#include <unistd.h>

#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "qmgr/direct.h"
#include "qmgr/flow.h"
#include "qmgr/operator.h"
#include "qmgr/spool.h"

struct server {
	struct client *clients;
};

static void client_free(struct client *c)
{
	operator_forget(c);
	direct_forget(c);
	arena_free(&c->arena);
	free(c->to);
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		c->q->server->clients = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	wire_close(&c->wire);
	free(c);
}

/* A message that was just queued. Before the spool is ours and smtp's answers
 * are collected the offer is only noted: the scan finds the file. */
static void offered(struct client *c, const struct qmgr_offer *o)
{
	struct qmgr_offered answer = {
	    .queue_id = o->queue_id, .behind = flow_is_behind(c->q)};
	int fd = ipc_take_fd(wire_ipc(c->wire));
	struct message *m;
	struct qmgr *q = c->q;
	struct id id;

	if (wire_put(c->wire, &qmgr_offered, &answer) == 0)
		wire_push_later(c->wire);
	m = messages_find(&q->messages, o->queue_id);
	if (m == NULL || m != c->proposed)
		direct_forget(c);
	if (!q->collected || q->draining || m != NULL ||
	    id_parse(o->queue_id, &id) < 0) {
		file_close(&fd);
		if (m != NULL)
			direct_offered(q, m);
		return;
	}
	m = spool_load(q, &id, fd, true);
	if (m != NULL)
		flow_take_up(q, m);
}

/* What pickup passes on for mailq(1) and sendmail(1): it has checked who the
 * user is, and said so. */
static bool pickup_may(const struct queue_ask *ask)
{
	return ask->verb == QUEUE_LIST || ask->verb == QUEUE_WHY ||
	    ask->verb == QUEUE_FLUSH ||
	    ((ask->verb == QUEUE_DELETE || ask->verb == QUEUE_BOUNCE) &&
		ask->owner != 0);
}

static void message(
    struct wire *w, void *arg, const struct ipc_type *type, const void *msg)
{
	struct client *c = arg;
	unsigned uid;

	if (type == &qmgr_offer) {
		offered(c, msg);
		return;
	}
	if (type == &qmgr_propose_to) {
		if (!direct_propose_to(c, msg))
			client_free(c);
		return;
	}
	if (type == &qmgr_propose) {
		direct_propose(c, msg, ipc_take_fd(wire_ipc(w)));
		return;
	}
	if (type != &queue_ask || c->inquiry != NULL) { /* one at a time */
		client_free(c);
		return;
	}
	uid = ipc_peer_uid(wire_ipc(w));
	if (uid == c->q->pickup && pickup_may(msg))
		uid = 0;
	if (uid != 0 && uid != geteuid() && uid != c->q->owner) {
		log_warning("uid %u may not operate on the queue", uid);
		client_free(c);
		return;
	}
	operator_ask(c, msg);
}

static void lost(struct wire *w, void *arg, const char *why)
{
	struct client *c = arg;

	(void)w;
	if (why[0] != '\0')
		log_warning("a client of the queue manager: %s", why);
	c->wire = NULL;
	client_free(c);
}

static void drained(struct wire *w, void *arg)
{
	(void)w;
	operator_go_on(arg);
}

void server_accepted(struct qmgr *q, struct conn *conn)
{
	static const struct wire_calls calls = {
	    .message = message, .lost = lost, .drained = drained};
	struct client *c = NEW(struct client);

	c->q = q;
	c->wire = wire_new(
	    q->loop, ipc_server(conn->fd, &qmgr_exchange), &calls, c);
	c->next = q->server->clients;
	if (c->next != NULL)
		c->next->prev = c;
	q->server->clients = c;
}

void server_open(struct qmgr *q)
{
	q->server = NEW(struct server);
}

void server_close(struct qmgr *q)
{
	if (q->server == NULL)
		return;
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it unlinks itself */
	while (q->server->clients != NULL)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		client_free(q->server->clients);
	free(q->server);
	q->server = NULL;
}
