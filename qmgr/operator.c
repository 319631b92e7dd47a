/* SPDX-License-Identifier: ISC */
#include "qmgr/operator.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/dsn.h"
#include "core/log.h"
#include "core/memory.h"
#include "ipc/limits.h"
#include "ipc/trace.h"
#include "qmgr/flow.h"
#include "qmgr/outcome.h"
#include "qmgr/scan.h"
#include "qmgr/spool.h"

#define SLICE       200    /* messages of one turn of the loop */
#define OUTPUT_MOST 262144 /* octets that wait for the client */
#define WAIT_MS     10000  /* for the spool to be read */
#define LOOK_MS     20

struct inquiry {
	struct loop_timer *timer;
	bool acts;
	enum queue_verb verb;
	char *id;                 /* of one message, "" takes all */
	char *sender, *recipient; /* filters, "" takes all */
	int64_t until;            /* waits for the walk of the start */
	bool begun;
	struct id *ids; /* of the messages to look at */
	size_t count, at;
	uint64_t matched;   /* messages */
	uint64_t in_flight; /* recipients that an agent has */
};

/* ---- filters ---- */

static bool sender_matches(const struct inquiry *n, const struct message *m)
{
	struct str want = str_from(n->sender);

	if (want.len == 0)
		return true;
	if (str_eq(want, STR("<>")))
		want = STR_EMPTY;
	return str_case_eq(want, interned_str(m->sender));
}

static bool recipient_matches(const struct inquiry *n, struct str address)
{
	struct str want = str_from(n->recipient);

	if (want.len == 0)
		return true;
	if (want.p[0] == '@')
		return str_case_ends(address, want);
	return str_case_eq(address, want);
}

/* ---- one message ---- */

static const char *state_of(const struct recipient *r)
{
	if (r->phase != PHASE_IDLE)
		return "active";
	if (r->hold)
		return "hold";
	if (r->state != QUEUE_PENDING)
		return "active"; /* its sender is being told */
	return r->attempts > 0 || r->next > 0 ? "deferred" : "incoming";
}

static void reason_of(const struct queue_file *f, const struct recipient *r,
    char *out, size_t size)
{
	struct queue_slot slot;
	struct note note;

	out[0] = '\0';
	if (r->attempts == 0 && r->next == 0)
		return;
	if (queue_read_slot(f, recipient_index(r), &slot) < 0)
		return;
	spool_read_note(f, recipient_index(r), &note);
	snprintf(out, size, "%.11s%s%.480s", slot.dsn,
	    note.text[0] == '\0' ? "" : " ", note.text);
}

static int put_row(
    struct client *c, const struct queue_file *f, const struct recipient *r)
{
	const struct message *m = r->message;
	char reason[IPC_REPLY_MAX];
	struct queue_row row = {.queue_id = id_str(&m->id),
	    .sender = interned_str(m->sender),
	    .recipient =
		m->active->envelope.recipients[recipient_index(r)].address,
	    .state = str_from(state_of(r)),
	    .size = m->size,
	    .arrived = m->arrived,
	    .attempts = r->attempts};

	if (r->phase == PHASE_IDLE && !r->hold)
		row.next = r->next;
	if (r->route != NULL) {
		row.transport = str_from(
		    destination_transport(r->route->destination));
		row.nexthop = str_from(
		    destination_nexthop(r->route->destination));
	}
	reason_of(f, r, reason, sizeof(reason));
	row.reason = str_from(reason);
	return wire_put(c->wire, &queue_row, &row);
}

/* true: a row was written. */
static bool list_one(struct client *c, struct message *m)
{
	const struct queue_file *f = spool_file(c->q, m);
	bool any = false;

	for (uint32_t i = 0; f != NULL && i < m->count; i++) {
		const struct recipient *r = &m->recipients[i];

		if (recipient_done(r) ||
		    !recipient_matches(
			c->inquiry, m->active->envelope.recipients[i].address))
			continue;
		if (put_row(c, f, r) == 0)
			any = true;
	}
	return any;
}

static bool act_on(struct client *c, struct recipient *r)
{
	if (recipient_done(r))
		return false;
	if (r->phase == PHASE_TRYING)
		c->inquiry->in_flight++;
	switch (c->inquiry->verb) {
	case QUEUE_HOLD:
		if (r->hold || r->state != QUEUE_PENDING)
			return false;
		r->hold = true;
		r->dirty = true;
		return true;
	case QUEUE_RELEASE:
		if (!r->hold)
			return false;
		r->hold = false;
		r->dirty = true;
		r->next = 0;
		return true;
	case QUEUE_DELETE:
		outcome_delete(c->q, r);
		return true;
	case QUEUE_FLUSH:
		if (r->hold || !recipient_waits(r))
			return false;
		r->next = 0;
		r->trouble = 0;
		return true;
	}
	return false;
}

/* true: something of it changed. m may be gone afterwards. */
static bool change_one(struct client *c, struct message *m)
{
	static const char *const done[] = {
	    "put on hold", "released from hold", "deleted", "flushed"};
	struct qmgr *q = c->q;
	bool any = false;

	for (uint32_t i = 0; i < m->count; i++)
		if (recipient_matches(c->inquiry,
			m->active->envelope.recipients[i].address) &&
		    act_on(c, &m->recipients[i]))
			any = true;
	if (!any)
		return false;
	log_info("%s: %s by the operator", m->id.text, done[c->inquiry->verb]);
	trace_event(TRACE_OPERATOR, &m->active->envelope.session, &m->id,
	    &(struct trace_fields){
		.why = str_from(queue_verb_names[c->inquiry->verb])});
	for (uint32_t i = 0; i < m->count; i++)
		if (m->recipients[i].dirty)
			spool_write_slot(q, &m->recipients[i], STR_EMPTY, 0, 0);
	if (m->place == PLACE_ACTIVE)
		return true;
	spool_rest(q, m);
	flow_place(q, m);
	return true;
}

static void look_at(struct client *c, struct message *m)
{
	struct inquiry *n = c->inquiry;
	struct qmgr *q = c->q;
	bool opened = m->active == NULL;
	struct id id = m->id;
	bool any;

	if (message_is_proposed(m) || !sender_matches(n, m))
		return;
	if (opened && spool_activate(q, m) < 0)
		return;
	any = n->acts ? change_one(c, m) : list_one(c, m);
	m = messages_find(&q->messages, id_str(&id));
	if (m != NULL && opened && m->place != PLACE_ACTIVE)
		spool_rest(q, m);
	n->matched += any;
}

/* ---- the slices ---- */

static void end(struct client *c)
{
	struct inquiry *n = c->inquiry;
	struct queue_end answer = {.ok = true, .count = n->matched};
	char text[100] = "";

	if (n->acts && n->in_flight > 0)
		snprintf(text, sizeof(text),
		    "%llu recipients are being tried right now",
		    (unsigned long long)n->in_flight);
	answer.text = str_from(text);
	if (n->acts)
		outcome_withdraw(c->q);
	operator_forget(c);
	wire_put(c->wire, &queue_end, &answer);
	wire_push(c->wire);
	flow_pump(c->q);
}

static bool choose(struct client *c, struct inquiry *n);

static void step(void *arg)
{
	struct client *c = arg;
	struct inquiry *n = c->inquiry;

	if (!n->begun && !scan_is_complete(c->q) &&
	    loop_now(c->q->loop) < n->until) {
		loop_timer_set(n->timer, LOOK_MS);
		return;
	}
	if (!n->begun && !choose(c, n))
		return;
	for (int i = 0; i < SLICE && n->at < n->count; i++) {
		struct message *m = messages_find(
		    &c->q->messages, id_str(&n->ids[n->at]));

		if (ipc_pending(wire_ipc(c->wire)) > OUTPUT_MOST) {
			wire_push(c->wire);
			if (ipc_pending(wire_ipc(c->wire)) > 0)
				return; /* operator_go_on */
		}
		n->at++;
		if (m != NULL)
			look_at(c, m);
	}
	if (n->at == n->count)
		end(c);
	else
		loop_timer_set(n->timer, 0);
}

void operator_go_on(struct client *c)
{
	if (c->inquiry != NULL)
		loop_timer_set(c->inquiry->timer, 0);
}

void operator_forget(struct client *c)
{
	struct inquiry *n = c->inquiry;

	c->inquiry = NULL;
	if (n == NULL)
		return;
	loop_timer_free(&n->timer);
	free(n->ids);
	free(n->id);
	free(n->sender);
	free(n->recipient);
	free(n);
}

/* In the order of arrival, which is that of the ids. */
static int by_id(const void *a, const void *b)
{
	return memcmp(a, b, ID_LEN);
}

static void refuse(struct client *c, const char *why)
{
	struct queue_end answer = {.ok = false, .text = str_from(why)};

	wire_put(c->wire, &queue_end, &answer);
	wire_push(c->wire);
}

/* The messages to look at. false: there is nothing to do. */
static bool choose(struct client *c, struct inquiry *n)
{
	const struct messages *ms = &c->q->messages;
	struct message *one = messages_find(ms, str_from(n->id));
	size_t at = 0;
	struct str key;
	void *m;

	if (one != NULL && message_is_proposed(one))
		one = NULL; /* not yet queued */
	if (n->acts && n->id[0] != '\0' && one == NULL) {
		operator_forget(c);
		refuse(c, "there is no such message in the queue");
		return false;
	}
	if (n->acts && n->verb == QUEUE_FLUSH)
		schedule_revive(c->q->schedule);
	n->begun = true;
	n->ids = mem_array(ms->by_id.count + 1, sizeof(n->ids[0]));
	if (one != NULL) {
		n->ids[n->count++] = one->id;
	} else if (n->id[0] == '\0') {
		while (table_next(&ms->by_id, &at, &key, &m))
			n->ids[n->count++] = ((struct message *)m)->id;
		qsort(n->ids, n->count, sizeof(n->ids[0]), by_id);
	}
	return true;
}

/* An answer given while the spool is still being read would call a full queue
 * empty. */
static void start(struct client *c, struct inquiry *n, struct str id)
{
	n->id = str_dup(id);
	n->until = loop_now(c->q->loop) + WAIT_MS;
	n->timer = loop_timer_new(c->q->loop, step, c);
	c->inquiry = n;
	step(c);
}

void operator_list(struct client *c, const struct queue_list *ask)
{
	struct inquiry *n = NEW(struct inquiry);

	n->sender = str_dup(ask->sender);
	n->recipient = str_dup(ask->recipient);
	start(c, n, ask->queue_id);
}

void operator_act(struct client *c, const struct queue_act *ask)
{
	struct str id = ask->queue_id;
	struct inquiry *n;

	if (!c->q->working) {
		refuse(c,
		    "the queue manager is waiting for an earlier one "
		    "to end; try again in a moment");
		return;
	}
	if (id.len == 0 && ask->sender.len == 0 && ask->recipient.len == 0) {
		refuse(c, "no message named");
		return;
	}
	if (str_case_eq(id, STR("ALL")))
		id = STR_EMPTY;
	n = NEW(struct inquiry);
	n->acts = true;
	n->verb = (enum queue_verb)ask->verb;
	n->sender = str_dup(ask->sender);
	n->recipient = str_dup(ask->recipient);
	start(c, n, id);
}
