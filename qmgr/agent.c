/* SPDX-License-Identifier: ISC */
#include "qmgr/agent.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "qmgr/flow.h"
#include "qmgr/outcome.h"
#include "qmgr/request.h"
#include "qmgr/spool.h"

#define CONNECT_MS  200
#define AWAY_MS     30000 /* an agent away that long: its mail is deferred */
#define COLLECT_MS  5000  /* for what smtp still knows */
#define OUTPUT_MOST 65536 /* octets that wait for smtp */
#define CHECK_MS    5000

enum front_state { FRONT_DOWN, FRONT_COLLECTING, FRONT_READY };

/* One connection to a pool: a process of its own. */
struct link {
	struct qmgr *q;
	struct pool *pool;
	struct link *next; /* of the idle, or of the busy ones */
	struct wire *wire;
	struct request *request; /* NULL: idle */
};

/* An agent that cannot be reached. */
struct away {
	int64_t since; /* monotonic ms, 0: it is there */
	int64_t again; /* when to try */
	unsigned tries;
	uint32_t begun; /* seconds since 1970 */
	char why[80];
};

/* An agent that is a pool of workers. */
struct pool {
	const char *agent; /* its socket: "local" */
	struct transport *transport;
	struct link *idle, *busy;
	size_t under_way;
	struct away away;
};

enum { LOCAL, FEEDBACK, POOLS };

static const struct {
	const char *transport, *agent;
} pool_names[POOLS] = {
    [LOCAL] = {"local", "local"}, [FEEDBACK] = {"report", "feedback"}};

struct agents {
	struct requests requests;
	struct loop_timer *timer, *collecting;
	struct pool pools[POOLS];
	/* smtp */
	struct transport *front[FRONT_TRANSPORTS];
	struct wire *wire;
	enum front_state state;
	uint64_t epoch;
	int64_t begun; /* monotonic ms: mail waits for the first collection */
	struct away front_away;
};

/* ---- an agent that is away ---- */

static void went_away(
    struct qmgr *q, struct away *a, const char *name, const char *why)
{
	int64_t pause = 100;

	if (a->since == 0) {
		log_warning("%s: %s", name, why);
		a->since = loop_now(q->loop);
		a->begun = qmgr_now();
	}
	snprintf(a->why, sizeof(a->why), "%s", why);
	for (unsigned i = 0; i < a->tries && pause < 5000; i++)
		pause *= 2;
	a->tries++;
	a->again = loop_now(q->loop) + pause;
	loop_timer_set(q->agents->timer, pause);
}

static bool may_try(struct qmgr *q, const struct away *a)
{
	return a->since == 0 || loop_now(q->loop) >= a->again;
}

/* Mail does not wait in memory for an agent that does not come. */
static void defer_all(struct qmgr *q, struct transport *t, const struct away *a)
{
	struct work w;

	if (a->since == 0 || loop_now(q->loop) - a->since < AWAY_MS)
		return;
	while (schedule_take(t, &w)) {
		struct item *item = w.items, *next;

		schedule_done(w.destination, SCHEDULE_NEUTRAL, STR_EMPTY,
		    loop_now(q->loop));
		for (; item != NULL; item = next) {
			next = item->next;
			outcome_trouble(q, (struct recipient *)item,
			    "the delivery agent is away");
		}
	}
}

/* ---- answers ---- */

static void acknowledge(struct wire *w, uint64_t request)
{
	struct deliver_ack ack = {request};

	if (wire_put(w, &deliver_ack, &ack) == 0)
		wire_push_later(w);
}

/* ---- pools: local, feedback ---- */

static void link_free(struct link *l)
{
	wire_close(&l->wire);
	free(l);
}

static void push(struct link **list, struct link *l)
{
	l->next = *list;
	*list = l;
}

static void take_out(struct link **list, const struct link *l)
{
	for (; *list != NULL; list = &(*list)->next)
		if (*list == l) {
			*list = l->next;
			return;
		}
}

static void pool_message(
    struct wire *w, void *arg, const struct ipc_type *type, const void *msg)
{
	const struct deliver_result *res = msg;
	struct link *l = arg;
	struct qmgr *q = l->q;
	struct agents *a = q->agents;

	(void)w;
	if (type != &deliver_result)
		return;
	if (l->request == NULL || l->request->number != res->request) {
		request_stray_result(q, res);
		return;
	}
	if (!request_result(q, &a->requests, l->request, res))
		return;
	l->request = NULL;
	take_out(&l->pool->busy, l);
	push(&l->pool->idle, l);
	l->pool->under_way--;
	flow_pump(q);
}

/* A connection with a request ends. */
static void abandon(struct qmgr *q, struct link *l, const char *why)
{
	take_out(&l->pool->busy, l);
	l->pool->under_way--;
	request_lost(q, &q->agents->requests, &l->request, why);
	link_free(l);
	flow_pump_later(q);
}

static void pool_lost(struct wire *w, void *arg, const char *why)
{
	struct link *l = arg;
	struct qmgr *q = l->q;

	(void)w;
	l->wire = NULL; /* freed by itself */
	if (why[0] != '\0')
		log_warning("%s: %s", l->pool->agent, why);
	if (l->request == NULL) {
		take_out(&l->pool->idle, l);
		link_free(l);
	} else {
		abandon(q, l, "the delivery agent was lost");
	}
}

static struct link *pool_connect(struct qmgr *q, struct pool *pool)
{
	static const struct wire_calls calls = {
	    .message = pool_message, .lost = pool_lost};
	struct away *away = &pool->away;
	const char *why;
	struct ipc *c;
	struct link *l;

	if (!may_try(q, away))
		return NULL;
	c = ipc_connect(
	    pool->agent, &deliver_exchange, deadline_in(CONNECT_MS), &why);
	if (c == NULL) {
		went_away(q, away, pool->agent, why);
		return NULL;
	}
	*away = (struct away){0};
	l = NEW(struct link);
	l->q = q;
	l->pool = pool;
	l->wire = wire_new(q->loop, c, &calls, l);
	return l;
}

static void dispatch_pool(struct qmgr *q, struct pool *pool)
{
	struct work w;

	flow_wake_at(q, schedule_wake(pool->transport, loop_now(q->loop)));
	while (schedule_ready(pool->transport)) {
		struct link *l = pool->idle;

		if (l == NULL && (l = pool_connect(q, pool)) == NULL)
			break;
		if (l == pool->idle)
			pool->idle = l->next;
		schedule_take(pool->transport, &w);
		l->request = request_send(q, &q->agents->requests, l->wire, &w);
		if (l->request == NULL) {
			push(&pool->idle, l);
			continue;
		}
		push(&pool->busy, l);
		pool->under_way++;
		wire_push(l->wire);
	}
	defer_all(q, pool->transport, &pool->away);
}

size_t agents_local_waiting(const struct qmgr *q)
{
	const struct pool *local = &q->agents->pools[LOCAL];

	return local->away.since != 0 ? SIZE_MAX
				      : schedule_waiting(local->transport);
}

size_t agents_pools_under_way(const struct qmgr *q)
{
	size_t sum = 0;

	for (size_t i = 0; i < POOLS; i++)
		sum += q->agents->pools[i].under_way;
	return sum;
}

/* ---- smtp: one front ---- */

/* A recipient that smtp works on for an earlier queue manager. */
static void front_pending(struct qmgr *q, const struct deliver_pending *p)
{
	struct requests *rs = &q->agents->requests;
	struct request *rq = request_find(rs, p->request);
	struct message *m = NULL;
	struct id id;

	if (id_parse(p->queue_id, &id) < 0)
		return;
	if (rq != NULL) {
		if (strcmp(rq->message->id.text, id.text) != 0)
			return;
		rq->wire = q->agents->wire;
	}
	m = spool_load(q, &id, -1, false);
	if (m == NULL)
		return;
	if (p->index >= m->count ||
	    !recipient_waits(&m->recipients[p->index])) {
		flow_adopt(q, m);
		return;
	}
	if (m->place != PLACE_ACTIVE) {
		messages_place(&q->messages, m, PLACE_ACTIVE, 0);
		if (spool_activate(q, m) < 0)
			return;
	}
	if (rq == NULL)
		rq = request_adopt(rs, p->request, m);
	rq->wire = q->agents->wire;
	request_add(rq, &m->recipients[p->index]);
}

/* What the agent does not know any more is tried again. */
static void give_up_orphans(struct qmgr *q)
{
	struct requests *rs = &q->agents->requests;
	struct str key;
	size_t at = 0;
	void *value;

	while (table_next(&rs->table, &at, &key, &value)) {
		struct request *rq = value;

		if (rq->wire == NULL)
			request_lost(q, rs, &rq, "the delivery agent was lost");
	}
}

static void collected(struct qmgr *q)
{
	loop_timer_stop(q->agents->collecting);
	q->agents->state = FRONT_READY;
	give_up_orphans(q);
	flow_begin(q);
}

static void collect_timed_out(void *arg)
{
	struct qmgr *q = arg;

	if (q->agents->state == FRONT_COLLECTING) {
		log_warning("smtp: did not tell what it works on in time");
		collected(q);
	} else if (q->agents->state == FRONT_DOWN) {
		give_up_orphans(q);
		flow_begin(q);
	}
}

static void front_message(
    struct wire *w, void *arg, const struct ipc_type *type, const void *msg)
{
	struct qmgr *q = arg;
	struct agents *a = q->agents;

	if (type == &deliver_result) {
		const struct deliver_result *res = msg;
		struct request *rq = request_find(&a->requests, res->request);
		bool ended = true;

		if (rq != NULL &&
		    str_eq(id_str(&rq->message->id), res->queue_id)) {
			rq->wire = w;
			ended = request_result(q, &a->requests, rq, res);
		} else {
			request_stray_result(q, res);
		}
		if (ended)
			acknowledge(w, res->request);
		if (ended && !ipc_has_input(wire_ipc(w)))
			flow_pump(q);
	} else if (type == &deliver_pending) {
		front_pending(q, msg);
	} else if (type == &deliver_collected &&
	    ((const struct deliver_collected *)msg)->epoch == a->epoch &&
	    a->state == FRONT_COLLECTING) {
		collected(q);
	}
}

static void front_lost(struct wire *w, void *arg, const char *why)
{
	struct qmgr *q = arg;
	struct agents *a = q->agents;
	struct str key;
	size_t at = 0;
	void *value;

	a->wire = NULL;
	a->state = FRONT_DOWN;
	if (why[0] != '\0')
		log_warning("smtp: %s", why);
	while (table_next(&a->requests.table, &at, &key, &value)) {
		struct request *rq = value;

		if (rq->wire == w)
			rq->wire = NULL;
	}
	if (q->draining)
		return;
	/* It may come back and know; not for ever. */
	loop_timer_set(a->collecting, COLLECT_MS);
	loop_timer_set(a->timer, 100);
}

static void front_drained(struct wire *w, void *arg)
{
	(void)w;
	flow_pump_later(arg);
}

static int front_connect(struct qmgr *q)
{
	static const struct wire_calls calls = {.message = front_message,
	    .lost = front_lost,
	    .drained = front_drained};
	struct agents *a = q->agents;
	struct deliver_collect ask = {++a->epoch};
	const char *why;
	struct ipc *c;

	if (!may_try(q, &a->front_away))
		return -1;
	c = ipc_connect(
	    "smtp", &deliver_exchange, deadline_in(CONNECT_MS), &why);
	if (c == NULL) {
		went_away(q, &a->front_away, "smtp", why);
		return -1;
	}
	a->front_away = (struct away){0};
	a->wire = wire_new(q->loop, c, &calls, q);
	a->state = FRONT_COLLECTING;
	wire_put(a->wire, &deliver_collect, &ask);
	wire_push(a->wire);
	loop_timer_set(a->collecting, COLLECT_MS);
	return 0;
}

static void dispatch_front(struct qmgr *q, struct transport *t)
{
	struct agents *a = q->agents;
	struct work w;

	flow_wake_at(q, schedule_wake(t, loop_now(q->loop)));
	if (!schedule_ready(t))
		return;
	if (a->wire == NULL)
		front_connect(q);
	if (a->state != FRONT_READY) {
		defer_all(q, t, &a->front_away);
		return;
	}
	while (ipc_pending(wire_ipc(a->wire)) < OUTPUT_MOST &&
	    schedule_take(t, &w)) {
		request_send(q, &a->requests, a->wire, &w);
		/* Each has a descriptor; only so many can wait. */
		wire_push(a->wire);
		if (ipc_pending(wire_ipc(a->wire)) > 0)
			break;
	}
}

/* ---- all ---- */

/* What takes too long. A worker's connection ends with its request. */
static void end_overdue(struct qmgr *q)
{
	static const char why[] = "the delivery agent takes too long";
	struct agents *a = q->agents;
	int64_t now = loop_now(q->loop);
	struct link *l, *next;
	struct str key;
	size_t at = 0;
	void *value;

	for (size_t i = 0; i < POOLS; i++)
		for (l = a->pools[i].busy; l != NULL; l = next) {
			next = l->next;
			if (l->request->deadline < now)
				abandon(q, l, why);
		}
	while (table_next(&a->requests.table, &at, &key, &value)) {
		struct request *rq = value;

		if (rq->deadline < now)
			request_lost(q, &a->requests, &rq, why);
	}
}

/* At intervals, and when an agent that was away is to be tried. */
static void check(void *arg)
{
	struct qmgr *q = arg;
	struct agents *a = q->agents;

	end_overdue(q);
	if (q->working && !q->collected &&
	    loop_now(q->loop) - a->begun >= COLLECT_MS)
		flow_begin(q); /* smtp comes and goes */
	if (a->wire == NULL && q->working && !q->draining)
		front_connect(q);
	flow_pump(q);
	loop_timer_set(a->timer, CHECK_MS);
}

static struct schedule_limits limits_of(const struct qmgr *q, bool local)
{
	const struct qmgr_conf *c = q->conf;
	int window = local ? c->local_destination_concurrency_limit
			   : c->default_destination_concurrency_limit;

	return (struct schedule_limits){
	    .initial = (unsigned)(local ? window
					: c->initial_destination_concurrency),
	    .window = (unsigned)window,
	    .requests = (unsigned)(local ? c->local_transport_limit
					 : c->default_transport_limit),
	    .recipients = (unsigned)c->default_destination_recipient_limit,
	    .cohorts =
		(unsigned)
		    c->default_destination_concurrency_failed_cohort_limit,
	    .dead_ms = c->minimal_backoff_time,
	    .delay_ms = local ? 0 : c->default_destination_rate_delay};
}

void agents_open(struct qmgr *q)
{
	struct agents *a = NEW(struct agents);
	struct schedule_limits limits = limits_of(q, true);

	q->agents = a;
	requests_open(&a->requests);
	a->timer = loop_timer_new(q->loop, check, q);
	a->collecting = loop_timer_new(q->loop, collect_timed_out, q);
	for (size_t i = 0; i < POOLS; i++) {
		if (i == FEEDBACK) /* one process has the folder */
			limits.window = limits.initial = limits.requests = 1;
		a->pools[i].agent = pool_names[i].agent;
		a->pools[i].transport = schedule_transport(
		    q->schedule, str_from(pool_names[i].transport), &limits);
	}
	limits = limits_of(q, false);
	for (size_t i = 0; i < FRONT_TRANSPORTS; i++)
		a->front[i] = schedule_transport(
		    q->schedule, str_from(front_transports[i]), &limits);
}

void agents_start(struct qmgr *q)
{
	q->agents->begun = loop_now(q->loop);
	if (front_connect(q) < 0)
		flow_begin(q);
	loop_timer_set(q->agents->timer, CHECK_MS);
}

static void close_links(struct pool *pool)
{
	while (pool->idle != NULL || pool->busy != NULL) {
		struct link *l = pool->idle != NULL ? pool->idle : pool->busy;

		take_out(&pool->idle, l);
		take_out(&pool->busy, l);
		link_free(l);
	}
}

void agents_close(struct qmgr *q)
{
	struct agents *a = q->agents;

	if (a == NULL)
		return;
	wire_close(&a->wire);
	for (size_t i = 0; i < POOLS; i++)
		close_links(&a->pools[i]);
	loop_timer_free(&a->timer);
	loop_timer_free(&a->collecting);
	requests_close(&a->requests);
	free(a);
	q->agents = NULL;
}

struct transport *agents_transport(struct qmgr *q, struct str name)
{
	for (size_t i = 0; i < POOLS; i++)
		if (str_eq(name, str_from(pool_names[i].transport)))
			return q->agents->pools[i].transport;
	for (size_t i = 0; i < FRONT_TRANSPORTS; i++)
		if (str_eq(name, str_from(front_transports[i])))
			return q->agents->front[i];
	return NULL;
}

void agents_dispatch(struct qmgr *q)
{
	for (size_t i = 0; i < POOLS; i++)
		dispatch_pool(q, &q->agents->pools[i]);
	for (size_t i = 0; i < ARRAY_LEN(q->agents->front); i++)
		dispatch_front(q, q->agents->front[i]);
}

/* ---- for the operator ---- */

/* NULL: the destination is smtp's. */
static const struct pool *pool_of(const struct agents *a, struct destination *d)
{
	for (size_t i = 0; i < POOLS; i++)
		if (destination_of(d) == a->pools[i].transport)
			return &a->pools[i];
	return NULL;
}

struct agent_view agents_view(struct qmgr *q, struct destination *d)
{
	const struct agents *a = q->agents;
	const struct pool *pool = pool_of(a, d);
	bool local = pool == &a->pools[LOCAL];
	const struct away *away = pool != NULL ? &pool->away : &a->front_away;
	struct agent_view v = {.name = pool != NULL ? pool->agent : "smtp",
	    .ready = true,
	    .away_since = away->since == 0 ? 0 : away->begun,
	    .why = away->why,
	    .window_parameter = local ? "local_destination_concurrency_limit"
				      : "default_destination_concurrency_limit",
	    .limit_parameter = local ? "local_transport_limit"
				     : "default_transport_limit"};

	if (away->since == 0 && pool == NULL && a->state != FRONT_READY) {
		v.ready = false;
		v.why = a->state == FRONT_DOWN
		    ? "there is no connection to it"
		    : "it has not yet said what it works on";
	}
	return v;
}

struct destination *agents_destination(
    struct qmgr *q, const char *transport, const char *nexthop)
{
	const struct transport *t = agents_transport(q, str_from(transport));

	return t == NULL ? NULL : schedule_find(t, str_from(nexthop));
}

uint64_t agents_begun(struct qmgr *q, const struct recipient *r)
{
	const struct request *rq = request_of(&q->agents->requests, r);

	return rq == NULL ? 0 : rq->begun;
}
