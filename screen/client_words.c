/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "daemon/rehearsal.h"
#include "screen/client_parts.h"

struct peer_text client_peer(const struct client *c)
{
	char address[NETADDR_TEXT_MAX];
	struct peer_text t;

	netaddr_text(&c->peer, address);
	snprintf(
	    t.text, sizeof(t.text), "[%s]:%u", address, netaddr_port(&c->peer));
	return t;
}

double client_seconds(const struct client *c)
{
	return (double)(clock_ms() - c->since) / 1000;
}

void client_trace(const struct client *c, enum trace_kind kind, const char *why)
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

void client_say(const struct client *c, const char *format, ...)
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

void client_tell(const char *rule, const char *result, const char *format, ...)
{
	char text[EXPLAIN_TEXT_MAX];
	va_list args;

	if (clients_rehearsal() == NULL)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	rehearsal_rule(&clients_rehearsal()->explain, "CONNECT", rule, rule,
	    result, "%s", text);
}

struct rule_text client_rule(const char *rule)
{
	struct rule_text t;
	char origin[300];

	daemon_origin(rule, origin, sizeof(origin));
	snprintf(t.text, sizeof(t.text), " rule=%s (%s)", rule, origin);
	return t;
}

/* ---- who fails ---- */

bool client_fails(
    struct client *c, const char *rule, int action, const char *format, ...)
{
	char text[500];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	client_tell(rule, action == ACTION_IGNORE ? "dunno" : "reject", "%s%s",
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
	log_info("NOQUEUE: reject: CONNECT from %s: 521 %s%s",
	    client_peer(c).text, text, client_rule(rule).text);
	client_trace(c, TRACE_REFUSED, text);
	client_say(c, "521 %s\r\n", text);
	daemon_count("dropped", 1);
	client_close(c);
	return true;
}

void client_turn_away(
    struct client *c, const char *rule, const char *dsn, const char *why)
{
	log_info("NOQUEUE: reject: CONNECT from %s: %s%s", client_peer(c).text,
	    why, rule != NULL ? client_rule(rule).text : "");
	client_tell(rule != NULL ? rule : "screen", "defer",
	    "421 %s %s Error: %s", dsn, daemon_house()->myhostname, why);
	client_say(
	    c, "421 %s %s Error: %s\r\n", dsn, daemon_house()->myhostname, why);
	client_trace(c, TRACE_REFUSED, why);
	daemon_count("turned away", 1);
	client_close(c);
}
