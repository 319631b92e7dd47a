/* SPDX-License-Identifier: ISC */
#include "qmgr/flow.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "ipc/trace.h"
#include "qmgr/agent.h"
#include "qmgr/direct.h"
#include "qmgr/notify.h"
#include "qmgr/resolve.h"
#include "qmgr/scan.h"
#include "qmgr/spool.h"

#define TURN_MOST 100 /* messages activated before others have their turn */

struct flow {
	struct qmgr *q;
	struct loop_timer *timer;
	int64_t timer_at; /* monotonic ms when it fires, 0: stopped */
	bool pumping;
};

static void fired(void *arg)
{
	struct qmgr *q = arg;

	q->flow->timer_at = 0;
	flow_pump(q);
}

void flow_open(struct qmgr *q)
{
	q->flow = NEW(struct flow);
	q->flow->q = q;
	q->flow->timer = loop_timer_new(q->loop, fired, q);
}

void flow_close(struct qmgr *q)
{
	if (q->flow == NULL)
		return;
	loop_timer_free(&q->flow->timer);
	free(q->flow);
	q->flow = NULL;
}

/* The timer is only touched when it has to be earlier. */
static void wake_in(struct qmgr *q, int64_t ms)
{
	int64_t at = loop_now(q->loop) + ms;

	if (q->flow->timer_at != 0 && q->flow->timer_at <= at)
		return;
	q->flow->timer_at = at;
	loop_timer_set(q->flow->timer, ms);
}

void flow_pump_later(struct qmgr *q)
{
	wake_in(q, 0);
}

void flow_wake_at(struct qmgr *q, int64_t at)
{
	int64_t now = loop_now(q->loop);

	if (at != 0)
		wake_in(q, at > now ? at - now : 0);
}

void flow_begin(struct qmgr *q)
{
	if (q->draining)
		return;
	if (!q->collected)
		scan_start(q);
	q->collected = true;
	flow_pump_later(q);
}

/* ---- where a message belongs ---- */

struct outlook {
	uint32_t next; /* of those that wait, the earliest */
	bool waits, fresh, held, untold;
};

static struct outlook look(const struct message *m)
{
	struct outlook o = {.next = UINT32_MAX, .fresh = true};

	for (uint32_t i = 0; i < m->count; i++) {
		const struct recipient *r = &m->recipients[i];

		if (r->state == QUEUE_FAILED || r->state == QUEUE_EXPIRED ||
		    (r->state == QUEUE_DELIVERED &&
			(r->notify & QUEUE_NOTIFY_SUCCESS &
			    ~(unsigned)r->notified) != 0))
			o.untold = true;
		if (r->state != QUEUE_PENDING)
			continue;
		if (r->attempts > 0 || r->next > 0)
			o.fresh = false;
		if (r->hold) {
			o.held = true;
			continue;
		}
		o.waits = true;
		if (r->next < o.next)
			o.next = r->next;
	}
	return o;
}

void flow_place(struct qmgr *q, struct message *m)
{
	struct outlook o = look(m);
	uint32_t now = qmgr_now();

	if (o.untold || (!o.waits && !o.held) || (o.waits && o.next <= now))
		messages_place(&q->messages, m,
		    o.fresh && o.waits ? PLACE_NEW : PLACE_RETRY, 0);
	else if (o.waits)
		messages_place(&q->messages, m, PLACE_HEAP, o.next);
	else
		messages_place(&q->messages, m, PLACE_HELD, 0);
}

void flow_take_up(struct qmgr *q, struct message *m)
{
	flow_place(q, m);
	if (m->place != PLACE_NEW ||
	    q->messages.active + q->messages.fresh.count >
		(size_t)q->conf->qmgr_message_active_limit)
		spool_rest(q, m);
	if (m->place == PLACE_HEAP) /* may be the first to wake */
		wake_in(q, (int64_t)(m->due - qmgr_now()) * 1000);
	else if (m->verified)
		flow_pump(q);
	else
		flow_pump_later(q);
}

void flow_adopt(struct qmgr *q, struct message *m)
{
	if (m->place == PLACE_HELD && m->busy == 0)
		flow_take_up(q, m);
}

/* ---- a pass ---- */

void flow_log_active(struct message *m)
{
	if (!m->logged)
		log_info("%s: from=<%.*s>, size=%llu, nrcpt=%u (queue active)",
		    m->id.text, STR_FMT(interned_str(m->sender)),
		    (unsigned long long)m->size, (unsigned)m->count);
	m->logged = true;
}

static void activate(struct qmgr *q, struct message *m)
{
	uint32_t now = qmgr_now();

	messages_place(&q->messages, m, PLACE_ACTIVE, 0);
	if (spool_activate(q, m) < 0)
		return;
	flow_log_active(m);
	m->busy++; /* until all are asked */
	for (uint32_t i = 0; i < m->count; i++) {
		struct recipient *r = &m->recipients[i];

		if (recipient_waits(r) && !r->hold && r->next <= now)
			resolve_ask(q, r);
	}
	m->busy--;
	flow_settled(q, m);
}

static void flush_dirty(struct qmgr *q, struct message *m)
{
	for (uint32_t i = 0; i < m->count; i++)
		if (m->recipients[i].dirty)
			spool_write_slot(q, &m->recipients[i], STR_EMPTY, 0, 0);
}

static bool all_done(const struct message *m)
{
	for (uint32_t i = 0; i < m->count; i++)
		if (!recipient_done(&m->recipients[i]))
			return false;
	return true;
}

static void finish(struct qmgr *q, struct message *m)
{
	trace_bare(TRACE_REMOVED, &m->active->envelope.session, &m->id);
	log_info("%s: removed", m->id.text);
	spool_rest(q, m);
	messages_remove(&q->messages, &m);
}

void flow_settled(struct qmgr *q, struct message *m)
{
	uint32_t retry;

	if (m->busy > 0 || m->place != PLACE_ACTIVE)
		return;
	if (message_is_proposed(m)) {
		direct_settled(q, m);
		return;
	}
	retry = notify_start(q, m);
	if (m->busy > 0) {
		/* What was delivered must not be forgotten meanwhile: the
		 * agent is told that its answer is kept. */
		flush_dirty(q, m);
		flow_pump_later(q);
		return;
	}
	if (retry == 0 && all_done(m) && spool_unlink(q, m) == 0) {
		finish(q, m);
		return;
	}
	flush_dirty(q, m);
	if (retry == 0 && all_done(m))
		retry = spool_try_again(q); /* could not be unlinked */
	spool_rest(q, m);
	if (retry != 0)
		messages_place(&q->messages, m, PLACE_HEAP, retry);
	else
		flow_place(q, m);
	flow_pump_later(q);
}

void flow_start(struct qmgr *q, struct message *m)
{
	messages_place(&q->messages, m, PLACE_ACTIVE, 0);
}

/* ---- the heart ---- */

static void wake_sleepers(struct qmgr *q)
{
	struct message *m;
	uint32_t now = qmgr_now();

	while ((m = messages_first_due(&q->messages)) != NULL && m->due <= now)
		messages_place(&q->messages, m, PLACE_RETRY, 0);
}

static bool has_room(const struct qmgr *q)
{
	return q->messages.active < (size_t)q->conf->qmgr_message_active_limit;
}

bool flow_is_behind(const struct qmgr *q)
{
	return !has_room(q);
}

void flow_pump(struct qmgr *q)
{
	struct message *m;
	int n = 0;

	if (!q->collected || q->draining || q->flow->pumping)
		return;
	q->flow->pumping = true;
	wake_sleepers(q);
	while (has_room(q) && n++ < TURN_MOST &&
	    (m = messages_next(&q->messages)) != NULL)
		activate(q, m);
	resolve_push(q);
	agents_dispatch(q);
	notify_push(q);
	q->flow->pumping = false;
	if (has_room(q) && messages_next(&q->messages) != NULL) {
		wake_in(q, 0);
	} else if ((m = messages_first_due(&q->messages)) != NULL) {
		uint32_t now = qmgr_now();

		/* By the wall clock, which may be set: look at least every
		 * minute. */
		int64_t s = m->due > now ? (int64_t)(m->due - now) : 0;
		wake_in(q, s > 60 ? 60000 : s * 1000 + 20);
	}
}
