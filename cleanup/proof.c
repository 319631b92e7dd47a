/* SPDX-License-Identifier: ISC */
/*
 * A submission is marked as authenticated only when auth itself says so: what
 * smtpd claims is a ticket, and whose it is we ask.
 */
#include <stdio.h>

#include "cleanup/message.h"
#include "core/clock.h"
#include "core/log.h"
#include "ipc/auth.h"

struct question {
	const struct cleanup_message *from;
	struct message *m;
	bool ok;
};

static int ask(struct neighbour *n, int64_t deadline, void *arg)
{
	struct question *q = arg;
	struct auth_redeem redeem = {.request = ++n->request,
	    .ticket = q->from->ticket,
	    .service = STR("submission"),
	    .session = q->from->session};
	const struct auth_redeemed *answer;
	const void *reply;

	if (ipc_call(n->c, &auth_redeem, &redeem, &auth_redeemed, &reply,
		deadline) != IPC_OK)
		return -1;
	answer = reply;
	if (answer->request != redeem.request)
		return -1;
	if (!answer->ok)
		message_refuse(q->m, 451, "4.7.0",
		    "The login has expired, please authenticate again");
	else if (!str_eq(answer->login, q->from->login))
		message_refuse(
		    q->m, 554, "5.7.0", "The login is not confirmed");
	else
		q->ok = true;
	return 0;
}

static bool is_fresh(const struct proof *p, const struct cleanup_message *f)
{
	return p->ticket[0] != '\0' && deadline_left(p->until) > 0 &&
	    str_eq(str_from(p->ticket), f->ticket) &&
	    str_eq(id_str(&p->session), f->session) &&
	    str_eq(str_from(p->login), f->login);
}

void proof_check(struct cleanup *c, struct proof *proof, struct message *m)
{
	struct question q = {&m->from, m, false};
	const char *why = "";

	if (m->from.ticket.len == 0 || m->from.login.len == 0) {
		message_refuse(
		    m, 554, "5.7.0", "A submission needs a confirmed login");
		return;
	}
	if (is_fresh(proof, &m->from))
		return;
	proof->ticket[0] = '\0';
	if (neighbour_ask(&c->auth, c->house->ipc_timeout, ask, &q, &why) < 0) {
		log_warning("auth does not answer: %s", why);
		message_refuse(m, 451, "4.3.0",
		    "Authentication is not available, try again later");
		return;
	}
	if (!q.ok || c->conf->cleanup_ticket_reuse == 0 ||
	    id_parse(m->from.session, &proof->session) < 0 ||
	    str_copy(proof->login, sizeof(proof->login), m->from.login) < 0)
		return;
	proof->until = deadline_in(c->conf->cleanup_ticket_reuse);
	(void)str_copy(proof->ticket, sizeof(proof->ticket), m->from.ticket);
}
