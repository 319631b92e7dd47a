/* SPDX-License-Identifier: ISC */
#include "qmgr/direct.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "ipc/limits.h"
#include "ipc/lookup.h"
#include "ipc/trace.h"
#include "qmgr/agent.h"
#include "qmgr/flow.h"
#include "qmgr/outcome.h"
#include "qmgr/resolve.h"
#include "qmgr/spool.h"

struct direct {
	struct client *client; /* who proposed it; NULL: gone */
	bool committed;        /* the verdict was commit */
};

static struct direct *direct_of(const struct message *m)
{
	return m->active == NULL ? NULL : m->active->direct;
}

/*
 * The lines of a proposed message go together, and some milliseconds later:
 * behind smtpd's, who learns the id only with the answer to the client.
 */
void direct_log(
    struct message *m, const struct recipient *r, const struct outcome *o)
{
	logsink_gather(GATHER_ALL);
	flow_log_active(m);
	outcome_log(r, o, "local");
	logsink_gather(GATHER_EVENTS);
}

bool direct_is_over(const struct message *m)
{
	const struct direct *d = direct_of(m);

	return d != NULL && d->client == NULL;
}

bool direct_keeps_words(const struct message *m)
{
	const struct direct *d = direct_of(m);

	return d != NULL && !d->committed;
}

/* ---- verdicts ---- */

static void put_verdict(struct client *c, const struct id *id,
    enum qmgr_word verdict, unsigned code, struct str dsn, struct str text)
{
	struct qmgr_verdict v = {.queue_id = id_str(id),
	    .verdict = (int)verdict,
	    .code = code,
	    .dsn = dsn,
	    .text = str_sub(text, 0, IPC_REPLY_MAX)};

	if (c != NULL && wire_put(c->wire, &qmgr_verdict, &v) == 0)
		wire_push(c->wire);
}

/* The failures so far, which nobody has logged. */
static void log_failures(struct qmgr *q, struct message *m)
{
	const struct queue_file *f = NULL;

	flow_log_active(m);
	for (uint32_t i = 0; i < m->count; i++) {
		const struct recipient *r = &m->recipients[i];
		struct queue_slot slot = {.state = 0};
		struct note note;
		struct outcome o = {.action = DSN_FAILED};

		if (r->phase != PHASE_IDLE || r->state == QUEUE_DELIVERED ||
		    (r->state == QUEUE_PENDING && r->next == 0))
			continue;
		if (f == NULL && (f = spool_file(q, m)) == NULL)
			return;
		queue_read_slot(f, i, &slot);
		spool_read_note(f, i, &note);
		if (r->state == QUEUE_PENDING)
			o.action = DSN_DEFERRED;
		o.dsn = str_from(slot.dsn);
		o.text = str_from(note.text);
		outcome_log(r, &o, r->attempts > 0 ? "local" : "none");
		if (r->state == QUEUE_NOTIFIED)
			outcome_log_dropped(r, &o);
	}
}

/* why: the name of a counter. */
static void commit(struct qmgr *q, struct message *m, const char *why)
{
	struct direct *d = direct_of(m);

	if (d->committed)
		return;
	d->committed = true;
	daemon_count(why, 1);
	put_verdict(
	    d->client, &m->id, VERDICT_COMMIT, 250, STR("2.0.0"), STR_EMPTY);
	log_failures(q, m);
}

/* The message ends without having been queued. */
static void discard(struct qmgr *q, struct message *m)
{
	struct direct *d = direct_of(m);

	if (d->client != NULL)
		d->client->proposed = NULL;
	q->proposed--;
	spool_rest(q, m);
	messages_remove(&q->messages, &m);
}

static void done(struct qmgr *q, struct message *m)
{
	daemon_count("cut_through_done", 1);
	put_verdict(direct_of(m)->client, &m->id, VERDICT_DONE, 250,
	    STR("2.0.0"), STR_EMPTY);
	trace_bare(TRACE_REMOVED, &m->active->envelope.session, &m->id);
	logsink_gather(GATHER_ALL);
	log_info("%s: removed", m->id.text);
	logsink_gather(GATHER_EVENTS);
	discard(q, m);
}

/* The reply code for an enhanced status code (RFC 5248). */
static unsigned reply_code(const char *dsn)
{
	static const struct {
		const char *dsn;
		unsigned code;
	} rows[] = {{"5.1.1", 550}, {"5.2.1", 550}, {"5.2.2", 552},
	    {"4.2.2", 452}, {"5.7.1", 550}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(rows[i].dsn, dsn) == 0)
			return rows[i].code;
	return dsn[0] == '4' ? 451 : 554;
}

static void refuse(
    struct qmgr *q, struct message *m, const struct queue_slot *slot)
{
	const struct queue_file *f = spool_file(q, m);
	char text[IPC_ADDRESS_MAX + sizeof(struct note)];
	struct note note = {.text = ""};

	if (f != NULL)
		spool_read_note(f, 0, &note);
	if (m->count == 1)
		snprintf(text, sizeof(text), "<%.*s>: %s",
		    STR_FMT(m->active->envelope.recipients[0].address),
		    note.text);
	else
		snprintf(text, sizeof(text), "%s", note.text);
	daemon_count("cut_through_refused", 1);
	put_verdict(direct_of(m)->client, &m->id, VERDICT_REFUSE,
	    reply_code(slot->dsn), str_from(slot->dsn), str_from(text));
	log_info("%s: not accepted (%s %s)", m->id.text, slot->dsn, text);
	discard(q, m);
}

/* Whether all recipients were refused the same way; *out is the first's
 * slot. */
static bool all_refused(
    struct qmgr *q, struct message *m, struct queue_slot *out)
{
	const struct queue_file *f = spool_file(q, m);

	for (uint32_t i = 0; i < m->count; i++) {
		const struct recipient *r = &m->recipients[i];
		struct queue_slot slot;

		if (r->attempts != 1 || f == NULL ||
		    queue_read_slot(f, i, &slot) < 0)
			return false;
		if (i == 0)
			*out = slot;
		if (strcmp(slot.dsn, out->dsn) != 0)
			return false;
		/* In other trouble mail waits better here than there. What
		 * failed and has nobody to tell counts as told. */
		if (r->state != QUEUE_FAILED && r->state != QUEUE_NOTIFIED &&
		    strcmp(slot.dsn, "4.2.2") != 0)
			return false;
	}
	return true;
}

static bool all_delivered(const struct message *m)
{
	for (uint32_t i = 0; i < m->count; i++)
		if (m->recipients[i].state != QUEUE_DELIVERED ||
		    (m->recipients[i].notify & QUEUE_NOTIFY_SUCCESS) != 0)
			return false;
	return true;
}

void direct_settled(struct qmgr *q, struct message *m)
{
	struct direct *d = direct_of(m);
	struct queue_slot slot;

	if (d->client == NULL)
		discard(q, m);
	else if (d->committed)
		return; /* until it is offered */
	else if (all_delivered(m))
		done(q, m);
	else if (all_refused(q, m, &slot))
		refuse(q, m, &slot);
	else
		commit(q, m, "cut_through_commit_mixed");
}

void direct_lost(struct qmgr *q, struct message *m)
{
	if (message_is_proposed(m))
		commit(q, m, "cut_through_commit_lost");
}

/* ---- the client ---- */

/* Why this is no time for it, or NULL. */
static const char *busy(const struct qmgr *q, const struct qmgr_propose *p)
{
	size_t most = (size_t)q->conf->qmgr_cut_through_limit;

	if (!q->collected || q->draining)
		return "cut_through_commit_not_ready";
	if (q->proposed >= most || agents_local_waiting(q) >= most ||
	    q->messages.fresh.count > 0 ||
	    q->messages.active >= (size_t)q->conf->qmgr_message_active_limit)
		return "cut_through_commit_load";
	if (messages_find(&q->messages, p->queue_id) != NULL)
		return "cut_through_commit_known";
	return NULL;
}

/* The record of the proposed message; NULL and *why when it is not to be. fd is
 * taken over. */
static struct message *take(struct client *c, const struct id *id, size_t count,
    int fd, const char **why)
{
	struct message *m;

	if (*why != NULL) {
		file_close(&fd);
		return NULL;
	}
	m = spool_take(c->q, id, fd);
	*why = "cut_through_commit_unreadable";
	if (m == NULL)
		return NULL;
	m->active->direct = NEW(struct direct);
	m->active->direct->client = c;
	c->proposed = m;
	c->q->proposed++;
	if (m->count == count)
		return m;
	log_warning("%s: proposed with %zu recipients of %u", id->text, count,
	    (unsigned)m->count);
	discard(c->q, m);
	return NULL;
}

static void deliver_all(struct client *c, struct message *m)
{
	struct qmgr *q = c->q;

	m->busy++; /* it must outlive the loop */
	for (uint32_t i = 0; i < m->count; i++) {
		const struct qmgr_propose_to *to = &c->to[i];
		const struct lookup_resolved known = {.transport = STR("local"),
		    .nexthop = to->nexthop,
		    .account = to->account,
		    .quota_storage = to->quota_storage,
		    .quota_messages = to->quota_messages};

		resolve_known(q, &m->recipients[i], &known);
	}
	m->busy--;
	flow_settled(q, m);
	flow_pump(q);
}

void direct_propose(struct client *c, const struct qmgr_propose *p, int fd)
{
	struct qmgr *q = c->q;
	const char *why = busy(q, p);
	struct message *m = NULL;
	struct id id;

	direct_forget(c);
	/* Of a length that is checked; else cleanup waits in vain. */
	if (id_parse(p->queue_id, &id) < 0 || p->count != c->to_count)
		file_close(&fd);
	else if ((m = take(c, &id, c->to_count, fd, &why)) == NULL) {
		daemon_count(why, 1);
		put_verdict(
		    c, &id, VERDICT_COMMIT, 250, STR("2.0.0"), STR_EMPTY);
	}
	if (m != NULL) {
		flow_start(q, m);
		deliver_all(c, m);
	}
	c->to_count = 0;
	arena_clear(&c->arena);
}

bool direct_propose_to(struct client *c, const struct qmgr_propose_to *to)
{
	struct qmgr_propose_to *mine;

	if (to->index != c->to_count || c->to_count == QMGR_PROPOSE_MAX)
		return false;
	if (c->arena.most == 0)
		c->arena = arena_new(QMGR_PROPOSE_MAX * 3 * IPC_ADDRESS_MAX);
	if (c->to_count == c->to_room) {
		c->to_room = c->to_room == 0 ? 4 : c->to_room * 2;
		c->to = mem_resize(c->to, c->to_room, sizeof(*c->to));
	}
	mine = &c->to[c->to_count];
	*mine = *to;
	mine->queue_id = STR_EMPTY;
	mine->account = arena_copy(&c->arena, to->account);
	mine->nexthop = arena_copy(&c->arena, to->nexthop);
	if (mine->account.p == NULL || mine->nexthop.p == NULL)
		return false;
	c->to_count++;
	return true;
}

bool direct_offered(struct qmgr *q, struct message *m)
{
	struct direct *d = direct_of(m);

	if (d == NULL)
		return false;
	commit(q, m, "cut_through_commit_late");
	if (d->client != NULL)
		d->client->proposed = NULL;
	m->active->direct = NULL;
	free(d);
	q->proposed--;
	flow_settled(q, m);
	flow_pump_later(q);
	return true;
}

void direct_forget(struct client *c)
{
	struct message *m = c->proposed;

	if (m == NULL)
		return;
	c->proposed = NULL;
	direct_of(m)->client = NULL;
	direct_of(m)->committed = true; /* what comes is for the log alone */
	flow_settled(c->q, m);
}

void direct_commit_all(struct qmgr *q)
{
	struct str key;
	size_t at = 0;
	void *m;

	if (q->proposed == 0)
		return;
	while (table_next(&q->messages.by_id, &at, &key, &m))
		if (message_is_proposed(m))
			commit(q, m, "cut_through_commit_not_ready");
}
