/* SPDX-License-Identifier: ISC */
#include "qmgr/backlog.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/log.h"
#include "core/memory.h"
#include "daemon/daemon.h"
#include "qmgr/agent.h"
#include "qmgr/hop.h"

#define CHECK_MS  10000
#define CHECKS    10     /* at least, in qmgr_backlog_warn_time */
#define ALL       "*"    /* transport of struct backlog's own */
#define PAUSE_MAX 604800 /* seconds between two warnings */

struct backlog {
	struct qmgr *q;
	struct loop_timer *timer;
	/* All destinations as one: many may have a little each. */
	struct table own;
	struct hop *all;
};

/* What the figures say. */
struct sum {
	uint64_t destinations, recipients, oldest;
};

/* "1d 2h", "12m". */
static const char *duration(uint32_t s, char out[32])
{
	if (s >= 86400)
		snprintf(out, 32, "%ud %uh", s / 86400, s % 86400 / 3600);
	else if (s >= 3600)
		snprintf(out, 32, "%uh %um", s / 3600, s % 3600 / 60);
	else if (s >= 60)
		snprintf(out, 32, "%um", s / 60);
	else
		snprintf(out, 32, "%us", s);
	return out;
}

/* The cause as far as it is known, for the line. */
static void cause(struct qmgr *q, const struct hop *h, char *out, size_t size)
{
	struct destination *d = agents_destination(
	    q, hop_transport(h), hop_nexthop(h));
	struct agent_view a;

	if (d != NULL) {
		a = agents_view(q, d);
		if (a.away_since != 0) {
			snprintf(out, size, "%s cannot be reached: %s", a.name,
			    a.why);
			return;
		}
	}
	if (h->failure != NULL && h->last_failure >= h->last_success)
		snprintf(out, size, "last answer: %.400s", h->failure);
	else if (d != NULL && destination_view(d).under_way > 0)
		snprintf(out, size, "attempts are under way without an answer");
	else
		snprintf(out, size, "no attempt has ended yet");
}

static bool is_all(const struct hop *h)
{
	return strcmp(hop_transport(h), ALL) == 0;
}

static void warn(struct qmgr *q, const struct hop *h, uint32_t age)
{
	char text[32], why[480];

	cause(q, h, why, sizeof(why));
	if (hop_transport(h)[0] == '\0')
		log_warning("backlog: %u recipients wait for %s to be given a "
			    "destination; %s",
		    h->waiting, duration(age, text), why);
	else if (is_all(h))
		log_warning("backlog: nothing was delivered anywhere for %s; "
			    "%u recipients wait; \"posthouse queue summary\" "
			    "tells where",
		    duration(age, text), h->waiting);
	else
		log_warning("backlog: %u recipients wait for %s:%s, nothing "
			    "delivered there for %s; %s; \"posthouse queue why "
			    "%s\" tells more",
		    h->waiting, hop_transport(h), hop_nexthop(h),
		    duration(age, text), why, hop_nexthop(h));
}

static void moves(const struct hop *h)
{
	const char *how = h->waiting == 0 ? "nothing waits any more"
					  : "mail is delivered again";

	if (hop_transport(h)[0] == '\0')
		log_info("backlog: over, destinations are given again");
	else if (is_all(h))
		log_info(
		    "backlog: over, %s (%u recipients wait)", how, h->waiting);
	else
		log_info("backlog: over for %s:%s, %s (%u recipients wait)",
		    hop_transport(h), hop_nexthop(h), how, h->waiting);
}

static void look(struct qmgr *q, struct hop *h, uint32_t now, struct sum *sum)
{
	uint32_t patience = (uint32_t)(q->conf->qmgr_backlog_warn_time / 1000);
	uint32_t age = h->since == 0 || h->since > now ? 0 : now - h->since;

	if (patience == 0 || age < patience ||
	    (h->warn_at == 0 &&
		h->waiting < (uint32_t)q->conf->qmgr_backlog_warn_count)) {
		if (h->warn_at != 0)
			moves(h);
		h->warn_at = 0;
		return;
	}
	if (!is_all(h)) {
		sum->destinations++;
		sum->recipients += h->waiting;
	}
	if (age > sum->oldest)
		sum->oldest = age;
	if (h->warn_at != 0 && h->warn_at > now)
		return;
	h->warn_pause = h->warn_at == 0 ? patience : h->warn_pause * 2;
	if (h->warn_pause > PAUSE_MAX)
		h->warn_pause = PAUSE_MAX;
	h->warn_at = now + h->warn_pause;
	warn(q, h, age);
}

static void add_up(struct hop *all, const struct hop *h)
{
	if (hop_transport(h)[0] == '\0')
		return;
	all->waiting += h->waiting;
	if (h->last_success > all->since && all->since != 0)
		all->since = h->last_success;
}

static void check(void *arg)
{
	struct backlog *b = arg;
	struct qmgr *q = b->q;
	int64_t pause = q->conf->qmgr_backlog_warn_time / CHECKS;
	struct sum sum = {0};
	uint32_t now = qmgr_now();
	struct str key;
	size_t at = 0;
	void *h;

	b->all->waiting = 0;
	while (table_next(&q->messages.hops, &at, &key, &h)) {
		look(q, h, now, &sum);
		add_up(b->all, h);
	}
	/* One warning for one cause. */
	if (sum.destinations == 0) {
		if (b->all->waiting == 0)
			b->all->since = 0;
		else if (b->all->since == 0)
			b->all->since = now;
		look(q, b->all, now, &sum);
	}
	if (q->working) { /* else another one shows its own */
		daemon_gauge("backlog_destinations", sum.destinations);
		daemon_gauge("backlog_recipients", sum.recipients);
		daemon_gauge("backlog_oldest_seconds", sum.oldest);
	}
	loop_timer_set(b->timer,
	    pause < 1000           ? 1000
		: pause > CHECK_MS ? CHECK_MS
				   : pause);
}

void backlog_open(struct qmgr *q)
{
	q->backlog = NEW(struct backlog);
	q->backlog->q = q;
	q->backlog->all = hop_get(
	    &q->backlog->own, STR(ALL), STR_EMPTY, qmgr_now());
	q->backlog->timer = loop_timer_new(q->loop, check, q->backlog);
	loop_timer_set(q->backlog->timer, 1000);
}

void backlog_close(struct qmgr *q)
{
	if (q->backlog == NULL)
		return;
	loop_timer_free(&q->backlog->timer);
	hops_free(&q->backlog->own);
	free(q->backlog);
	q->backlog = NULL;
}
