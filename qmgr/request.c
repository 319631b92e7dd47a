/* SPDX-License-Identifier: ISC */
#include "qmgr/request.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "ipc/trace.h"
#include "qmgr/direct.h"
#include "qmgr/flow.h"
#include "qmgr/outcome.h"
#include "qmgr/spool.h"

void requests_open(struct requests *rs)
{
	/* Microseconds: a queue manager makes fewer requests than that. */
	rs->next = clock_us();
	rs->table = table_new();
}

static struct str key_of(const uint64_t *number)
{
	return str_of(number, sizeof(*number));
}

static void free_request(struct request *rq)
{
	free(rq->recipients);
	free(rq->reason);
	free(rq);
}

void requests_close(struct requests *rs)
{
	struct str key;
	size_t at = 0;
	void *rq;

	while (table_next(&rs->table, &at, &key, &rq))
		free_request(rq);
	table_free(&rs->table);
}

struct request *request_find(struct requests *rs, uint64_t number)
{
	return table_get(&rs->table, key_of(&number));
}

const struct request *request_of(
    const struct requests *rs, const struct recipient *r)
{
	struct str key;
	size_t at = 0;
	void *value;

	while (table_next(&rs->table, &at, &key, &value)) {
		const struct request *rq = value;

		for (size_t i = 0; i < rq->left; i++)
			if (rq->recipients[i] == r)
				return rq;
	}
	return NULL;
}

struct request *request_adopt(
    struct requests *rs, uint64_t number, struct message *m)
{
	struct request *rq = NEW(struct request);

	rq->number = number;
	rq->message = m;
	rq->deadline = DEADLINE_NEVER;
	table_put(&rs->table, key_of(&number), rq);
	return rq;
}

void request_add(struct request *rq, struct recipient *r)
{
	if (rq->left == rq->room) {
		rq->room = rq->room == 0 ? 1 : rq->room * 2;
		rq->recipients = mem_resize(
		    rq->recipients, rq->room, sizeof(rq->recipients[0]));
	}
	rq->recipients[rq->left++] = r;
	if (r->phase == PHASE_IDLE)
		r->message->busy++;
	r->phase = PHASE_TRYING;
}

static void end(struct requests *rs, struct request **rq)
{
	table_remove(&rs->table, key_of(&(*rq)->number));
	free_request(*rq);
	*rq = NULL;
}

/* ---- sending ---- */

/* RFC 3461 section 4.1. */
static struct str notify_text(unsigned notify)
{
	static const char *const texts[] = {"", "SUCCESS", "FAILURE",
	    "SUCCESS,FAILURE", "DELAY", "SUCCESS,DELAY", "FAILURE,DELAY",
	    "SUCCESS,FAILURE,DELAY"};

	if (notify & QUEUE_NOTIFY_NEVER)
		return STR("NEVER");
	return str_from(texts[(notify >> 1) & 7]);
}

static int put_all(struct request *rq, int *fd)
{
	const struct message *m = rq->message;
	const struct queue_envelope *e = &m->active->envelope;
	struct ipc *c = wire_ipc(rq->wire);
	struct deliver d = {.request = rq->number,
	    .queue_id = id_str(&m->id),
	    .session = id_str(&e->session),
	    .sender = recipient_sender(rq->recipients[0]),
	    .transport = str_from(destination_transport(rq->destination)),
	    .nexthop = str_from(destination_nexthop(rq->destination)),
	    .size = m->size,
	    .arrived = m->arrived,
	    .body = e->body,
	    .smtputf8 = e->smtputf8,
	    .envid = e->envid,
	    .ret = e->ret,
	    .junk = e->junk,
	    .direct = rq->direct};
	struct deliver_end last = {rq->number, rq->left};

	if (ipc_put(c, &deliver, &d) < 0)
		return -1;
	for (size_t i = 0; i < rq->left; i++) {
		struct recipient *r = rq->recipients[i];
		const struct queue_recipient *in =
		    &e->recipients[recipient_index(r)];
		struct deliver_to to = {.request = rq->number,
		    .index = recipient_index(r),
		    .address = in->address,
		    .original = in->original.len > 0 ? in->original
						     : in->address,
		    .notify = notify_text(r->notify),
		    .account = str_from(r->route->account),
		    .quota_storage = r->route->quota_storage,
		    .quota_messages = r->route->quota_messages};

		if (ipc_put(c, &deliver_to, &to) < 0)
			return -1;
	}
	/* With the last, so that a short request travels in one piece. */
	return ipc_give_fd(c, &deliver_end, &last, fd);
}

/* Those that are on hold, deleted or not wanted since they were queued stay
 * behind. */
static void choose(struct request *rq, const struct work *w)
{
	struct item *item = w->items, *next;

	for (; item != NULL; item = next) {
		struct recipient *r = (struct recipient *)item;

		next = item->next;
		if (!r->hold && !r->deleted && !direct_is_over(r->message)) {
			request_add(rq, r);
			continue;
		}
		outcome_left(r);
	}
}

static void put_back(struct qmgr *q, struct request *rq, const char *why)
{
	struct message *m = rq->message;

	m->busy++; /* it must outlive the loop */
	while (rq->left > 0)
		outcome_trouble(q, rq->recipients[--rq->left], why);
	m->busy--;
	flow_settled(q, m);
}

#define WAIT_WORTH_TELLING 1000 /* ms */

/* The sender of a request, where it is not the message's. */
static struct str sent_as(const struct request *rq)
{
	return recipient_is_rewritten(rq->recipients[0])
	    ? recipient_sender(rq->recipients[0])
	    : STR_EMPTY;
}

/* Of local, "scheduled" and "stored" say as much. */
static void trace_attempt(const struct request *rq, int64_t now)
{
	int64_t waited = now - rq->recipients[0]->route->since;
	char where[TRACE_WHERE_MAX + 1];

	for (size_t i = 0; i < rq->left; i++)
		rq->recipients[i]->route->since = now;
	if (rq->recipients[0]->route->local && waited < WAIT_WORTH_TELLING)
		return;
	snprintf(where, sizeof(where), "%s:%s",
	    destination_transport(rq->destination),
	    destination_nexthop(rq->destination));
	trace_event(TRACE_ATTEMPT, &rq->message->active->envelope.session,
	    &rq->message->id,
	    &(struct trace_fields){.who = sent_as(rq),
		.where = str_from(where),
		.number = rq->left,
		.wait_ms = waited > 0 ? (uint64_t)waited : 0});
}

/* smtp's lines have no sender, and that of "queue active" is the message's. */
static void log_sent_as(const struct request *rq)
{
	struct str sender = sent_as(rq);

	if (sender.len > 0)
		log_info("%s: sent-as=<%.*s>, from=<%.*s>, nrcpt=%zu",
		    rq->message->id.text, STR_FMT(sender),
		    STR_FMT(interned_str(rq->message->sender)), rq->left);
}

struct request *request_send(struct qmgr *q, struct requests *rs,
    struct wire *wire, const struct work *w)
{
	struct request *rq = request_adopt(rs, rs->next++, w->owner);
	const char *why = NULL;
	int fd = -1;

	rq->direct = message_is_proposed(rq->message);
	rq->destination = w->destination;
	rq->wire = wire;
	rq->begun = qmgr_now();
	rq->deadline = loop_now(q->loop) + q->conf->qmgr_daemon_timeout;
	choose(rq, w);
	if (rq->left > 0 && (fd = spool_open_readonly(q, rq->message)) < 0)
		why = "the queue file cannot be opened";
	else if (rq->left > 0 && put_all(rq, &fd) < 0)
		why = "the delivery agent does not take the request";
	file_close(&fd);
	if (rq->left > 0 && why == NULL) {
		log_sent_as(rq);
		trace_attempt(rq, loop_now(q->loop));
		return rq;
	}
	schedule_done(
	    rq->destination, SCHEDULE_NEUTRAL, STR_EMPTY, loop_now(q->loop));
	if (rq->left > 0)
		put_back(q, rq, why);
	else
		flow_settled(q, rq->message);
	end(rs, &rq);
	return NULL;
}

/* ---- answers ---- */

static struct outcome outcome_of(const struct deliver_result *res)
{
	return (struct outcome){.action = (enum dsn_action)res->action,
	    .dsn = res->dsn,
	    .text = res->text,
	    .remote = res->remote,
	    .phase = res->phase,
	    .tls = res->tls,
	    .code = (unsigned)res->code,
	    .whole_hop = res->whole_hop};
}

static void learn(struct request *rq, const struct deliver_result *res)
{
	char text[DSN_TEXT_MAX];

	if (!res->whole_hop) {
		rq->good = true;
		return;
	}
	rq->hop_failed = true;
	if (rq->reason != NULL)
		return;
	snprintf(text, sizeof(text), "%.*s %.*s", STR_FMT(res->dsn),
	    STR_FMT(res->text));
	rq->reason = str_dup(str_from(text));
}

/* What the schedule learns from a request that ended. */
static void report(struct qmgr *q, struct request *rq)
{
	enum schedule_result result = SCHEDULE_NEUTRAL;

	if (rq->destination == NULL)
		return;
	if (rq->good)
		result = SCHEDULE_GOOD;
	else if (rq->hop_failed)
		result = SCHEDULE_HOP_FAILED;
	if (schedule_done(rq->destination, result, str_from(rq->reason),
		loop_now(q->loop)))
		outcome_evict(q, rq->destination);
	rq->destination = NULL;
}

/* Takes the recipient out of those without an answer. */
static struct recipient *take(struct request *rq, uint64_t index)
{
	for (size_t i = 0; i < rq->left; i++) {
		struct recipient *r = rq->recipients[i];

		if (recipient_index(r) != index)
			continue;
		rq->recipients[i] = rq->recipients[--rq->left];
		return r;
	}
	return NULL;
}

bool request_result(struct qmgr *q, struct requests *rs, struct request *rq,
    const struct deliver_result *res)
{
	struct outcome o = outcome_of(res);
	struct message *m = rq->message;
	struct recipient *r = take(rq, res->index);

	if (r == NULL)
		return false; /* said twice */
	learn(rq, res);
	/* The agent could not read the file: before the next attempt we look
	 * ourselves whether it is whole. */
	if (o.action == DSN_DEFERRED && o.remote.len == 0 &&
	    str_eq(o.dsn, STR("4.3.0")))
		m->verified = false;
	if (rq->direct && (o.action == DSN_DELIVERED || !direct_keeps_words(m)))
		direct_log(m, r, &o);
	m->busy++; /* the message must not end before its request */
	outcome_settle(q, r, &o);
	if (rq->left > 0) {
		m->busy--;
		return false;
	}
	report(q, rq);
	end(rs, &rq);
	m->busy--;
	outcome_close(q, m);
	return true;
}

void request_stray_result(struct qmgr *q, const struct deliver_result *res)
{
	struct outcome o = outcome_of(res);
	struct message *m = NULL;
	struct recipient *r;
	struct id id;

	if (id_parse(res->queue_id, &id) == 0)
		m = spool_load(q, &id, -1, false);
	if (m == NULL)
		return;
	r = res->index < m->count ? &m->recipients[res->index] : NULL;
	if (r == NULL || !recipient_waits(r)) {
		flow_adopt(q, m);
		return;
	}
	if (m->place != PLACE_ACTIVE) {
		messages_place(&q->messages, m, PLACE_ACTIVE, 0);
		if (spool_activate(q, m) < 0)
			return;
	}
	m->busy++; /* as if it had been under way */
	outcome_settle(q, r, &o);
	outcome_close(q, m);
}

void request_lost(
    struct qmgr *q, struct requests *rs, struct request **rqp, const char *why)
{
	struct request *rq = *rqp;
	struct message *m = rq->message;

	m->busy++;
	direct_lost(q, m);
	report(q, rq);
	while (rq->left > 0)
		outcome_again(q, rq->recipients[--rq->left], why);
	end(rs, rqp);
	m->busy--;
	outcome_close(q, m);
}
