/* SPDX-License-Identifier: ISC */
#include "daemon/rehearsal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"

#define QUESTION_MS  10000
#define SCRIPT_MAX   65536
#define HEARD_MAX    1048576
#define PENDING_MAX  65536
#define UNSIGNED_MAX 1024

/* ---- telling ---- */

static void told(void *arg, const struct explain_step *step)
{
	struct ipc *asker = arg;

	if (ipc_put(asker, &explain_step, step) < 0 ||
	    (ipc_pending(asker) > PENDING_MAX &&
		ipc_flush(asker, deadline_in(QUESTION_MS)) != IPC_OK))
		log_warning("a step of the explanation cannot be told");
}

void rehearsal_rule(struct explain *x, const char *about, const char *rule,
    const char *parameter, const char *result, const char *format, ...)
{
	struct buf text = buf_new(4 * EXPLAIN_TEXT_MAX);
	char origin[500] = "", named[600] = "";
	va_list args;

	if (x == NULL)
		return;
	if (parameter != NULL) {
		daemon_origin(parameter, origin, sizeof(origin));
		snprintf(named, sizeof(named), "%s%s%s",
		    strcmp(rule, parameter) != 0 ? parameter : "",
		    strcmp(rule, parameter) != 0 ? ", " : "", origin);
	}
	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	explain_tell(x,
	    &(struct explain_step){.kind = STEP_RULE,
		.about = str_from(about),
		.rule = str_from(rule),
		.origin = str_from(named),
		.result = str_from(result),
		.text = buf_str(&text)});
	buf_free(&text);
}

/* ---- the question ---- */

/* A line of the client, and what it is called in the answer. A line end in
 * what the operator gave would make another command of it. */
static int say(struct rehearsal *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int say(struct rehearsal *r, const char *format, ...)
{
	struct buf line = buf_new(SCRIPT_MAX);
	struct str text;
	va_list args;
	int bad;

	va_start(args, format);
	buf_vprintf(&line, format, args);
	va_end(args);
	text = buf_str(&line);
	bad = str_find(text, '\r') < text.len ||
	    str_find(text, '\n') < text.len;
	buf_printf(&r->script, "%.*s\r\n", STR_FMT(text));
	buf_printf(&r->labels, "%.*s\n", STR_FMT(text));
	buf_free(&line);
	return bad ? -1 : 0;
}

static int write_script(
    struct rehearsal *r, const struct explain_client *q, bool lhlo)
{
	struct str rest = q->recipients, one;
	char size[40] = "";
	int bad = 0;

	if (q->has_size)
		snprintf(size, sizeof(size), " SIZE=%llu",
		    (unsigned long long)q->size);
	bad |= say(r, "%s %.*s", lhlo ? "LHLO" : "EHLO", STR_FMT(q->helo));
	bad |= say(r, "MAIL FROM:<%.*s>%s", STR_FMT(q->sender), size);
	while ((one = str_cut(&rest, '\n')).len > 0)
		bad |= say(r, "RCPT TO:<%.*s>", STR_FMT(one));
	bad |= say(r, "QUIT");
	return bad < 0 || r->script.overflow || r->labels.overflow ? -1 : 0;
}

struct rehearsal *rehearsal_new(struct ipc *asker, const char *by, bool lhlo)
{
	const struct ipc_type *type = NULL;
	const struct explain_client *q;
	struct rehearsal *r;
	const void *msg;

	if (ipc_wait(asker, &type, &msg, deadline_in(QUESTION_MS)) != IPC_OK ||
	    type != &explain_client) {
		log_error("no question has come");
		return NULL;
	}
	q = msg;
	r = NEW(struct rehearsal);
	r->asker = asker;
	r->explain = (struct explain){told, asker, by};
	r->script = buf_new(SCRIPT_MAX);
	r->labels = buf_new(SCRIPT_MAX);
	r->heard = buf_new(HEARD_MAX);
	r->far = -1;
	r->address = str_dup(q->address);
	r->name = str_dup(q->name);
	r->login = str_dup(q->login);
	r->author = str_dup(q->author);
	r->unsigned_end = buf_new(UNSIGNED_MAX);
	r->tls = q->tls;
	if (netaddr_parse(q->address, 40000, &r->client) == 0 &&
	    write_script(r, q, lhlo) == 0)
		return r;
	log_error("the question is none: an address, and no line ends");
	return NULL;
}

/* ---- the session ---- */

struct conn rehearsal_connect(struct rehearsal *r)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		log_fatal("socketpair failed");
	r->far = pair[0];
	return (struct conn){.fd = pair[1],
	    .peer = r->client,
	    .service = daemon_service(),
	    .found = ""};
}

void rehearsal_speak(struct rehearsal *r)
{
	if (file_write_full(r->far, r->script.p, r->script.len) < 0)
		log_warning("the client could not say all");
	shutdown(r->far, SHUT_WR);
}

/* ---- what was heard ---- */

/* One whole reply, its lines parted by LF; false when there is none. */
static bool cut_reply(struct str *rest, struct buf *out)
{
	struct str left = *rest;

	buf_clear(out);
	while (str_find(left, '\n') < left.len) {
		struct str line = str_cut(&left, '\n');

		if (line.len > 0 && line.p[line.len - 1] == '\r')
			line.len--;
		if (out->len > 0)
			buf_add_char(out, '\n');
		buf_add(out, line);
		if (line.len >= 4 && line.p[3] == '-')
			continue;
		*rest = left;
		return true;
	}
	return false;
}

/* Takes what has been said by now; false when there is no more to come. */
static bool hear(struct rehearsal *r)
{
	char part[4096];
	ssize_t n;

	while ((n = recv(r->far, part, sizeof(part), MSG_DONTWAIT)) > 0)
		buf_add(&r->heard, str_of(part, (size_t)n));
	return n < 0;
}

static void heard_some(unsigned what, void *arg)
{
	struct rehearsal *r = arg;
	bool more = hear(r);
	struct buf one = buf_new(EXPLAIN_TEXT_MAX);
	struct str rest, script;

	(void)what;
	rest = str_skip(buf_str(&r->heard), r->answered);
	while (cut_reply(&rest, &one)) {
		r->answered = r->heard.len - rest.len;
		script = str_skip(buf_str(&r->script), r->said);
		size_t line = str_find(script, '\n') + 1;

		if (line <= script.len &&
		    file_write_full(r->far, script.p, line) == 0)
			r->said += line;
	}
	buf_free(&one);
	if (!more)
		loop_watch_free(&r->watch);
}

void rehearsal_converse(struct rehearsal *r)
{
	r->watch = loop_watch_new(
	    daemon_loop(), r->far, LOOP_READ, heard_some, r);
}

/* The first reply answers the connection, the next ones a command each.
 * Returns whether there is a recipient, and every one was accepted. */
static bool tell_replies(struct rehearsal *r, struct str heard)
{
	struct str labels = buf_str(&r->labels), to = STR_EMPTY;
	struct buf one = buf_new(EXPLAIN_TEXT_MAX);
	bool some = false, all = true;

	while (cut_reply(&heard, &one)) {
		struct explain_reply reply = {to, buf_str(&one)};

		ipc_put(r->asker, &explain_reply, &reply);
		if (str_starts(to, STR("RCPT "))) {
			some = true;
			all = all && one.len > 0 && one.p[0] == '2';
		}
		to = str_cut(&labels, '\n');
		if (to.len == 0)
			break; /* behind QUIT */
	}
	buf_free(&one);
	return some && all;
}

void rehearsal_end(struct rehearsal *r, bool handed_on)
{
	struct explain_end end = {
	    .dsn = STR_EMPTY, .text = STR_EMPTY, .passed = handed_on};
	bool accepted;

	loop_watch_free(&r->watch);
	hear(r);
	accepted = tell_replies(r, buf_str(&r->heard));
	end.passed = handed_on || accepted;
	end.text = buf_str(&r->unsigned_end);
	ipc_put(r->asker, &explain_end, &end);
	if (ipc_flush(r->asker, deadline_in(QUESTION_MS)) != IPC_OK)
		log_warning("nobody waits for the explanation");
	file_close(&r->far);
}
