/* SPDX-License-Identifier: ISC */
#include "qmgr/resolve.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/observe.h"
#include "ipc/lookup.h"
#include "ipc/trace.h"
#include "ipc/wire.h"
#include "qmgr/agent.h"
#include "qmgr/flow.h"
#include "qmgr/hop.h"
#include "qmgr/outcome.h"

#define UNDER_WAY  512 /* questions at most; a power of two */
#define CONNECT_MS 200
#define LOSSES     2 /* connections that may be lost without an answer */

struct resolver {
	struct qmgr *q;
	struct wire *wire;        /* NULL: not connected */
	struct loop_timer *timer; /* for the oldest answer */
	bool timing;
	uint64_t timed;        /* the question that the timer is for */
	uint64_t oldest, next; /* numbers of the questions under way */
	struct recipient *asked[UNDER_WAY];
	int64_t began[UNDER_WAY];       /* observe_begin */
	struct recipient *first, *last; /* not yet asked, by item.next */
	unsigned losses;                /* since the last answer */
};

static void timed_out(void *arg);
static void send_more(struct resolver *v);

void resolve_open(struct qmgr *q)
{
	struct resolver *v = NEW(struct resolver);

	v->q = q;
	v->oldest = v->next = 1;
	v->timer = loop_timer_new(q->loop, timed_out, v);
	q->resolver = v;
}

void resolve_close(struct qmgr *q)
{
	if (q->resolver == NULL)
		return;
	wire_close(&q->resolver->wire);
	loop_timer_free(&q->resolver->timer);
	free(q->resolver);
	q->resolver = NULL;
}

static struct str address_of(const struct recipient *r)
{
	return r->message->active->envelope.recipients[recipient_index(r)]
	    .address;
}

/* ---- trouble ---- */

/* Everything that waits for lookup is put off. */
static void put_off(struct resolver *v, const char *why)
{
	struct recipient *r;

	while ((r = v->first) != NULL) {
		v->first = (struct recipient *)r->item.next;
		outcome_trouble(v->q, r, why);
	}
	v->last = NULL;
	for (; v->oldest < v->next; v->oldest++) {
		r = v->asked[v->oldest % UNDER_WAY];
		v->asked[v->oldest % UNDER_WAY] = NULL;
		if (r != NULL)
			outcome_trouble(v->q, r, why);
	}
}

static void give_up(struct resolver *v, const char *why)
{
	log_warning("lookup: %s", why);
	wire_close(&v->wire);
	put_off(v, "the directory does not answer");
}

static void start_timer(struct resolver *v)
{
	if (v->timing || v->oldest == v->next)
		return;
	v->timing = true;
	v->timed = v->next - 1;
	loop_timer_set(v->timer, v->q->house->ipc_timeout);
}

static void timed_out(void *arg)
{
	struct resolver *v = arg;

	v->timing = false;
	if (v->oldest < v->next && v->oldest <= v->timed)
		give_up(v, "no answer in time");
	start_timer(v);
}

/* Questions without an answer stand before the others again. */
static void take_back(struct resolver *v)
{
	while (v->next > v->oldest) {
		struct recipient **asked = &v->asked[--v->next % UNDER_WAY];
		struct recipient *r = *asked;

		*asked = NULL;
		if (r == NULL)
			continue;
		r->item.next = v->first != NULL ? &v->first->item : NULL;
		if (v->first == NULL)
			v->last = r;
		v->first = r;
	}
}

/* A lookup that is being replaced closes behind its last answer: the next one
 * is asked the rest. */
static void lost(struct wire *w, void *arg, const char *why)
{
	struct resolver *v = arg;

	(void)w;
	v->wire = NULL;
	if (why[0] != '\0')
		log_warning("lookup: %s", why);
	if (v->oldest < v->next && v->losses++ >= LOSSES) {
		put_off(v, "the directory went away");
		return;
	}
	take_back(v);
	send_more(v);
}

/* ---- answers ---- */

static void refused(struct qmgr *q, struct recipient *r, const char *dsn,
    const struct lookup_resolved *a, const char *otherwise)
{
	struct outcome o = {.action = DSN_FAILED,
	    .dsn = str_from(dsn),
	    .code = (unsigned)a->code,
	    .text = a->text};

	if (a->dsn.len >= 5)
		o.dsn = a->dsn;
	if (o.dsn.p[0] == '4')
		o.action = DSN_DEFERRED;
	if (o.text.len == 0)
		o.text = str_from(otherwise);
	outcome_ours(q, r, &o);
}

/* Where it goes is progress of what waits for a route. */
static void routed(
    struct qmgr *q, struct recipient *r, const struct lookup_resolved *a)
{
	uint32_t now = qmgr_now();

	if (r->hop != NULL && hop_transport(r->hop)[0] == '\0')
		hop_succeeded(r->hop, STR_EMPTY, STR_EMPTY, now);
	hop_set(
	    r, hop_get(&q->messages.hops, a->transport, a->nexthop, now), now);
}

static void trace_scheduled(
    const struct recipient *r, const struct lookup_resolved *a)
{
	char where[TRACE_WHERE_MAX + 1];

	snprintf(where, sizeof(where), "%.*s:%.*s", STR_FMT(a->transport),
	    STR_FMT(a->nexthop));
	trace_event(TRACE_SCHEDULED, &r->message->active->envelope.session,
	    &r->message->id,
	    &(struct trace_fields){
		.who = address_of(r), .where = str_from(where)});
}

static void delivered_by(
    struct qmgr *q, struct recipient *r, const struct lookup_resolved *a)
{
	struct transport *t = agents_transport(q, a->transport);
	struct route *route;

	if (t == NULL || a->nexthop.len == 0) {
		struct outcome o = {.action = DSN_DEFERRED,
		    .dsn = STR("4.3.5"),
		    .text = STR("mail transport unknown")};

		log_warning("%s: there is no transport %.*s:%.*s",
		    r->message->id.text, STR_FMT(a->transport),
		    STR_FMT(a->nexthop));
		outcome_ours(q, r, &o);
		return;
	}
	route = mem_alloc(sizeof(*route) + a->account.len + 1);
	memcpy(route->account, a->account.p, a->account.len);
	route->quota_storage = a->quota_storage;
	route->quota_messages = a->quota_messages;
	route->local = str_eq(a->transport, STR("local")) ||
	    str_eq(a->transport, STR("report"));
	route->since = loop_now(q->loop);
	route->destination = schedule_destination(t, a->nexthop);
	free(r->route);
	r->route = route;
	routed(q, r, a);
	trace_scheduled(r, a);
	outcome_scheduled(q, r);
}

void resolve_known(
    struct qmgr *q, struct recipient *r, const struct lookup_resolved *a)
{
	r->phase = PHASE_RESOLVING;
	r->message->busy++;
	delivered_by(q, r, a);
}

static void resolved(
    struct qmgr *q, struct recipient *r, const struct lookup_resolved *a)
{
	switch ((enum resolve_status)a->status) {
	case RESOLVE_OK:
		delivered_by(q, r, a);
		return;
	case RESOLVE_UNKNOWN:
		refused(q, r, "5.1.1", a, "user unknown");
		return;
	case RESOLVE_REFUSED:
		refused(q, r, "5.2.1", a, "recipient refused");
		return;
	case RESOLVE_TEMPORARY:
		outcome_trouble(q, r, "the directory cannot answer now");
		return;
	}
}

/* Whose recipient the oldest question is about, or NULL. */
static const struct message *next_message(const struct resolver *v)
{
	const struct recipient *r = v->oldest == v->next
	    ? NULL
	    : v->asked[v->oldest % UNDER_WAY];

	return r == NULL ? NULL : r->message;
}

/* The recipients of a message are scheduled before the first is sent, so that
 * those that go the same way go together. */
static void answer(
    struct wire *w, void *arg, const struct ipc_type *type, const void *msg)
{
	struct resolver *v = arg;
	const struct lookup_resolved *a = msg;
	const struct message *m;
	struct recipient *r;

	if (type != &lookup_resolved) {
		give_up(v, "unexpected answer");
		return;
	}
	if (a->request < v->oldest || a->request >= v->next)
		return;
	v->losses = 0;
	r = v->asked[a->request % UNDER_WAY];
	m = r == NULL ? NULL : r->message;
	v->asked[a->request % UNDER_WAY] = NULL;
	observe_end("lookup", v->began[a->request % UNDER_WAY]);
	while (v->oldest < v->next && v->asked[v->oldest % UNDER_WAY] == NULL)
		v->oldest++;
	if (r != NULL)
		resolved(v->q, r, a);
	if (v->first != NULL)
		send_more(v);
	if (!ipc_has_input(wire_ipc(w)) && next_message(v) != m)
		flow_pump(v->q);
}

/* ---- questions ---- */

static int connect_lookup(struct resolver *v)
{
	static const struct wire_calls calls = {
	    .message = answer, .lost = lost};
	const char *why;
	struct ipc *c;

	c = ipc_connect(
	    "lookup", &lookup_exchange, deadline_in(CONNECT_MS), &why);
	if (c == NULL) {
		log_warning("lookup: %s", why);
		return -1;
	}
	v->wire = wire_new(v->q->loop, c, &calls, v);
	return 0;
}

static void send_more(struct resolver *v)
{
	if (v->first == NULL)
		return;
	if (v->wire == NULL && connect_lookup(v) < 0) {
		put_off(v, "the directory is away");
		return;
	}
	while (v->first != NULL && v->next - v->oldest < UNDER_WAY) {
		struct recipient *r = v->first;
		struct lookup_resolve ask = {v->next, address_of(r)};

		v->first = (struct recipient *)r->item.next;
		if (v->first == NULL)
			v->last = NULL;
		if (wire_put(v->wire, &lookup_resolve, &ask) < 0) {
			outcome_trouble(v->q, r, "the address is too long");
			continue;
		}
		v->began[v->next % UNDER_WAY] = observe_begin();
		v->asked[v->next++ % UNDER_WAY] = r;
	}
	wire_push(v->wire);
	start_timer(v);
}

void resolve_ask(struct qmgr *q, struct recipient *r)
{
	struct resolver *v = q->resolver;

	r->phase = PHASE_RESOLVING;
	r->message->busy++;
	r->item.next = NULL;
	if (v->last == NULL)
		v->first = r;
	else
		v->last->item.next = &r->item;
	v->last = r;
}

void resolve_push(struct qmgr *q)
{
	send_more(q->resolver);
}
