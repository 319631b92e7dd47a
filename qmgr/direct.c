/* SPDX-License-Identifier: ISC */
#include "qmgr/direct.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "ipc/limits.h"
#include "ipc/trace.h"
#include "qmgr/agent.h"
#include "qmgr/flow.h"
#include "qmgr/outcome.h"
#include "qmgr/resolve.h"
#include "qmgr/spool.h"

struct direct {
	struct client *client; /* who proposed it; NULL: gone */
	bool committed;        /* the verdict was commit */
	bool sent;             /* to local */
	uint32_t resolved;     /* recipients that have been held */
};

static struct direct *direct_of(const struct message *m)
{
	return m->active == NULL ? NULL : m->active->direct;
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
	const struct direct *d = direct_of(m);
	const struct queue_file *f = NULL;

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
		outcome_log(
		    r, &o, d->sent && r->attempts > 0 ? "local" : "none");
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
	log_info("%s: removed", m->id.text);
	trace_event(
	    TRACE_REMOVED, &m->active->envelope.session, &m->id, "%s", "");
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
		/* In other trouble mail waits better here than there. */
		if (r->state != QUEUE_FAILED && strcmp(slot.dsn, "4.2.2") != 0)
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

/* ---- those that wait for each other ---- */

/* Those that are held go on. */
static void release(struct qmgr *q, struct message *m)
{
	m->busy++; /* it must outlive the loop */
	for (uint32_t i = 0; i < m->count; i++)
		if (m->recipients[i].phase == PHASE_RESOLVED) {
			destination_unpin(m->recipients[i].route->destination);
			outcome_scheduled(q, &m->recipients[i]);
		}
	m->busy--;
}

/* Those that are held need not go on. */
static void drop_held(struct message *m)
{
	for (uint32_t i = 0; i < m->count; i++) {
		struct recipient *r = &m->recipients[i];

		if (r->phase != PHASE_RESOLVED)
			continue;
		destination_unpin(r->route->destination);
		free(r->route);
		r->route = NULL;
		r->phase = PHASE_IDLE;
		m->busy--;
	}
}

bool direct_holds(struct qmgr *q, struct recipient *r)
{
	struct message *m = r->message;
	struct direct *d = direct_of(m);

	if (d == NULL)
		return false;
	r->phase = PHASE_RESOLVED;
	destination_pin(r->route->destination);
	d->resolved++;
	if (!r->route->local || r->route->account[0] == '\0')
		commit(q, m, "cut_through_commit_not_local");
	if (d->client == NULL)
		drop_held(m);
	else if (!d->committed && d->resolved == m->count) {
		d->sent = true;
		release(q, m);
	}
	flow_settled(q, m);
	return true;
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

void direct_propose(struct client *c, const struct qmgr_propose *p, int fd)
{
	struct qmgr *q = c->q;
	const char *why = busy(q, p);
	struct message *m = NULL;
	struct id id;

	direct_forget(c);
	if (id_parse(p->queue_id, &id) < 0) {
		file_close(&fd);
		return; /* of a length that is checked; cleanup waits in vain */
	}
	if (why == NULL && (m = spool_take(q, &id, fd)) == NULL) {
		why = "cut_through_commit_unreadable";
		fd = -1;
	}
	if (m == NULL) {
		file_close(&fd);
		daemon_count(why, 1);
		put_verdict(
		    c, &id, VERDICT_COMMIT, 250, STR("2.0.0"), STR_EMPTY);
		return;
	}
	m->active->direct = NEW(struct direct);
	m->active->direct->client = c;
	c->proposed = m;
	q->proposed++;
	flow_start(q, m);
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
	release(q, m);
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
	drop_held(m);
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
