/* SPDX-License-Identifier: ISC */
#include "smtpd/command.h"

#include <stdio.h>

#include "core/clock.h"
#include "core/log.h"
#include "smtpd/auth.h"
#include "smtpd/recipient.h"
#include "smtpd/transaction.h"

/* ---- greetings ---- */

/*
 * The argument is only recorded (RFC 5321 4.1.4: mail is not refused for it),
 * so it must be fit to stand in a log line and a Received line.
 */
static int take_helo(struct session *s, struct str args)
{
	struct str name = str_trim(args);

	if (name.len == 0) {
		reply(s, 501, "5.5.4", "Syntax: %s hostname", s->doing);
		return -1;
	}
	if (name.len >= sizeof(s->helo)) {
		reply(s, 501, "5.5.4", "Error: name too long");
		return -1;
	}
	transaction_reset(s);
	for (size_t i = 0; i < name.len; i++) {
		char c = name.p[i];
		bool good = c > ' ' && c < 127 &&
		    strchr("()<>\\\";,", c) == NULL;
		s->helo[i] = good ? c : '?';
	}
	s->helo[name.len] = '\0';
	s->state = GREETED;
	return 0;
}

static void cmd_helo(struct session *s, struct str args)
{
	if (take_helo(s, args) < 0)
		return;
	s->esmtp = false;
	reply(s, 250, NULL, "%s", s->server->house->myhostname);
}

static void offer(
    struct session *s, bool really, const char *keyword, const char *rest)
{
	if (really && session_offers(s, keyword))
		stream_printf(s->stream, "250-%s%s\r\n", keyword, rest);
}

static bool can_start_tls(const struct session *s)
{
	return s->server->tls != NULL && !session_is_tls(s);
}

/* EHLO and LHLO (RFC 5321 4.1.1.1, RFC 2033 4.1) */
static void cmd_ehlo(struct session *s, struct str args)
{
	char size[32];

	if (take_helo(s, args) < 0)
		return;
	s->esmtp = true;
	s->last_code = 250;
	snprintf(size, sizeof(size), " %llu",
	    (unsigned long long)s->server->house->message_size_limit);
	stream_printf(s->stream, "250-%s\r\n", s->server->house->myhostname);
	offer(s, true, "PIPELINING", "");
	offer(s, true, "SIZE", size);
	offer(s, can_start_tls(s), "STARTTLS", "");
	offer(s, auth_offered(s), "AUTH", " PLAIN LOGIN");
	offer(s, true, "8BITMIME", "");
	offer(s, true, "DSN", "");
	stream_puts(s->stream, "250 ENHANCEDSTATUSCODES\r\n");
}

/* ---- STARTTLS (RFC 3207) ---- */

static void cmd_starttls(struct session *s, struct str args)
{
	if (args.len > 0) {
		reply(s, 501, "5.5.4", "Syntax: STARTTLS");
		return;
	}
	if (session_is_tls(s)) {
		reply(s, 554, "5.5.1", "Error: TLS already active");
		return;
	}
	if (s->server->tls == NULL) {
		reply(s, 454, "4.7.0", "TLS not available");
		return;
	}
	int64_t deadline = session_silence(s);
	reply(s, 220, "2.0.0", "Ready to start TLS");
	enum stream_result r = stream_flush(s->stream, deadline);
	if (r == STREAM_OK && stream_tls_server(s->stream, s->server->tls) < 0)
		r = STREAM_ERROR;
	if (r == STREAM_OK)
		r = stream_wait_handshake(s->stream, deadline);
	if (r != STREAM_OK) {
		log_info("SSL_accept error from %s[%s]: %s", s->name,
		    s->address,
		    r == STREAM_TIMEOUT ? "timeout" : stream_why(s->stream));
		s->ending = ENDED_LOST;
		return;
	}
	daemon_session("", s->address, true);
	session_restart(s); /* section 4.2: all that was said is forgotten */
}

/* ---- small ones ---- */

static void cmd_rset(struct session *s, struct str args)
{
	if (args.len > 0) {
		reply(s, 501, "5.5.4", "Syntax: RSET");
		return;
	}
	transaction_reset(s);
	reply(s, 250, "2.0.0", "Ok");
}

static void cmd_noop(struct session *s, struct str args)
{
	(void)args;
	reply(s, 250, "2.0.0", "Ok");
}

/* RFC 5321 7.3: not to be told, and saying so is allowed. */
static void cmd_vrfy(struct session *s, struct str args)
{
	if (args.len == 0)
		reply(s, 501, "5.5.4", "Syntax: VRFY address");
	else
		reply(s, 252, "2.0.0", "Send some mail, I'll try my best");
}

static void cmd_help(struct session *s, struct str args)
{
	(void)args;
	reply(s, 214, "2.0.0", "See RFC 5321");
}

static void cmd_quit(struct session *s, struct str args)
{
	(void)args;
	reply(s, 221, "2.0.0", "Bye");
	s->ending = ENDED_QUIT;
}

/* ---- the table ---- */

enum {
	JUNK = 1,      /* limited where no message comes of it */
	NEEDS_TLS = 2, /* where TLS is demanded */
	ONLY_LMTP = 4,
	NOT_LMTP = 8,
	ONLY_SUBMISSION = 16
};

struct command {
	const char *verb;
	const char *log; /* its name in the summary */
	unsigned states; /* where it is allowed; anywhere else is 503 */
	unsigned flags;
	void (*run)(struct session *s, struct str args);
};

/* clang-format off */
static const struct command commands[] = {
	{"EHLO",     "ehlo",     ANY,     NOT_LMTP | JUNK,  cmd_ehlo},
	{"HELO",     "helo",     ANY,     NOT_LMTP | JUNK,  cmd_helo},
	{"LHLO",     "lhlo",     ANY,     ONLY_LMTP | JUNK, cmd_ehlo},
	{"STARTTLS", "starttls", GREETED, 0,                cmd_starttls},
	{"AUTH",     "auth",     GREETED, ONLY_SUBMISSION | NEEDS_TLS, cmd_auth},
	{"MAIL",     "mail",     GREETED, NEEDS_TLS,        cmd_mail},
	{"RCPT",     "rcpt",     HAS_SENDER | HAS_RECIPIENT, 0, cmd_rcpt},
	{"DATA",     "data",     HAS_SENDER | HAS_RECIPIENT, 0, cmd_data},
	{"RSET",     "rset",     ANY,     JUNK,             cmd_rset},
	{"NOOP",     "noop",     ANY,     JUNK,             cmd_noop},
	{"VRFY",     "vrfy",     ANY,     JUNK | NEEDS_TLS, cmd_vrfy},
	{"HELP",     "help",     ANY,     JUNK,             cmd_help},
	{"QUIT",     "quit",     ANY,     0,                cmd_quit},
};
/* clang-format on */

#define UNKNOWN (COMMANDS_MAX - 1) /* the place in the counts */

static bool fits_role(const struct command *c, enum smtp_role role)
{
	if (c->flags & ONLY_LMTP)
		return role == ROLE_LMTP;
	if (c->flags & NOT_LMTP)
		return role != ROLE_LMTP;
	if (c->flags & ONLY_SUBMISSION)
		return role == ROLE_SUBMISSION;
	return true;
}

static const struct command *find(struct str verb, enum smtp_role role)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (str_case_eq(verb, str_from(commands[i].verb)) &&
		    fits_role(&commands[i], role))
			return &commands[i];
	return NULL;
}

static bool tls_demanded(const struct session *s)
{
	return s->server->role == ROLE_SUBMISSION ||
	    s->conf->smtpd_tls_security_level == TLS_ENCRYPT;
}

/* RFC 5321 4.1.4, 4.3.2 */
static void out_of_order(struct session *s, const struct command *c)
{
	if (s->state == CONNECTED)
		reply(s, 503, "5.5.1", "Error: send %s first",
		    s->server->role == ROLE_LMTP ? "LHLO" : "HELO/EHLO");
	else if (c->run == cmd_mail)
		reply(s, 503, "5.5.1", "Error: nested MAIL command");
	else if (c->run == cmd_rcpt || c->run == cmd_data)
		reply(s, 503, "5.5.1", "Error: need MAIL command");
	else
		reply(s, 503, "5.5.1", "Error: %s not permitted now", c->verb);
}

static void run(struct session *s, const struct command *c, struct str args)
{
	if ((c->flags & NEEDS_TLS) && tls_demanded(s) && !session_is_tls(s))
		reject(s, &rule_tls, STR_EMPTY, 530, "5.7.0",
		    "Must issue a STARTTLS command first");
	else if (!(c->states & s->state))
		out_of_order(s, c);
	else
		c->run(s, args);
}

bool command_is_plain(const struct session *s, struct str line)
{
	struct str verb = str_word(&line, " ");

	return find(verb, s->server->role) != NULL &&
	    !str_case_eq(verb, STR("AUTH"));
}

void command_run(struct session *s, struct str line)
{
	char copy[65536 + 1]; /* replies may wait for input: the view ends */
	size_t len = line.len < sizeof(copy) ? line.len : sizeof(copy) - 1;

	memcpy(copy, line.p, len);
	struct str args = str_trim(str_of(copy, len));
	struct str verb = str_word(&args, " \t");
	const struct command *c = find(verb, s->server->role);
	size_t at = c != NULL ? (size_t)(c - commands) : UNKNOWN;

	args = str_trim(args);
	s->said[at]++;
	if (c == NULL) {
		s->doing = "UNKNOWN";
		reply(s, verb.len == 0 ? 500 : 502, "5.5.2",
		    "Error: command not recognized");
		return;
	}
	s->doing = c->verb;
	if ((c->flags & JUNK) && ++s->junk > s->conf->smtpd_junk_command_limit)
		s->errors++;
	run(s, c, args);
	if (s->last_code < 400)
		s->done[at]++;
}

static int count(
    char *out, size_t size, const char *name, unsigned done, unsigned said)
{
	if (done == said)
		return snprintf(out, size, " %s=%u", name, done);
	return snprintf(out, size, " %s=%u/%u", name, done, said);
}

void command_summary(const struct session *s, char *out, size_t size)
{
	unsigned done = 0, said = 0;
	size_t at = 0;

	for (size_t i = 0; i < COMMANDS_MAX; i++) {
		const char *name = i < ARRAY_LEN(commands) ? commands[i].log
							   : "unknown";
		if (s->said[i] == 0)
			continue;
		done += s->done[i];
		said += s->said[i];
		at += (size_t)count(
		    out + at, size - at, name, s->done[i], s->said[i]);
		if (at >= size)
			return;
	}
	count(out + at, size - at, "commands", done, said);
}
