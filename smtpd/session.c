/* SPDX-License-Identifier: ISC */
#include "smtpd/session.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "daemon/transcript.h"
#include "ipc/policy.h"
#include "ipc/trace.h"
#include "smtpd/command.h"
#include "smtpd/envelope.h"
#include "smtpd/transaction.h"

#define REPLY_MAX      512   /* octets, RFC 5321 4.5.3.1.5 */
#define POLICY_MS      2000  /* for a count */
#define POLICY_REST_MS 10000 /* after an answer that did not come */
#define SLICE_MS       250   /* of a delay that may end early */
#define FAREWELL_MS    5000  /* for a last reply to get away */

/* ---- replies ---- */

static void sleep_ms(int64_t ms)
{
	struct timespec t = {.tv_sec = (time_t)(ms / 1000),
	    .tv_nsec = (long)(ms % 1000 * 1000000)};

	nanosleep(&t, NULL);
}

static void put_reply(
    struct session *s, int code, const char *dsn, const char *text)
{
	char shown[REPLY_MAX + 16];

	s->last_code = code;
	/* A challenge of AUTH is none of the log's. */
	snprintf(shown, sizeof(shown), "%d %s\n", code,
	    code == 334 ? "(cut)" : text);
	transcript_server(&s->id, str_from(shown));
	stream_printf(s->stream, "%d %s%s%.*s\r\n", code,
	    dsn != NULL ? dsn : "", dsn != NULL ? " " : "", REPLY_MAX - 32,
	    text);
}

static void count_error(struct session *s)
{
	s->errors++;
	if (s->server->rehearsal == NULL &&
	    s->errors > s->conf->smtpd_soft_error_limit)
		sleep_ms(s->conf->smtpd_error_sleep_time);
}

void reply(
    struct session *s, int code, const char *dsn, const char *format, ...)
{
	char text[REPLY_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (code >= 400)
		count_error(s);
	put_reply(s, code, dsn, text);
}

/* " rule=reject_unauth_destination (main.cf:12)" */
static void describe_rule(const struct rule *rule, char *out, size_t size)
{
	char origin[300];

	out[0] = '\0';
	if (rule == NULL)
		return;
	if (rule->parameter == NULL) {
		snprintf(out, size, " rule=%s", rule->name);
		return;
	}
	daemon_origin(rule->parameter, origin, sizeof(origin));
	snprintf(out, size, " rule=%s (%s%s%s)", rule->name,
	    strcmp(rule->name, rule->parameter) != 0 ? rule->parameter : "",
	    strcmp(rule->name, rule->parameter) != 0 ? ", " : "", origin);
}

static void tell_rejection(struct session *s, const struct rule *rule,
    struct str recipient, int code, const char *dsn, const char *text)
{
	if (s->server->rehearsal == NULL)
		return;
	rehearsal_rule(&s->server->rehearsal->explain, s->doing,
	    rule != NULL ? rule->name : "a neighbour is away",
	    rule != NULL ? rule->parameter : NULL,
	    code < 500 ? "defer" : "reject", "%.*s%s%d %s %s",
	    STR_FMT(recipient), recipient.len > 0 ? ": " : "", code, dsn, text);
}

void passes(const struct session *s, const struct rule *rule,
    const char *result, const char *format, ...)
{
	char text[EXPLAIN_TEXT_MAX];
	va_list args;

	if (s->server->rehearsal == NULL)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	rehearsal_rule(&s->server->rehearsal->explain, s->doing, rule->name,
	    rule->parameter, result, "%s", text);
}

bool session_is_tls(const struct session *s)
{
	const struct rehearsal *r = s->server->rehearsal;

	return stream_is_tls(s->stream) ||
	    (r != NULL && (r->tls || s->conf->smtpd_tls_wrappermode));
}

static void log_rejection(struct session *s, const struct rule *rule,
    struct str recipient, int code, const char *dsn, const char *text)
{
	const char *proto = s->server->role == ROLE_LMTP ? "LMTP"
	    : s->esmtp                                   ? "ESMTP"
							 : "SMTP";
	char envelope[2200] = "", status[TRACE_CODE_MAX + 16];
	char by[400], why[REPLY_MAX + 400];

	describe_rule(rule, by, sizeof(by));

	if (s->state & (HAS_SENDER | HAS_RECIPIENT))
		snprintf(envelope, sizeof(envelope), " from=<%.*s>",
		    STR_FMT(s->t.sender));
	if (recipient.len > 0) {
		size_t at = strlen(envelope);
		snprintf(envelope + at, sizeof(envelope) - at, " to=<%.*s>",
		    STR_FMT(recipient));
	}
	log_info(
	    "NOQUEUE: reject: %s from %s[%s]: %d %s %s;%s proto=%s%s%s%s%s",
	    s->doing, s->name, s->address, code, dsn, text, envelope, proto,
	    s->helo[0] != '\0' ? " helo=<" : "", s->helo,
	    s->helo[0] != '\0' ? ">" : "", by);
	snprintf(status, sizeof(status), "%d %s", code, dsn);
	snprintf(why, sizeof(why), "%s%s", text, by);
	trace_event(TRACE_REFUSED, &s->id, NULL,
	    &(struct trace_fields){.who = recipient,
		.where = str_from(s->doing),
		.code = str_from(status),
		.why = str_from(why)});
	daemon_count("rejected", 1);
}

void reject(struct session *s, const struct rule *rule, struct str recipient,
    int code, const char *dsn, const char *format, ...)
{
	char text[REPLY_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	tell_rejection(s, rule, recipient, code, dsn, text);
	log_rejection(s, rule, recipient, code, dsn, text);
	reply(s, code, dsn, "%s", text);
}

void hang_up(struct session *s, const char *dsn, const char *format, ...)
{
	char text[REPLY_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	put_reply(s, 421, dsn, text);
	s->ending = ENDED_BY_US;
}

/* ---- what is offered ---- */

bool session_offers(const struct session *s, const char *keyword)
{
	struct str hidden = str_from(s->conf->smtpd_discard_ehlo_keywords);

	for (;;) {
		struct str word = str_word(&hidden, " ,\t\r\n");
		if (word.len == 0)
			return true;
		if (str_case_eq(word, str_from(keyword)))
			return false;
	}
}

unsigned session_extensions(const struct session *s)
{
	unsigned all = 0;

	if (!s->esmtp)
		return 0;
	all |= session_offers(s, "SIZE") ? EXT_SIZE : 0;
	all |= session_offers(s, "8BITMIME") ? EXT_8BITMIME : 0;
	all |= session_offers(s, "DSN") ? EXT_DSN : 0;
	all |= s->server->role == ROLE_SUBMISSION ? EXT_AUTH : 0;
	return all;
}

/* ---- the client ---- */

static bool draining(const struct session *s)
{
	return daemon_kicked() ||
	    ((s->state & (CONNECTED | GREETED)) && daemon_hurried());
}

/* Asked while a wait goes on: the timeout may have become shorter. */
static bool gives_up(void *arg)
{
	const struct session *s = arg;

	if (draining(s))
		return true;
	daemon_feel_stress();
	return clock_ms() - s->waits_since >= s->conf->smtpd_timeout;
}

int64_t session_silence(struct session *s)
{
	s->waits_since = clock_ms();
	return deadline_in(s->conf->smtpd_timeout);
}

void session_delay(struct session *s, const int64_t *ms)
{
	int64_t began = clock_ms();

	session_silence(s);
	stream_flush(s->stream, deadline_in(SLICE_MS));
	for (;;) {
		int64_t left = began + *ms - clock_ms();
		enum stream_result r = STREAM_OK;

		daemon_feel_stress();
		if (left <= 0 || daemon_kicked() || daemon_hurried())
			return;
		if (left > SLICE_MS)
			left = SLICE_MS;
		if (stream_has_input(s->stream))
			sleep_ms(left); /* it has said more meanwhile */
		else
			r = stream_wait_input(s->stream, deadline_in(left));
		if (r != STREAM_OK && r != STREAM_TIMEOUT)
			return;
	}
}

static void say_drain(struct session *s)
{
	const char *host = s->server->house->myhostname;

	if (daemon_kicked()) {
		log_info("ended by the operator: %s[%s]", s->name, s->address);
		hang_up(
		    s, "4.3.2", "%s Disconnected by the administrator", host);
	} else {
		hang_up(s, "4.3.2", "%s Service shutting down", host);
	}
}

static void tell_timeout(struct session *s)
{
	const char *host = s->server->house->myhostname;

	if (draining(s)) {
		say_drain(s);
		return;
	}
	log_info("timeout after %s from %s[%s]", s->doing, s->name, s->address);
	hang_up(s, "4.4.2", "%s Error: timeout exceeded", host);
	s->ending = ENDED_TIMEOUT;
}

static void lost(struct session *s)
{
	log_info("lost connection after %s from %s[%s]", s->doing, s->name,
	    s->address);
	s->ending = ENDED_LOST;
}

bool session_gone(struct session *s, enum stream_result result)
{
	if (result == STREAM_TIMEOUT)
		tell_timeout(s);
	else
		lost(s);
	return false;
}

bool session_line(struct session *s, size_t most, struct str *line, bool *bare)
{
	int64_t deadline = session_silence(s);

	if (s->end < deadline)
		deadline = s->end;
	for (;;) {
		enum stream_result r = stream_wait_line(
		    s->stream, most, line, bare, deadline);
		if (r == STREAM_OK)
			return true;
		if (r == STREAM_TOO_LONG) {
			reply(s, 500, "5.5.2", "Error: line too long");
			if (s->errors >= s->conf->smtpd_hard_error_limit) {
				hang_up(s, "4.7.0", "Too many errors");
				return false;
			}
			continue;
		}
		return session_gone(s, r);
	}
}

static void ask_name(struct session *s)
{
	s->name_status = dns_client_name(s->server->dns, &s->peer, s->name,
	    deadline_in(s->conf->smtpd_peername_timeout));
	s->name_asked = true;
}

static void learn_client(struct session *s, const struct conn *conn)
{
	const struct server *server = s->server;
	struct netaddr peer = conn->peer;
	struct str bad;

	netaddr_text(&peer, s->address);
	s->port = netaddr_port(&peer);
	s->peer = peer;
	/* A client without an address is on this host. */
	s->exempt = peer.len == 0 ||
	    netaddr_in_list(&peer,
		str_from(s->conf->mail_authentication_exempt_networks),
		&bad) == 1;
	s->trusted = netaddr_in_list(
			 &peer, str_from(server->house->mynetworks), &bad) == 1;
	snprintf(s->name, sizeof(s->name), "unknown");
	if (server->rehearsal != NULL && server->rehearsal->name[0] != '\0')
		snprintf(
		    s->name, sizeof(s->name), "%s", server->rehearsal->name);
	else if (netaddr_is_loopback(&peer))
		snprintf(s->name, sizeof(s->name), "localhost");
	else if (s->conf->smtpd_peername_lookup && server->dns != NULL &&
	    peer.len > 0)
		ask_name(s);
}

static bool is_exempt(const struct session *s, const struct conn *conn)
{
	struct str bad;

	return netaddr_in_list(&conn->peer,
		   str_from(s->conf->smtpd_client_event_limit_exceptions),
		   &bad) == 1;
}

static bool too_many(const struct session *s, const struct conn *conn)
{
	unsigned limit = (unsigned)s->conf->smtpd_client_connection_count_limit;
	unsigned count = daemon_client_count(&conn->peer);
	char by[400];

	if (limit == 0 || count <= limit || is_exempt(s, conn)) {
		passes(s, &rule_connection_count, "dunno",
		    "how many connections a client has is not rehearsed: at "
		    "most %u%s",
		    limit, limit == 0 ? ", any number" : "");
		return false;
	}
	describe_rule(&rule_connection_count, by, sizeof(by));
	log_warning("Connection concurrency limit exceeded: %u from %s[%s] for "
		    "service %s;%s",
	    count, s->name, s->address, daemon_service(), by);
	return true;
}

/* Who is rehearsed is not counted, but hears what a count would say. */
static int ask_count(
    struct session *s, const struct policy_count *c, const void **answer)
{
	const struct policy_peek peek = {
	    c->request, c->name, c->key, c->amount, c->limit, c->window};

	if (s->server->rehearsal != NULL)
		return peer_call(&s->server->policy, &policy_peek, &peek,
		    &policy_counted, answer, deadline_in(POLICY_MS));
	return peer_call(&s->server->policy, &policy_count, c, &policy_counted,
	    answer, deadline_in(POLICY_MS));
}

/* Open when policyd is away: mail is not refused for want of a counter. */
static bool too_often(struct session *s, const struct conn *conn)
{
	static int64_t rest_until;
	const void *answer;
	char by[400];
	struct policy_count count = {
	    .name = STR("smtpd_client_connection_rate_limit"),
	    .key = str_from(s->address),
	    .amount = 1,
	    .limit = (uint64_t)s->conf->smtpd_client_connection_rate_limit,
	    .window = (uint64_t)s->server->house->anvil_rate_time_unit / 1000,
	};

	if (count.limit == 0 || is_exempt(s, conn) || clock_ms() < rest_until) {
		passes(s, &rule_connection_rate, "dunno", "%s",
		    count.limit == 0 ? "there is no limit"
				     : "the client is in "
				       "smtpd_client_event_limit_exceptions");
		return false;
	}
	if (ask_count(s, &count, &answer) < 0) {
		log_warning("policyd: %s", s->server->policy.why);
		passes(s, &rule_connection_rate, "dunno",
		    "policyd is away: nothing is limited");
		rest_until = deadline_in(POLICY_REST_MS);
		return false;
	}
	const struct policy_counted *counted = answer;
	passes(s, &rule_connection_rate, counted->within ? "dunno" : "reject",
	    "this would be connection %llu of %llu allowed in %llu s",
	    (unsigned long long)counted->count, (unsigned long long)count.limit,
	    (unsigned long long)count.window);
	if (counted->within)
		return false;
	describe_rule(&rule_connection_rate, by, sizeof(by));
	log_warning("Connection rate limit exceeded: %llu from %s[%s] for "
		    "service %s;%s",
	    (unsigned long long)counted->count, s->name, s->address,
	    daemon_service(), by);
	return true;
}

/* TLS from the first octet (RFC 8314 section 3.3). */
static bool wrap(struct session *s)
{
	if (!s->conf->smtpd_tls_wrappermode || s->server->rehearsal != NULL)
		return true;
	if (s->server->tls == NULL) {
		log_error("smtpd_tls_wrappermode needs "
			  "smtpd_tls_chain_files");
		s->ending = ENDED_BY_US;
		return false;
	}
	enum stream_result r = STREAM_ERROR;
	if (stream_tls_server(s->stream, s->server->tls) == 0)
		r = stream_wait_handshake(s->stream, session_silence(s));
	if (r == STREAM_OK) {
		daemon_session("", s->address, true);
		return true;
	}
	log_info("SSL_accept error from %s[%s]: %s", s->name, s->address,
	    r == STREAM_TIMEOUT ? "timeout" : stream_why(s->stream));
	s->ending = ENDED_LOST;
	return false;
}

static void greet(struct session *s)
{
	const struct house_conf *house = s->server->house;

	stream_printf(s->stream, "220 %s %s %s\r\n", house->myhostname,
	    s->server->role == ROLE_LMTP ? "LMTP" : "ESMTP", house->mail_name);
}

void session_restart(struct session *s)
{
	transaction_reset(s);
	s->state = CONNECTED;
	s->esmtp = false;
	s->helo[0] = '\0';
}

/* ---- the conversation ---- */

static bool forbidden(struct session *s, struct str line)
{
	struct str words = str_from(s->conf->smtpd_forbidden_commands);
	struct str verb = str_word(&line, " \t");

	for (;;) {
		struct str word = str_word(&words, " ,\t\r\n");
		if (word.len == 0)
			return false;
		if (str_case_eq(word, verb))
			return true;
	}
}

/* Lines that are no command whatever they say. */
static bool acceptable(struct session *s, struct str line, bool bare)
{
	if (s->conf->smtpd_forbid_bare_newline == BARE_REJECT &&
	    (bare || memchr(line.p, '\r', line.len) != NULL)) {
		reply(s, 500, "5.5.2", "Error: bare <CR> or <LF> received");
		return false;
	}
	if (memchr(line.p, '\0', line.len) != NULL) {
		reply(s, 500, "5.5.2", "Error: NUL in command");
		return false;
	}
	return true;
}

static void converse(struct session *s)
{
	const char *host = s->server->house->myhostname;

	while (s->ending == OPEN) {
		struct str line;
		bool bare;
		if (draining(s)) {
			say_drain(s);
			return;
		}
		if (!session_line(
			s, (size_t)s->conf->line_length_limit, &line, &bare))
			return;
		if (forbidden(s, line)) {
			log_warning("non-SMTP command from %s[%s]: %.*s",
			    s->name, s->address,
			    STR_FMT(str_sub(line, 0, 100)));
			hang_up(s, "4.7.0", "%s Error: not SMTP", host);
			return;
		}
		daemon_session_works(true);
		transcript_client(&s->id, line, command_is_plain(s, line));
		if (acceptable(s, line, bare))
			command_run(s, line);
		daemon_session_works(false);
		if (s->ending == OPEN &&
		    s->errors >= s->conf->smtpd_hard_error_limit) {
			log_info("too many errors after %s from %s[%s]",
			    s->doing, s->name, s->address);
			hang_up(s, "4.7.0", "%s Error: too many errors", host);
		}
	}
}

/* To who rehearses: who the client is, and as whom it has logged in. */
static void tell_client(struct session *s)
{
	struct rehearsal *r = s->server->rehearsal;

	if (r == NULL)
		return;
	rehearsal_rule(&r->explain, s->doing, "smtpd_peername_lookup",
	    "smtpd_peername_lookup", "", "the client is %s[%s]%s", s->name,
	    s->address, r->name[0] != '\0' ? ", as was given" : "");
	rehearsal_rule(&r->explain, s->doing, "mynetworks", "mynetworks",
	    s->trusted ? "permit" : "dunno", "%s is %sin mynetworks: \"%s\"",
	    s->address, s->trusted ? "" : "not ", s->server->house->mynetworks);
	if (s->server->role == ROLE_SUBMISSION)
		str_copy(s->login, sizeof(s->login), str_from(r->login));
}

static void begin(struct session *s, const struct conn *conn)
{
	const struct rule *by;
	char text[REPLY_MAX];

	learn_client(s, conn);
	tell_client(s);
	trace_event(TRACE_CONNECT, &s->id, NULL,
	    &(struct trace_fields){.who = str_from(s->address),
		.where = str_from(s->name),
		.why = str_from(conn->found)});
	log_info("connect from %s[%s]", s->name, s->address);
	daemon_count("sessions", 1);
	daemon_session("", s->address, false);
	by = too_many(s, conn)   ? &rule_connection_count
	    : too_often(s, conn) ? &rule_connection_rate
				 : NULL;
	if (by != NULL) {
		snprintf(text, sizeof(text),
		    "%s Error: too many connections from %s",
		    s->server->house->myhostname, s->address);
		tell_rejection(s, by, STR_EMPTY, 421, "4.7.0", text);
		hang_up(s, "4.7.0", "%s", text);
		return;
	}
	if (wrap(s) && !conn->greeted)
		greet(s);
}

static void trace_end(const struct session *s)
{
	static const char *const words[] = {[ENDED_QUIT] = "quit",
	    [ENDED_LOST] = "connection lost",
	    [ENDED_TIMEOUT] = "time-out",
	    [ENDED_BY_US] = "ended by us"};

	trace_event(TRACE_SESSION_END, &s->id, NULL,
	    &(struct trace_fields){.who = str_from(s->address),
		.where = STR("smtp"),
		.why = str_from(words[s->ending])});
}

void session_run(struct server *server, struct conn *conn)
{
	char summary[512];
	struct session s = {
	    .server = server,
	    .conf = server->conf,
	    .stream = stream_new(conn->fd),
	    .id = conn->id.text[0] != '\0' ? conn->id : id_new(),
	    .state = CONNECTED,
	    .end = deadline_in(server->conf->smtpd_session_time_limit),
	    .waits_since = clock_ms(),
	    .t.arena = arena_new(TRANSACTION_ARENA),
	    .doing = "CONNECT",
	};

	stream_on_wait(s.stream, gives_up, &s);
	begin(&s, conn);
	converse(&s);
	stream_on_wait(s.stream, NULL, NULL);
	if (s.ending != ENDED_LOST)
		stream_flush(s.stream, deadline_in(FAREWELL_MS));
	stream_close(&s.stream);
	arena_free(&s.t.arena);
	/* auth forgets the ticket with the connection. */
	if (s.login[0] != '\0')
		peer_drop(&server->auth, "the session has ended");
	mem_wipe(s.ticket, sizeof(s.ticket));
	command_summary(&s, summary, sizeof(summary));
	log_info("disconnect from %s[%s]%s", s.name, s.address, summary);
	trace_end(&s);
}
