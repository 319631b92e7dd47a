/* SPDX-License-Identifier: ISC */
#include "login/broker.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/observe.h"
#include "core/table.h"
#include "ipc/wire.h"

/* A connection to a process of auth. */
struct line {
	struct wire *wire;
	struct table requests; /* number -> client */
	bool leaving;          /* its process is to end: nothing new */
	struct line *next;
};

static struct {
	struct line *line; /* the current one; NULL: not connected */
	struct line *lines;
	uint64_t last; /* the newest request */
} broker;

static struct str key(const uint64_t *request)
{
	return str_of(request, sizeof(*request));
}

static struct client *take(struct line *l, uint64_t request)
{
	struct client *c = table_remove(&l->requests, key(&request));

	if (c == NULL)
		return NULL;
	c->request = 0;
	observe_end("auth", c->asked);
	return c;
}

/* Where the client's exchange is under way; NULL: there is none. */
static struct line *line_of(const struct client *c)
{
	for (struct line *l = broker.lines; l != NULL; l = l->next)
		if (table_get(&l->requests, key(&c->request)) == c)
			return l;
	return NULL;
}

static void line_free(struct line *l)
{
	struct line **at = &broker.lines;

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	if (broker.line == l)
		broker.line = NULL;
	wire_close(&l->wire);
	table_free(&l->requests);
	free(l);
}

/* A line whose process is to end is closed behind its last exchange. */
static void close_idle(struct line *l)
{
	if (l->leaving && l->requests.count == 0)
		line_free(l);
}

static void leave(struct line *l)
{
	l->leaving = true;
	if (broker.line == l)
		broker.line = NULL;
}

static void message(
    struct wire *w, void *arg, const struct ipc_type *type, const void *msg)
{
	struct line *l = arg;
	struct client *c;

	(void)w;
	if (type == &auth_challenge) {
		const struct auth_challenge *m = msg;

		c = table_get(&l->requests, key(&m->request));
		if (c != NULL)
			observe_end("auth", c->asked);
		if (c != NULL)
			client_challenge(c, m->data);
	} else if (type == &auth_ok) {
		const struct auth_ok *m = msg;

		c = take(l, m->request);
		if (c != NULL)
			client_auth_ok(c, m->login, m->ticket);
	} else if (type == &auth_no) {
		const struct auth_no *m = msg;

		c = take(l, m->request);
		if (c != NULL)
			client_auth_no(c, m);
	} else if (type == &auth_leave) {
		leave(l);
	} else {
		log_warning("auth sent %s, which is not for us", type->name);
	}
	close_idle(l);
}

/* Every exchange that was under way has failed, for now. */
static void lost(struct wire *w, void *arg, const char *why)
{
	struct line *l = arg;
	struct table requests = l->requests;
	void *value;
	size_t at = 0;

	(void)w;
	l->wire = NULL; /* it frees itself */
	l->requests = table_new();
	line_free(l);
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
	struct line *l;

	if (broker.line != NULL)
		return 0;
	struct ipc *c = ipc_connect(
	    "auth", &auth_exchange, deadline_in(0), &why);
	if (c == NULL) {
		log_warning("cannot connect to auth: %s", why);
		return -1;
	}
	l = NEW(struct line);
	l->wire = wire_new(daemon_loop(), c, &calls, l);
	l->next = broker.lines;
	broker.lines = broker.line = l;
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
	if (connected() < 0 || wire_put(broker.line->wire, &auth_begin, &m) < 0)
		return -1;
	c->request = m.request;
	c->asked = observe_begin();
	table_put(&broker.line->requests, key(&c->request), c);
	wire_push(broker.line->wire);
	return 0;
}

int broker_respond(struct client *c, struct str data)
{
	struct auth_respond m = {c->request, data};
	struct line *l = line_of(c);

	if (l == NULL || wire_put(l->wire, &auth_respond, &m) < 0)
		return -1;
	c->asked = observe_begin();
	wire_push(l->wire);
	return 0;
}

void broker_cancel(struct client *c)
{
	struct auth_cancel m = {c->request};
	struct line *l = line_of(c);

	if (l == NULL)
		return;
	c->asked = 0;
	take(l, c->request);
	if (wire_put(l->wire, &auth_cancel, &m) == 0)
		wire_push(l->wire);
	close_idle(l);
}
