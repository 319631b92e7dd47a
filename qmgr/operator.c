/* SPDX-License-Identifier: ISC */
#include "qmgr/operator.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/log.h"
#include "core/memory.h"
#include "ipc/limits.h"
#include "ipc/trace.h"
#include "qmgr/agent.h"
#include "qmgr/flow.h"
#include "qmgr/outcome.h"
#include "qmgr/roll.h"
#include "qmgr/scan.h"
#include "qmgr/select.h"
#include "qmgr/why.h"

#define TURN_MS     5      /* of one turn of the loop */
#define OUTPUT_MOST 262144 /* octets that wait for the client */
#define WAIT_MS     10000  /* for the spool to be read */
#define LOOK_MS     20
#define HOPS_MOST   1000 /* destinations of one answer */

struct inquiry {
	struct loop_timer *timer;
	struct queue_ask ask; /* texts in the arena */
	struct arena arena;
	int64_t until; /* waits for the walk of the start */
	bool begun, sorted;
	struct roll roll;
	uint64_t matched, recipients; /* messages; recipients of them */
	uint64_t in_flight;           /* of these, those that an agent has */
	/* Destinations that were told, for QUEUE_HOPS. */
	struct table hops;
};

static bool acts(const struct queue_ask *ask)
{
	return ask->verb >= QUEUE_HOLD;
}

/* ---- one recipient ---- */

/* What the file says of it. */
struct found {
	struct queue_slot slot;
	struct note note;
	char reason[IPC_REPLY_MAX];
	struct facts facts;
};

static void find_out(
    const struct queue_file *f, const struct recipient *r, struct found *out)
{
	uint32_t i = recipient_index(r);

	*out = (struct found){.slot = {.state = 0}};
	out->facts.address = r->message->active->envelope.recipients[i].address;
	out->facts.state = select_state(r);
	/* What was never tried has neither. */
	if ((r->attempts > 0 || r->next > 0) &&
	    queue_read_slot(f, i, &out->slot) == 0) {
		spool_read_note(f, i, &out->note);
		snprintf(out->reason, sizeof(out->reason), "%.11s%s%.480s",
		    out->slot.dsn, out->note.text[0] == '\0' ? "" : " ",
		    out->note.text);
	}
	out->facts.reason = str_from(out->reason);
	out->facts.transport = str_from(out->note.transport);
	out->facts.nexthop = str_from(out->note.nexthop);
	if (r->hop != NULL && hop_transport(r->hop)[0] != '\0') {
		out->facts.transport = str_from(hop_transport(r->hop));
		out->facts.nexthop = str_from(hop_nexthop(r->hop));
	}
}

static int put_row(
    struct client *c, const struct recipient *r, const struct found *f)
{
	const struct message *m = r->message;
	struct queue_row row = {.queue_id = id_str(&m->id),
	    .sender = interned_str(m->sender),
	    .recipient = f->facts.address,
	    .state = str_from(f->facts.state),
	    .size = m->size,
	    .arrived = m->arrived,
	    .attempts = r->attempts,
	    .last = f->slot.last,
	    .transport = f->facts.transport,
	    .nexthop = f->facts.nexthop,
	    .reason = f->facts.reason};

	if (r->phase == PHASE_IDLE && !r->hold)
		row.next = r->next;
	return wire_put(c->wire, &queue_row, &row);
}

static void put_hop(struct client *c, const struct hop *h)
{
	struct inquiry *n = c->inquiry;
	struct queue_hop out;
	struct str key = str_of(&h, sizeof(h));

	if (table_get(&n->hops, key) != NULL || n->hops.count >= HOPS_MOST)
		return;
	table_put(&n->hops, key, n);
	out = why_hop(c->q, h);
	wire_put(c->wire, &queue_hop, &out);
}

/* ---- orders ---- */

static void flush(struct qmgr *q, struct recipient *r)
{
	struct destination *d = r->hop == NULL
	    ? NULL
	    : agents_destination(q, hop_transport(r->hop), hop_nexthop(r->hop));

	if (d != NULL)
		destination_revive(d);
	r->next = 0;
	r->trouble = 0;
}

/* Whether the order changes r. */
static bool applies(const struct recipient *r, enum queue_verb verb)
{
	switch (verb) {
	case QUEUE_HOLD:
		return !r->hold && r->state == QUEUE_PENDING;
	case QUEUE_RELEASE:
		return r->hold;
	case QUEUE_DELETE:
		return !r->deleted;
	case QUEUE_FLUSH:
		return !r->hold && recipient_waits(r);
	case QUEUE_BOUNCE:
		return recipient_waits(r);
	case QUEUE_LIST:
	case QUEUE_WHY:
	case QUEUE_HOPS:
		break;
	}
	return false;
}

static void change(struct qmgr *q, struct recipient *r, enum queue_verb verb,
    const struct found *f)
{
	switch (verb) {
	case QUEUE_HOLD:
		r->hold = true;
		r->dirty = true;
		break;
	case QUEUE_RELEASE:
		r->hold = false;
		r->dirty = true;
		r->next = 0;
		break;
	case QUEUE_DELETE:
		outcome_delete(r);
		break;
	case QUEUE_FLUSH:
		flush(q, r);
		break;
	case QUEUE_BOUNCE:
		r->hold = false;
		outcome_give_up(q, r, &f->slot, &f->note);
		break;
	case QUEUE_LIST:
	case QUEUE_WHY:
	case QUEUE_HOPS:
		break;
	}
	hop_recount(r, qmgr_now());
}

/* true: it was meant, and told or changed. */
static bool take(struct client *c, struct recipient *r, const struct found *f)
{
	struct inquiry *n = c->inquiry;
	enum queue_verb verb = (enum queue_verb)n->ask.verb;
	struct queue_why why;

	switch (verb) {
	case QUEUE_LIST:
		return put_row(c, r, f) == 0;
	case QUEUE_WHY:
		why = why_recipient(c->q, r, &f->note);
		return put_row(c, r, f) == 0 &&
		    wire_put(c->wire, &queue_why, &why) == 0;
	case QUEUE_HOPS:
		if (r->hop != NULL && hop_transport(r->hop)[0] != '\0')
			put_hop(c, r->hop);
		return true;
	default:
		break;
	}
	n->in_flight += r->phase == PHASE_TRYING;
	if (!applies(r, verb))
		return false;
	if (!n->ask.dry_run)
		change(c->q, r, verb, f);
	return true;
}

/* ---- one message ---- */

/* What was changed is written, and m goes where it belongs now. */
static void changed(struct client *c, struct message *m)
{
	static const char *const done[] = {"", "", "", "put on hold",
	    "released from hold", "deleted", "flushed", "given up"};
	const struct queue_ask *ask = &c->inquiry->ask;
	struct qmgr *q = c->q;

	if (ask->owner != 0)
		log_info("%s: %s by its sender, uid=%llu", m->id.text,
		    done[ask->verb], (unsigned long long)ask->owner - 1);
	else
		log_info("%s: %s by the operator, uid=%u", m->id.text,
		    done[ask->verb], ipc_peer_uid(wire_ipc(c->wire)));
	trace_event(TRACE_OPERATOR, &m->active->envelope.session, &m->id,
	    &(struct trace_fields){
		.why = str_from(queue_verb_names[ask->verb])});
	for (uint32_t i = 0; i < m->count; i++)
		if (m->recipients[i].dirty)
			spool_write_slot(q, &m->recipients[i], STR_EMPTY, 0, 0);
	if (m->place == PLACE_ACTIVE)
		return;
	spool_rest(q, m);
	flow_place(q, m);
}

static void look_at(struct client *c, struct message *m)
{
	struct inquiry *n = c->inquiry;
	struct qmgr *q = c->q;
	bool opened = m->active == NULL;
	const struct queue_file *f;
	uint64_t before = n->recipients;

	if (message_is_proposed(m) || !select_message(&n->ask, m))
		return;
	if (spool_look(q, m) < 0)
		return;
	f = spool_file(q, m);
	for (uint32_t i = 0; f != NULL && i < m->count; i++) {
		struct recipient *r = &m->recipients[i];
		struct found found;

		if (recipient_done(r))
			continue;
		find_out(f, r, &found);
		if (select_recipient(&n->ask, &found.facts) &&
		    take(c, r, &found))
			n->recipients++;
	}
	if (n->recipients > before) {
		n->matched++;
		if (acts(&n->ask) && !n->ask.dry_run)
			changed(c, m);
	}
	if (opened && m->place != PLACE_ACTIVE)
		spool_rest(q, m);
}

/* ---- the turns ---- */

static void put_end(struct client *c, const struct queue_end *answer)
{
	operator_forget(c);
	wire_put(c->wire, &queue_end, answer);
	wire_push(c->wire);
}

static void refuse(struct client *c, const char *why)
{
	struct queue_end answer = {.ok = false, .text = str_from(why)};

	put_end(c, &answer);
}

static void end(struct client *c)
{
	struct inquiry *n = c->inquiry;
	struct queue_end answer = {
	    .ok = true, .count = n->matched, .recipients = n->recipients};
	bool acted = acts(&n->ask);
	char text[100] = "";

	if (acted && n->in_flight > 0)
		snprintf(text, sizeof(text),
		    "%llu recipients are being tried right now",
		    (unsigned long long)n->in_flight);
	answer.text = str_from(text);
	if (acted)
		outcome_withdraw(c->q);
	put_end(c, &answer);
	if (acted)
		flow_pump(c->q);
}

/* Those of which nobody may wait just now. */
static void put_named_hops(struct client *c)
{
	const struct queue_ask *ask = &c->inquiry->ask;
	struct queue_ask names = {.transport = ask->transport,
	    .nexthop = ask->site.len > 0 ? ask->site : ask->nexthop};
	struct str key;
	size_t at = 0;
	void *value;

	while (table_next(&c->q->messages.hops, &at, &key, &value)) {
		const struct hop *h = value;

		if (hop_transport(h)[0] != '\0' &&
		    select_hop(&names, str_from(hop_transport(h)),
			str_from(hop_nexthop(h))))
			put_hop(c, h);
	}
}

/* The messages to look at. false: the answer is given. */
static bool choose(struct client *c, struct inquiry *n)
{
	const struct messages *ms = &c->q->messages;
	const struct message *one = messages_find(ms, n->ask.queue_id);

	n->begun = true;
	if (n->ask.queue_id.len == 0) {
		if (n->ask.verb == QUEUE_FLUSH && !n->ask.dry_run &&
		    select_is_all(&n->ask))
			schedule_revive(c->q->schedule);
		if (n->ask.verb == QUEUE_HOPS)
			put_named_hops(c);
		roll_all(&n->roll, ms);
		return true;
	}
	/* One that is proposed is not yet queued; one of another user is not
	 * there either. */
	if (one != NULL &&
	    (message_is_proposed(one) ||
		(n->ask.owner != 0 && one->owner != n->ask.owner - 1)))
		one = NULL;
	if (one == NULL && n->ask.verb != QUEUE_LIST) {
		refuse(c, "there is no such message in the queue");
		return false;
	}
	if (one != NULL)
		roll_one(&n->roll, &one->id);
	return true;
}

/* true: the client takes no more for now; operator_go_on. */
static bool is_full(struct client *c)
{
	if (ipc_pending(wire_ipc(c->wire)) <= OUTPUT_MOST)
		return false;
	wire_push(c->wire);
	return ipc_pending(wire_ipc(c->wire)) > 0;
}

static void step(void *arg)
{
	struct client *c = arg;
	struct inquiry *n = c->inquiry;
	int64_t until = clock_ms() + TURN_MS;
	struct message *m;
	struct id id;

	if (!n->begun && !scan_is_complete(c->q) &&
	    loop_now(c->q->loop) < n->until) {
		loop_timer_set(n->timer, LOOK_MS);
		return;
	}
	if (!n->begun && !choose(c, n))
		return;
	while (!n->sorted && clock_ms() < until)
		n->sorted = !roll_sort(&n->roll);
	while (n->sorted && clock_ms() < until) {
		if (is_full(c))
			return;
		if (!roll_next(&n->roll, &id)) {
			end(c);
			return;
		}
		m = messages_find(&c->q->messages, id_str(&id));
		if (m != NULL)
			look_at(c, m);
	}
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
	roll_free(&n->roll);
	table_free(&n->hops);
	arena_free(&n->arena);
	free(n);
}

static void keep(struct inquiry *n, const struct queue_ask *ask)
{
	struct str *const texts[] = {&n->ask.queue_id, &n->ask.sender,
	    &n->ask.recipient, &n->ask.domain, &n->ask.nexthop, &n->ask.site,
	    &n->ask.transport, &n->ask.state, &n->ask.reason};

	n->ask = *ask;
	n->arena = arena_new(65536);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		*texts[i] = arena_copy(&n->arena, *texts[i]);
}

/* An answer given while the spool is still being read would call a full queue
 * empty. */
void operator_ask(struct client *c, const struct queue_ask *ask)
{
	struct inquiry *n;

	if (acts(ask) && !c->q->working) {
		refuse(c,
		    "the queue manager is waiting for an earlier one "
		    "to end; try again in a moment");
		return;
	}
	if (acts(ask) && !ask->all && select_is_all(ask)) {
		refuse(c, "no message named");
		return;
	}
	n = NEW(struct inquiry);
	keep(n, ask);
	n->until = loop_now(c->q->loop) + WAIT_MS;
	n->timer = loop_timer_new(c->q->loop, step, c);
	c->inquiry = n;
	step(c);
}
