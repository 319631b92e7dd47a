/* SPDX-License-Identifier: ISC */
#include "screen/refuse.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/log.h"
#include "core/memory.h"
#include "daemon/daemon.h"
#include "ipc/trace.h"
#include "net/stream.h"

#define LINE_MOST    2048 /* octets */
#define PENDING_MOST 4096 /* octets that it may leave unread */
#define NAME_MOST    256
#define FAREWELL_MS  1000

enum state { CONNECTED = 1, GREETED = 2, HAS_SENDER = 4 };
#define ANY (CONNECTED | GREETED | HAS_SENDER)

struct refusal {
	const struct screen_conf *conf;
	void (*done)(void *arg);
	void *arg;
	struct stream *stream;
	struct loop_watch *watch;
	struct loop_timer *timer;
	struct id id;
	char *peer, *reply, *rule;
	int64_t time_limit;
	enum state state;
	bool esmtp;
	bool closing; /* when the last reply is out */
	int commands;
	char helo[NAME_MOST], sender[NAME_MOST];
};

/* ---- commands ---- */

static void cmd_hello(struct refusal *r, struct str args, bool esmtp)
{
	const char *host = daemon_house()->myhostname;

	log_name(r->helo, sizeof(r->helo), str_trim(args));
	r->esmtp = esmtp;
	r->state = GREETED;
	if (esmtp)
		stream_printf(r->stream,
		    "250-%s\r\n250-PIPELINING\r\n"
		    "250 ENHANCEDSTATUSCODES\r\n",
		    host);
	else
		stream_printf(r->stream, "250 %s\r\n", host);
}

static void cmd_ehlo(struct refusal *r, struct str args)
{
	cmd_hello(r, args, true);
}

static void cmd_helo(struct refusal *r, struct str args)
{
	cmd_hello(r, args, false);
}

/* What stands between < and >, or all of it, fit for the log. */
static void take_address(struct str args, char *out, size_t size)
{
	size_t at = str_find(args, ':');
	struct str text = str_trim(str_skip(args, at + 1));

	if (at == args.len)
		text = args;
	if (str_starts(text, STR("<"))) {
		text = str_skip(text, 1);
		text = str_sub(text, 0, str_find(text, '>'));
	} else {
		text = str_word(&text, " \t");
	}
	log_name(out, size, text);
}

static void cmd_mail(struct refusal *r, struct str args)
{
	take_address(args, r->sender, sizeof(r->sender));
	r->state = HAS_SENDER;
	stream_puts(r->stream, "250 2.1.0 Ok\r\n");
}

static void cmd_rcpt(struct refusal *r, struct str args)
{
	char to[NAME_MOST];

	take_address(args, to, sizeof(to));
	log_info("NOQUEUE: reject: RCPT from %s: %s; from=<%s>, to=<%s>, "
		 "proto=%s, helo=<%s>%s",
	    r->peer, r->reply, r->sender, to, r->esmtp ? "ESMTP" : "SMTP",
	    r->helo, r->rule);
	trace_event(TRACE_REFUSED, &r->id, NULL,
	    &(struct trace_fields){.who = str_from(to),
		.where = STR("RCPT"),
		.code = str_sub(str_from(r->reply), 0, 3),
		.why = str_trim(str_skip(str_from(r->reply), 3))});
	daemon_count("recipients refused", 1);
	stream_printf(r->stream, "%s\r\n", r->reply);
}

static void cmd_data(struct refusal *r, struct str args)
{
	(void)args;
	stream_puts(r->stream, "554 5.5.1 Error: no valid recipients\r\n");
}

static void cmd_rset(struct refusal *r, struct str args)
{
	(void)args;
	if (r->state == HAS_SENDER)
		r->state = GREETED;
	stream_puts(r->stream, "250 2.0.0 Ok\r\n");
}

static void cmd_noop(struct refusal *r, struct str args)
{
	(void)args;
	stream_puts(r->stream, "250 2.0.0 Ok\r\n");
}

static void cmd_vrfy(struct refusal *r, struct str args)
{
	(void)args;
	stream_puts(
	    r->stream, "252 2.0.0 Send some mail, I'll try my best\r\n");
}

static void cmd_starttls(struct refusal *r, struct str args)
{
	(void)args;
	stream_puts(r->stream, "454 4.7.0 TLS not available\r\n");
}

static void cmd_quit(struct refusal *r, struct str args)
{
	(void)args;
	stream_puts(r->stream, "221 2.0.0 Bye\r\n");
	r->closing = true;
}

struct command {
	const char *verb;
	unsigned states; /* where it is allowed; anywhere else is 503 */
	void (*run)(struct refusal *r, struct str args);
};

/* clang-format off */
static const struct command commands[] = {
	{"EHLO",     ANY,        cmd_ehlo},
	{"HELO",     ANY,        cmd_helo},
	{"MAIL",     GREETED,    cmd_mail},
	{"RCPT",     HAS_SENDER, cmd_rcpt},
	{"DATA",     HAS_SENDER, cmd_data},
	{"RSET",     ANY,        cmd_rset},
	{"NOOP",     ANY,        cmd_noop},
	{"VRFY",     ANY,        cmd_vrfy},
	{"STARTTLS", ANY,        cmd_starttls},
	{"QUIT",     ANY,        cmd_quit},
};
/* clang-format on */

static void run_command(struct refusal *r, struct str line)
{
	struct str args = line, verb = str_word(&args, " \t");

	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		const struct command *c = &commands[i];

		if (!str_case_eq(verb, str_from(c->verb)))
			continue;
		if (c->states & (unsigned)r->state)
			c->run(r, args);
		else
			stream_puts(r->stream,
			    "503 5.5.1 Error: command out of order\r\n");
		return;
	}
	stream_puts(r->stream, "502 5.5.2 Error: command not recognized\r\n");
}

/* ---- the conversation ---- */

static void refusal_free(struct refusal *r)
{
	void (*done)(void *arg) = r->done;
	void *arg = r->arg;

	log_info("DISCONNECT %s", r->peer);
	loop_watch_free(&r->watch);
	loop_timer_free(&r->timer);
	stream_close(&r->stream);
	free(r->peer);
	free(r->reply);
	free(r->rule);
	free(r);
	done(arg);
}

static void say_last(struct refusal *r, const char *dsn, const char *text)
{
	stream_printf(r->stream, "421 %s %s Error: %s\r\n", dsn,
	    daemon_house()->myhostname, text);
	r->closing = true;
}

/* One line; false when there is none. */
static bool take_line(struct refusal *r)
{
	struct str line;
	enum stream_result got = stream_get_line(
	    r->stream, LINE_MOST, &line, NULL);

	if (got == STREAM_AGAIN_READ)
		return false;
	loop_timer_set(r->timer, r->time_limit);
	if (got == STREAM_TOO_LONG)
		stream_puts(r->stream, "500 5.5.2 Error: line too long\r\n");
	else
		run_command(r, line);
	if (++r->commands >= r->conf->postscreen_command_count_limit &&
	    !r->closing) {
		log_info("COMMAND COUNT LIMIT from %s", r->peer);
		say_last(r, "4.7.0", "too many commands");
	}
	return true;
}

/* Input, output, and what to watch for; may end it. */
static void go_on(struct refusal *r)
{
	enum stream_result out;
	bool more = true;

	do {
		while (more && !r->closing &&
		    stream_pending(r->stream) < PENDING_MOST)
			more = take_line(r);
		out = stream_push(r->stream);
	} while (out == STREAM_OK && more && !r->closing);
	if (out == STREAM_AGAIN_WRITE)
		loop_watch_set(r->watch, LOOP_WRITE);
	else if (out != STREAM_OK || r->closing)
		refusal_free(r);
	else {
		stream_trim(r->stream);
		loop_watch_set(r->watch, LOOP_READ);
	}
}

static void ready(unsigned what, void *arg)
{
	struct refusal *r = arg;
	enum stream_result in = STREAM_OK;

	if (what & LOOP_READ)
		in = stream_fill(r->stream);
	if (in == STREAM_EOF || in == STREAM_ERROR)
		refusal_free(r);
	else
		go_on(r);
}

static void fired(void *arg)
{
	struct refusal *r = arg;

	if (r->closing) { /* it does not take its last reply */
		refusal_free(r);
		return;
	}
	log_info("COMMAND TIME LIMIT from %s", r->peer);
	say_last(r, "4.4.2", "timeout exceeded");
	loop_timer_set(r->timer, FAREWELL_MS);
	go_on(r);
}

struct refusal *refuse_start(const struct screen_conf *conf,
    const struct refused *who, bool greeted, void (*done)(void *arg), void *arg)
{
	const struct house_conf *house = daemon_house();
	struct refusal *r = NEW(struct refusal);

	r->conf = conf;
	r->done = done;
	r->arg = arg;
	r->stream = stream_new(who->fd);
	r->watch = loop_watch_new(daemon_loop(), who->fd, LOOP_READ, ready, r);
	r->timer = loop_timer_new(daemon_loop(), fired, r);
	r->id = who->id;
	r->peer = str_dup(str_from(who->peer));
	r->reply = str_dup(str_from(who->reply));
	r->rule = str_dup(str_from(who->rule));
	r->time_limit = who->time_limit;
	r->state = CONNECTED;
	loop_timer_set(r->timer, r->time_limit);
	if (!greeted)
		stream_printf(r->stream, "220 %s ESMTP %s\r\n",
		    house->myhostname, house->mail_name);
	stream_push(r->stream); /* what failed is found by reading */
	return r;
}

void refuse_hang_up(struct refusal *r)
{
	if (!r->closing)
		say_last(r, "4.3.2", "service shutting down");
	loop_timer_set(r->timer, FAREWELL_MS);
	go_on(r);
}
