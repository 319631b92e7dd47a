/* SPDX-License-Identifier: ISC */
/*
 * policyd, a front: how often? Counters in memory, for everybody who asks.
 *
 * window.c counts in sliding windows, penalty.c makes delays and refusals of
 * failed logins; what is here is the conversation. A restart forgets all.
 */
#include <stdlib.h>
#include <sys/socket.h>

#include "core/log.h"
#include "core/memory.h"
#include "daemon/daemon.h"
#include "ipc/wire.h"
#include "policyd/penalty.h"

struct client {
	struct wire *wire;
	struct client *next, **at; /* at: what points here */
};

static struct policyd_conf conf;
static struct windows counters;
static struct penalties penalties;
static struct client *clients;

static void forget(struct client *c)
{
	*c->at = c->next;
	if (c->next != NULL)
		c->next->at = c->at;
	free(c);
	if (clients == NULL && daemon_draining())
		daemon_done();
}

static int count(struct wire *w, const struct policy_count *q, int64_t now)
{
	struct policy_counted r = {.request = q->request};
	struct buf key = buf_new(2048);

	buf_add(&key, q->name);
	buf_printf(&key, " %llu ", (unsigned long long)q->window);
	if (str_find(q->key, '/') == q->key.len)
		penalties_network(q->key, &key);
	else
		buf_add(&key, q->key);
	r.count = windows_add(&counters, buf_str(&key), q->amount,
	    (int64_t)q->window * 1000, now);
	r.within = q->limit == 0 || r.count <= q->limit;
	buf_free(&key);
	return wire_put(w, &policy_counted, &r);
}

static int failure(struct wire *w, const struct policy_failure *q, int64_t now)
{
	struct policy_penalty r = {.request = q->request};

	penalties_failure(&penalties, q, now, &r);
	if (r.blocked && !q->success &&
	    r.failures == (uint64_t)conf.login_failure_block)
		log_warning("%.*s: %llu failed logins; refused until there "
			    "are fewer (login_failure_block)",
		    STR_FMT(q->client_address), (unsigned long long)r.failures);
	return wire_put(w, &policy_penalty, &r);
}

static int ask(struct wire *w, const struct policy_ask *q, int64_t now)
{
	struct policy_penalty r = {.request = q->request};

	penalties_ask(&penalties, q, now, &r);
	return wire_put(w, &policy_penalty, &r);
}

static int answer(struct wire *w, const struct ipc_type *type, const void *msg)
{
	int64_t now = loop_now(daemon_loop());

	if (type == &policy_count)
		return count(w, msg, now);
	if (type == &policy_failure)
		return failure(w, msg, now);
	if (type == &policy_ask)
		return ask(w, msg, now);
	log_error("a peer sent %s, which is an answer", type->name);
	return -1;
}

static void message(
    struct wire *w, void *arg, const struct ipc_type *type, const void *msg)
{
	struct client *c = arg;

	daemon_count("questions", 1);
	if (answer(w, type, msg) < 0) {
		wire_close(&c->wire);
		forget(c);
		return;
	}
	if (!ipc_has_input(wire_ipc(w)))
		wire_push(w);
}

static void lost(struct wire *w, void *arg, const char *why)
{
	(void)w;
	if (why[0] != '\0')
		log_warning("a peer was dropped: %s", why);
	forget(arg);
}

static const struct wire_calls calls = {message, lost, NULL};

static void accepted(struct conn *conn)
{
	struct client *c = NEW(struct client);

	c->next = clients;
	c->at = &clients;
	if (clients != NULL)
		clients->at = &c->next;
	clients = c;
	c->wire = wire_new(
	    daemon_loop(), ipc_server(conn->fd, &policy_exchange), &calls, c);
}

/* No peer can send more; what they have sent is answered, then the end of
 * input closes each. */
static void drain(void)
{
	for (struct client *c = clients; c != NULL; c = c->next)
		shutdown(ipc_fd(wire_ipc(c->wire)), SHUT_RD);
	if (clients == NULL)
		daemon_done();
}

static int start(void)
{
	counters = windows_new((size_t)conf.policy_counters_max);
	penalties = penalties_new(&conf);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct daemon policyd = {
	    .name = "policyd",
	    .kind = DAEMON_FRONT,
	    .params = policyd_params,
	    .conf = &conf,
	    .start = start,
	    .accepted = accepted,
	    .drain = drain,
	};

	return daemon_main(&policyd, argc, argv);
}
