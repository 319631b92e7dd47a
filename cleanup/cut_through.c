/* SPDX-License-Identifier: ISC */
/*
 * Cut-through: a message whose recipients are all mailboxes here is stored
 * while its client waits, and never sees the queue.
 *
 * The file is finished in new/, neither synced nor linked, and qmgr gets its
 * descriptor. It has the message delivered by the ordinary agents with the
 * ordinary requests, and says: done (the file goes, the client hears 250),
 * refuse (the file goes, the client hears why), or commit (synced, linked,
 * 250, offered, as every message without cut-through). Why this is safe:
 *
 * - 250 is said after the store's sync for every recipient (done), or after
 *   the file's sync and link (commit). Nothing else leads to it.
 * - refuse means that no recipient got it: qmgr gives it only when each one's
 *   last word was a refusal that is made before anything is written, and no
 *   agent was lost on the way.
 * - No verdict, for whatever reason, is commit. What was or will be stored
 *   nevertheless is found again by its delivery id, which begins with the
 *   queue id, when the queued message is delivered: it folds to nothing.
 * - When we die before the answer the client hears nothing and comes again, as
 *   after any connection lost behind the final dot (RFC 5321 section 4.5.3.2.6
 *   and 6.1): the one case in which a message can be stored twice, and the same
 *   that every SMTP server has. The file in new/ is swept later.
 * - When the file cannot be queued after commit (a disk that fails just now) the
 *   client hears 452 though a recipient may have it already: the same again.
 */
#include <stdio.h>

#include "cleanup/message.h"
#include "cleanup/offer.h"
#include "core/clock.h"
#include "daemon/daemon.h"
#include "ipc/limits.h"

#define REST_MS 10000 /* after a verdict that did not come in time */

static int64_t rest_until;

/* Who waits: a client. Mail of the house itself is here already, and under an
 * id of its own it may come twice. */
bool cut_through_wanted(const struct cleanup *c, const struct message *m)
{
	return c->entrance != ENTRANCE_INTERNAL && m->from.queue_id.len == 0 &&
	    c->conf->cut_through_timeout > 0 && clock_ms() >= rest_until &&
	    m->given_count <= (size_t)c->conf->cut_through_recipient_limit;
}

/* A success that is to be told needs the queue. */
static bool may_cut_through(const struct cleanup *c, const struct message *m)
{
	if (m->mailboxes == NULL ||
	    m->recipient_count > (size_t)c->conf->cut_through_recipient_limit)
		return false;
	for (size_t i = 0; i < m->recipient_count; i++)
		if (m->mailboxes[i].account.len == 0 ||
		    (m->recipients[i].notify & QUEUE_NOTIFY_SUCCESS) != 0)
			return false;
	return true;
}

static enum cut_through follow(struct message *m, const struct qmgr_verdict *v)
{
	char dsn[DSN_CODE_MAX];

	switch ((enum qmgr_word)v->verdict) {
	case VERDICT_DONE:
		daemon_count("cut_through", 1);
		return CUT_THROUGH_DONE;
	case VERDICT_REFUSE:
		if (v->code < 400 || str_copy(dsn, sizeof(dsn), v->dsn) < 0)
			break;
		daemon_count("cut_through_refused", 1);
		message_refuse(
		    m, (unsigned)v->code, dsn, "%.*s", STR_FMT(v->text));
		return CUT_THROUGH_REFUSED;
	case VERDICT_COMMIT:
		break;
	}
	daemon_count("cut_through_declined", 1);
	return CUT_THROUGH_QUEUED;
}

enum cut_through cut_through(
    struct cleanup *c, struct message *m, const struct queue_envelope *e)
{
	int64_t wait = c->conf->cut_through_timeout;
	const struct qmgr_verdict *v;
	bool late;

	if (!may_cut_through(c, m))
		return CUT_THROUGH_QUEUED;
	/* smtpd waits for us no longer than this. */
	if (wait > c->house->ipc_timeout / 2)
		wait = c->house->ipc_timeout / 2;
	v = offer_propose(c->spool_fd, &e->id, m, deadline_in(wait), &late);
	if (v != NULL)
		return follow(m, v);
	daemon_count("cut_through_unanswered", 1);
	if (late)
		rest_until = clock_ms() + REST_MS;
	return CUT_THROUGH_QUEUED;
}
