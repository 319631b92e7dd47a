/* SPDX-License-Identifier: ISC */
#include "qmgr/figures.h"

#include <stdlib.h>

#include "daemon/daemon.h"

#define LOOK_MS 2000
#define SHARE   100 /* of the time, at most, one part */

static struct loop_timer *timer;

/* By the subject. What is not known of the code counts as the first. */
static const char *const reasons[] = {"deferred_other", "deferred_address",
    "deferred_mailbox", "deferred_system", "deferred_network",
    "deferred_protocol", "deferred_content", "deferred_policy"};

unsigned figures_reason(struct str dsn)
{
	if (dsn.len < 5 || dsn.p[1] != '.' || dsn.p[2] < '0' ||
	    dsn.p[2] > '7' || dsn.p[3] != '.')
		return 0;
	return (unsigned)(dsn.p[2] - '0');
}

/* What a look over all messages adds up. */
struct sums {
	uint64_t oldest; /* seconds since 1970; 0: there is none */
	uint64_t octets, recipients, held;
	uint64_t deferred[ARRAY_LEN(reasons)];
};

static void add(struct sums *s, const struct message *m)
{
	s->octets += m->size;
	if (s->oldest == 0 || m->arrived < s->oldest)
		s->oldest = m->arrived;
	for (uint32_t i = 0; i < m->count; i++) {
		const struct recipient *r = &m->recipients[i];

		if (recipient_done(r))
			continue;
		s->recipients++;
		if (r->hold)
			s->held++;
		else if (r->attempts > 0 || r->trouble > 0)
			s->deferred[r->reason]++;
	}
}

static void show(const struct qmgr *q, const struct sums *s)
{
	const struct messages *ms = &q->messages;

	daemon_gauge("messages", ms->by_id.count);
	daemon_gauge("messages_new", ms->fresh.count);
	daemon_gauge("messages_active", ms->active);
	daemon_gauge("messages_deferred", ms->heap_count + ms->retries.count);
	daemon_gauge("octets", s->octets);
	daemon_gauge("oldest_arrived", s->oldest);
	daemon_gauge("recipients", s->recipients);
	daemon_gauge("recipients_held", s->held);
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		daemon_gauge(reasons[i], s->deferred[i]);
}

static void look(void *arg)
{
	struct qmgr *q = arg;
	int64_t began = clock_ms(), took;
	struct sums s = {0};
	struct str key;
	size_t at = 0;
	void *m;

	while (table_next(&q->messages.by_id, &at, &key, &m))
		if (!message_is_proposed(m))
			add(&s, m);
	if (q->working) /* else another one shows its own */
		show(q, &s);
	took = clock_ms() - began;
	loop_timer_set(timer, took * SHARE > LOOK_MS ? took * SHARE : LOOK_MS);
}

void figures_open(struct qmgr *q)
{
	timer = loop_timer_new(q->loop, look, q);
	loop_timer_set(timer, 0);
}

void figures_close(struct qmgr *q)
{
	(void)q;
	loop_timer_free(&timer);
}
