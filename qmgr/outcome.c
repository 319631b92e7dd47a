/* SPDX-License-Identifier: ISC */
#include "qmgr/outcome.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "daemon/daemon.h"
#include "ipc/trace.h"
#include "qmgr/agent.h"
#include "qmgr/direct.h"
#include "qmgr/figures.h"
#include "qmgr/flow.h"
#include "qmgr/hop.h"
#include "qmgr/spool.h"

#define SOON 5 /* seconds until the house is asked again, doubled each time */

static struct str address_of(const struct recipient *r)
{
	return r->message->active->envelope.recipients[recipient_index(r)]
	    .address;
}

/* next: of the next attempt, seconds since 1970, or 0. */
static void trace(enum trace_kind kind, const struct qmgr *q,
    const struct recipient *r, const struct outcome *o, uint32_t next)
{
	struct trace_fields says = {.who = address_of(r),
	    .where = o->remote,
	    .code = o->dsn,
	    .why = o->text,
	    .number = next};
	char code[TRACE_CODE_MAX + 16];
	int64_t took = 0;

	if (r->route != NULL)
		took = loop_now(q->loop) - r->route->since;
	if (took > 0)
		says.wait_ms = (uint64_t)took;
	if (o->code != 0) {
		snprintf(
		    code, sizeof(code), "%u %.*s", o->code, STR_FMT(o->dsn));
		says.code = str_from(code);
	}
	trace_event(kind, &r->message->active->envelope.session,
	    &r->message->id, &says);
}

void outcome_log(
    const struct recipient *r, const struct outcome *o, const char *relay)
{
	static const char *const status[] = {"sent", "deferred", "bounced"};
	const struct message *m = r->message;
	uint64_t since = id_time_ms(&m->id), now = clock_us() / 1000;
	double delay = now > since ? (double)(now - since) / 1000 : 0;
	struct str dsn = o->action == DSN_DELIVERED ? STR("2.0.0") : o->dsn;

	log_info("%s: to=<%.*s>, relay=%s, delay=%.2f, delays=%.2f/0/0/0, "
		 "dsn=%.*s, status=%s (%.*s)",
	    m->id.text, STR_FMT(address_of(r)), relay, delay, delay,
	    STR_FMT(dsn), status[o->action], STR_FMT(o->text));
}

void outcome_log_dropped(const struct recipient *r, const struct outcome *o)
{
	if (r->message->sender->len == 0 && !r->deleted)
		log_info("%s: to=<%.*s>, a bounce never bounces: dropped "
			 "(%.*s %.*s)",
		    r->message->id.text, STR_FMT(address_of(r)),
		    STR_FMT(o->dsn), STR_FMT(o->text));
}

static void log_ours(const struct recipient *r, const struct outcome *o)
{
	if (!direct_keeps_words(r->message))
		outcome_log(r, o, "none");
}

uint64_t outcome_expiry(const struct qmgr *q, const struct message *m)
{
	int64_t ms = m->sender->len == 0 ? q->conf->bounce_queue_lifetime
					 : q->house->maximal_queue_lifetime;

	return m->arrived + (uint64_t)(ms / 1000);
}

/* Nothing is under way for it any more. */
static void idle(struct recipient *r)
{
	r->phase = PHASE_IDLE;
	r->message->busy--;
}

static void drop_route(struct recipient *r)
{
	free(r->route);
	r->route = NULL;
}

/* ---- the three outcomes ---- */

static void record(struct qmgr *q, struct recipient *r, const struct outcome *o)
{
	spool_write_slot(q, r, o->dsn, o->code, qmgr_now());
	spool_write_note(q, r, o);
}

static void delivered(
    struct qmgr *q, struct recipient *r, const struct outcome *o)
{
	uint64_t since = id_time_ms(&r->message->id), now = clock_us() / 1000;

	daemon_count("delivered", 1);
	daemon_observe("queue", now > since ? (now - since) * 1000 : 0);
	r->state = QUEUE_DELIVERED;
	r->dirty = true;
	trace(TRACE_DELIVERED, q, r, o, 0);
	if (!(r->notify & QUEUE_NOTIFY_SUCCESS))
		return;
	/* Relayed mail: the next host was asked to tell (RFC 3461 5.2.2). */
	if (r->deleted || r->route == NULL || !r->route->local)
		r->notified |= QUEUE_NOTIFY_SUCCESS;
	record(q, r, o);
}

static bool wants_failure(const struct recipient *r)
{
	if (r->deleted || r->message->sender->len == 0 ||
	    (r->notify & QUEUE_NOTIFY_NEVER))
		return false;
	return r->notify == 0 || (r->notify & QUEUE_NOTIFY_FAILURE) != 0;
}

static void failed(struct qmgr *q, struct recipient *r, const struct outcome *o,
    enum queue_state state)
{
	trace(TRACE_FAILED, q, r, o, 0);
	daemon_count("failed", 1);
	if (wants_failure(r)) {
		r->state = (uint8_t)state;
		r->round = 0;
		record(q, r, o);
		return;
	}
	r->state = QUEUE_NOTIFIED;
	if (direct_keeps_words(r->message)) {
		record(q, r, o); /* its client may be told yet */
		return;
	}
	r->dirty = true;
	outcome_log_dropped(r, o);
}

static void expired(struct qmgr *q, struct recipient *r,
    const struct outcome *last, const char *why)
{
	char text[DSN_TEXT_MAX];
	struct outcome o = *last;

	snprintf(text, sizeof(text), "%s; the last answer was: %.*s", why,
	    STR_FMT(last->text));
	o.action = DSN_FAILED;
	o.dsn = STR("4.4.7");
	o.text = str_from(text);
	daemon_count("expired", 1);
	log_info("%s: from=<%.*s>, to=<%.*s>, status=expired, returned to "
		 "sender",
	    r->message->id.text, STR_FMT(interned_str(r->message->sender)),
	    STR_FMT(address_of(r)));
	failed(q, r, &o, QUEUE_EXPIRED);
}

/* To be tried again in `pause` seconds, or given up for its age. */
static void deferred(
    struct qmgr *q, struct recipient *r, const struct outcome *o, int64_t pause)
{
	uint64_t expiry = outcome_expiry(q, r->message);
	uint64_t now = qmgr_now(), next = now + (uint64_t)pause;

	if (r->deleted) {
		r->state = QUEUE_NOTIFIED;
		r->dirty = true;
		return;
	}
	if (now >= expiry && !r->hold) {
		expired(q, r, o, "delivery time expired");
		return;
	}
	/* The last attempt is made when the time is over. */
	r->next = (uint32_t)(next > expiry && expiry > now ? expiry : next);
	r->reason = figures_reason(o->dsn) & 7;
	daemon_count("deferred", 1);
	record(q, r, o);
	trace(TRACE_DEFERRED, q, r, o, r->next);
}

static int64_t seconds(int64_t ms)
{
	return (ms + 999) / 1000;
}

static int64_t backoff(const struct qmgr *q, uint32_t attempts)
{
	return seconds(schedule_backoff(attempts, q->conf->minimal_backoff_time,
	    q->conf->maximal_backoff_time, arc4random()));
}

/* ---- who decides ---- */

void outcome_settle(
    struct qmgr *q, struct recipient *r, const struct outcome *o)
{
	idle(r);
	r->attempts++;
	r->ours = false;
	if (o->action != DSN_DEFERRED)
		r->trouble = 0;
	if (o->action == DSN_DELIVERED)
		hop_succeeded(r->hop, o->text, o->remote, qmgr_now());
	else
		hop_failed(r->hop, o->text, o->remote, o->action == DSN_FAILED,
		    qmgr_now());
	switch (o->action) {
	case DSN_DELIVERED:
		delivered(q, r, o);
		break;
	case DSN_DEFERRED:
		deferred(q, r, o, backoff(q, r->attempts));
		break;
	case DSN_FAILED:
		failed(q, r, o, QUEUE_FAILED);
		break;
	}
	hop_recount(r, qmgr_now());
	drop_route(r);
}

static void write_dirty(struct qmgr *q, struct message *m)
{
	for (uint32_t i = 0; i < m->count; i++)
		if (m->recipients[i].dirty)
			spool_write_slot(q, &m->recipients[i], STR_EMPTY, 0, 0);
}

void outcome_close(struct qmgr *q, struct message *m)
{
	if (m->busy > 0)
		write_dirty(q, m);
	else
		flow_settled(q, m);
}

void outcome_ours(struct qmgr *q, struct recipient *r, const struct outcome *o)
{
	log_ours(r, o);
	outcome_settle(q, r, o);
	flow_settled(q, r->message);
}

void outcome_trouble(struct qmgr *q, struct recipient *r, const char *why)
{
	struct outcome o = {
	    .action = DSN_DEFERRED, .dsn = STR("4.3.0"), .text = str_from(why)};
	int64_t pause = SOON;

	for (unsigned i = 0; i < r->trouble && i < 20; i++)
		pause *= 2;
	if (pause > seconds(q->conf->minimal_backoff_time))
		pause = seconds(q->conf->minimal_backoff_time);
	if (r->trouble < UINT8_MAX)
		r->trouble++;
	log_ours(r, &o);
	idle(r);
	r->ours = true;
	hop_troubled(r->hop, o.text, qmgr_now());
	deferred(q, r, &o, pause);
	hop_recount(r, qmgr_now());
	drop_route(r);
	flow_settled(q, r->message);
}

void outcome_again(struct qmgr *q, struct recipient *r, const char *why)
{
	if (r->trouble > 0 || r->deleted || r->route == NULL || q->draining) {
		outcome_trouble(q, r, why);
		return;
	}
	r->trouble = 1;
	outcome_scheduled(q, r);
	flow_pump_later(q);
}

/* As long as the message is old already, within the bounds of a backoff: what
 * waits for a dead destination wakes less and less often. */
static int64_t pause_by_age(const struct qmgr *q, const struct message *m)
{
	int64_t least = seconds(q->conf->minimal_backoff_time);
	int64_t most = seconds(q->conf->maximal_backoff_time);
	int64_t age = (int64_t)qmgr_now() - (int64_t)m->arrived;

	return age < least ? least : age > most ? most : age;
}

/* The destination is dead: what it said last, not before its rest ends. */
static void suspended(
    struct qmgr *q, struct recipient *r, const struct destination *d)
{
	char text[DSN_TEXT_MAX], code[DSN_CODE_MAX] = "4.4.1";
	struct str reason = str_from(destination_reason(d));
	struct outcome o = {.action = DSN_DEFERRED};
	int64_t rest = destination_dead_until(d) - loop_now(q->loop);
	int64_t pause = pause_by_age(q, r->message);

	dsn_cut_code(&reason, code);
	snprintf(text, sizeof(text), "delivery temporarily suspended: %.*s",
	    STR_FMT(reason));
	o.dsn = str_from(code);
	o.text = str_from(text);
	log_ours(r, &o);
	idle(r);
	if (pause <= seconds(rest))
		pause = seconds(rest) + 1;
	deferred(
	    q, r, &o, pause + (int64_t)(arc4random() % 1024) * pause / 4096);
	hop_recount(r, qmgr_now());
	drop_route(r);
	flow_settled(q, r->message);
}

/* Why what was just scheduled is not sent on at once; false: it is. Mailboxes
 * take all there is, one after the other. */
static bool obstacle(struct qmgr *q, const struct recipient *r,
    struct destination *d, char *text, size_t size)
{
	struct destination_view v = destination_view(d);
	struct agent_view a = agents_view(q, d);

	if (a.away_since != 0 || !a.ready)
		snprintf(text, size, "the delivery agent %s is away: %s",
		    a.name, a.why == NULL ? "" : a.why);
	else if (r->route->local)
		return false;
	else if (v.paused_until != 0)
		snprintf(text, size,
		    "default_destination_rate_delay between deliveries");
	else if (v.under_way >= v.window)
		snprintf(text, size,
		    "%u deliveries to it are under way, as many as it may "
		    "have (%s)",
		    v.under_way, a.window_parameter);
	else if (v.transport_under_way >= v.transport_limit)
		snprintf(text, size, "%u deliveries are under way (%s)",
		    v.transport_under_way, a.limit_parameter);
	else
		return false;
	return true;
}

static void trace_wait(
    struct qmgr *q, const struct recipient *r, struct destination *d)
{
	char where[TRACE_WHERE_MAX + 1], why[TRACE_WHY_MAX + 1];

	if (!obstacle(q, r, d, why, sizeof(why)))
		return;
	snprintf(where, sizeof(where), "%s:%s", destination_transport(d),
	    destination_nexthop(d));
	trace_event(TRACE_WAITS, &r->message->active->envelope.session,
	    &r->message->id,
	    &(struct trace_fields){.who = address_of(r),
		.where = str_from(where),
		.why = str_from(why)});
}

void outcome_scheduled(struct qmgr *q, struct recipient *r)
{
	struct destination *d = r->route->destination;

	r->phase = PHASE_QUEUED;
	r->route->since = loop_now(q->loop);
	if (!schedule_add(d, r->message, recipient_is_rewritten(r), &r->item,
		r->attempts > 0 || r->trouble > 1, loop_now(q->loop)))
		suspended(q, r, d);
	else
		trace_wait(q, r, d);
}

void outcome_evict(struct qmgr *q, struct destination *d)
{
	struct item *item;
	void *owner;

	while ((item = schedule_evict(d, &owner)) != NULL)
		suspended(q, (struct recipient *)item, d);
}

void outcome_delete(struct recipient *r)
{
	r->deleted = true;
	hop_recount(r, qmgr_now());
	if (r->phase != PHASE_IDLE)
		return; /* when the agent answers, or outcome_withdraw */
	r->state = QUEUE_NOTIFIED;
	r->dirty = true;
}

/* ---- what nobody wants any more ---- */

static bool unwanted(const struct item *item)
{
	const struct recipient *r = (const struct recipient *)item;

	return r->hold || r->deleted;
}

void outcome_left(struct recipient *r)
{
	idle(r);
	if (!r->deleted)
		return;
	r->state = QUEUE_NOTIFIED;
	r->dirty = true;
}

void outcome_withdraw(struct qmgr *q)
{
	struct item *first = schedule_withdraw(q->schedule, unwanted), *item;
	size_t count = 0;
	struct id *ids;

	for (item = first; item != NULL; item = item->next)
		count++;
	if (count == 0)
		return;
	/* By name: the end of a message frees its recipients. */
	ids = mem_array(count, sizeof(ids[0]));
	count = 0;
	for (item = first; item != NULL; item = item->next) {
		struct recipient *r = (struct recipient *)item;

		outcome_left(r);
		ids[count++] = r->message->id;
	}
	for (size_t i = 0; i < count; i++) {
		struct message *m = messages_find(
		    &q->messages, id_str(&ids[i]));

		if (m != NULL)
			flow_settled(q, m);
	}
	free(ids);
}

void outcome_give_up(struct qmgr *q, struct recipient *r,
    const struct queue_slot *slot, const struct note *note)
{
	struct outcome last = {.dsn = str_from(slot->dsn),
	    .text = note->text[0] != '\0' ? str_from(note->text)
					  : STR("none: it was never tried"),
	    .remote = str_from(note->remote),
	    .phase = str_from(note->phase),
	    .tls = str_from(note->tls),
	    .code = slot->code};

	expired(q, r, &last, "given up by the operator");
	hop_recount(r, qmgr_now());
}
