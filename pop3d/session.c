/* SPDX-License-Identifier: ISC */
#include "pop3d/session.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "daemon/daemon.h"
#include "daemon/transcript.h"
#include "ipc/trace.h"

#include "pop3d/command.h"

#define LINE_MOST    1024   /* octets; RFC 2449 section 4 says 255 */
#define PENDING_MOST 131072 /* octets that are sent together */
#define CHUNK_MOST   131072

static void die(struct session *s, const char *why)
{
	if (!s->dead)
		s->ended = why;
	s->dead = true;
}

static void flush(struct session *s)
{
	enum stream_result r;

	if (s->dead)
		return;
	r = stream_flush(s->stream, deadline_in(s->conf->pop3_write_timeout));
	if (r == STREAM_TIMEOUT)
		die(s, "the client does not read");
	else if (r != STREAM_OK)
		die(s, stream_why(s->stream));
}

void session_flush_some(struct session *s)
{
	if (stream_pending(s->stream) >= PENDING_MOST)
		flush(s);
}

void session_printf(struct session *s, const char *format, ...)
{
	char line[512];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	transcript_server(&s->id, str_from(line));
	if (!s->dead && stream_puts(s->stream, line) < 0)
		die(s, "too much output");
}

/* ---- input ---- */

/* A line of what came early; *joined is set when only its beginning did. */
static bool early_line(struct session *s, struct str *line)
{
	struct str rest = str_skip(buf_str(&s->early), s->early_used);
	size_t lf = str_find(rest, '\n');

	if (rest.len == 0)
		return false;
	if (lf == rest.len) {
		buf_add(&s->joined, rest);
		s->early_used = s->early.len;
		return false;
	}
	*line = str_sub(rest, 0, lf);
	if (lf > 0 && rest.p[lf - 1] == '\r')
		line->len--;
	s->early_used += lf + 1;
	return true;
}

static bool stops(void *arg)
{
	(void)arg;
	return daemon_hurried();
}

/* Why the session ends without QUIT. */
static void no_line(struct session *s, enum stream_result r)
{
	if (r == STREAM_EOF) {
		die(s, "closed by the client");
	} else if (r == STREAM_TIMEOUT && daemon_hurried()) {
		session_printf(s,
		    daemon_kicked()
			? "-ERR [SYS/TEMP] Disconnected by the "
			  "administrator\r\n"
			: "-ERR [SYS/TEMP] The server is going down\r\n");
		s->ended = daemon_kicked() ? "kicked" : "drain";
	} else if (r == STREAM_TIMEOUT) {
		s->ended = "pop3_timeout";
	} else {
		die(s,
		    r == STREAM_TOO_LONG ? "too many errors"
					 : stream_why(s->stream));
	}
}

/* The next command line, or false when there will be none. */
static bool next_line(struct session *s, struct str *line)
{
	enum stream_result r;

	if (early_line(s, line))
		return true;
	buf_free(&s->early);
	s->early_used = 0;
	/* A suite that stops ends a session between two commands. */
	stream_on_wait(s->stream, stops, NULL);
	do {
		r = stream_wait_line(s->stream, LINE_MOST, line, NULL,
		    deadline_in(s->conf->pop3_timeout));
		if (r == STREAM_TOO_LONG)
			session_printf(s, "-ERR Line too long\r\n");
	} while (r == STREAM_TOO_LONG &&
	    ++s->bad_in_a_row < s->conf->pop3_max_bad_commands);
	stream_on_wait(s->stream, NULL, NULL);
	if (r == STREAM_OK && s->joined.len > 0) {
		buf_add(&s->joined, *line);
		*line = str_trim(buf_str(&s->joined));
	}
	if (r != STREAM_OK)
		no_line(s, r);
	return r == STREAM_OK;
}

static void converse(struct session *s)
{
	struct str line;

	while (!s->quit && !s->dead && next_line(s, &line)) {
		daemon_session_works(true);
		transcript_client(&s->id, line, command_is_plain(line));
		command_run(s, line);
		daemon_session_works(false);
		buf_clear(&s->joined);
		if (s->bad_in_a_row >= s->conf->pop3_max_bad_commands) {
			session_printf(s, "-ERR Too many errors\r\n");
			s->ended = "too many errors";
			s->quit = true;
		}
	}
	/* Whoever has heard that the session is over may begin another. */
	box_pop3_unlock(s->box);
	flush(s);
}

static void log_end(const struct session *s, int64_t began)
{
	log_info("%s: session end: user=<%s>, client=%s, retr=%u, top=%u, "
		 "del=%u/%u, out=%llu, seconds=%lld (%s)",
	    s->id.text, s->login, s->client, s->retrieved, s->topped,
	    s->deleted, s->count, (unsigned long long)s->octets_out,
	    (long long)(clock_ms() - began) / 1000, s->ended);
	trace_event(TRACE_SESSION_END, &s->id, NULL,
	    &(struct trace_fields){.who = str_from(s->login),
		.where = STR("pop3"),
		.why = str_from(s->ended),
		.number = s->retrieved});
}

void session_run(const struct pop3d_conf *conf, int fd, struct box *box,
    struct view *view, const char *login, const char *client,
    const struct id *id, struct str early)
{
	int64_t began = clock_ms();
	struct session s = {
	    .conf = conf,
	    .stream = stream_new(fd),
	    .early = buf_new(early.len),
	    .joined = buf_new(LINE_MOST * 2 + early.len),
	    .login = login,
	    .client = client,
	    .id = *id,
	    .ended = "",
	    .box = box,
	    .view = view,
	    .uidvalidity = box_find_id(box, view_mailbox(view))->uidvalidity,
	    .count = view_count(view),
	    .marks = mem_alloc(view_count(view)),
	    .chunk = buf_new(CHUNK_MOST),
	};

	log_info(
	    "%s: session start: user=<%s>, client=%s", id->text, login, client);
	buf_add(&s.early, early);
	for (uint32_t seq = 1; seq <= s.count; seq++)
		s.octets += view_message(view, seq)->size;
	session_printf(&s, "+OK Logged in, %u messages\r\n", s.count);
	converse(&s);
	log_end(&s, began);
	stream_close(&s.stream);
	buf_free(&s.early);
	buf_free(&s.joined);
	buf_free(&s.chunk);
	free(s.marks);
}
