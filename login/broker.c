/* SPDX-License-Identifier: ISC */
#include "login/broker.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/observe.h"
#include "core/table.h"
#include "ipc/wire.h"

#define TRIES 3 /* connections on which an exchange may begin */

/* An exchange of a client. Until auth has said its first word about it, it can
 * be begun again on another connection. */
struct question {
	struct client *client;
	bool answered;
	bool has_initial;
	char *initial; /* a secret; NULL from the first answer on */
	size_t initial_len;
	int tries;
	int64_t deadline; /* of a new beginning */
};

/* A connection to a process of auth. */
struct line {
	struct wire *wire;
	struct table questions; /* by number */
	bool leaving;           /* its process is to end: nothing new */
	bool inside;            /* a message of it is being heard */
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

static void forget_initial(struct question *q)
{
	if (q->initial != NULL)
		mem_wipe(q->initial, q->initial_len);
	free(q->initial);
	q->initial = NULL;
}

static struct question *question_new(
    struct client *c, bool has_initial, struct str initial)
{
	struct question *q = NEW(struct question);

	q->client = c;
	q->has_initial = has_initial;
	q->initial = mem_alloc(initial.len);
	q->initial_len = initial.len;
	if (initial.len > 0)
		memcpy(q->initial, initial.p, initial.len);
	q->deadline = deadline_in(daemon_house()->ipc_timeout);
	return q;
}

/* The client's exchange is over. */
static struct client *question_end(struct question *q)
{
	struct client *c = q->client;

	c->request = 0;
	forget_initial(q);
	free(q);
	return c;
}

static struct client *take(struct line *l, uint64_t request)
{
	struct question *q = table_remove(&l->questions, key(&request));

	if (q == NULL)
		return NULL;
	observe_end("auth", q->client->asked);
	return question_end(q);
}

/* Where the client's exchange is under way; NULL: there is none. */
static struct line *line_of(const struct client *c)
{
	for (struct line *l = broker.lines; l != NULL; l = l->next) {
		const struct question *q = table_get(
		    &l->questions, key(&c->request));

		if (q != NULL && q->client == c)
			return l;
	}
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
	table_free(&l->questions);
	free(l);
}

/* A line whose process is to end is closed behind its last exchange. */
static void close_idle(struct line *l)
{
	if (l->leaving && !l->inside && l->questions.count == 0)
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
	struct question *q;
	struct client *c;

	(void)w;
	l->inside = true;
	if (type == &auth_challenge) {
		const struct auth_challenge *m = msg;

		q = table_get(&l->questions, key(&m->request));
		if (q != NULL) {
			q->answered = true;
			forget_initial(q);
			observe_end("auth", q->client->asked);
			client_challenge(q->client, m->data);
		}
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
	l->inside = false;
	close_idle(l);
}

static void lost(struct wire *w, void *arg, const char *why);

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

/* Begins, or begins again. -1: auth is away. */
static int begin(struct question *q)
{
	struct client *c = q->client;
	char peer[NETADDR_TEXT_MAX];
	struct auth_begin m = {
	    .request = c->request,
	    .service = str_from(c->protocol->name),
	    .session = id_str(&c->id),
	    .mechanism = str_from(c->mechanism),
	    .has_initial = q->has_initial,
	    .initial = str_of(q->initial, q->initial_len),
	    .tls = stream_is_tls(c->stream),
	};

	netaddr_text(&c->peer, peer);
	m.client_address = str_from(peer);
	q->tries++;
	if (connected() < 0 || wire_put(broker.line->wire, &auth_begin, &m) < 0)
		return -1;
	if (q->tries == 1)
		c->asked = observe_begin();
	table_put(&broker.line->questions, key(&c->request), q);
	wire_push(broker.line->wire);
	return 0;
}

static int begin_again(struct question *q)
{
	if (q->answered || q->tries >= TRIES ||
	    deadline_left(q->deadline) == 0 || begin(q) < 0)
		return -1;
	daemon_count("logins begun again", 1);
	return 0;
}

/*
 * A process of auth that is ending may close before it has heard what was sent
 * to it last: what nobody has answered is begun again with the next one. What
 * was answered has failed, for now.
 */
static void lost(struct wire *w, void *arg, const char *why)
{
	struct line *l = arg;
	struct table questions = l->questions;
	void *value;
	size_t at = 0;

	(void)w;
	l->wire = NULL; /* it frees itself */
	l->questions = table_new();
	line_free(l);
	if (why[0] != '\0')
		log_warning("connection to auth: %s", why);
	while (table_next(&questions, &at, NULL, &value))
		if (begin_again(value) < 0)
			client_unavailable(question_end(value), "auth is away");
	table_free(&questions);
}

int broker_begin(struct client *c, bool has_initial, struct str initial)
{
	struct question *q = question_new(c, has_initial, initial);

	c->request = ++broker.last;
	if (begin(q) == 0)
		return 0;
	question_end(q);
	return -1;
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
