/* SPDX-License-Identifier: ISC */
#include "login/proxy.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "core/memory.h"

#define PENDING_MOST 131072 /* octets under way in one direction */
#define SILENCE_MS   2000   /* then buffers are given back */

enum { CLIENT, SESSION };

struct proxy {
	struct stream *side[2];
	struct loop_watch *watch[2];
	bool eof[2];        /* it will say no more */
	bool told[2];       /* that the other will say no more */
	uint64_t forwarded; /* octets put to the session */
	void (*ended)(void *arg);
	void *arg;
	/* with buffers: in a list, until a sweep finds it silent */
	struct proxy *next, *before;
	bool fat, active;
};

static struct {
	struct proxy *fat;
	struct loop_timer *sweep;
} proxies;

static void make_fat(struct proxy *p)
{
	p->active = true;
	if (p->fat)
		return;
	if (proxies.fat == NULL)
		loop_timer_set(proxies.sweep, SILENCE_MS);
	p->fat = true;
	p->before = NULL;
	p->next = proxies.fat;
	if (p->next != NULL)
		p->next->before = p;
	proxies.fat = p;
}

static void leave_fat(struct proxy *p)
{
	if (!p->fat)
		return;
	*(p->before != NULL ? &p->before->next : &proxies.fat) = p->next;
	if (p->next != NULL)
		p->next->before = p->before;
	p->fat = false;
}

static void sweep(void *arg)
{
	struct proxy *next;

	(void)arg;
	for (struct proxy *p = proxies.fat; p != NULL; p = next) {
		next = p->next;
		if (!p->active) {
			stream_trim(p->side[CLIENT]);
			stream_trim(p->side[SESSION]);
			leave_fat(p);
		}
		p->active = false;
	}
	if (proxies.fat != NULL)
		loop_timer_set(proxies.sweep, SILENCE_MS);
}

/* Moves what `from` has read to the other end. False when that end broke. */
static bool move(struct proxy *p, int from)
{
	struct stream *in = p->side[from], *out = p->side[!from];

	/* Room first: input that waits here is nothing that a watch tells. */
	if (stream_pending(out) > 0 && stream_push(out) == STREAM_ERROR)
		return false;
	while (stream_has_input(in) && stream_pending(out) < PENDING_MOST) {
		struct str bytes = stream_peek(in);

		if (stream_put(out, bytes) < 0)
			return false;
		if (from == CLIENT)
			p->forwarded += bytes.len;
		stream_consume(in, bytes.len);
		if (stream_push(out) == STREAM_ERROR)
			return false;
	}
	if (p->eof[from] && !p->told[!from] && !stream_has_input(in) &&
	    stream_pending(out) == 0) {
		p->told[!from] = true;
		if (from == SESSION)
			return false; /* all is said */
		shutdown(stream_fd(out), SHUT_WR);
	}
	return true;
}

static unsigned wanted(const struct proxy *p, int side)
{
	unsigned what = stream_pending(p->side[side]) > 0 ? LOOP_WRITE : 0u;

	if (!p->eof[side] && !stream_has_input(p->side[side]))
		what |= LOOP_READ;
	return what;
}

void proxy_start(struct proxy *p)
{
	make_fat(p);
	if (!move(p, CLIENT) || !move(p, SESSION)) {
		p->ended(p->arg);
		return;
	}
	loop_watch_set(p->watch[CLIENT], wanted(p, CLIENT));
	loop_watch_set(p->watch[SESSION], wanted(p, SESSION));
}

static void ready(struct proxy *p, int side, unsigned what)
{
	enum stream_result r = STREAM_OK;

	if (what & LOOP_READ)
		r = stream_fill(p->side[side]);
	if (r == STREAM_EOF || r == STREAM_ERROR)
		p->eof[side] = true;
	proxy_start(p);
}

static void client_ready(unsigned what, void *arg)
{
	ready(arg, CLIENT, what);
}

static void session_ready(unsigned what, void *arg)
{
	ready(arg, SESSION, what);
}

struct proxy *proxy_new(struct loop *loop, struct stream *client, int fd,
    void (*ended)(void *arg), void *arg)
{
	struct proxy *p = NEW(struct proxy);

	if (proxies.sweep == NULL)
		proxies.sweep = loop_timer_new(loop, sweep, NULL);
	p->side[CLIENT] = client;
	p->side[SESSION] = stream_new(fd);
	p->watch[CLIENT] = loop_watch_new(
	    loop, stream_fd(client), 0, client_ready, p);
	p->watch[SESSION] = loop_watch_new(loop, fd, 0, session_ready, p);
	p->ended = ended;
	p->arg = arg;
	return p;
}

bool proxy_is_quiet(const struct proxy *p, uint64_t consumed)
{
	return p->forwarded == consumed && !p->eof[CLIENT] &&
	    !stream_has_input(p->side[CLIENT]);
}

struct stream *proxy_give_back(struct proxy **p)
{
	struct stream *client = (*p)->side[CLIENT];
	struct stream *session = (*p)->side[SESSION];

	do {
		struct str bytes = stream_peek(session);

		stream_put(client, bytes);
		stream_consume(session, bytes.len);
	} while (stream_fill(session) == STREAM_OK);
	stream_push(client);
	(*p)->side[CLIENT] = NULL;
	loop_watch_free(&(*p)->watch[CLIENT]);
	proxy_close(p);
	return client;
}

void proxy_close(struct proxy **pp)
{
	struct proxy *p = *pp;

	if (p == NULL)
		return;
	*pp = NULL;
	leave_fat(p);
	for (int i = 0; i < 2; i++) {
		loop_watch_free(&p->watch[i]);
		stream_close(&p->side[i]);
	}
	free(p);
}
