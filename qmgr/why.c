/* SPDX-License-Identifier: ISC */
#include "qmgr/why.h"

#include "ipc/limits.h"
#include "qmgr/agent.h"
#include "qmgr/flow.h"
#include "qmgr/notify.h"
#include "qmgr/outcome.h"

/* A time of the loop's clock in seconds since 1970; 0 stays 0. */
static uint64_t wall(struct qmgr *q, int64_t ms)
{
	int64_t left = ms - loop_now(q->loop);

	if (ms == 0)
		return 0;
	return qmgr_now() + (uint64_t)(left > 0 ? (left + 999) / 1000 : 0);
}

static struct str words(const char *s)
{
	return str_sub(str_from(s == NULL ? "" : s), 0, IPC_REPLY_MAX);
}

/* When the one at that place has its turn, at the rate of the last minutes. */
static uint64_t estimate(const struct hop *h, uint64_t place)
{
	uint32_t recent = h == NULL ? 0 : hop_recent(h, qmgr_now());

	if (recent == 0 || place == 0)
		return 0;
	return qmgr_now() + (place * HOP_STRETCH + recent - 1) / recent;
}

/* ---- one recipient ---- */

static void why_in_line(
    struct qmgr *q, const struct recipient *r, struct queue_why *w)
{
	const struct destination *d = r->route->destination;
	struct destination_view v = destination_view(d);
	struct agent_view a = agents_view(q, r->route->destination);

	w->agent = str_from(a.name);
	w->place = destination_place(d, &r->item);
	w->waiting = v.waiting;
	w->estimate = estimate(r->hop, w->place);
	if (a.away_since != 0 || !a.ready) {
		w->bind = BIND_AGENT_AWAY;
		w->since = a.away_since;
		w->words = words(a.why);
		w->estimate = 0;
	} else if (v.paused_until != 0) {
		w->bind = BIND_RATE_DELAY;
		w->until = wall(q, v.paused_until);
		w->parameter = STR("default_destination_rate_delay");
		w->limit = (uint64_t)v.delay_ms / 1000;
		/* The rate is the parameter's. */
		w->estimate = w->until + (w->place - 1) * w->limit;
	} else if (v.under_way >= v.window) {
		w->bind = BIND_CONCURRENCY;
		w->in_use = v.under_way;
		w->limit = v.window;
		w->parameter = str_from(a.window_parameter);
	} else if (v.transport_under_way >= v.transport_limit) {
		w->bind = BIND_AGENT_FULL;
		w->in_use = v.transport_under_way;
		w->limit = v.transport_limit;
		w->parameter = str_from(a.limit_parameter);
	} else {
		w->bind = BIND_TURN;
	}
}

/* What the pause after so many attempts is made of: the first ones double, and
 * then all are the longest. */
static struct str pause_parameter(const struct qmgr *q, uint64_t attempts)
{
	int64_t most = q->conf->maximal_backoff_time;

	return schedule_backoff(
		   attempts, q->conf->minimal_backoff_time, most, 0) < most
	    ? STR("minimal_backoff_time")
	    : STR("maximal_backoff_time");
}

static void why_asleep(
    struct qmgr *q, const struct recipient *r, struct queue_why *w)
{
	const struct destination *d = r->hop == NULL
	    ? NULL
	    : agents_destination(q, hop_transport(r->hop), hop_nexthop(r->hop));

	w->next = w->until = r->next;
	if (d != NULL && destination_is_dead(d, loop_now(q->loop))) {
		w->bind = BIND_DEAD;
		w->until = wall(q, destination_dead_until(d));
		w->words = words(destination_reason(d));
		w->parameter = STR("minimal_backoff_time");
	} else if (r->ours) {
		w->bind = BIND_TROUBLE;
	} else {
		w->bind = BIND_BACKOFF;
		w->parameter = pause_parameter(q, r->attempts);
	}
}

static void why_idle(
    struct qmgr *q, const struct recipient *r, struct queue_why *w)
{
	const struct message *m = r->message;

	if (r->next > qmgr_now()) {
		why_asleep(q, r, w);
	} else if (!q->collected) {
		w->bind = BIND_STARTING;
	} else {
		w->bind = BIND_LINE;
		w->in_use = q->messages.active;
		w->limit = (uint64_t)q->conf->qmgr_message_active_limit;
		w->waiting = m->place == PLACE_NEW ? q->messages.fresh.count
						   : q->messages.retries.count;
		w->parameter = STR("qmgr_message_active_limit");
	}
}

static void why_pending(
    struct qmgr *q, const struct recipient *r, struct queue_why *w)
{
	struct agent_view a;

	switch ((enum phase)r->phase) {
	case PHASE_IDLE:
		why_idle(q, r, w);
		break;
	case PHASE_RESOLVING:
		w->bind = BIND_RESOLVING;
		w->agent = STR("lookup");
		break;
	case PHASE_QUEUED:
		why_in_line(q, r, w);
		break;
	case PHASE_TRYING:
		w->bind = BIND_TRYING;
		w->since = agents_begun(q, r);
		if (r->route == NULL)
			break;
		a = agents_view(q, r->route->destination);
		w->agent = str_from(a.name);
		break;
	}
}

struct queue_why why_recipient(
    struct qmgr *q, const struct recipient *r, const struct note *note)
{
	struct queue_why w = {.bind = BIND_TURN,
	    .expires = outcome_expiry(q, r->message),
	    .remote = str_sub(str_from(note->remote), 0, IPC_HOST_MAX + 80),
	    .phase = str_from(note->phase),
	    .tls = str_from(note->tls)};

	if (r->state != QUEUE_PENDING) {
		w.bind = BIND_DSN;
		w.agent = STR("bounce");
		w.words = words(notify_trouble(q));
		if (r->message->place == PLACE_HEAP)
			w.until = w.next = r->message->due;
	} else if (r->deleted) {
		w.bind = BIND_DELETED;
	} else if (r->hold && r->phase != PHASE_TRYING) {
		w.bind = BIND_HOLD;
	} else {
		why_pending(q, r, &w);
	}
	return w;
}

/* ---- one destination ---- */

struct queue_hop why_hop(struct qmgr *q, const struct hop *h)
{
	struct destination *d = agents_destination(
	    q, hop_transport(h), hop_nexthop(h));
	uint32_t now = qmgr_now();
	struct queue_hop out = {.transport = str_from(hop_transport(h)),
	    .nexthop = str_from(hop_nexthop(h)),
	    .waiting = h->waiting,
	    .since = h->since,
	    .delivered = h->delivered,
	    .deferred = h->deferred,
	    .failed = h->failed,
	    .recent = hop_recent(h, now),
	    .last_success = h->last_success,
	    .success = words(h->success),
	    .success_remote = words(h->success_remote),
	    .last_failure = h->last_failure,
	    .failure = words(h->failure),
	    .failure_remote = words(h->failure_remote)};
	struct destination_view v;
	struct agent_view a;

	if (d == NULL)
		return out;
	v = destination_view(d);
	a = agents_view(q, d);
	out.in_line = v.waiting;
	out.in_use = v.under_way;
	out.window = v.window;
	out.limit = v.limit;
	out.initial = v.initial;
	out.grown = v.grown;
	out.shrunk = v.shrunk;
	out.agent_in_use = v.transport_under_way;
	out.agent_limit = v.transport_limit;
	out.delay = (uint64_t)v.delay_ms / 1000;
	if (destination_is_dead(d, loop_now(q->loop)))
		out.dead_until = wall(q, v.dead_until);
	if (a.away_since != 0)
		out.away = words(a.why);
	return out;
}
