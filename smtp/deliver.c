/* SPDX-License-Identifier: ISC */
#include "smtp/deliver.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/file.h"
#include "smtp/front.h"
#include "smtp/session.h"

bool deliver_uses(const struct job *j)
{
	return j->open > 0;
}

/* What the job needed is given back at once; its answers stay. */
void deliver_done(struct delivery *d, struct job *j)
{
	(void)d;
	free(j->targets);
	j->targets = NULL;
	file_close(&j->fd);
}

static void answer_rest(
    struct delivery *d, struct job *j, const struct answer *a)
{
	job_answer_all(j, a);
	deliver_done(d, j);
}

/* ---- targets ---- */

static void next_target(struct delivery *d, struct job *j)
{
	if (j->at == j->target_count ||
	    j->sessions >= (unsigned)d->conf->smtp_mx_session_limit) {
		j->last.dsn.action = DSN_DEFERRED;
		answer_rest(d, j, &j->last);
		return;
	}
	content_rewind(&j->content);
	session_open(d, j, &j->targets[j->at]);
}

void deliver_failed(
    struct delivery *d, struct job *j, const struct answer *a, bool met)
{
	j->last = *a;
	j->at++;
	j->plain = false;
	j->sessions += met;
	next_target(d, j);
}

void deliver_plain(struct delivery *d, struct job *j)
{
	j->plain = true;
	next_target(d, j);
}

static void routed(const struct route *r, void *arg)
{
	struct job *j = arg;
	struct delivery *d = front_delivery(j);
	struct answer a;

	d->starting--;
	j->at = 0;
	j->sessions = 0;
	if (r->action != DSN_DELIVERED) {
		a = answer_make(r->action, r->code, "%s", r->text);
		a.whole_hop = r->whole_hop;
		snprintf(a.phase, sizeof(a.phase), "DNS");
		answer_rest(d, j, &a);
		deliver_session_ended(d);
		return;
	}
	j->targets = r->targets;
	j->target_count = r->count;
	j->by_mx = r->by_mx;
	next_target(d, j);
}

/* ---- sessions are bounded ---- */

static void wait_for_session(struct delivery *d, struct job *j)
{
	j->waiting = NULL;
	if (d->last == NULL)
		d->first = j;
	else
		d->last->waiting = j;
	d->last = j;
}

static void begin(struct delivery *d, struct job *j)
{
	if (!j->no_reuse && session_reuse(d, j))
		return;
	j->connecting_us = clock_us();
	d->starting++;
	route_find(d->router, j->nexthop, j->lmtp, routed, j);
}

static bool is_full(const struct delivery *d)
{
	return d->session_count + d->starting >=
	    (size_t)d->conf->smtp_session_limit;
}

void deliver_start(struct delivery *d, struct job *j)
{
	j->started_us = clock_us();
	j->last = answer_make(DSN_DEFERRED, "4.4.1", "no address to try");
	if (is_full(d) && !session_can_reuse(d, j) && !session_end_idle(d)) {
		wait_for_session(d, j);
		return;
	}
	begin(d, j);
}

void deliver_stale(struct delivery *d, struct job *j)
{
	j->no_reuse = true;
	content_rewind(&j->content);
	begin(d, j);
}

static void begin_first(struct delivery *d)
{
	struct job *j = d->first;

	d->first = j->waiting;
	if (d->first == NULL)
		d->last = NULL;
	begin(d, j);
}

void deliver_session_ended(struct delivery *d)
{
	if (d->first != NULL && !is_full(d))
		begin_first(d);
}

void deliver_session_idle(struct delivery *d)
{
	if (d->first == NULL)
		return;
	if (session_can_reuse(d, d->first))
		begin_first(d);
	else
		session_end_idle(d);
}

void deliver_drain(struct delivery *d)
{
	d->draining = true;
	while (session_end_idle(d))
		;
}
