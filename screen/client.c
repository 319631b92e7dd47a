/* SPDX-License-Identifier: ISC */
/*
 * Everything that happens to a client begins in ready(), fired() or one of
 * the calls of client.h, which do one step and either free the client or say
 * what it waits for. Its input is only looked at, never taken: smtpd reads it.
 */
#include "screen/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "daemon/rehearsal.h"
#include "daemon/who.h"
#include "ipc/trace.h"
#include "net/proxy_protocol.h"
#include "screen/access.h"
#include "screen/count.h"
#include "screen/dnsbl.h"
#include "screen/handover.h"
#include "screen/line.h"
#include "screen/known.h"
#include "screen/refuse.h"

#define FIRST_LINE_MAX 2048 /* octets, as line_length_limit has it */
#define ASK_MS         5000 /* for policyd */
#define DRAIN_MS       10000
#define DRAIN_LOOK_MS  100

/* What is being found out about a stranger. */
struct tests {
	struct known known; /* before */
	struct dnsbl *dnsbl;
	bool greet;  /* the greeting is a test */
	bool spoke;  /* before it */
	bool waited; /* to its end */
	bool dnsbl_done;
};

static struct {
	const struct screen_conf *conf;
	struct client *first, *last; /* not yet on their way to smtpd */
	int count;
	struct loop_timer *draining;
	int64_t drained_at;
	struct rehearsal *rehearsal; /* NULL: clients are real */
	bool rehearsed, handed_on;   /* it has ended, and how */
	struct who_table *list;
} clients;

/* ---- words ---- */

struct peer_text {
	char text[NETADDR_TEXT_MAX + 16];
};

/* "[192.0.2.1]:40001" */
static struct peer_text peer_of(const struct client *c)
{
	char address[NETADDR_TEXT_MAX];
	struct peer_text t;

	netaddr_text(&c->peer, address);
	snprintf(
	    t.text, sizeof(t.text), "[%s]:%u", address, netaddr_port(&c->peer));
	return t;
}

static double seconds_of(const struct client *c)
{
	return (double)(clock_ms() - c->since) / 1000;
}

/* kind: TRACE_SCREENED, or TRACE_REFUSED when it is sent away. */
static void trace(const struct client *c, enum trace_kind kind, const char *why)
{
	char address[NETADDR_TEXT_MAX];
	int64_t ms = clock_ms() - c->since;

	netaddr_text(&c->peer, address);
	trace_event(kind, &c->id, NULL,
	    &(struct trace_fields){.who = str_from(address),
		.where = kind == TRACE_REFUSED ? STR("CONNECT") : STR_EMPTY,
		.why = str_from(why),
		.wait_ms = ms > 0 ? (uint64_t)ms : 0});
}

static void say(const struct client *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Always fits: nothing but a greeting was sent before. */
static void say(const struct client *c, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	int n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n > 0 && (size_t)n < sizeof(text))
		(void)send(c->fd, text, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* ---- rules ---- */

/* To who rehearses: what a rule, named by its parameter, said. */
static void tell(const char *rule, const char *result, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void tell(const char *rule, const char *result, const char *format, ...)
{
	char text[EXPLAIN_TEXT_MAX];
	va_list args;

	if (clients.rehearsal == NULL)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	rehearsal_rule(&clients.rehearsal->explain, "CONNECT", rule, rule,
	    result, "%s", text);
}

struct rule_text {
	char text[400];
};

/* " rule=postscreen_dnsbl_sites (main.cf:7)" */
static struct rule_text describe(const char *rule)
{
	struct rule_text t;
	char origin[300];

	daemon_origin(rule, origin, sizeof(origin));
	snprintf(t.text, sizeof(t.text), " rule=%s (%s)", rule, origin);
	return t;
}

/* ---- life ---- */

static void link_client(struct client *c)
{
	c->next = NULL;
	c->before = clients.last;
	*(clients.last != NULL ? &clients.last->next : &clients.first) = c;
	clients.last = c;
	daemon_gauge("clients", (uint64_t)++clients.count);
}

static void unlink_client(struct client *c)
{
	*(c->before != NULL ? &c->before->next : &clients.first) = c->next;
	*(c->next != NULL ? &c->next->before : &clients.last) = c->before;
	c->next = c->before = NULL;
	daemon_gauge("clients", (uint64_t)--clients.count);
}

/* Who is held here: posthouse who. */
static void list_client(struct client *c)
{
	uint32_t pid = (uint32_t)getpid();
	char peer[NETADDR_TEXT_MAX];

	if (clients.rehearsal != NULL)
		return;
	if (c->row == NULL)
		c->row = who_take(clients.list, pid, WHO_SMTP, WHO_SCREEN);
	netaddr_text(&c->peer, peer);
	if (c->row != NULL)
		who_write(c->row, pid, "", peer, false,
		    clock_seconds() - (clock_ms() - c->since) / 1000);
}

/* It goes, or smtpd lists it. */
static void unlist(struct client *c)
{
	if (c->row != NULL)
		who_clear(c->row);
	c->row = NULL;
}

static void done_when_empty(void)
{
	if (daemon_draining() && clients.count == 0 && handover_waiting() == 0)
		daemon_done();
}

static void tests_end(struct client *c)
{
	if (c->tests == NULL)
		return;
	dnsbl_stop(&c->tests->dnsbl);
	free(c->tests);
	c->tests = NULL;
}

static void client_free(struct client *c)
{
	if (c->state == CLIENT_QUEUED)
		handover_cancel(c);
	else if (c->state != CLIENT_SERVED)
		unlink_client(c);
	known_cancel(c);
	tests_end(c);
	unlist(c);
	loop_watch_free(&c->watch);
	loop_timer_free(&c->timer);
	if (c->counted)
		count_leave(&c->peer);
	if (c->fd >= 0)
		close(c->fd);
	free(c->failure);
	free(c->own);
	free(c);
	clients.rehearsed = true;
	done_when_empty();
}

/* Behind a last reply: unread input would take it from the client (RFC 1122
 * section 4.2.2.13). */
static void client_close(struct client *c)
{
	char ignored[4096];

	(void)recv(c->fd, ignored, sizeof(ignored), MSG_DONTWAIT);
	client_free(c);
}

static bool stressed(void)
{
	return clients.count > clients.conf->postscreen_pre_queue_limit / 2;
}

static int64_t command_time_limit(void)
{
	return stressed() ? clients.conf->postscreen_stress_command_time_limit
			  : clients.conf->postscreen_command_time_limit;
}

static void hung_up(struct client *c)
{
	log_info("HANGUP after %.1f from %s in tests %s SMTP handshake",
	    seconds_of(c), peer_of(c).text,
	    c->state == CLIENT_GREETED ? "after" : "before");
	trace(c, TRACE_SCREENED, "it hung up");
	daemon_count("hangups", 1);
	client_free(c);
}

/* The first lines that a client sends may come in pieces; the next wake-up is
 * for more than there is already. */
static void wake_at(const struct client *c, size_t octets)
{
	int n = (int)octets;

	setsockopt(c->fd, SOL_SOCKET, SO_RCVLOWAT, &n, sizeof(n));
}

/* ---- who is refused ---- */

static void refusal_done(void *arg)
{
	struct client *c = arg;

	c->refusal = NULL;
	c->fd = -1; /* went with it */
	client_free(c);
}

static void refuse(struct client *c)
{
	bool greeted = c->state == CLIENT_GREETED;
	struct peer_text peer = peer_of(c);
	struct rule_text rule = describe(c->rule);
	char reply[600];
	struct refused who = {.fd = c->fd,
	    .peer = peer.text,
	    .rule = rule.text,
	    .reply = reply,
	    .id = c->id,
	    .time_limit = command_time_limit()};

	snprintf(reply, sizeof(reply), "550 %s", c->failure);
	tests_end(c);
	loop_watch_free(&c->watch);
	loop_timer_stop(c->timer);
	if (c->peeked > 0)
		wake_at(c, 1);
	c->state = CLIENT_REFUSED;
	daemon_count("refused", 1);
	c->refusal = refuse_start(clients.conf, &who, greeted, refusal_done, c);
}

/*
 * A test has failed; text is the reply behind its code. True when that was
 * the end of the client; else it may have been noted in c->failure.
 */
static bool fails(struct client *c, const char *rule, int action,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

static bool fails(
    struct client *c, const char *rule, int action, const char *format, ...)
{
	char text[500];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	tell(rule, action == ACTION_IGNORE ? "dunno" : "reject", "%s%s",
	    action == ACTION_IGNORE        ? "ignored: "
		: action == ACTION_ENFORCE ? "550 "
					   : "521 ",
	    text);
	if (action == ACTION_ENFORCE && c->failure == NULL) {
		c->failure = str_dup(str_from(text));
		c->rule = rule;
	}
	if (action != ACTION_DROP)
		return false;
	log_info("NOQUEUE: reject: CONNECT from %s: 521 %s%s", peer_of(c).text,
	    text, describe(rule).text);
	trace(c, TRACE_REFUSED, text);
	say(c, "521 %s\r\n", text);
	daemon_count("dropped", 1);
	client_close(c);
	return true;
}

/* 421, and a line about a limit. */
static void turn_away(
    struct client *c, const char *rule, const char *dsn, const char *why)
{
	log_info("NOQUEUE: reject: CONNECT from %s: %s%s", peer_of(c).text, why,
	    rule != NULL ? describe(rule).text : "");
	tell(rule != NULL ? rule : "screen", "defer", "421 %s %s Error: %s",
	    dsn, daemon_house()->myhostname, why);
	say(c, "421 %s %s Error: %s\r\n", dsn, daemon_house()->myhostname, why);
	trace(c, TRACE_REFUSED, why);
	daemon_count("turned away", 1);
	client_close(c);
}

/* ---- on the way to smtpd ---- */

static void queue_client(struct client *c)
{
	loop_watch_free(&c->watch);
	if (clients.rehearsal != NULL) {
		tell("postscreen_post_queue_limit", "permit",
		    "smtpd gets the client");
		clients.handed_on = true;
		client_free(c);
		return;
	}
	if (c->peeked > 0)
		wake_at(c, 1);
	unlink_client(c);
	c->state = CLIENT_QUEUED;
	if (handover_waiting() >= clients.conf->postscreen_post_queue_limit) {
		client_unserved(c, "too many clients wait");
		return;
	}
	loop_timer_set(c->timer, clients.conf->postscreen_post_queue_timeout);
	handover_begin(c);
}

void client_passed(struct client *c)
{
	c->state = CLIENT_SERVED;
	unlist(c);
	loop_timer_stop(c->timer);
	trace(c, TRACE_SCREENED,
	    c->found == NULL || c->found[0] == '\0' ? "passed" : c->found);
	daemon_count("passed", 1);
	done_when_empty();
}

void client_returned(struct client *c)
{
	c->state = CLIENT_QUEUED;
	c->seat = NULL;
	list_client(c);
	loop_timer_set(c->timer, clients.conf->postscreen_post_queue_timeout);
}

void client_done(struct client *c)
{
	client_free(c);
}

void client_unserved(struct client *c, const char *why)
{
	c->state = CLIENT_SERVED; /* in no list */
	log_info("NOQUEUE: reject: CONNECT from %s: all server ports busy: %s",
	    peer_of(c).text, why);
	say(c, "421 4.3.2 %s Error: %s, try again later\r\n",
	    daemon_house()->myhostname, why);
	trace(c, TRACE_REFUSED, why);
	daemon_count("unserved", 1);
	client_close(c);
}

/* ---- its first command ---- */

static void first_line(struct client *c, unsigned said, struct str input)
{
	const struct screen_conf *conf = clients.conf;

	if (c->trusted) {
		queue_client(c);
		return;
	}
	if (said & LINE_FOREIGN) {
		trace(c, TRACE_SCREENED, "its first line is no SMTP command");
		log_info("NON-SMTP COMMAND from %s after CONNECT: %.*s",
		    peer_of(c).text, STR_FMT(str_sub(input, 0, 100)));
		if (fails(c, "postscreen_non_smtp_command_action",
			conf->postscreen_non_smtp_command_action,
			"5.5.1 Protocol error"))
			return;
	}
	if (said & LINE_BEHIND) {
		trace(c, TRACE_SCREENED, "it sent commands unasked");
		log_info("COMMAND PIPELINING from %s after CONNECT: %.*s",
		    peer_of(c).text, STR_FMT(str_sub(input, 0, 100)));
		if (fails(c, "postscreen_pipelining_action",
			conf->postscreen_pipelining_action,
			"5.5.1 Protocol error"))
			return;
	}
	if (said & LINE_BARE) {
		trace(c, TRACE_SCREENED, "a line ended without CR");
		log_info("BARE NEWLINE from %s after CONNECT", peer_of(c).text);
		if (fails(c, "postscreen_bare_newline_action",
			conf->postscreen_bare_newline_action,
			"5.5.1 Protocol error"))
			return;
	}
	if (c->failure != NULL)
		refuse(c);
	else
		queue_client(c);
}

static void look_at_line(struct client *c, struct str input)
{
	unsigned said = line_judge(input);

	if (said & LINE_WHOLE) {
		first_line(c, said, input);
	} else if (input.len == FIRST_LINE_MAX) {
		log_info("COMMAND LENGTH LIMIT from %s after CONNECT",
		    peer_of(c).text);
		say(c, "521 5.5.2 Error: line too long\r\n");
		client_close(c);
	} else if (input.len == c->peeked) {
		hung_up(c); /* woken without more: it has stopped sending */
	} else {
		c->peeked = input.len;
		wake_at(c, input.len + 1);
	}
}

static void ready(unsigned what, void *arg);

static void watch(struct client *c)
{
	if (c->watch == NULL)
		c->watch = loop_watch_new(
		    daemon_loop(), c->fd, LOOP_READ, ready, c);
}

static void greet(struct client *c)
{
	const struct house_conf *house = daemon_house();

	tests_end(c);
	say(c, "220 %s ESMTP %s\r\n", house->myhostname, house->mail_name);
	c->state = CLIENT_GREETED;
	watch(c);
	loop_timer_set(c->timer, command_time_limit());
}

/* ---- tests before the greeting ---- */

static bool is_listed(const struct tests *t)
{
	return t->dnsbl != NULL &&
	    dnsbl_result(t->dnsbl)->score >=
	    clients.conf->postscreen_dnsbl_threshold;
}

static bool is_vouched_for(const struct tests *t)
{
	int least = clients.conf->postscreen_dnsbl_allowlist_threshold;

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
		    clients.conf->postscreen_greet_ttl / 1000;
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
	log_info(
	    "DNSBL rank %d for %s: %s", r->score, peer_of(c).text, r->lists);
	snprintf(why, sizeof(why), "DNSBL rank %d: %s", r->score, r->lists);
	trace(c, TRACE_SCREENED, why);
	return fails(c, "postscreen_dnsbl_sites",
	    clients.conf->postscreen_dnsbl_action,
	    "5.7.1 Service unavailable; client [%s] blocked using %.*s",
	    address, STR_FMT(r->worst));
}

/* All tests have ended. */
static void decide(struct client *c)
{
	remember(c);
	if (c->tests->dnsbl != NULL)
		tell("postscreen_dnsbl_threshold",
		    is_vouched_for(c->tests) ? "permit" : "dunno",
		    "the lists count %d; from %d on it is refused",
		    dnsbl_result(c->tests->dnsbl)->score,
		    clients.conf->postscreen_dnsbl_threshold);
	if (is_listed(c->tests) && fails_lists(c))
		return;
	if (c->failure != NULL) {
		refuse(c);
		return;
	}
	c->found = "PASS NEW";
	log_info("PASS NEW %s", peer_of(c).text);
	greet(c);
}

/* The lists have answered, or one vouches for the client. */
static void looked_up(void *arg)
{
	struct client *c = arg;
	struct tests *t = c->tests;

	t->dnsbl_done = true;
	if (is_vouched_for(t) || !t->greet || t->waited ||
	    (is_listed(t) &&
		clients.conf->postscreen_dnsbl_action == ACTION_DROP))
		decide(c);
}

/* It has waited for its greeting, or the lists have been waited for. */
static void wait_is_over(struct client *c)
{
	struct tests *t = c->tests;
	int64_t left = clients.conf->postscreen_dnsbl_timeout -
	    (clock_ms() - c->since);

	t->waited = true;
	if (t->dnsbl == NULL || t->dnsbl_done || left <= 0)
		decide(c);
	else
		loop_timer_set(c->timer, left);
}

static void spoke_early(struct client *c, struct str input)
{
	log_info("PREGREET %zu after %.2f from %s: %.*s", input.len,
	    seconds_of(c), peer_of(c).text, STR_FMT(str_sub(input, 0, 100)));
	trace(c, TRACE_SCREENED, "PREGREET: it spoke before its turn");
	daemon_count("early talkers", 1);
	c->tests->spoke = true;
	loop_watch_free(&c->watch); /* it stays unread */
	(void)fails(c, "postscreen_greet_action",
	    clients.conf->postscreen_greet_action, "5.5.1 Protocol error");
}

static void tell_tests(
    const struct known *known, bool lists, bool greet, int64_t wait)
{
	int64_t now = clock_seconds();

	if (known->greet_until > now)
		tell("postscreen_greet_ttl", "permit",
		    "it has waited for its greeting, and is known for %lld s",
		    (long long)(known->greet_until - now));
	else if (greet)
		tell("postscreen_greet_wait", "dunno",
		    "it is not known and has to wait %.1f s for its greeting; "
		    "who speaks before fails",
		    (double)wait / 1000);
	if (known->dnsbl_until > now)
		tell("postscreen_dnsbl_max_ttl", "permit",
		    "the lists were asked about it, and are believed for %lld "
		    "s",
		    (long long)(known->dnsbl_until - now));
	else if (!lists)
		tell("postscreen_dnsbl_sites", "dunno", "no list is asked");
}

static void test(struct client *c, const struct known *known)
{
	const struct screen_conf *conf = clients.conf;
	int64_t now = clock_seconds();
	int64_t wait = stressed() ? conf->postscreen_stress_greet_wait
				  : conf->postscreen_greet_wait;
	bool lists = dnsbl_is_used() && known->dnsbl_until <= now;
	bool greet_test = wait > 0 && known->greet_until <= now;

	tell_tests(known, lists, greet_test, wait);
	if (!lists && !greet_test) {
		c->found = "PASS OLD";
		log_info("PASS OLD %s", peer_of(c).text);
		greet(c);
		return;
	}
	c->tests = NEW(struct tests);
	c->tests->known = *known;
	c->tests->greet = greet_test;
	c->state = CLIENT_TESTING;
	watch(c);
	if (lists)
		c->tests->dnsbl = dnsbl_start(&c->peer, looked_up, c);
	if (greet_test && conf->postscreen_greet_banner[0] != '\0')
		say(c, "220-%s\r\n", conf->postscreen_greet_banner);
	if (clients.rehearsal != NULL && greet_test)
		wait = 0;
	loop_timer_set(
	    c->timer, greet_test ? wait : conf->postscreen_dnsbl_timeout);
}

/* ---- who it is ---- */

void client_known(struct client *c, const struct known *known)
{
	if (known->too_often > 0)
		turn_away(c,
		    known->of_network
			? "postscreen_network_connection_rate_limit"
			: "postscreen_client_connection_rate_limit",
		    "4.7.0", "too many connections in a short time");
	else
		test(c, known);
}

static bool has_questions(void)
{
	const struct screen_conf *conf = clients.conf;

	return conf->postscreen_greet_wait > 0 || dnsbl_is_used() ||
	    conf->postscreen_client_connection_rate_limit > 0 ||
	    conf->postscreen_network_connection_rate_limit > 0;
}

static void meet_stranger(struct client *c)
{
	static const struct known nothing;
	int most = clients.conf->postscreen_client_connection_count_limit;

	log_info("CONNECT from %s", peer_of(c).text);
	c->counted = true;
	if (count_enter(&c->peer) > (unsigned)most && most > 0) {
		turn_away(c, "postscreen_client_connection_count_limit",
		    "4.7.0", "too many connections");
		return;
	}
	loop_timer_set(c->timer, ASK_MS);
	if (!has_questions() || known_ask(c) < 0)
		test(c, &nothing);
}

static void meet_denied(struct client *c)
{
	int action = clients.conf->postscreen_denylist_action;

	log_info("DENYLISTED %s", peer_of(c).text);
	trace(c, TRACE_SCREENED, "denied by postscreen_access_list");
	if (fails(c, "postscreen_access_list", action,
		"5.3.2 Service currently unavailable"))
		return;
	if (c->failure != NULL)
		refuse(c);
	else
		meet_stranger(c);
}

static void meet(struct client *c)
{
	enum access access = access_of(&c->peer);

	list_client(c);
	c->trusted = access == ACCESS_PERMIT;
	if (access == ACCESS_PERMIT)
		greet(c);
	else if (access == ACCESS_REJECT)
		meet_denied(c);
	else
		meet_stranger(c);
}

/* ---- a balancer before it ---- */

static bool is_trusted_proxy(const struct client *c)
{
	struct str bad;

	return netaddr_in_list(&c->peer,
		   str_from(daemon_house()->haproxy_trusted_networks),
		   &bad) == 1;
}

static void no_proxy(struct client *c, const char *why)
{
	log_warning("PROXY header of %s: %s", peer_of(c).text, why);
	daemon_count("without PROXY header", 1);
	client_free(c);
}

static void await_proxy(struct client *c)
{
	if (!is_trusted_proxy(c)) {
		no_proxy(c, "not in haproxy_trusted_networks");
		return;
	}
	c->state = CLIENT_PROXY;
	watch(c);
	loop_timer_set(
	    c->timer, clients.conf->postscreen_upstream_proxy_timeout);
}

static void take_proxy(struct client *c)
{
	struct proxy_header h;
	const char *why;

	switch (proxy_take(c->fd, &c->peeked, &h, &why)) {
	case PROXY_MORE:
		return;
	case PROXY_GONE:
		no_proxy(c, "the connection ended before it");
		return;
	case PROXY_BAD:
		no_proxy(c, why);
		return;
	case PROXY_OK:
		break;
	}
	c->peeked = 0;
	if (!h.local) {
		c->peer = h.from;
		c->own = NEW(struct netaddr);
		*c->own = h.to;
	}
	c->state = CLIENT_ASKING;
	loop_watch_free(&c->watch);
	meet(c);
}

/* ---- events ---- */

static void ready(unsigned what, void *arg)
{
	struct client *c = arg;
	char input[FIRST_LINE_MAX];
	ssize_t n;

	(void)what;
	if (c->state == CLIENT_PROXY) {
		take_proxy(c);
		return;
	}
	n = recv(c->fd, input, sizeof(input), MSG_PEEK | MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		hung_up(c);
	else if (c->state == CLIENT_TESTING)
		spoke_early(c, str_of(input, (size_t)n));
	else
		look_at_line(c, str_of(input, (size_t)n));
}

static void fired(void *arg)
{
	static const struct known nothing;
	struct client *c = arg;

	switch (c->state) {
	case CLIENT_PROXY:
		no_proxy(c, "it did not come in time");
		break;
	case CLIENT_ASKING:
		known_cancel(c);
		log_warning("policyd: no answer in time");
		test(c, &nothing);
		break;
	case CLIENT_TESTING:
		wait_is_over(c);
		break;
	case CLIENT_GREETED:
		log_info("COMMAND TIME LIMIT from %s after CONNECT",
		    peer_of(c).text);
		say(c, "421 4.4.2 %s Error: timeout exceeded\r\n",
		    daemon_house()->myhostname);
		client_close(c);
		break;
	case CLIENT_QUEUED:
		handover_cancel(c);
		client_unserved(c, "all processes are busy");
		break;
	case CLIENT_SERVED:
	case CLIENT_REFUSED:
		break; /* has no timer */
	}
}

/* ---- coming and going ---- */

/* Who has been here longest makes room, a stranger rather than a friend. */
static void drop_oldest(void)
{
	struct client *c = clients.first;

	while (c != NULL && c->trusted)
		c = c->next;
	if (c == NULL)
		c = clients.first;
	if (c == NULL)
		return;
	daemon_count("crowded out", 1);
	if (c->state == CLIENT_REFUSED)
		refuse_hang_up(c->refusal);
	else
		turn_away(c, "postscreen_pre_queue_limit", "4.3.2",
		    "all screening ports busy");
}

void client_accept(struct conn *conn)
{
	struct client *c = NEW(struct client);

	if (clients.count >= clients.conf->postscreen_pre_queue_limit)
		drop_oldest();
	c->fd = conn->fd;
	c->peer = conn->peer;
	c->id = id_new();
	c->since = clock_ms();
	c->timer = loop_timer_new(daemon_loop(), fired, c);
	c->found = "";
	c->state = CLIENT_ASKING;
	link_client(c);
	if (clients.conf->postscreen_upstream_proxy_protocol != 0 &&
	    clients.rehearsal == NULL)
		await_proxy(c);
	else
		meet(c);
}

bool clients_rehearse(struct rehearsal *r)
{
	struct conn conn = rehearsal_connect(r);

	clients.rehearsal = r;
	known_only_look();
	access_explain(&r->explain);
	dnsbl_explain(&r->explain);
	rehearsal_converse(r);
	client_accept(&conn);
	while (!clients.rehearsed) /* whatever is waited for has a bound */
		loop_turn(daemon_loop(), 1000);
	return clients.handed_on;
}

void clients_open(const struct screen_conf *conf)
{
	clients.conf = conf;
	clients.list = daemon_kept(sizeof(*clients.list));
}

/* Tests come to their end, and who was greeted may be about to speak: all are
 * handed over that are ready in time. */
static void drain_some(void *arg)
{
	bool all = daemon_hurried() || deadline_left(clients.drained_at) == 0;
	struct client *next;

	(void)arg;
	for (struct client *c = clients.first; c != NULL && all; c = next) {
		next = c->next;
		if (c->state == CLIENT_REFUSED)
			refuse_hang_up(c->refusal);
		else
			turn_away(c, NULL, "4.3.2", "service shutting down");
	}
	loop_timer_set(clients.draining, DRAIN_LOOK_MS);
	done_when_empty();
}

void clients_drain(void)
{
	handover_drain();
	clients.draining = loop_timer_new(daemon_loop(), drain_some, NULL);
	clients.drained_at = deadline_in(DRAIN_MS);
	drain_some(NULL);
}

static void send_away(struct client *c)
{
	if (c->state == CLIENT_REFUSED) {
		refuse_hang_up(c->refusal);
		return;
	}
	if (c->state == CLIENT_QUEUED) {
		handover_cancel(c);
		c->state = CLIENT_SERVED; /* in no list */
	}
	turn_away(c, NULL, "4.3.2", "Disconnected by the administrator");
}

static struct {
	struct str user, client;
} kicked;

static void kick_one(struct client *c)
{
	char peer[NETADDR_TEXT_MAX];

	netaddr_text(&c->peer, peer);
	if (who_is_meant(kicked.user, kicked.client, "", peer))
		send_away(c);
}

void clients_kick(struct str user, struct str client, struct str protocol)
{
	struct client *next;

	if (protocol.len > 0 && !str_case_eq(protocol, STR("smtp")))
		return;
	kicked.user = user;
	kicked.client = client;
	for (struct client *c = clients.first; c != NULL; c = next) {
		next = c->next;
		kick_one(c);
	}
	handover_each(kick_one);
}
