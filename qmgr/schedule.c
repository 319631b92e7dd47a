/* SPDX-License-Identifier: ISC */
#include "qmgr/schedule.h"

#include <assert.h>
#include <stdlib.h>

#include "core/memory.h"
#include "core/table.h"

#define RETRY_TURN 4 /* every fourth turn of a destination is a retry's */

struct job {
	struct job *next;
	void *owner;
	unsigned group;
	struct item *first, *last;
	size_t count;
};

struct queue {
	struct job *first, *last;
	struct job *before; /* the last, where that is known; or NULL */
};

struct destination {
	struct transport *transport;
	struct destination *prev, *next; /* ring of those with work and room */
	char *nexthop;
	char *reason; /* of the last failure of the hop, NULL: none */
	struct queue fresh, retries;
	unsigned window, under_way, turns;
	unsigned grown, shrunk;
	double failed;      /* cohorts since the last success */
	int64_t dead_until; /* 0: alive */
	int64_t used;       /* when its last request ended */
	bool listed;        /* stands in the ring */
	/* In the transport's line of those that pause between two requests. */
	struct destination *pausing;
	int64_t paused_until; /* 0: it does not */
};

struct transport {
	struct schedule *schedule;
	char *name;
	struct schedule_limits limits;
	unsigned under_way;
	size_t waiting;           /* items */
	struct destination *ring; /* whose turn it is, or NULL */
	/* Pauses are of one length: who begins first ends first. */
	struct destination *first_paused, *last_paused;
	struct table destinations;
};

struct schedule {
	struct table transports;
};

/* ---- making and freeing ---- */

struct schedule *schedule_new(void)
{
	return NEW(struct schedule);
}

static void free_queue(struct queue *q)
{
	while (q->first != NULL) {
		struct job *j = q->first;

		q->first = j->next;
		free(j);
	}
}

static void free_destination(struct destination *d)
{
	free_queue(&d->fresh);
	free_queue(&d->retries);
	free(d->nexthop);
	free(d->reason);
	free(d);
}

static void free_transport(struct transport *t)
{
	struct str key;
	size_t at = 0;
	void *d;

	while (table_next(&t->destinations, &at, &key, &d))
		free_destination(d);
	table_free(&t->destinations);
	free(t->name);
	free(t);
}

void schedule_free(struct schedule **sp)
{
	struct str key;
	size_t at = 0;
	void *t;

	if (*sp == NULL)
		return;
	while (table_next(&(*sp)->transports, &at, &key, &t))
		free_transport(t);
	table_free(&(*sp)->transports);
	free(*sp);
	*sp = NULL;
}

struct transport *schedule_transport(
    struct schedule *s, struct str name, const struct schedule_limits *limits)
{
	struct transport *t = table_get(&s->transports, name);

	if (t != NULL)
		return t;
	t = NEW(struct transport);
	t->schedule = s;
	t->name = str_dup(name);
	t->limits = *limits;
	if (limits->delay_ms > 0)
		t->limits.initial = t->limits.window = 1;
	table_put(&s->transports, name, t);
	return t;
}

struct destination *schedule_destination(
    struct transport *t, struct str nexthop)
{
	struct destination *d = table_get(&t->destinations, nexthop);

	if (d != NULL)
		return d;
	d = NEW(struct destination);
	d->transport = t;
	d->nexthop = str_dup(nexthop);
	d->window = t->limits.initial < t->limits.window ? t->limits.initial
							 : t->limits.window;
	table_put(&t->destinations, nexthop, d);
	return d;
}

struct destination *schedule_find(const struct transport *t, struct str nexthop)
{
	return table_get(&t->destinations, nexthop);
}

const char *destination_nexthop(const struct destination *d)
{
	return d->nexthop;
}

const char *destination_transport(const struct destination *d)
{
	return d->transport->name;
}

struct transport *destination_of(struct destination *d)
{
	return d->transport;
}

unsigned destination_window(const struct destination *d)
{
	return d->window;
}

bool destination_is_dead(const struct destination *d, int64_t now)
{
	return d->dead_until > now;
}

int64_t destination_dead_until(const struct destination *d)
{
	return d->dead_until;
}

const char *destination_reason(const struct destination *d)
{
	return d->reason == NULL ? "" : d->reason;
}

/* ---- the ring ---- */

static bool has_work(const struct destination *d)
{
	return d->fresh.first != NULL || d->retries.first != NULL;
}

static void unlist(struct destination *d)
{
	struct transport *t = d->transport;

	if (!d->listed)
		return;
	d->listed = false;
	if (d->next == d) {
		t->ring = NULL;
		return;
	}
	d->prev->next = d->next;
	d->next->prev = d->prev;
	if (t->ring == d)
		t->ring = d->next;
}

/* Takes its place at the end of the ring, or leaves it. */
static void relist(struct destination *d)
{
	struct transport *t = d->transport;

	if (!has_work(d) || d->under_way >= d->window || d->paused_until > 0) {
		unlist(d);
		return;
	}
	if (d->listed)
		return;
	d->listed = true;
	if (t->ring == NULL) {
		t->ring = d->next = d->prev = d;
		return;
	}
	d->next = t->ring;
	d->prev = t->ring->prev;
	d->prev->next = d;
	t->ring->prev = d;
}

/* ---- pauses ---- */

static void pause_from(struct destination *d, int64_t now)
{
	struct transport *t = d->transport;

	if (t->limits.delay_ms == 0 || d->paused_until > 0)
		return;
	d->paused_until = now + t->limits.delay_ms;
	d->pausing = NULL;
	if (t->last_paused == NULL)
		t->first_paused = d;
	else
		t->last_paused->pausing = d;
	t->last_paused = d;
}

int64_t schedule_wake(struct transport *t, int64_t now)
{
	struct destination *d;

	while ((d = t->first_paused) != NULL && d->paused_until <= now) {
		t->first_paused = d->pausing;
		if (t->first_paused == NULL)
			t->last_paused = NULL;
		d->paused_until = 0;
		relist(d);
	}
	return d == NULL ? 0 : d->paused_until;
}

/* ---- adding and taking ---- */

static bool is_for(const struct job *j, const void *owner, unsigned group)
{
	return j != NULL && j->owner == owner && j->group == group;
}

/* The job that the item goes to: a message's two groups may come in turns, so
 * the one before the last is looked at as well. */
static struct job *job_for(struct queue *q, void *owner, unsigned group)
{
	struct job *j;

	if (is_for(q->last, owner, group))
		return q->last;
	if (is_for(q->before, owner, group))
		return q->before;
	j = NEW(struct job);
	j->owner = owner;
	j->group = group;
	if (q->last == NULL)
		q->first = j;
	else
		q->last->next = j;
	q->before = q->last;
	q->last = j;
	return j;
}

static void add_item(
    struct queue *q, void *owner, unsigned group, struct item *item)
{
	struct job *j = job_for(q, owner, group);

	item->next = NULL;
	if (j->last == NULL)
		j->first = item;
	else
		j->last->next = item;
	j->last = item;
	j->count++;
}

bool schedule_add(struct destination *d, void *owner, unsigned group,
    struct item *item, bool retry, int64_t now)
{
	if (destination_is_dead(d, now))
		return false;
	if (d->dead_until != 0) { /* the rest is over: this is the probe */
		d->dead_until = 0;
		d->window = 1;
		d->failed = d->transport->limits.cohorts - 1.0;
	}
	add_item(retry ? &d->retries : &d->fresh, owner, group, item);
	d->transport->waiting++;
	relist(d);
	return true;
}

static struct queue *choose(struct destination *d)
{
	if (d->fresh.first == NULL)
		return &d->retries;
	if (d->retries.first == NULL)
		return &d->fresh;
	return ++d->turns % RETRY_TURN == 0 ? &d->retries : &d->fresh;
}

/* Up to `most` items from the front of a queue. */
static void cut(struct queue *q, size_t most, struct work *out)
{
	struct job *j = q->first;
	struct item *end = j->first;

	out->owner = j->owner;
	out->group = j->group;
	out->items = j->first;
	out->count = 1;
	for (; out->count < most && end->next != NULL; out->count++)
		end = end->next;
	j->first = end->next;
	end->next = NULL;
	j->count -= out->count;
	if (j->first != NULL)
		return;
	q->first = j->next;
	if (q->first == NULL)
		q->last = NULL;
	if (q->before == j)
		q->before = NULL;
	free(j);
}

size_t schedule_waiting(const struct transport *t)
{
	return t->waiting;
}

bool schedule_ready(const struct transport *t)
{
	return t->ring != NULL && t->under_way < t->limits.requests;
}

bool schedule_take(struct transport *t, struct work *out)
{
	struct destination *d = t->ring;

	if (!schedule_ready(t))
		return false;
	cut(choose(d), t->limits.recipients, out);
	out->destination = d;
	t->waiting -= out->count;
	d->under_way++;
	t->under_way++;
	t->ring = d->next; /* the others' turn first */
	relist(d);
	return true;
}

struct item *schedule_evict(struct destination *d, void **owner)
{
	struct queue *q = d->fresh.first != NULL ? &d->fresh : &d->retries;
	struct work w;

	if (q->first == NULL)
		return NULL;
	cut(q, 1, &w);
	d->transport->waiting--;
	relist(d);
	*owner = w.owner;
	return w.items;
}

/* ---- learning ---- */

static void succeeded(struct destination *d, unsigned was_under_way)
{
	d->failed = 0;
	d->dead_until = 0;
	free(d->reason);
	d->reason = NULL;
	/* Grow only when the window was what held it back. */
	if (was_under_way >= d->window &&
	    d->window < d->transport->limits.window) {
		d->window++;
		d->grown++;
	}
}

static bool failed(struct destination *d, struct str reason, int64_t now)
{
	const struct schedule_limits *l = &d->transport->limits;

	free(d->reason);
	d->reason = str_dup(reason);
	if (destination_is_dead(d, now))
		return false;
	d->failed += 1.0 / d->window;
	if (d->window > 1) {
		d->window--;
		d->shrunk++;
	}
	/* A little less, for what sums of fractions lose. */
	if (d->failed < l->cohorts - 0.0001)
		return false;
	d->dead_until = now + l->dead_ms;
	return true;
}

bool schedule_done(struct destination *d, enum schedule_result result,
    struct str reason, int64_t now)
{
	unsigned was = d->under_way;
	bool dead = false;

	assert(d->under_way > 0 && d->transport->under_way > 0);
	d->under_way--;
	d->transport->under_way--;
	d->used = now;
	if (result == SCHEDULE_GOOD)
		succeeded(d, was);
	else if (result == SCHEDULE_HOP_FAILED)
		dead = failed(d, reason, now);
	pause_from(d, now);
	relist(d);
	return dead;
}

static void each_destination(struct schedule *s,
    void (*call)(struct destination *d, int64_t now, int64_t age), int64_t now,
    int64_t age)
{
	struct str key;
	size_t at = 0;
	void *value;

	while (table_next(&s->transports, &at, &key, &value)) {
		struct transport *t = value;
		size_t inner = 0;
		void *d;

		while (table_next(&t->destinations, &inner, &key, &d))
			call(d, now, age);
	}
}

void destination_revive(struct destination *d)
{
	if (d->dead_until == 0)
		return;
	d->dead_until = 0;
	d->window = 1;
	d->failed = d->transport->limits.cohorts - 1.0;
	relist(d);
}

static void revive(struct destination *d, int64_t now, int64_t age)
{
	(void)now, (void)age;
	destination_revive(d);
}

void schedule_revive(struct schedule *s)
{
	each_destination(s, revive, 0, 0);
}

static void tidy(struct destination *d, int64_t now, int64_t age)
{
	if (has_work(d) || d->under_way > 0 || destination_is_dead(d, now) ||
	    d->paused_until > 0 || d->used + age > now ||
	    d->dead_until + age > now)
		return;
	table_remove(&d->transport->destinations, str_from(d->nexthop));
	free_destination(d);
}

/* Out of one queue and onto the list; how many. */
static size_t withdraw(struct queue *q,
    bool (*unwanted)(const struct item *item), struct item **list)
{
	struct job **at = &q->first, *j;
	size_t count = 0;

	q->last = q->before = NULL;
	while ((j = *at) != NULL) {
		struct item **link = &j->first, *item;

		j->last = NULL;
		while ((item = *link) != NULL) {
			if (!unwanted(item)) {
				j->last = item;
				link = &item->next;
				continue;
			}
			*link = item->next;
			item->next = *list;
			*list = item;
			j->count--;
			count++;
		}
		if (j->first == NULL) {
			*at = j->next;
			free(j);
			continue;
		}
		q->last = j;
		at = &j->next;
	}
	return count;
}

struct item *schedule_withdraw(
    struct schedule *s, bool (*unwanted)(const struct item *item))
{
	struct item *list = NULL;
	struct str key;
	size_t at = 0;
	void *value;

	while (table_next(&s->transports, &at, &key, &value)) {
		struct transport *t = value;
		size_t inner = 0;
		void *d;

		while (table_next(&t->destinations, &inner, &key, &d)) {
			struct destination *to = d;

			t->waiting -= withdraw(&to->fresh, unwanted, &list) +
			    withdraw(&to->retries, unwanted, &list);
			relist(to);
		}
	}
	return list;
}

void schedule_tidy(struct schedule *s, int64_t now, int64_t age)
{
	each_destination(s, tidy, now, age);
}

/* ---- for the operator ---- */

static size_t items_of(const struct queue *q)
{
	size_t n = 0;

	for (const struct job *j = q->first; j != NULL; j = j->next)
		n += j->count;
	return n;
}

struct destination_view destination_view(const struct destination *d)
{
	const struct transport *t = d->transport;

	return (struct destination_view){
	    .waiting = items_of(&d->fresh) + items_of(&d->retries),
	    .under_way = d->under_way,
	    .window = d->window,
	    .initial = t->limits.initial,
	    .limit = t->limits.window,
	    .grown = d->grown,
	    .shrunk = d->shrunk,
	    .transport_under_way = t->under_way,
	    .transport_limit = t->limits.requests,
	    .dead_until = d->dead_until,
	    .paused_until = d->paused_until,
	    .delay_ms = t->limits.delay_ms};
}

static size_t place_in(const struct queue *q, const struct item *item)
{
	size_t n = 0;

	for (const struct job *j = q->first; j != NULL; j = j->next)
		for (const struct item *i = j->first; i != NULL; i = i->next)
			if (++n, i == item)
				return n;
	return 0;
}

size_t destination_place(const struct destination *d, const struct item *item)
{
	size_t n = place_in(&d->fresh, item);

	if (n == 0 && (n = place_in(&d->retries, item)) > 0)
		n += items_of(&d->fresh);
	return n;
}

int64_t schedule_backoff(
    uint64_t attempts, int64_t least, int64_t most, uint32_t random)
{
	int64_t pause = least < 1 ? 1 : least;

	while (attempts > 1 && pause < most) {
		pause *= 2;
		attempts--;
	}
	if (pause > most)
		pause = most < 1 ? 1 : most;
	return pause + pause / 4 * (int64_t)(random % 1024) / 1023;
}
