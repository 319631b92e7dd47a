/* SPDX-License-Identifier: ISC */
#include "smtpd/recipient.h"

#include <stdio.h>

#include "core/clock.h"
#include "core/log.h"
#include "ipc/trace.h"
#include "smtpd/envelope.h"
#include "smtpd/greylist.h"
#include "smtpd/question.h"
#include "smtpd/verification.h"

/* The address with a domain: "Postmaster" alone is ours (RFC 5321 4.5.1). */
static struct str complete(struct session *s, struct str address)
{
	char text[IPC_ADDRESS_MAX + 1];

	if (str_find(address, '@') < address.len)
		return arena_copy(&s->t.arena, address);
	int n = snprintf(text, sizeof(text), "%.*s@%s", STR_FMT(address),
	    s->server->house->myorigin);
	if (n < 0 || (size_t)n >= sizeof(text))
		return str_of(NULL, 0);
	return arena_copy(&s->t.arena, str_of(text, (size_t)n));
}

static int keep(struct session *s, struct recipient r)
{
	struct transaction *t = &s->t;

	if (t->count == t->room) {
		size_t room = t->room == 0 ? 8 : t->room * 2;
		struct recipient *more = arena_alloc(
		    &t->arena, room * sizeof(*more));
		if (more == NULL)
			return -1;
		if (t->count > 0)
			memcpy(more, t->recipients, t->count * sizeof(*more));
		t->recipients = more;
		t->room = room;
	}
	t->recipients[t->count++] = r;
	return 0;
}

/* An open relay is what happens when this is wrong. */
static bool may_relay(const struct session *s)
{
	switch (s->server->role) {
	case ROLE_MX:
		return s->trusted;
	case ROLE_SUBMISSION:
		return s->login[0] != '\0';
	case ROLE_LMTP:
		return false;
	}
	return false;
}

/* The rule that lookup names: a parameter, whose line is told. */
static const struct rule *rule_of(const struct lookup_resolved *r,
    struct rule *named, char name[IPC_NAME_MAX + 1])
{
	if (r->rule.len == 0 || str_copy(name, IPC_NAME_MAX + 1, r->rule) < 0 ||
	    strcmp(name, rule_recipient.name) == 0)
		return &rule_recipient;
	*named = (struct rule){name, name};
	return named;
}

static bool refused_by_directory(
    struct session *s, struct str address, const struct lookup_resolved *r)
{
	char dsn[IPC_DSN_MAX + 1], name[IPC_NAME_MAX + 1];
	struct rule named;

	switch ((enum resolve_status)r->status) {
	case RESOLVE_OK:
		passes(s, &rule_recipient, "permit", "<%.*s> is accepted",
		    STR_FMT(address));
		return false;
	case RESOLVE_UNKNOWN:
		reject(s, &rule_recipient, address, 550, "5.1.1",
		    "<%.*s>: Recipient address rejected: User unknown",
		    STR_FMT(address));
		return true;
	case RESOLVE_REFUSED:
		if (r->code < 400 || r->code > 599 ||
		    str_copy(dsn, sizeof(dsn), r->dsn) < 0)
			break;
		reject(s, rule_of(r, &named, name), address, (int)r->code,
		    dsn[0] != '\0'      ? dsn
			: r->code < 500 ? "4.0.0"
					: "5.0.0",
		    "<%.*s>: Recipient address rejected: %.*s",
		    STR_FMT(address), STR_FMT(r->text));
		return true;
	case RESOLVE_TEMPORARY:
		break;
	}
	reject(s, NULL, address, 451, "4.3.0",
	    "<%.*s>: Temporary lookup failure", STR_FMT(address));
	return true;
}

static bool refused(struct session *s, struct str address)
{
	struct lookup_resolve question = {.request = 1, .address = address};
	struct lookup_explain why = {1, EXPLAIN_RESOLVE, address, STR_EMPTY};
	const void *answer;

	if (ask_lookup(s, &lookup_resolve, &question, &lookup_resolved, &answer,
		&why) < 0) {
		log_warning("lookup: %s", s->server->lookup.why);
		reject(s, NULL, address, 451, "4.3.0",
		    "<%.*s>: Temporary lookup failure", STR_FMT(address));
		return true;
	}
	const struct lookup_resolved *r = answer;
	if (r->domain == CLASS_REMOTE && r->status != RESOLVE_TEMPORARY &&
	    !may_relay(s)) {
		reject(s, &rule_relay, address, 554, "5.7.1",
		    "<%.*s>: Relay access denied", STR_FMT(address));
		return true;
	}
	passes(s, &rule_relay, may_relay(s) ? "permit" : "dunno", "%s",
	    r->domain != CLASS_REMOTE ? "the domain is ours"
		: may_relay(s)        ? "this client may relay"
			       : "whether the domain is ours is not known");
	return refused_by_directory(s, address, r);
}

void cmd_rcpt(struct session *s, struct str args)
{
	struct rcpt_args rcpt;
	struct refusal why;

	if (rcpt_args_parse(args, session_extensions(s), &rcpt, &why) < 0) {
		reply(s, why.code, why.dsn, "%s", why.text);
		return;
	}
	if (s->t.count >= (size_t)s->conf->smtpd_recipient_limit) {
		reject(s, &rule_recipient_count, rcpt.recipient, 452, "4.5.3",
		    "Error: too many recipients");
		return;
	}
	struct recipient r = {.address = complete(s, rcpt.recipient),
	    .original = arena_copy(&s->t.arena, str_from(rcpt.original)),
	    .notify = arena_copy(&s->t.arena, str_from(rcpt.notify))};
	if (r.address.p == NULL || r.original.p == NULL || r.notify.p == NULL) {
		reply(s, 452, "4.5.3", "Error: envelope too large");
		return;
	}
	if (refused(s, r.address) || verification_refuses(s, r.address) ||
	    greylist_defers(s, r.address))
		return;
	if (keep(s, r) < 0) {
		reply(s, 452, "4.5.3", "Error: envelope too large");
		return;
	}
	s->state = HAS_RECIPIENT;
	trace_event(TRACE_RECIPIENT, &s->id, NULL,
	    &(struct trace_fields){.who = r.address});
	reply(s, 250, "2.1.5", "Ok");
}
