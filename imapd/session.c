/* SPDX-License-Identifier: ISC */
#include "imapd/session.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "daemon/transcript.h"
#include "ipc/session.h"

#include "imapd/command.h"
#include "imapd/message.h"
#include "imapd/park.h"
#include "imapd/response.h"

#define OUT_MAX    ((size_t)4 << 20)
#define REST_AFTER 2000 /* ms of silence until memory is given back */
#define DRAIN_LOOK                                                             \
	300000 /* ms between two looks at `draining`, whose
                           * signal ends a wait by itself */

/* One end of login's socket pair, not the client's own socket. */
static bool is_local(int fd)
{
	int domain = AF_INET;
	socklen_t len = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
	    domain == AF_UNIX;
}

struct session *session_new(const struct imapd_conf *conf, int fd,
    struct ipc *control, struct box *box, struct str login, const struct id *id,
    struct str early)
{
	struct session *s = NEW(struct session);

	s->conf = conf;
	s->stream = stream_new(fd);
	s->through_login = is_local(fd);
	s->control = control;
	s->box = box;
	s->login = str_dup(login);
	s->id = *id;
	s->early = buf_new(early.len);
	buf_add(&s->early, early);
	input_init(&s->input, (size_t)conf->imap_max_line_length);
	s->out = buf_new(OUT_MAX);
	s->state = AUTHENTICATED;
	s->began = clock_seconds();
	s->arena = arena_new(SESSION_ARENA_MAX);
	s->scratch = arena_new(SESSION_ARENA_MAX);
	return s;
}

void session_free(struct session **session)
{
	struct session *s = *session;

	if (s == NULL)
		return;
	*session = NULL;
	message_close(s);
	if (s->view != NULL)
		view_close(&s->view);
	box_close(&s->box);
	stream_close(&s->stream);
	if (s->control != NULL)
		ipc_close(&s->control);
	buf_free(&s->early);
	buf_free(&s->out);
	input_free(&s->input);
	arena_free(&s->arena);
	arena_free(&s->scratch);
	free(s->saved);
	free(s->login);
	mem_wipe(s->seal_key, sizeof(s->seal_key));
	free(s);
}

struct str session_peek(const struct session *s)
{
	struct str early = str_skip(buf_str(&s->early), s->early_used);

	return early.len > 0 ? early : stream_peek(s->stream);
}

void session_consume(struct session *s, size_t n)
{
	s->octets_in += n;
	if (s->early_used < s->early.len) {
		s->early_used += n;
		if (s->early_used == s->early.len) {
			buf_free(&s->early);
			s->early_used = 0;
		}
		return;
	}
	s->consumed += n;
	stream_consume(s->stream, n);
}

/* The control connection has something; true when it was a wake-up. */
static bool read_control(struct session *s)
{
	const struct ipc_type *type;
	const void *msg;
	bool woken = false;
	enum ipc_result r = ipc_fill(s->control);

	while (r == IPC_OK || r == IPC_AGAIN) {
		r = ipc_next(s->control, &type, &msg);
		if (r == IPC_AGAIN)
			return woken;
		if (r == IPC_OK)
			woken |= type == &session_wake;
	}
	/* login goes or is gone: it cannot carry the octets of a TLS client
	 * any more; a client's own socket lives on. */
	ipc_close(&s->control);
	s->stranded = s->through_login;
	return woken;
}

static enum wait_result look(struct session *s, int ms)
{
	struct pollfd fds[2] = {
	    {.fd = stream_fd(s->stream), .events = POLLIN},
	    {.fd = s->control != NULL ? ipc_fd(s->control) : -1,
		.events = POLLIN},
	};
	int n = poll(fds, 2, ms);

	if (s->draining != NULL && s->draining())
		return WAIT_DRAIN;
	if (n < 0)
		return errno == EINTR ? WAIT_TIMEOUT : WAIT_GONE;
	if (fds[0].revents != 0) {
		switch (stream_fill(s->stream)) {
		case STREAM_OK:
			return WAIT_INPUT;
		case STREAM_AGAIN_READ:
		case STREAM_AGAIN_WRITE:
			break;
		default:
			return WAIT_GONE;
		}
	}
	bool woken = fds[1].revents != 0 && read_control(s);
	return s->stranded ? WAIT_DRAIN : woken ? WAIT_WAKE : WAIT_TIMEOUT;
}

/* When a client that stays silent is parked. */
static int64_t when_to_park(const struct session *s)
{
	int64_t ms = s->idle[0] != '\0' ? s->conf->imap_idle_park_time
					: s->conf->imap_park_time;

	return s->may_park && ms > 0 && s->pass[0] != '\0' && s->control != NULL
	    ? deadline_in(ms)
	    : DEADLINE_NEVER;
}

enum wait_result session_wait(struct session *s, int64_t deadline)
{
	int64_t rest_at = deadline_in(REST_AFTER), park_at = when_to_park(s);

	if (session_peek(s).len > 0)
		return WAIT_INPUT;
	out_flush(s);
	if (s->dead)
		return WAIT_GONE;
	for (;;) {
		int64_t until = s->rested ? deadline_in(DRAIN_LOOK) : rest_at;

		if (park_at < until)
			until = park_at;
		enum wait_result r = look(
		    s, deadline_left(until < deadline ? until : deadline));

		if (r != WAIT_TIMEOUT) {
			s->rested &= r != WAIT_INPUT;
			return r;
		}
		if (clock_ms() >= deadline)
			return WAIT_TIMEOUT;
		if (clock_ms() >= park_at) {
			r = park(s);
			if (r != WAIT_TIMEOUT)
				return r;
			park_at = when_to_park(s);
		}
		if (!s->rested && clock_ms() >= rest_at)
			session_rest(s);
	}
}

void session_rest(struct session *s)
{
	s->rested = true;
	message_close(s);
	if (!s->keep_arena) {
		arena_free(&s->arena);
		arena_free(&s->scratch);
	}
	if (s->out.len == 0)
		buf_free(&s->out);
	stream_trim(s->stream);
	if (input_is_empty(&s->input)) {
		input_free(&s->input);
		input_init(&s->input, (size_t)s->conf->imap_max_line_length);
	}
	if (!s->keep_arena)
		box_maintain(s->box);
	malloc_trim(0);
}

static int end(struct session *s, enum wait_result why)
{
	switch (why) {
	case WAIT_TIMEOUT:
		session_bye(s, NULL, "Silent for too long", "timeout");
		break;
	case WAIT_PARKED:
		break;
	case WAIT_DRAIN:
		if (s->kicked != NULL && s->kicked())
			session_bye(s, "UNAVAILABLE",
			    "Disconnected by the administrator", "kicked");
		else
			session_bye(
			    s, "UNAVAILABLE", "The server goes down", "drain");
		break;
	default:
		s->dead = true;
		s->state = LOGGED_OUT;
		s->ended = "the client is gone";
		break;
	}
	return -1;
}

void session_begin_silence(struct session *s)
{
	s->silent_until = deadline_in(
	    s->silence_left > 0 ? s->silence_left : s->conf->imap_timeout);
	s->silence_left = 0;
}

int session_read(struct session *s, enum input_event *event)
{
	session_begin_silence(s);
	for (;;) {
		s->may_park = input_is_empty(&s->input) && !s->keep_arena;
		enum wait_result r = session_wait(s, s->silent_until);
		s->may_park = false;

		if (r == WAIT_WAKE)
			continue;
		if (r != WAIT_INPUT)
			return end(s, r);
		struct str have = session_peek(s);
		size_t n = input_feed(&s->input, have, event);
		session_consume(s, n);
		session_begin_silence(s);
		if (*event != INPUT_MORE)
			return 0;
	}
}

/* A literal that is no message: gather it if it fits. */
static void take_literal(struct session *s)
{
	if (input_take(&s->input) == 0) {
		if (s->input.literal_waits) {
			out_text(s, "+ Go on\r\n");
			out_flush(s);
		}
		return;
	}
	out_str(s, command_tag(buf_str(&s->input.text)));
	out_text(s, " NO [TOOBIG] The command is too long\r\n");
	input_refuse(&s->input);
}

/* A password has no place behind the login, but a client may be wrong. */
static bool has_no_secret(struct str command)
{
	struct str verb;

	str_word(&command, " ");
	verb = str_word(&command, " \r\n");
	return verb.len > 0 && !str_case_eq(verb, STR("LOGIN")) &&
	    !str_case_eq(verb, STR("AUTHENTICATE"));
}

static void handle(struct session *s, enum input_event event)
{
	struct str text = buf_str(&s->input.text);

	if (event != INPUT_MORE)
		transcript_client(&s->id, text, has_no_secret(text));

	switch (event) {
	case INPUT_COMMAND:
		s->commands++;
		command_run(s, text);
		break;
	case INPUT_LITERAL:
		if (!command_literal(s, text))
			take_literal(s);
		else
			s->commands++;
		break;
	case INPUT_TOO_LONG:
		out_str(s, command_tag(text));
		out_text(s, " BAD [TOOBIG] The command is too long\r\n");
		if (++s->bad_in_a_row >= s->conf->imap_max_bad_commands)
			session_bye(s, NULL, "Too many bad commands",
			    "too many bad commands");
		break;
	case INPUT_MORE:
		break;
	}
}

/* What is new goes out first. Between two commands that is all but EXPUNGE
 * (RFC 9051 section 7.5.1), which waits for a command that allows it. */
static void go_on(struct session *s)
{
	session_sync(s, s->idle[0] != '\0', NULL, NULL);
	arena_clear(&s->arena);
	if (s->idle[0] != '\0')
		session_idle(s);
	else if (s->gone)
		session_bye(s, NULL, "The selected mailbox was deleted",
		    "mailbox deleted");
}

void session_run(struct session *s, struct str tag)
{
	enum input_event event;

	if (tag.len > 0) {
		out_str(s, tag);
		out_text(s, " OK [CAPABILITY ");
		out_capabilities(s);
		out_text(s, "] Logged in\r\n");
	}
	if (s->resumed)
		go_on(s);
	while (s->state != LOGGED_OUT && !s->dead && !s->parked) {
		if (session_read(s, &event) < 0)
			break;
		if (s->works != NULL)
			s->works(true);
		handle(s, event);
		out_check(s);
		if (s->works != NULL)
			s->works(false);
	}
	out_flush(s);
}
