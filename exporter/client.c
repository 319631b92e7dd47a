/* SPDX-License-Identifier: ISC */
#include "exporter/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "exporter/ask.h"
#include "exporter/http.h"
#include "net/stream.h"

#define LINGER_MS  2000
#define TEXT_PLAIN "text/plain; charset=utf-8"
#define TEXT_0_0_4 "text/plain; version=0.0.4; charset=utf-8"

struct client {
	struct client *prev, *next;
	struct stream *stream;
	struct loop_watch *watch;
	struct loop_timer *timer;
	bool asking;    /* waits for figures */
	bool inside;    /* asks for them just now */
	bool head;      /* the answer has no body */
	bool last;      /* the connection ends behind it */
	bool lingering; /* all is said; until the client has read it */
};

static const struct exporter_conf *conf;
static struct client *clients;
static int count;

static void drop(struct client *c)
{
	if (c->asking)
		ask_forget(c);
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		clients = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	loop_watch_free(&c->watch);
	loop_timer_free(&c->timer);
	stream_close(&c->stream);
	free(c);
	count--;
	if (count == 0 && daemon_draining())
		daemon_done();
}

static void timed_out(void *arg)
{
	drop(arg);
}

/* ---- answers ---- */

static void put_head(struct client *c, int status, const char *type, size_t len)
{
	char date[64];
	time_t now = (time_t)clock_seconds();
	struct tm tm;

	if (gmtime_r(&now, &tm) == NULL ||
	    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm) == 0)
		date[0] = '\0';
	stream_printf(c->stream,
	    "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: %s\r\n"
	    "Content-Length: %zu\r\nCache-Control: no-store\r\n"
	    "Connection: %s\r\n%s\r\n",
	    status, http_phrase(status), date, type, len,
	    c->last ? "close" : "keep-alive",
	    status == 405 ? "Allow: GET, HEAD\r\n" : "");
}

static void answer(
    struct client *c, int status, const char *type, struct str body)
{
	daemon_count("requests", 1);
	put_head(c, status, type, body.len);
	if (!c->head)
		stream_put(c->stream, body);
}

static void refuse(struct client *c, int status, const char *words)
{
	char body[200];
	int n = snprintf(body, sizeof(body), "%s\n", words);

	answer(c, status, TEXT_PLAIN, str_of(body, (size_t)n));
}

static void go_on(struct client *c);

static void have_figures(const struct buf *text, const char *why, void *arg)
{
	struct client *c = arg;

	c->asking = false;
	c->last = c->last || daemon_draining();
	if (text != NULL)
		answer(c, 200, TEXT_0_0_4, buf_str(text));
	else
		refuse(c, 503, why);
	if (!c->inside)
		go_on(c);
}

static void obey(struct client *c, const struct http_request *r)
{
	c->head = r->head;
	c->last = r->last || daemon_draining();
	if (!r->get && !r->head) {
		refuse(c, 405, "only GET and HEAD are understood");
	} else if (!str_eq(r->path, STR("/metrics"))) {
		refuse(c, 404, "the figures are at /metrics");
	} else {
		c->asking = c->inside = true;
		ask_figures(have_figures, c);
		c->inside = false;
	}
}

/* ---- the conversation ---- */

/* Whole requests in what has come, one behind the other's answer. */
static void take_requests(struct client *c)
{
	while (!c->asking && !c->last && stream_pending(c->stream) == 0) {
		struct str in = stream_peek(c->stream);
		struct http_request r;
		long n = http_parse(
		    in, (size_t)conf->exporter_request_limit, &r);

		if (n == 0)
			return;
		loop_timer_set(c->timer, conf->exporter_timeout);
		if (n < 0) {
			c->head = false;
			c->last = true;
			refuse(c, (int)-n, "this request cannot be understood");
		} else {
			obey(c, &r);
			stream_consume(c->stream, (size_t)n);
		}
		if (stream_push(c->stream) == STREAM_ERROR)
			return;
	}
}

/* What a client sent and nobody read would reset the connection, and take the
 * answer with it (RFC 9112 section 9.6). */
static void linger(struct client *c)
{
	if (c->lingering || shutdown(stream_fd(c->stream), SHUT_WR) < 0) {
		drop(c);
		return;
	}
	c->lingering = true;
	loop_timer_set(c->timer, LINGER_MS);
	loop_watch_set(c->watch, LOOP_READ);
}

/* Everything that was put is sent; what follows. */
static void go_on(struct client *c)
{
	enum stream_result r = stream_push(c->stream);

	if (r == STREAM_OK) {
		take_requests(c);
		r = stream_push(c->stream);
	}
	if (r == STREAM_ERROR) {
		drop(c);
		return;
	}
	if (r == STREAM_OK && c->last && !c->asking) {
		linger(c);
		return;
	}
	loop_watch_set(
	    c->watch, r == STREAM_OK ? c->asking ? 0 : LOOP_READ : LOOP_WRITE);
}

static void ready(unsigned what, void *arg)
{
	struct client *c = arg;
	enum stream_result r = STREAM_OK;

	if (what & LOOP_READ)
		r = stream_fill(c->stream);
	if (r == STREAM_EOF || r == STREAM_ERROR)
		drop(c);
	else if (c->lingering)
		stream_consume(c->stream, stream_peek(c->stream).len);
	else
		go_on(c);
}

void client_accepted(struct conn *conn)
{
	struct client *c;

	if (count >= conf->exporter_client_limit) {
		daemon_count("refused", 1);
		file_close(&conn->fd);
		return;
	}
	c = NEW(struct client);
	c->stream = stream_new(conn->fd);
	c->watch = loop_watch_new(daemon_loop(), conn->fd, LOOP_READ, ready, c);
	c->timer = loop_timer_new(daemon_loop(), timed_out, c);
	loop_timer_set(c->timer, conf->exporter_timeout);
	c->next = clients;
	if (clients != NULL)
		clients->prev = c;
	clients = c;
	count++;
}

void client_open(const struct exporter_conf *settings)
{
	conf = settings;
	ask_open(settings);
}

void client_drain(void)
{
	struct client *c = clients, *next;

	if (count == 0) {
		daemon_done();
		return;
	}
	for (; c != NULL; c = next) {
		next = c->next;
		if (c->lingering ||
		    (!c->asking && stream_pending(c->stream) == 0))
			drop(c);
		else
			c->last = true;
	}
}
