/* SPDX-License-Identifier: ISC */
/*
 * Everything that happens to a client begins in ready(), fired() or one of
 * the calls of client.h, which do one step and either free the client or say
 * what it waits for. Its input is only looked at, never taken: smtpd reads it.
 */
#include "screen/client_parts.h"

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
#include "net/proxy_protocol.h"
#include "screen/access.h"
#include "screen/count.h"
#include "screen/dnsbl.h"
#include "screen/handover.h"
#include "screen/known.h"
#include "screen/refuse.h"

#define ASK_MS        5000 /* for policyd */
#define DRAIN_MS      10000
#define DRAIN_LOOK_MS 100

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

const struct screen_conf *clients_conf(void)
{
	return clients.conf;
}

struct rehearsal *clients_rehearsal(void)
{
	return clients.rehearsal;
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
void client_close(struct client *c)
{
	char ignored[4096];

	(void)recv(c->fd, ignored, sizeof(ignored), MSG_DONTWAIT);
	client_free(c);
}

bool clients_stressed(void)
{
	return clients.count > clients.conf->postscreen_pre_queue_limit / 2;
}

static int64_t command_time_limit(void)
{
	return clients_stressed()
	    ? clients.conf->postscreen_stress_command_time_limit
	    : clients.conf->postscreen_command_time_limit;
}

void client_hung_up(struct client *c)
{
	log_info("HANGUP after %.1f from %s in tests %s SMTP handshake",
	    client_seconds(c), client_peer(c).text,
	    c->state == CLIENT_GREETED ? "after" : "before");
	client_trace(c, TRACE_SCREENED, "it hung up");
	daemon_count("hangups", 1);
	client_free(c);
}

/* The first lines that a client sends may come in pieces; the next wake-up is
 * for more than there is already. */
void client_wake_at(const struct client *c, size_t octets)
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

void client_refuse(struct client *c)
{
	bool greeted = c->state == CLIENT_GREETED;
	struct peer_text peer = client_peer(c);
	struct rule_text rule = client_rule(c->rule);
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
		client_wake_at(c, 1);
	c->state = CLIENT_REFUSED;
	daemon_count("refused", 1);
	c->refusal = refuse_start(clients.conf, &who, greeted, refusal_done, c);
}

/* ---- on the way to smtpd ---- */

void client_queue(struct client *c)
{
	loop_watch_free(&c->watch);
	if (clients.rehearsal != NULL) {
		client_tell("postscreen_post_queue_limit", "permit",
		    "smtpd gets the client");
		clients.handed_on = true;
		client_free(c);
		return;
	}
	if (c->peeked > 0)
		client_wake_at(c, 1);
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
	client_trace(c, TRACE_SCREENED,
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
	    client_peer(c).text, why);
	client_say(c, "421 4.3.2 %s Error: %s, try again later\r\n",
	    daemon_house()->myhostname, why);
	client_trace(c, TRACE_REFUSED, why);
	daemon_count("unserved", 1);
	client_close(c);
}

static void ready(unsigned what, void *arg);

void client_watch(struct client *c)
{
	if (c->watch == NULL)
		c->watch = loop_watch_new(
		    daemon_loop(), c->fd, LOOP_READ, ready, c);
}

void client_greet(struct client *c)
{
	const struct house_conf *house = daemon_house();

	tests_end(c);
	client_say(
	    c, "220 %s ESMTP %s\r\n", house->myhostname, house->mail_name);
	c->state = CLIENT_GREETED;
	client_watch(c);
	loop_timer_set(c->timer, command_time_limit());
}

/* ---- who it is ---- */

void client_known(struct client *c, const struct known *known)
{
	if (known->too_often > 0)
		client_turn_away(c,
		    known->of_network
			? "postscreen_network_connection_rate_limit"
			: "postscreen_client_connection_rate_limit",
		    "4.7.0", "too many connections in a short time");
	else
		tests_begin(c, known);
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

	log_info("CONNECT from %s", client_peer(c).text);
	c->counted = true;
	if (count_enter(&c->peer) > (unsigned)most && most > 0) {
		client_turn_away(c, "postscreen_client_connection_count_limit",
		    "4.7.0", "too many connections");
		return;
	}
	loop_timer_set(c->timer, ASK_MS);
	if (!has_questions() || known_ask(c) < 0)
		tests_begin(c, &nothing);
}

static void meet_denied(struct client *c)
{
	int action = clients.conf->postscreen_denylist_action;

	log_info("DENYLISTED %s", client_peer(c).text);
	client_trace(c, TRACE_SCREENED, "denied by postscreen_access_list");
	if (client_fails(c, "postscreen_access_list", action,
		"5.3.2 Service currently unavailable"))
		return;
	if (c->failure != NULL)
		client_refuse(c);
	else
		meet_stranger(c);
}

static void meet(struct client *c)
{
	enum access access = access_of(&c->peer);

	list_client(c);
	c->trusted = access == ACCESS_PERMIT;
	if (access == ACCESS_PERMIT)
		client_greet(c);
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
	log_warning("PROXY header of %s: %s", client_peer(c).text, why);
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
	client_watch(c);
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
		client_hung_up(c);
	else if (c->state == CLIENT_TESTING)
		tests_spoke_early(c, str_of(input, (size_t)n));
	else
		first_line_look(c, str_of(input, (size_t)n));
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
		tests_begin(c, &nothing);
		break;
	case CLIENT_TESTING:
		tests_waited(c);
		break;
	case CLIENT_GREETED:
		log_info("COMMAND TIME LIMIT from %s after CONNECT",
		    client_peer(c).text);
		client_say(c, "421 4.4.2 %s Error: timeout exceeded\r\n",
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
		client_turn_away(c, "postscreen_pre_queue_limit", "4.3.2",
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
			client_turn_away(
			    c, NULL, "4.3.2", "service shutting down");
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
	client_turn_away(c, NULL, "4.3.2", "Disconnected by the administrator");
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
