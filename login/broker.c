/* SPDX-License-Identifier: ISC */
#include "login/broker.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/table.h"
#include "ipc/wire.h"

static struct {
	struct wire *wire;
	uint64_t last;         /* the newest request */
	struct table requests; /* number -> client */
} broker;

static struct str key(const uint64_t *request)
{
	return str_of(request, sizeof(*request));
}

static struct client *take(uint64_t request)
{
	struct client *c = table_remove(&broker.requests, key(&request));

	if (c != NULL)
		c->request = 0;
	return c;
}

static void message(
    struct wire *w, void *arg, const struct ipc_type *type, const void *msg)
{
	struct client *c;

	(void)w;
	(void)arg;
	if (type == &auth_challenge) {
		const struct auth_challenge *m = msg;

		c = table_get(&broker.requests, key(&m->request));
		if (c != NULL)
			client_challenge(c, m->data);
	} else if (type == &auth_ok) {
		const struct auth_ok *m = msg;

		c = take(m->request);
		if (c != NULL)
			client_auth_ok(c, m->login, m->ticket);
	} else if (type == &auth_no) {
		const struct auth_no *m = msg;

		c = take(m->request);
		if (c != NULL)
			client_auth_no(c, m);
	} else {
		log_warning("auth sent %s, which is not for us", type->name);
	}
}

/* Every exchange that was under way has failed, for now. */
static void lost(struct wire *w, void *arg, const char *why)
{
	struct table requests = broker.requests;
	void *value;
	size_t at = 0;

	(void)w;
	(void)arg;
	broker.wire = NULL;
	broker.requests = table_new();
	if (why[0] != '\0')
		log_warning("connection to auth: %s", why);
	while (table_next(&requests, &at, NULL, &value)) {
		struct client *c = value;

		c->request = 0;
		client_unavailable(c, "auth is away");
	}
	table_free(&requests);
}

static int connected(void)
{
	static const struct wire_calls calls = {message, lost, NULL};
	const char *why;

	if (broker.wire != NULL)
		return 0;
	struct ipc *c = ipc_connect(
	    "auth", &auth_exchange, deadline_in(0), &why);
	if (c == NULL) {
		log_warning("cannot connect to auth: %s", why);
		return -1;
	}
	broker.wire = wire_new(daemon_loop(), c, &calls, NULL);
	return 0;
}

void broker_open(void)
{
	(void)connected();
}

int broker_begin(struct client *c, bool has_initial, struct str initial)
{
	char peer[NETADDR_TEXT_MAX];
	struct auth_begin m = {
	    .request = ++broker.last,
	    .service = str_from(c->protocol->name),
	    .session = id_str(&c->id),
	    .mechanism = str_from(c->mechanism),
	    .has_initial = has_initial,
	    .initial = has_initial ? initial : STR_EMPTY,
	    .tls = stream_is_tls(c->stream),
	};

	netaddr_text(&c->peer, peer);
	m.client_address = str_from(peer);
	if (connected() < 0 || wire_put(broker.wire, &auth_begin, &m) < 0)
		return -1;
	c->request = m.request;
	table_put(&broker.requests, key(&c->request), c);
	wire_push(broker.wire);
	return 0;
}

int broker_respond(struct client *c, struct str data)
{
	struct auth_respond m = {c->request, data};

	if (broker.wire == NULL || c->request == 0 ||
	    wire_put(broker.wire, &auth_respond, &m) < 0)
		return -1;
	wire_push(broker.wire);
	return 0;
}

void broker_cancel(struct client *c)
{
	struct auth_cancel m = {c->request};

	if (c->request == 0)
		return;
	take(c->request);
	if (broker.wire != NULL && wire_put(broker.wire, &auth_cancel, &m) == 0)
		wire_push(broker.wire);
}
