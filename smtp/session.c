/* SPDX-License-Identifier: ISC */
#include "smtp/session.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "ipc/trace.h"

#define QUIT_MS 2000 /* for the answer to QUIT, which nobody needs */

/* ---- life ---- */

static void release(struct session *s)
{
	struct delivery *d = s->delivery;

	if (s->prev != NULL)
		s->prev->next = s->next;
	else
		d->sessions = s->next;
	if (s->next != NULL)
		s->next->prev = s->prev;
	d->session_count--;
	loop_timer_free(&s->timer);
	free(s->rcpts);
	free(s->key);
	free(s);
	deliver_session_ended(d);
}

/*
 * A handler holds its session by `inside`, so the one that ends it does not
 * free it; the analyzer takes the counter for one that may wrap.
 */
/* NOLINTBEGIN(clang-analyzer-unix.Malloc) */

void session_end(struct session *s)
{
	if (s->dead)
		return;
	s->dead = true;
	s->job = NULL;
	if (s->watch != NULL)
		loop_watch_free(&s->watch);
	if (s->stream != NULL)
		stream_close(&s->stream);
	loop_timer_stop(s->timer);
	if (s->inside == 0)
		release(s);
}

/* Every handler ends with this. */
static void leave(struct session *s)
{
	if (--s->inside == 0 && s->dead)
		release(s);
}

void session_enter(
    struct session *s, enum session_state state, int64_t timeout_ms)
{
	s->state = state;
	loop_timer_set(s->timer, timeout_ms);
}

void trace_host(const struct session *s, const struct job *j, struct str dsn,
    const char *why)
{
	uint64_t now = clock_us();
	bool is_new = j->connecting_us != 0 && j->connecting_us < now;

	trace_event(TRACE_HOST, &j->session_id, &j->queue_id,
	    &(struct trace_fields){.where = str_from(s->remote),
		.code = dsn,
		.why = str_from(why),
		.wait_ms = is_new ? (now - j->connecting_us) / 1000 : 0});
}

void session_sign(const struct session *s, struct answer *a)
{
	snprintf(a->remote, sizeof(a->remote), "%s", s->remote);
	snprintf(a->phase, sizeof(a->phase), "%s", dialog_phase(s));
	snprintf(a->tls, sizeof(a->tls), "%s", s->cipher);
}

void session_fail(struct session *s, struct answer a)
{
	struct delivery *d = s->delivery;
	struct job *j = s->job;
	/* A connection that was kept may be gone when it is used. */
	bool stale = s->used > 0 && s->replied == 0 &&
	    s->state == SESSION_ENVELOPE;
	bool met = s->met;

	s->job = NULL;
	session_sign(s, &a);
	if (j != NULL && !stale)
		trace_host(s, j, str_from(a.dsn.code), a.dsn.text);
	a.whole_hop = true;
	session_end(s);
	if (j == NULL)
		return;
	if (stale)
		deliver_stale(d, j);
	else
		deliver_failed(d, j, &a, met);
}

void session_quit(struct session *s)
{
	s->job = NULL;
	if (s->dead)
		return;
	stream_puts(s->stream, "QUIT\r\n");
	session_enter(s, SESSION_QUIT, QUIT_MS);
}

void session_release(struct session *s, bool good)
{
	struct delivery *d = s->delivery;
	const struct smtp_conf *c = d->conf;
	struct job *j = s->job;
	bool keep = good && !d->draining &&
	    c->smtp_connection_cache_time_limit > 0 &&
	    (c->smtp_connection_reuse_count_limit == 0 ||
		s->used + 1 < (unsigned)c->smtp_connection_reuse_count_limit) &&
	    loop_now(d->loop) - s->born < c->smtp_connection_reuse_time_limit;

	s->job = NULL;
	s->used++;
	if (keep)
		session_enter(
		    s, SESSION_IDLE, c->smtp_connection_cache_time_limit);
	else
		session_quit(s);
	deliver_done(d, j);
	if (keep)
		deliver_session_idle(d);
}

/* ---- what went wrong ---- */

static const char *plain_why(struct session *s, enum stream_result r)
{
	static const char prefix[] = "connecting: ";
	const char *why = stream_why(s->stream);

	if (r != STREAM_ERROR)
		return "connection closed";
	if (strncmp(why, prefix, strlen(prefix)) == 0)
		why += strlen(prefix);
	return why;
}

/* The content was sent and no answer came: it may have arrived. */
static void fail_after_dot(struct session *s, const char *what)
{
	struct job *j = s->job;
	struct delivery *d = s->delivery;
	struct answer a = answer_make(DSN_DEFERRED, "4.4.2",
	    "%s with %s while sending end of data -- message may be sent more "
	    "than once",
	    what, s->target.host);

	session_sign(s, &a);
	s->job = NULL;
	session_end(s);
	job_answer_all(j, &a);
	deliver_done(d, j);
}

static void lost(struct session *s, enum stream_result r)
{
	if (s->job == NULL) {
		session_end(s);
		return;
	}
	switch (s->state) {
	case SESSION_CONNECT:
		session_fail(s,
		    answer_make(DSN_DEFERRED, "4.4.1", "connect to %s: %s",
			s->remote, plain_why(s, r)));
		return;
	case SESSION_TLS:
		if (s->delivery->conf->smtp_tls_security_level == TLS_MAY) {
			struct delivery *d = s->delivery;
			struct job *j = s->job;

			log_info("%s: TLS with %s failed (%s), going on in "
				 "plaintext",
			    j->queue_id.text, s->remote, plain_why(s, r));
			session_end(s);
			deliver_plain(d, j);
			return;
		}
		session_fail(s,
		    answer_make(DSN_DEFERRED, "4.7.5",
			"TLS is required, and the handshake with %s failed: %s",
			s->target.host, plain_why(s, r)));
		return;
	case SESSION_DOT:
		fail_after_dot(s, "lost connection");
		return;
	default:
		session_fail(s,
		    answer_make(DSN_DEFERRED, "4.4.2",
			"lost connection with %s %s", s->remote,
			dialog_doing(s)));
	}
}

static void timed_out(void *arg)
{
	struct session *s = arg;

	s->inside++;
	if (s->state == SESSION_IDLE)
		session_quit(s);
	else if (s->job == NULL)
		session_end(s);
	else if (s->state == SESSION_CONNECT)
		session_fail(s,
		    answer_make(DSN_DEFERRED, "4.4.1",
			"connect to %s: Connection timed out", s->remote));
	else if (s->state == SESSION_DOT)
		fail_after_dot(s, "conversation timed out");
	else if (s->state == SESSION_TLS)
		lost(s, STREAM_EOF);
	else
		session_fail(s,
		    answer_make(DSN_DEFERRED, "4.4.2",
			"conversation with %s timed out %s", s->remote,
			dialog_doing(s)));
	if (!s->dead && s->state == SESSION_QUIT)
		stream_push(s->stream);
	leave(s);
}

/* ---- octets ---- */

static void watch(struct session *s, unsigned what)
{
	if (s->dead || s->what == what)
		return;
	s->what = what;
	loop_watch_set(s->watch, what);
}

/* Sends what there is; content comes in pieces as the server takes it. */
static void send_output(struct session *s)
{
	enum stream_result r = STREAM_OK;

	while (!s->dead && s->state != SESSION_CONNECT &&
	    s->state != SESSION_TLS) {
		r = stream_push(s->stream);
		if (r != STREAM_OK || s->state != SESSION_BODY)
			break;
		dialog_more_content(s);
	}
	if (s->dead)
		return;
	if (r == STREAM_AGAIN_WRITE)
		watch(s, LOOP_READ | LOOP_WRITE);
	else if (r == STREAM_OK)
		watch(s, s->state == SESSION_CONNECT ? LOOP_WRITE : LOOP_READ);
	else
		lost(s, r);
}

/* Replies that have arrived. */
static void take_input(struct session *s)
{
	while (!s->dead && s->state != SESSION_TLS &&
	    stream_has_input(s->stream)) {
		struct str in = stream_peek(s->stream);
		const char *why;
		size_t used;
		enum reply_result r = reply_feed(
		    &s->reply, in.p, in.len, &used, &why);

		stream_consume(s->stream, used);
		if (r == REPLY_MORE)
			continue;
		s->met = true;
		if (r == REPLY_BAD && s->job == NULL) {
			session_end(s);
		} else if (r == REPLY_BAD && s->state == SESSION_DOT) {
			fail_after_dot(s, "protocol error");
		} else if (r == REPLY_BAD) {
			session_fail(s,
			    answer_make(DSN_DEFERRED, "4.5.0",
				"protocol error with %s %s: %s", s->remote,
				dialog_doing(s), why));
		} else {
			dialog_reply(s);
			if (!s->dead)
				reply_start(&s->reply);
		}
	}
}

static void connected(struct session *s)
{
	enum stream_result r = stream_connected(s->stream);

	if (r == STREAM_AGAIN_WRITE)
		return;
	if (r != STREAM_OK) {
		lost(s, r);
		return;
	}
	dialog_start(s);
}

static void handshake(struct session *s)
{
	enum stream_result r = stream_handshake(s->stream);

	if (r == STREAM_AGAIN_READ)
		watch(s, LOOP_READ);
	else if (r == STREAM_AGAIN_WRITE)
		watch(s, LOOP_READ | LOOP_WRITE);
	else if (r == STREAM_OK)
		dialog_secured(s);
	else
		lost(s, r);
}

static void ready(unsigned what, void *arg)
{
	struct session *s = arg;
	enum stream_result r = STREAM_OK;

	s->inside++;
	if (s->state == SESSION_CONNECT) {
		connected(s);
	} else if (s->state == SESSION_TLS) {
		handshake(s);
	} else if (what & LOOP_READ) {
		r = stream_fill(s->stream);
		take_input(s);
	}
	if (!s->dead && r != STREAM_OK && r != STREAM_AGAIN_READ &&
	    r != STREAM_AGAIN_WRITE)
		lost(s, r);
	if (!s->dead && s->state == SESSION_TLS)
		handshake(s);
	if (!s->dead)
		send_output(s);
	leave(s);
}

/* ---- for deliver.c ---- */

static char *make_key(const struct job *j)
{
	char *key;

	if (asprintf(&key, "%.*s %.*s", STR_FMT(j->transport),
		STR_FMT(j->nexthop)) < 0)
		return str_dup(STR_EMPTY);
	return key;
}

static void describe(struct session *s)
{
	if (strcmp(s->target.address, "unix") == 0)
		snprintf(
		    s->remote, sizeof(s->remote), "%s[unix]", s->target.host);
	else
		snprintf(s->remote, sizeof(s->remote), "%s[%s]:%u",
		    s->target.host, s->target.address,
		    (unsigned)netaddr_port(&s->target.addr));
}

static struct session *session_new(
    struct delivery *d, struct job *j, const struct target *target)
{
	struct session *s = NEW(struct session);

	s->delivery = d;
	s->job = j;
	s->lmtp = j->lmtp;
	s->by_mx = j->by_mx;
	s->key = make_key(j);
	s->target = *target;
	s->born = loop_now(d->loop);
	describe(s);
	reply_start(&s->reply);
	s->timer = loop_timer_new(d->loop, timed_out, s);
	s->next = d->sessions;
	if (s->next != NULL)
		s->next->prev = s;
	d->sessions = s;
	d->session_count++;
	return s;
}

void session_open(
    struct delivery *d, struct job *j, const struct target *target)
{
	struct session *s = session_new(d, j, target);
	const char *why = NULL;

	j->connecting_us = clock_us();
	j->connected_us = 0;
	s->stream = stream_connect(&target->addr, NULL, &why);
	if (s->stream == NULL) {
		session_fail(s,
		    answer_make(DSN_DEFERRED, "4.4.1", "connect to %s: %s",
			s->remote, why));
		return;
	}
	s->what = LOOP_WRITE;
	s->watch = loop_watch_new(
	    d->loop, stream_fd(s->stream), s->what, ready, s);
	session_enter(s, SESSION_CONNECT, d->conf->smtp_connect_timeout);
}

static struct session *find_idle(const struct delivery *d, const struct job *j)
{
	char *key = make_key(j);
	struct session *s;

	for (s = d->sessions; s != NULL; s = s->next)
		if (!s->dead && s->state == SESSION_IDLE &&
		    strcmp(s->key, key) == 0)
			break;
	free(key);
	return s;
}

bool session_can_reuse(const struct delivery *d, const struct job *j)
{
	return !j->no_reuse && find_idle(d, j) != NULL;
}

bool session_reuse(struct delivery *d, struct job *j)
{
	struct session *s = find_idle(d, j);

	if (s == NULL)
		return false;
	s->job = j;
	s->inside++;
	j->by_mx = s->by_mx;
	j->connecting_us = j->connected_us = clock_us();
	dialog_again(s);
	if (!s->dead)
		send_output(s);
	leave(s);
	return true;
}

bool session_end_idle(struct delivery *d)
{
	struct session *oldest = NULL;

	for (struct session *s = d->sessions; s != NULL; s = s->next)
		if (!s->dead && s->state == SESSION_IDLE)
			oldest = s; /* the list has the newest first */
	if (oldest == NULL)
		return false;
	stream_puts(oldest->stream, "QUIT\r\n");
	stream_push(oldest->stream);
	session_end(oldest);
	return true;
}

/* NOLINTEND(clang-analyzer-unix.Malloc) */
