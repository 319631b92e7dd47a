/* SPDX-License-Identifier: ISC */
#include "reportd/send.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "daemon/daemon.h"
#include "ipc/limits.h"
#include "reportd/schedule.h"
#include "reportd/sending.h"

#define LOOK_MOST 3600 /* seconds until the next look for what is due */

/* One walk over all periods: the daily one, or the operator's. */
struct walk {
	struct wire *asker; /* NULL: nobody waits */
	bool by_hand;
	bool all; /* else domain alone */
	char domain[IPC_HOST_MAX + 1];
	struct buf at;
	uint64_t count;
	struct walk *next;
};

static struct {
	const struct reportd_conf *conf;
	struct loop_timer *looking; /* for what is due */
	struct loop_timer *step;    /* to the next period of the walk */
	int64_t look_at;            /* seconds; 0: nothing will be due */
	struct walk *walks;         /* the first one runs */
} sender;

static void go_on(void)
{
	loop_timer_set(sender.step, 0);
}

/* ---- when ---- */

/* Nothing runs on an idle host until something is due. */
static void look_at(uint64_t when)
{
	int64_t now = clock_seconds(), wait = (int64_t)when - now;

	if (wait < 1)
		wait = 1;
	if (wait > LOOK_MOST)
		wait = LOOK_MOST;
	if (sender.look_at != 0 && sender.look_at <= now + wait)
		return;
	sender.look_at = now + wait;
	loop_timer_set(sender.looking, wait * 1000);
}

void send_look_later(void)
{
	struct buf at = buf_new(ROWS_KEY_MAX);
	uint64_t first = UINT64_MAX;
	struct period p;

	if (sender.walks != NULL)
		return;
	while (rows_next_period(&at, &p))
		if (schedule_time(sender.conf, &p) < first)
			first = schedule_time(sender.conf, &p);
	buf_free(&at);
	sender.look_at = 0;
	if (first != UINT64_MAX)
		look_at(first);
}

/* ---- answering the operator ---- */

static void tried(const struct period *p, const char *problem,
    struct str address, struct str queue_id)
{
	const struct walk *walk = sender.walks;
	struct report_sent answer = {.domain = p->domain,
	    .id = p->id,
	    .address = address,
	    .queued = queue_id.len > 0,
	    .queue_id = queue_id,
	    .text = str_sub(str_from(problem), 0, IPC_REPLY_MAX)};

	if (walk->asker == NULL)
		return;
	wire_put(walk->asker, &report_sent, &answer);
	wire_push(walk->asker);
}

static void end_walk(void)
{
	struct walk *walk = sender.walks;
	struct report_end end = {.count = walk->count};

	if (walk->asker != NULL) {
		wire_put(walk->asker, &report_end, &end);
		wire_push(walk->asker);
	}
	sender.walks = walk->next;
	buf_free(&walk->at);
	free(walk);
	if (sender.walks != NULL)
		go_on();
	else
		send_look_later();
}

static struct walk *add_walk(void)
{
	struct walk *walk = NEW(struct walk), **end = &sender.walks;

	walk->at = buf_new(ROWS_KEY_MAX);
	walk->all = true;
	while (*end != NULL)
		end = &(*end)->next;
	*end = walk;
	sender.look_at = 0;
	loop_timer_stop(sender.looking);
	go_on();
	return walk;
}

void send_asked(struct wire *asker, const struct report_send *what)
{
	struct walk *walk = add_walk();

	walk->asker = asker;
	walk->by_hand = true;
	walk->all = what->domain.len == 0;
	(void)str_copy(walk->domain, sizeof(walk->domain), what->domain);
	if (what->now)
		rows_end_period(what->domain, (uint64_t)clock_seconds());
}

void send_forget(struct wire *asker)
{
	for (struct walk *walk = sender.walks; walk != NULL; walk = walk->next)
		if (walk->asker == asker)
			walk->asker = NULL;
}

static void look(void *arg)
{
	(void)arg;
	sender.look_at = 0;
	if (sender.walks == NULL)
		add_walk();
}

/* ---- which one is due ---- */

static void drop_old(const struct period *p)
{
	daemon_count("reports_dropped", 1);
	log_info("report %.*s for %.*s dropped: it is older than "
		 "dmarc_report_lifetime%s%.*s",
	    STR_FMT(p->id), STR_FMT(p->domain), p->problem.len > 0 ? "; " : "",
	    STR_FMT(p->problem));
	rows_remove_period(p);
}

static bool is_due(
    const struct walk *walk, const struct period *p, uint64_t now)
{
	if (p->end > now)
		return false;
	if (!walk->all && !str_case_eq(p->domain, str_from(walk->domain)))
		return false;
	return walk->by_hand || schedule_due(sender.conf, p, now);
}

static void find_next(struct walk *walk)
{
	uint64_t now = (uint64_t)clock_seconds();
	struct period p;

	rows_settle(now);
	while (rows_next_period(&walk->at, &p)) {
		if (p.end <= now && p.messages == 0) {
			rows_remove_period(&p);
		} else if (schedule_over(sender.conf, &p, now)) {
			drop_old(&p);
		} else if (is_due(walk, &p, now)) {
			walk->count++;
			sending_begin(&p);
			return;
		}
	}
	end_walk();
}

static void step(void *arg)
{
	(void)arg;
	if (sender.walks != NULL && !sending_busy())
		find_next(sender.walks);
}

/* ---- the whole ---- */

void send_start(const struct reportd_conf *conf)
{
	static const struct sending_calls calls = {tried, go_on};

	sender.conf = conf;
	sending_start(conf, &calls);
	sender.looking = loop_timer_new(daemon_loop(), look, NULL);
	sender.step = loop_timer_new(daemon_loop(), step, NULL);
	send_look_later();
}

void send_stop(void)
{
	loop_timer_stop(sender.looking);
	loop_timer_stop(sender.step);
	sending_stop();
	while (sender.walks != NULL) {
		struct walk *walk = sender.walks;

		sender.walks = walk->next;
		buf_free(&walk->at);
		free(walk);
	}
}
