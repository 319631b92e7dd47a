/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "screen/client_parts.h"
#include "screen/dnsbl.h"
#include "screen/known.h"

/* What is being found out about a stranger. */
struct tests {
	struct known known; /* before */
	struct dnsbl *dnsbl;
	bool greet;  /* the greeting is a test */
	bool spoke;  /* before it */
	bool waited; /* to its end */
	bool dnsbl_done;
};

void tests_end(struct client *c)
{
	if (c->tests == NULL)
		return;
	dnsbl_stop(&c->tests->dnsbl);
	free(c->tests);
	c->tests = NULL;
}

static bool is_listed(const struct tests *t)
{
	return t->dnsbl != NULL &&
	    dnsbl_result(t->dnsbl)->score >=
	    clients_conf()->postscreen_dnsbl_threshold;
}

static bool is_vouched_for(const struct tests *t)
{
	int least = clients_conf()->postscreen_dnsbl_allowlist_threshold;

	return t->dnsbl != NULL && least < 0 &&
	    dnsbl_result(t->dnsbl)->score <= least;
}

/* What was passed need not be tested again for a while. */
static void remember(const struct client *c)
{
	const struct tests *t = c->tests;
	int64_t now = clock_seconds();
	struct known known = t->known;

	if (t->greet && t->waited && !t->spoke)
		known.greet_until = now +
		    clients_conf()->postscreen_greet_ttl / 1000;
	if (t->dnsbl != NULL && !is_listed(t))
		known.dnsbl_until = now + dnsbl_result(t->dnsbl)->ttl;
	if (is_vouched_for(t) && known.greet_until < known.dnsbl_until)
		known.greet_until = known.dnsbl_until;
	if (known.greet_until != t->known.greet_until ||
	    known.dnsbl_until != t->known.dnsbl_until)
		known_remember(c, known.greet_until, known.dnsbl_until);
}

/* True when that was the end of the client. */
static bool fails_lists(struct client *c)
{
	const struct dnsbl_result *r = dnsbl_result(c->tests->dnsbl);
	char address[NETADDR_TEXT_MAX], why[TRACE_WHY_MAX + 32];

	netaddr_text(&c->peer, address);
	log_info("DNSBL rank %d for %s: %s", r->score, client_peer(c).text,
	    r->lists);
	snprintf(why, sizeof(why), "DNSBL rank %d: %s", r->score, r->lists);
	client_trace(c, TRACE_SCREENED, why);
	return client_fails(c, "postscreen_dnsbl_sites",
	    clients_conf()->postscreen_dnsbl_action,
	    "5.7.1 Service unavailable; client [%s] blocked using %.*s",
	    address, STR_FMT(r->worst));
}

/* All tests have ended. */
static void decide(struct client *c)
{
	remember(c);
	if (c->tests->dnsbl != NULL)
		client_tell("postscreen_dnsbl_threshold",
		    is_vouched_for(c->tests) ? "permit" : "dunno",
		    "the lists count %d; from %d on it is refused",
		    dnsbl_result(c->tests->dnsbl)->score,
		    clients_conf()->postscreen_dnsbl_threshold);
	if (is_listed(c->tests) && fails_lists(c))
		return;
	if (c->failure != NULL) {
		client_refuse(c);
		return;
	}
	c->found = "PASS NEW";
	log_info("PASS NEW %s", client_peer(c).text);
	client_greet(c);
}

/* The lists have answered, or one vouches for the client. */
static void looked_up(void *arg)
{
	struct client *c = arg;
	struct tests *t = c->tests;

	t->dnsbl_done = true;
	if (is_vouched_for(t) || !t->greet || t->waited ||
	    (is_listed(t) &&
		clients_conf()->postscreen_dnsbl_action == ACTION_DROP))
		decide(c);
}

/* It has waited for its greeting, or the lists have been waited for. */
void tests_waited(struct client *c)
{
	struct tests *t = c->tests;
	int64_t left = clients_conf()->postscreen_dnsbl_timeout -
	    (clock_ms() - c->since);

	t->waited = true;
	if (t->dnsbl == NULL || t->dnsbl_done || left <= 0)
		decide(c);
	else
		loop_timer_set(c->timer, left);
}

void tests_spoke_early(struct client *c, struct str input)
{
	log_info("PREGREET %zu after %.2f from %s: %.*s", input.len,
	    client_seconds(c), client_peer(c).text,
	    STR_FMT(str_sub(input, 0, 100)));
	client_trace(c, TRACE_SCREENED, "PREGREET: it spoke before its turn");
	daemon_count("early talkers", 1);
	c->tests->spoke = true;
	loop_watch_free(&c->watch); /* it stays unread */
	(void)client_fails(c, "postscreen_greet_action",
	    clients_conf()->postscreen_greet_action, "5.5.1 Protocol error");
}

static void tell_tests(
    const struct known *known, bool lists, bool greet, int64_t wait)
{
	int64_t now = clock_seconds();

	if (known->greet_until > now)
		client_tell("postscreen_greet_ttl", "permit",
		    "it has waited for its greeting, and is known for %lld s",
		    (long long)(known->greet_until - now));
	else if (greet)
		client_tell("postscreen_greet_wait", "dunno",
		    "it is not known and has to wait %.1f s for its greeting; "
		    "who speaks before fails",
		    (double)wait / 1000);
	if (known->dnsbl_until > now)
		client_tell("postscreen_dnsbl_max_ttl", "permit",
		    "the lists were asked about it, and are believed for %lld "
		    "s",
		    (long long)(known->dnsbl_until - now));
	else if (!lists)
		client_tell(
		    "postscreen_dnsbl_sites", "dunno", "no list is asked");
}

void tests_begin(struct client *c, const struct known *known)
{
	const struct screen_conf *conf = clients_conf();
	int64_t now = clock_seconds();
	int64_t wait = clients_stressed() ? conf->postscreen_stress_greet_wait
					  : conf->postscreen_greet_wait;
	bool lists = dnsbl_is_used() && known->dnsbl_until <= now;
	bool greet_test = wait > 0 && known->greet_until <= now;

	tell_tests(known, lists, greet_test, wait);
	if (!lists && !greet_test) {
		c->found = "PASS OLD";
		log_info("PASS OLD %s", client_peer(c).text);
		client_greet(c);
		return;
	}
	c->tests = NEW(struct tests);
	c->tests->known = *known;
	c->tests->greet = greet_test;
	c->state = CLIENT_TESTING;
	client_watch(c);
	if (lists)
		c->tests->dnsbl = dnsbl_start(&c->peer, looked_up, c);
	if (greet_test && conf->postscreen_greet_banner[0] != '\0')
		client_say(c, "220-%s\r\n", conf->postscreen_greet_banner);
	if (clients_rehearsal() != NULL && greet_test)
		wait = 0;
	loop_timer_set(
	    c->timer, greet_test ? wait : conf->postscreen_dnsbl_timeout);
}
