/* SPDX-License-Identifier: ISC */
#include "smtpd/greylist.h"

#include <stdio.h>

#include "conf/listed.h"
#include "core/clock.h"
#include "core/log.h"
#include "ipc/policy.h"
#include "ipc/trace.h"
#include "smtpd/question.h"
#include "smtpd/spf_policy.h"
#include "smtpd/verification.h"

#define POLICY_MS      2000  /* for an answer */
#define POLICY_REST_MS 10000 /* after one that did not come */

/* ---- who is spared by a list ---- */

struct listing {
	struct session *s;
	const struct rule *rule;
};

static enum map_result ask(void *arg, struct str table, struct str keys)
{
	const struct listing *l = arg;

	return ask_table(l->s, l->rule->parameter, table, keys,
	    deadline_in(l->s->server->house->ipc_timeout));
}

/* A list whose table cannot be asked spares, for it might. */
static bool is_listed(struct session *s, const struct rule *rule,
    const char *list, struct listed *l)
{
	struct listing listing = {s, rule};
	enum map_result r;

	l->ask = ask;
	l->arg = &listing;
	r = list[0] == '\0' ? MAP_NONE : listed_find(str_from(list), l);
	l->arg = NULL;
	if (r == MAP_NONE)
		return false;
	passes(s, rule, "permit",
	    r == MAP_ERROR ? "%.*s cannot be asked now: "
			     "nobody is greylisted"
			   : "by \"%.*s\"",
	    STR_FMT(l->by));
	return true;
}

/* A network, or the client's verified name. */
static bool is_client(const void *what, struct str word)
{
	const struct session *s = what;
	struct str name = str_from(s->name), bad;
	int r = netaddr_in_list(&s->peer, word, &bad);

	return r >= 0 ? r == 1 : listed_is_domain(&name, word);
}

/* The address, the networks of an IPv4 one ("192.0.2"), the name and what is
 * above it, as access(5) has them. */
static void client_keys(const struct session *s, struct buf *keys)
{
	struct str address = str_from(s->address), name = str_from(s->name);

	buf_add(keys, address);
	for (size_t dot; (dot = str_find_last(address, '.')) < address.len;) {
		address.len = dot;
		buf_add_char(keys, '\n');
		buf_add(keys, address);
	}
	if (str_eq(name, STR("unknown")))
		return;
	buf_add_char(keys, '\n');
	listed_domain_keys(name, keys);
}

/* "user@example.org", or as a domain. */
static bool is_address(const void *what, struct str word)
{
	struct str address = *(const struct str *)what;
	size_t at = str_find_last(address, '@');
	struct str domain = str_skip(address, at + 1);

	if (address.len == 0)
		return str_eq(word, STR("<>"));
	if (str_find(word, '@') < word.len)
		return str_case_eq(address, word);
	return at < address.len && listed_is_domain(&domain, word);
}

/* The address, the same without what stands behind "+", and its domains. */
static void address_keys(struct str address, struct buf *keys)
{
	size_t at = str_find_last(address, '@');
	struct str local = str_sub(address, 0, at);

	if (address.len == 0) {
		buf_add_text(keys, "<>");
		return;
	}
	for (size_t i = 0; i < address.len; i++)
		buf_add_char(keys, ascii_lower(address.p[i]));
	if (str_find(local, '+') < local.len && str_find(local, '+') > 0) {
		buf_add_char(keys, '\n');
		for (size_t i = 0; i < str_find(local, '+'); i++)
			buf_add_char(keys, ascii_lower(local.p[i]));
		for (size_t i = at; i < address.len; i++)
			buf_add_char(keys, ascii_lower(address.p[i]));
	}
	if (at == address.len)
		return;
	buf_add_char(keys, '\n');
	listed_domain_keys(str_skip(address, at + 1), keys);
}

static bool is_exempt(struct session *s, struct str recipient)
{
	const struct house_conf *house = s->server->house;
	struct buf keys = buf_new(LISTED_KEYS_MAX);
	struct listed client = {.is = is_client, .what = s};
	struct listed from = {.is = is_address, .what = &s->t.sender};
	struct listed to = {.is = is_address, .what = &recipient};
	bool exempt;

	client_keys(s, &keys);
	client.keys = buf_str(&keys);
	exempt = is_listed(
	    s, &rule_greylist_clients, house->greylist_exempt_clients, &client);
	if (!exempt) {
		buf_clear(&keys);
		address_keys(s->t.sender, &keys);
		from.keys = buf_str(&keys);
		exempt = is_listed(s, &rule_greylist_senders,
		    house->greylist_exempt_senders, &from);
	}
	if (!exempt) {
		buf_clear(&keys);
		address_keys(recipient, &keys);
		to.keys = buf_str(&keys);
		exempt = is_listed(s, &rule_greylist_recipients,
		    house->greylist_exempt_recipients, &to);
	}
	buf_free(&keys);
	return exempt;
}

/* ---- who is invited ---- */

struct invitation {
	bool spared;       /* whatever policyd knows */
	bool invited;      /* for what is known here */
	struct str domain; /* that SPF vouches for; "" */
	char why[120];
};

/* DNS was asked, and did not give the address the name that it claims. */
static bool has_no_name(const struct session *s)
{
	return s->name_asked && s->name_status != DNS_OK &&
	    s->name_status != DNS_TEMPORARY;
}

static void invite(struct session *s, struct invitation *i)
{
	const struct spf_verdict *spf = verification_spf(s);
	bool passes_spf = spf != NULL && spf->result == SPF_PASS;

	*i = (struct invitation){.domain = STR_EMPTY};
	if (passes_spf && !spf->of_helo)
		i->domain = spf->domain;
	if (s->conf->smtpd_greylisting == GREYLISTING_ALWAYS) {
		i->invited = true;
		snprintf(i->why, sizeof(i->why), "everybody is asked to");
	} else if (passes_spf) {
		i->spared = true;
		snprintf(i->why, sizeof(i->why), "SPF passes");
	} else if (spf != NULL &&
	    spf_decide(spf, s->conf).action == SPF_GREYLIST) {
		i->invited = true;
		snprintf(i->why, sizeof(i->why), "SPF says %s (%s)",
		    spf_result_name(spf->result),
		    spf_decide(spf, s->conf).rule->name);
	} else if (s->conf->greylist_unverified_clients && has_no_name(s)) {
		i->invited = true;
		snprintf(i->why, sizeof(i->why),
		    "the client has no verified name "
		    "(greylist_unverified_clients)");
	}
}

/* ---- policyd's word ---- */

static bool ask_policyd(struct session *s, const struct invitation *i,
    struct str recipient, const struct policy_greylisted **out)
{
	static int64_t rest_until;
	const struct policy_greylist question = {.request = 1,
	    .client_address = str_from(s->address),
	    .domain = i->domain,
	    .sender = s->t.sender,
	    .recipient = recipient,
	    .invited = i->invited,
	    .look = s->server->rehearsal != NULL};
	const void *answer;

	if (clock_ms() >= rest_until) {
		if (peer_call(&s->server->policy, &policy_greylist, &question,
			&policy_greylisted, &answer,
			deadline_in(POLICY_MS)) == 0) {
			*out = answer;
			return true;
		}
		log_warning(
		    "policyd: %s; nobody is greylisted", s->server->policy.why);
		rest_until = deadline_in(POLICY_REST_MS);
	}
	passes(s, &rule_greylisting, "dunno",
	    "policyd is away: nobody is greylisted");
	daemon_count("greylist_unanswered", 1);
	return false;
}

/* "greylist defer for user@example.org: new, SPF says softfail" */
static void trace_it(
    struct session *s, struct str recipient, const char *code, const char *why)
{
	trace_event(TRACE_CHECKED, &s->id, NULL,
	    &(struct trace_fields){.who = STR("greylist"),
		.where = recipient,
		.code = str_from(code),
		.why = str_from(why)});
}

static void put_off(struct session *s, struct invitation *i,
    const struct policy_greylisted *a, struct str recipient)
{
	const char *seen = a->state == GREYLIST_STATE_NEW ? "new"
							  : "back too soon";
	char why[sizeof(i->why) + 20];

	if (a->failures > 0)
		snprintf(i->why, sizeof(i->why),
		    "%llu logins failed from there (greylist_login_failures)",
		    (unsigned long long)a->failures);
	log_info("NOQUEUE: greylist: RCPT from %s[%s]: %s, %s; from=<%.*s> "
		 "to=<%.*s>",
	    s->name, s->address, seen, i->why, STR_FMT(s->t.sender),
	    STR_FMT(recipient));
	snprintf(why, sizeof(why), "%s, %s", seen, i->why);
	trace_it(s, recipient, "defer", why);
	passes(s, &rule_greylisting, "dunno", "%s: %s",
	    a->state == GREYLIST_STATE_NEW ? "seen for the first time"
					   : "back too soon",
	    i->why);
	reject(s, &rule_greylisting, recipient, 450, "4.7.1",
	    "<%.*s>: Recipient address rejected: greylisted, come back in %llu "
	    "seconds",
	    STR_FMT(recipient), (unsigned long long)a->seconds);
	daemon_count("greylisted", 1);
}

static void let_through(
    struct session *s, const struct policy_greylisted *a, struct str recipient)
{
	static const char *const words[] = {
	    [GREYLIST_STATE_UNINVITED] = "nothing is known against the client",
	    [GREYLIST_STATE_ALLOWED] = "the operator allowed the client",
	    [GREYLIST_STATE_CLIENT] = "the client has come back often enough",
	    [GREYLIST_STATE_KNOWN] = "this sender has come back before",
	    [GREYLIST_STATE_PASSED] = "it has come back in time",
	    [GREYLIST_STATE_NEW] = "",
	    [GREYLIST_STATE_EARLY] = ""};
	char why[80];

	passes(s, &rule_greylisting, "permit", "%s", words[a->state]);
	if (a->state != GREYLIST_STATE_PASSED)
		return;
	snprintf(why, sizeof(why), "came back after %llu s",
	    (unsigned long long)a->seconds);
	log_info("NOQUEUE: greylist: RCPT from %s[%s]: %s; from=<%.*s> "
		 "to=<%.*s>",
	    s->name, s->address, why, STR_FMT(s->t.sender), STR_FMT(recipient));
	trace_it(s, recipient, "pass", why);
}

/* Those whom the house trusts, and services that are not for strangers. */
static bool is_trusted(struct session *s)
{
	const char *why = s->server->role != ROLE_MX ? "strangers do not come "
						       "here"
	    : s->trusted          ? "the client is in mynetworks"
	    : s->exempt           ? "the client is in "
				    "mail_authentication_exempt_networks"
	    : s->login[0] != '\0' ? "the client has logged in"
				  : NULL;

	if (why != NULL)
		passes(s, &rule_greylisting, "permit", "%s", why);
	return why != NULL;
}

bool greylist_defers(struct session *s, struct str recipient)
{
	const struct policy_greylisted *a;
	struct invitation i;

	if (s->conf->smtpd_greylisting == GREYLISTING_NEVER) {
		passes(s, &rule_greylisting, "dunno", "nobody is greylisted");
		return false;
	}
	if (is_trusted(s))
		return false;
	invite(s, &i);
	if (i.spared) {
		passes(s, &rule_greylisting, "permit", "%s", i.why);
		return false;
	}
	if (is_exempt(s, recipient) || !ask_policyd(s, &i, recipient, &a))
		return false;
	if (a->state == GREYLIST_STATE_NEW ||
	    a->state == GREYLIST_STATE_EARLY) {
		put_off(s, &i, a, recipient);
		return true;
	}
	let_through(s, a, recipient);
	return false;
}
