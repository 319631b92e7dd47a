/* SPDX-License-Identifier: ISC */
#include "daemon/reading.h"

#include <string.h>

#include "core/clock.h"

#define ARENA_MOST (16u << 20)

void reading_init(struct reading *r)
{
	*r = (struct reading){.arena = arena_new(ARENA_MOST)};
	r->last = &r->services;
}

void reading_clear(struct reading *r)
{
	arena_free(&r->arena);
	reading_init(r);
}

/* NULL when there is no more room. */
static const char *keep(struct reading *r, struct str s)
{
	char *p = arena_alloc(&r->arena, s.len + 1);

	if (p == NULL)
		return NULL;
	memcpy(p, s.p, s.len);
	p[s.len] = '\0';
	return p;
}

static int add_service(struct reading *r, const struct master_service *m)
{
	struct read_service *s = arena_alloc(&r->arena, sizeof(*s));

	if (s == NULL)
		return -1;
	*s = (struct read_service){.name = keep(r, m->name),
	    .type = keep(r, m->type),
	    .command = keep(r, m->command),
	    .state = keep(r, m->state),
	    .pids = keep(r, m->pids),
	    .error = keep(r, m->error),
	    .processes = m->processes,
	    .busy = m->busy,
	    .parked = m->parked,
	    .old = m->old,
	    .limit = m->limit,
	    .served = m->served,
	    .restarts = m->restarts};
	*r->last = s;
	r->last = &s->next;
	return s->error != NULL ? 0 : -1;
}

/* Figures follow their service. */
static struct read_service *service_of(
    const struct reading *r, struct str name, struct str type)
{
	struct read_service *s = r->services;

	while (s != NULL &&
	    !(str_eq(name, str_from(s->name)) &&
		str_eq(type, str_from(s->type))))
		s = s->next;
	return s;
}

/* Two processes that told a name at the same moment made two of it. */
static int add_counter(struct reading *r, const struct master_counter *m)
{
	struct read_service *s = service_of(r, m->service, m->type);
	struct read_counter *c, **at;

	if (s == NULL)
		return -1;
	for (at = &s->counters; *at != NULL; at = &(*at)->next)
		if (str_eq(m->name, str_from((*at)->name))) {
			(*at)->value += m->value;
			return 0;
		}
	c = arena_alloc(&r->arena, sizeof(*c));
	if (c == NULL)
		return -1;
	*c = (struct read_counter){
	    .row = figure_find(str_from(s->command), m->name, FIGURE_COUNT),
	    .name = keep(r, m->name),
	    .gauge = m->gauge,
	    .value = m->value};
	*at = c;
	return c->name != NULL ? 0 : -1;
}

/* "17:3 18:1" */
static int parse_buckets(struct str text, struct histogram *h)
{
	struct str word;

	while ((word = str_word(&text, " ")).len > 0) {
		struct str index = str_cut(&word, ':');
		uint64_t i, n;

		if (str_to_u64(index, HISTOGRAM_BUCKETS - 1, &i) < 0 ||
		    str_to_u64(word, UINT64_MAX, &n) < 0)
			return -1;
		h->buckets[i] = n;
	}
	return 0;
}

static int add_times(struct reading *r, const struct master_times *m)
{
	struct read_service *s = service_of(r, m->service, m->type);
	struct histogram h = {.count = m->count, .sum = m->sum, .max = m->max};
	struct read_times *t, **at;

	if (s == NULL || parse_buckets(m->buckets, &h) < 0)
		return -1;
	for (at = &s->times; *at != NULL; at = &(*at)->next)
		if (str_eq(m->name, str_from((*at)->name))) {
			histogram_add(&(*at)->h, &h);
			return 0;
		}
	t = arena_alloc(&r->arena, sizeof(*t));
	if (t == NULL)
		return -1;
	*t = (struct read_times){
	    .row = figure_find(str_from(s->command), m->name, FIGURE_TIMES),
	    .name = keep(r, m->name),
	    .h = h};
	*at = t;
	return t->name != NULL ? 0 : -1;
}

static int add_certificate(
    struct reading *r, const struct master_certificate *m)
{
	struct read_certificate *c = arena_alloc(&r->arena, sizeof(*c));

	if (c == NULL)
		return -1;
	*c = (struct read_certificate){.next = r->certificates,
	    .path = keep(r, m->path),
	    .subject = keep(r, m->subject),
	    .services = keep(r, m->services),
	    .error = keep(r, m->error),
	    .expires = m->expires};
	r->certificates = c;
	return c->error != NULL ? 0 : -1;
}

static int add_end(struct reading *r, const struct master_end *m)
{
	r->pid = m->pid;
	r->started = m->started;
	r->generation = m->generation;
	r->at = clock_seconds();
	r->at_ms = clock_ms();
	return m->ok ? 1 : -1;
}

int reading_take(
    struct reading *r, const struct ipc_type *type, const void *msg)
{
	if (type == &master_service)
		return add_service(r, msg);
	if (type == &master_counter)
		return add_counter(r, msg);
	if (type == &master_times)
		return add_times(r, msg);
	if (type == &master_certificate)
		return add_certificate(r, msg);
	if (type == &master_end)
		return add_end(r, msg);
	return -1;
}

const struct read_service *reading_find(
    const struct reading *r, const struct read_service *s)
{
	return service_of(r, str_from(s->name), str_from(s->type));
}

uint64_t reading_counter(const struct read_service *s, const char *name)
{
	for (const struct read_counter *c = s->counters; c != NULL; c = c->next)
		if (strcmp(c->name, name) == 0)
			return c->value;
	return 0;
}

const struct read_times *reading_times(
    const struct read_service *s, const char *name)
{
	const struct read_times *t = s->times;

	while (t != NULL && strcmp(t->name, name) != 0)
		t = t->next;
	return t;
}

uint64_t reading_sum(
    const struct reading *r, const char *command, const char *name)
{
	uint64_t n = 0;

	for (const struct read_service *s = r->services; s != NULL; s = s->next)
		if (strcmp(s->command, command) == 0)
			n += reading_counter(s, name);
	return n;
}
