/* SPDX-License-Identifier: ISC */
#include "screen/handover.h"

#include <errno.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "ipc/pass.h"
#include "ipc/wire.h"

#define ASKED_MOST 20  /* connections that no process has taken yet */
#define RETRY_MS   100 /* after a full backlog */
#define CALM_MS    1000

enum seat_state { SEAT_ASKED, SEAT_FREE, SEAT_BUSY };

struct seat {
	struct seat *next, **at; /* of the asked or of the free ones */
	struct wire *wire;
	struct client *client; /* SEAT_BUSY */
	enum seat_state state;
};

struct queue {
	struct client *first, *last;
	int count;
};

static struct {
	struct queue trusted, others;
	struct seat *free; /* the one that was used last comes first */
	struct seat *asked;
	int asked_count;
	struct loop_timer *retry, *calm;
	bool calming; /* its timer runs */
	bool working; /* serve_some is on the stack */
} handover;

/* ---- the queue ---- */

static struct queue *queue_of(const struct client *c)
{
	return c->trusted ? &handover.trusted : &handover.others;
}

int handover_waiting(void)
{
	return handover.trusted.count + handover.others.count;
}

static void enqueue(struct client *c, bool at_front)
{
	struct queue *q = queue_of(c);

	c->before = at_front ? NULL : q->last;
	c->next = at_front ? q->first : NULL;
	*(c->before != NULL ? &c->before->next : &q->first) = c;
	*(c->next != NULL ? &c->next->before : &q->last) = c;
	q->count++;
	daemon_gauge("waiting for smtpd", (uint64_t)handover_waiting());
}

static void dequeue(struct client *c)
{
	struct queue *q = queue_of(c);

	*(c->before != NULL ? &c->before->next : &q->first) = c->next;
	*(c->next != NULL ? &c->next->before : &q->last) = c->before;
	c->next = c->before = NULL;
	q->count--;
	daemon_gauge("waiting for smtpd", (uint64_t)handover_waiting());
}

static struct client *first_waiting(void)
{
	return handover.trusted.first != NULL ? handover.trusted.first
					      : handover.others.first;
}

/* ---- seats ---- */

static void serve_some(void);

static void seat_list(struct seat *s, struct seat **list)
{
	s->next = *list;
	s->at = list;
	if (s->next != NULL)
		s->next->at = &s->next;
	*list = s;
}

/* A change of state; who is busy stands in no list. */
static void seat_become(struct seat *s, enum seat_state state)
{
	if (s->state != SEAT_BUSY) {
		*s->at = s->next;
		if (s->next != NULL)
			s->next->at = s->at;
	}
	handover.asked_count -= s->state == SEAT_ASKED;
	s->state = state;
	if (state == SEAT_FREE)
		seat_list(s, &handover.free);
}

static void seat_close(struct seat *s)
{
	seat_become(s, SEAT_BUSY);
	wire_close(&s->wire);
	free(s);
}

/* Connections that no process took in time, for clients that another one has
 * served: master would think that clients wait. */
static void calm(void *arg)
{
	(void)arg;
	handover.calming = false;
	if (first_waiting() != NULL)
		return; /* serve_some sets it again */
	while (handover.asked != NULL)
		seat_close(handover.asked);
}

static void message(
    struct wire *w, void *arg, const struct ipc_type *type, const void *msg)
{
	struct seat *s = arg;
	struct client *c = s->client;

	(void)w;
	(void)msg;
	if (type != &pass_ready || s->state == SEAT_FREE) {
		log_error("smtpd sent %s out of turn", type->name);
		return;
	}
	seat_become(s, SEAT_FREE);
	s->client = NULL;
	if (c != NULL)
		client_done(c);
	if (daemon_draining() && first_waiting() == NULL)
		seat_close(s);
	else
		serve_some();
}

static void lost(struct wire *w, void *arg, const char *why)
{
	struct seat *s = arg;
	struct client *c = s->client;
	bool unread = ipc_was_reset(wire_ipc(w));

	if (why[0] != '\0' && s->state == SEAT_BUSY)
		log_warning("connection to smtpd: %s", why);
	s->wire = NULL; /* freed by its caller */
	seat_close(s);
	if (c != NULL && unread) {
		client_returned(c);
		enqueue(c, true);
	} else if (c != NULL) {
		client_done(c);
	}
	loop_timer_set(handover.retry, 0);
}

/* One more connection. 0, or -1: its backlog is full, or 1 and *why. */
static int ask(const char **why)
{
	static const struct wire_calls calls = {message, lost, NULL};
	struct pass_await m = {(uint64_t)handover_waiting()};
	struct ipc *c = ipc_connect(
	    "smtpd", &pass_exchange, deadline_in(0), why);

	if (c == NULL)
		return errno == ETIMEDOUT ? -1 : 1;
	struct seat *s = NEW(struct seat);
	s->wire = wire_new(daemon_loop(), c, &calls, s);
	s->state = SEAT_ASKED;
	seat_list(s, &handover.asked);
	handover.asked_count++;
	wire_put(s->wire, &pass_await, &m);
	wire_push(s->wire);
	return 0;
}

/* False when the process behind the seat has just gone. */
static bool pass(struct seat *s, struct client *c)
{
	char peer[NETADDR_TEXT_MAX], own[NETADDR_TEXT_MAX];
	struct pass_client m = {
	    .session = id_str(&c->id),
	    .greeted = true,
	    .found = str_from(c->found),
	    .client_address = STR_EMPTY,
	    .own_address = STR_EMPTY,
	};

	if (c->own != NULL) {
		netaddr_text(&c->peer, peer);
		netaddr_text(c->own, own);
		m.client_address = str_from(peer);
		m.client_port = netaddr_port(&c->peer);
		m.own_address = str_from(own);
		m.own_port = netaddr_port(c->own);
	}
	if (ipc_lend_fd(wire_ipc(s->wire), &pass_client, &m, c->fd) < 0)
		return false;
	wire_push(s->wire);
	return ipc_pending(wire_ipc(s->wire)) == 0;
}

static void pass_first(struct seat *s)
{
	struct client *c = first_waiting();

	if (!pass(s, c)) {
		seat_close(s);
		return;
	}
	seat_become(s, SEAT_BUSY);
	s->client = c;
	dequeue(c);
	c->seat = s;
	client_passed(c);
}

static void nobody_there(const char *why)
{
	struct client *c;

	log_warning("cannot reach smtpd: %s", why);
	while ((c = first_waiting()) != NULL) {
		dequeue(c);
		client_unserved(c, "Service currently unavailable");
	}
}

static void serve_some(void)
{
	const char *why;
	int r = 0;

	if (handover.working)
		return;
	handover.working = true;
	while (first_waiting() != NULL && handover.free != NULL)
		pass_first(handover.free);
	while (r == 0 && handover.asked_count < ASKED_MOST &&
	    handover.asked_count < handover_waiting())
		r = ask(&why);
	if (r > 0 && handover.asked_count == 0)
		nobody_there(why);
	else if (r != 0)
		loop_timer_set(handover.retry, RETRY_MS);
	if (handover.asked != NULL && !handover.calming) {
		handover.calming = true;
		loop_timer_set(handover.calm, CALM_MS);
	}
	handover.working = false;
}

static void retry(void *arg)
{
	(void)arg;
	serve_some();
}

/* ---- clients ---- */

void handover_begin(struct client *c)
{
	enqueue(c, false);
	serve_some();
}

void handover_cancel(struct client *c)
{
	if (c->state == CLIENT_QUEUED)
		dequeue(c);
	else if (c->seat != NULL)
		c->seat->client = NULL;
}

void handover_each(void (*act)(struct client *c))
{
	struct queue *queues[] = {&handover.trusted, &handover.others};
	struct client *next;

	for (size_t i = 0; i < ARRAY_LEN(queues); i++)
		for (struct client *c = queues[i]->first; c != NULL; c = next) {
			next = c->next;
			act(c);
		}
}

void handover_drain(void)
{
	while (handover.free != NULL)
		seat_close(handover.free);
	calm(NULL);
}

void handover_open(void)
{
	handover.retry = loop_timer_new(daemon_loop(), retry, NULL);
	handover.calm = loop_timer_new(daemon_loop(), calm, NULL);
}
