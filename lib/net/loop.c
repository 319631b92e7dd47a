/* SPDX-License-Identifier: ISC */
#include "net/loop.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"

/* A signal's handler; kept until the loop ends. */
struct caught {
	struct event event;
	struct caught *next;
	void (*handler)(int signal_number, void *arg);
	void *arg;
};

struct loop {
	struct event_base *base;
	struct event turn_end; /* bounds loop_turn */
	struct caught *signals;
	bool stopped;
};

/*
 * Reading and writing are two events, so that asking for writing and
 * stopping to ask is one epoll_ctl(2) each.
 */
struct loop_watch {
	struct event reading, writing;
	unsigned what;
	void (*ready)(unsigned what, void *arg);
	void *arg;
};

struct loop_timer {
	struct event event;
	void (*fired)(void *arg);
	void *arg;
};

static void turn_ended(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

struct loop *loop_new(void)
{
	struct loop *loop = NEW(struct loop);
	struct event_config *config = event_config_new();

	if (config != NULL) {
		event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
		event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV);
		loop->base = event_base_new_with_config(config);
		event_config_free(config);
	}
	if (loop->base == NULL)
		log_fatal("cannot make an event loop");
	event_assign(&loop->turn_end, loop->base, -1, 0, turn_ended, NULL);
	return loop;
}

void loop_free(struct loop **loop)
{
	struct loop *l = *loop;

	if (l == NULL)
		return;
	*loop = NULL;
	event_del(&l->turn_end);
	while (l->signals != NULL) {
		struct caught *c = l->signals;
		l->signals = c->next;
		event_del(&c->event);
		free(c);
	}
	event_base_free(l->base);
	free(l);
}

void loop_after_fork(struct loop *loop)
{
	if (event_reinit(loop->base) < 0)
		log_fatal("cannot take over the event loop after fork");
}

void loop_run(struct loop *loop)
{
	loop->stopped = false;
	while (!loop->stopped)
		if (event_base_loop(loop->base, 0) != 0)
			return; /* nothing is watched any more */
}

static struct timeval to_timeval(int64_t ms)
{
	if (ms < 0)
		ms = 0;
	return (struct timeval){.tv_sec = (time_t)(ms / 1000),
	    .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
}

void loop_turn(struct loop *loop, int64_t ms)
{
	if (ms == 0) {
		event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		return;
	}
	if (ms > 0) {
		struct timeval t = to_timeval(ms);
		event_add(&loop->turn_end, &t);
	}
	event_base_loop(loop->base, EVLOOP_ONCE);
	if (ms > 0)
		event_del(&loop->turn_end);
}

void loop_stop(struct loop *loop)
{
	loop->stopped = true;
	event_base_loopbreak(loop->base);
}

int64_t loop_now(struct loop *loop)
{
	(void)loop;
	return clock_ms(); /* no system call: the vDSO answers */
}

static void watch_ready(evutil_socket_t fd, short what, void *arg)
{
	struct loop_watch *w = arg;

	(void)fd;
	w->ready(what & EV_READ ? LOOP_READ : LOOP_WRITE, w->arg);
}

struct loop_watch *loop_watch_new(struct loop *loop, int fd, unsigned what,
    void (*ready)(unsigned what, void *arg), void *arg)
{
	struct loop_watch *w = NEW(struct loop_watch);

	w->ready = ready;
	w->arg = arg;
	event_assign(
	    &w->reading, loop->base, fd, EV_READ | EV_PERSIST, watch_ready, w);
	event_assign(
	    &w->writing, loop->base, fd, EV_WRITE | EV_PERSIST, watch_ready, w);
	loop_watch_set(w, what);
	return w;
}

static void set_one(struct event *e, bool before, bool after)
{
	if (before == after)
		return;
	if (after)
		event_add(e, NULL);
	else
		event_del(e);
}

void loop_watch_set(struct loop_watch *w, unsigned what)
{
	set_one(&w->reading, w->what & LOOP_READ, what & LOOP_READ);
	set_one(&w->writing, w->what & LOOP_WRITE, what & LOOP_WRITE);
	w->what = what;
}

void loop_watch_free(struct loop_watch **w)
{
	if (*w == NULL)
		return;
	loop_watch_set(*w, 0);
	free(*w);
	*w = NULL;
}

static void timer_fired(evutil_socket_t fd, short what, void *arg)
{
	struct loop_timer *t = arg;

	(void)fd;
	(void)what;
	t->fired(t->arg);
}

struct loop_timer *loop_timer_new(
    struct loop *loop, void (*fired)(void *arg), void *arg)
{
	struct loop_timer *t = NEW(struct loop_timer);

	t->fired = fired;
	t->arg = arg;
	event_assign(&t->event, loop->base, -1, 0, timer_fired, t);
	return t;
}

void loop_timer_set(struct loop_timer *t, int64_t ms)
{
	struct timeval tv = to_timeval(ms);

	event_add(&t->event, &tv);
}

void loop_timer_stop(struct loop_timer *t)
{
	event_del(&t->event);
}

void loop_timer_free(struct loop_timer **t)
{
	if (*t == NULL)
		return;
	event_del(&(*t)->event);
	free(*t);
	*t = NULL;
}

static void signal_caught(evutil_socket_t number, short what, void *arg)
{
	struct caught *c = arg;

	(void)what;
	c->handler((int)number, c->arg);
}

void loop_signal(struct loop *loop, int signal_number,
    void (*caught)(int signal_number, void *arg), void *arg)
{
	struct caught *c = NEW(struct caught);

	c->handler = caught;
	c->arg = arg;
	c->next = loop->signals;
	loop->signals = c;
	evsignal_assign(&c->event, loop->base, signal_number, signal_caught, c);
	event_add(&c->event, NULL);
}
