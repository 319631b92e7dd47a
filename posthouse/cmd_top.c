/* SPDX-License-Identifier: ISC */
/* posthouse top: the house at work, once a second. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/memory.h"
#include "posthouse/queue.h"
#include "posthouse/screen.h"
#include "posthouse/stats.h"

#define TEXT_MOST  (4u << 20)
#define SERVICES   8     /* lines, at most */
#define HOPS_SHOWN 5     /* likewise */
#define HOPS_MOST  1000  /* that are kept of an answer */
#define QUEUE_MOST 10000 /* messages up to which qmgr is asked for them */
#define HOPS_SHARE 20    /* of the time that is spent on it, one part */
#define REFRESH_MS 1000

/* A destination, for its line. */
struct hop {
	char name[100];
	uint64_t waiting, in_use, window, dead_until, since, recent;
	char failure[160];
};

struct top {
	struct posthouse *p;
	struct stats stats;
	struct reading before;
	struct hop *hops;
	size_t hop_count;
	bool too_many;     /* messages: qmgr is not asked */
	int64_t next_hops; /* clock_ms */
};

/* ---- destinations -------------------------------------------------------- */

static void take_hop(const struct queue_hop *h, void *arg)
{
	struct top *t = arg;
	struct hop *to;

	if (h->waiting == 0 || t->hop_count == HOPS_MOST)
		return;
	to = &t->hops[t->hop_count++];
	*to = (struct hop){.waiting = h->waiting,
	    .in_use = h->in_use,
	    .window = h->window,
	    .dead_until = h->dead_until,
	    .since = h->since,
	    .recent = h->recent};
	snprintf(to->name, sizeof(to->name), "%.*s:%.*s", STR_FMT(h->transport),
	    STR_FMT(h->nexthop));
	snprintf(to->failure, sizeof(to->failure), "%.*s", STR_FMT(h->failure));
}

static int by_waiting(const void *a, const void *b)
{
	const struct hop *x = a, *y = b;

	if (x->waiting != y->waiting)
		return x->waiting > y->waiting ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* qmgr looks at all messages for it: seldom when that takes long, and not
 * when there are very many. */
static void ask_hops(struct top *t)
{
	struct queue_ask ask = {.verb = QUEUE_HOPS};
	struct queue_calls calls = {.hop = take_hop, .arg = t};
	uint64_t messages = reading_sum(&t->stats.now, "qmgr", "messages");
	int64_t began = clock_ms();

	if (began < t->next_hops)
		return;
	t->hop_count = 0;
	t->too_many = messages > QUEUE_MOST;
	if (messages > 0 && !t->too_many &&
	    queue_ask_once(t->p, &ask, &calls) != 0)
		t->hop_count = 0;
	if (t->hop_count > 0)
		qsort(t->hops, t->hop_count, sizeof(t->hops[0]), by_waiting);
	t->next_hops = clock_ms() + (clock_ms() - began) * HOPS_SHARE;
}

static void add_hops(const struct top *t, struct buf *out)
{
	char words[QUEUE_WORDS];

	if (t->too_many)
		buf_printf(out,
		    "\nmore than %d messages: \"posthouse queue summary\" "
		    "tells where they go\n",
		    QUEUE_MOST);
	if (t->hop_count == 0)
		return;
	buf_printf(out, "\n%-34s %8s %8s %10s  %s\n", "DESTINATION", "WAITING",
	    "IN USE", "IN 10 MIN", "");
	for (size_t i = 0; i < t->hop_count && i < HOPS_SHOWN; i++) {
		const struct hop *h = &t->hops[i];
		char use[48];

		snprintf(use, sizeof(use), "%llu/%llu",
		    (unsigned long long)h->in_use,
		    (unsigned long long)h->window);
		buf_printf(out, "%-34s %8llu %8s %10llu  ", h->name,
		    (unsigned long long)h->waiting, use,
		    (unsigned long long)h->recent);
		if (h->dead_until > 0)
			buf_printf(out, "rests until %s: ",
			    queue_when(h->dead_until, words));
		else if (h->since > 0)
			buf_printf(out, "no success for %s: ",
			    queue_duration((uint64_t)clock_seconds() > h->since
				    ? (uint64_t)clock_seconds() - h->since
				    : 0,
				words));
		buf_printf(out, "%s\n", h->failure);
	}
}

/* ---- a frame ------------------------------------------------------------- */

static void frame(const struct top *t, struct buf *out)
{
	stats_add_head(&t->stats, out);
	stats_add_queue(&t->stats, out);
	stats_add_services(&t->stats, SERVICES, out);
	add_hops(t, out);
	stats_add_times(&t->stats, out);
	stats_add_counters(&t->stats, out);
}

/* The reading of before becomes the one that rates count from. */
static int look(struct top *t)
{
	reading_clear(&t->before);
	t->before = t->stats.now;
	if (t->before.services == NULL)
		t->before.last = &t->before.services;
	if (stats_read(t->p, "top", &t->stats.now) != 0)
		return 1;
	stats_since(&t->stats, t->before.at == 0 ? NULL : &t->before);
	ask_hops(t);
	return 0;
}

static int once(struct top *t)
{
	struct buf out = buf_new(TEXT_MOST);
	struct timespec second = {1, 0};
	int status = look(t);

	if (status == 0) {
		while (nanosleep(&second, &second) < 0)
			;
		status = look(t);
	}
	if (status == 0) {
		frame(t, &out);
		if (fwrite(out.p, 1, out.len, stdout) != out.len)
			status = 1;
	}
	buf_free(&out);
	return status;
}

static int live(struct top *t)
{
	struct buf out = buf_new(TEXT_MOST);
	int64_t next = 0;
	int status = 0, key = 0;

	while (key != 'q' && key != 'Q') {
		if (clock_ms() >= next) {
			status = look(t);
			if (status != 0)
				break;
			next = clock_ms() + REFRESH_MS;
		}
		buf_clear(&out);
		frame(t, &out);
		screen_show(buf_str(&out));
		key = screen_key(deadline_left(next));
	}
	screen_leave();
	buf_free(&out);
	return status == 0 ? 0
			   : posthouse_fail("top",
				 "master does not answer any more; \"posthouse "
				 "status\" tells more");
}

int cmd_top(struct posthouse *p, int argc, char **argv)
{
	bool one = argc == 2 && strcmp(argv[1], "--once") == 0;
	struct top t = {.p = p};
	int status;

	if (argc > 1 && !one)
		return posthouse_usage("top");
	if (p->json)
		return posthouse_misused("top",
		    "it is for people alone; \"posthouse --json stats "
		    "--interval 1\" has the figures");
	t.hops = mem_array(HOPS_MOST, sizeof(t.hops[0]));
	reading_init(&t.before);
	/* What is wrong is said before the terminal is taken. */
	status = stats_read(p, "top", &t.stats.now);
	if (status == 0)
		status = one || screen_enter() < 0 ? once(&t) : live(&t);
	reading_clear(&t.before);
	reading_clear(&t.stats.now);
	free(t.hops);
	return status;
}
