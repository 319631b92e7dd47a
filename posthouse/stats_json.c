/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "posthouse/stats.h"

static void add_text(struct json *j, const char *name, const char *value)
{
	json_text(j, name, str_from(value));
}

static void add_counters(
    struct json *j, const struct stats *s, const struct read_service *c)
{
	json_object(j, "counters");
	for (const struct read_counter *n = c->counters; n != NULL; n = n->next)
		json_u64(j, n->name, n->value);
	json_end(j);
	/* A thousandth of an event in a second is one. */
	json_object(j, "per_1000_seconds");
	for (const struct read_counter *n = c->counters; n != NULL; n = n->next)
		if (n->row == NULL ? !n->gauge : n->row->kind == FIGURE_COUNT)
			json_u64(j, n->name, stats_counter_rate(s, c, n));
	json_end(j);
}

static void add_times(
    struct json *j, const struct stats *s, const struct read_service *c)
{
	json_object(j, "times");
	for (const struct read_times *t = c->times; t != NULL; t = t->next) {
		struct histogram h = stats_times(s, c, t);

		json_object(j, t->name);
		json_u64(j, "count", h.count);
		json_u64(j, "sum_us", h.sum);
		json_u64(j, "p50_us", histogram_quantile(&h, 500));
		json_u64(j, "p95_us", histogram_quantile(&h, 950));
		json_u64(j, "p99_us", histogram_quantile(&h, 990));
		json_u64(j, "max_us",
		    s->before == NULL ? h.max : histogram_quantile(&h, 1000));
		json_end(j);
	}
	json_end(j);
}

static void add_service(
    struct json *j, const struct stats *s, const struct read_service *c)
{
	json_object(j, NULL);
	add_text(j, "name", c->name);
	add_text(j, "type", c->type);
	add_text(j, "command", c->command);
	add_text(j, "state", c->state);
	json_u64(j, "processes", c->processes);
	json_u64(j, "busy", c->busy);
	json_u64(j, "parked", c->parked);
	json_u64(j, "old", c->old);
	json_u64(j, "limit", c->limit);
	json_u64(j, "served", c->served);
	json_u64(j, "restarts", c->restarts);
	json_u64(j, "resident", stats_resident(c));
	add_counters(j, s, c);
	add_times(j, s, c);
	json_end(j);
}

static void add_certificate(
    struct json *j, const struct stats *s, const struct read_certificate *c)
{
	json_object(j, NULL);
	add_text(j, "path", c->path);
	add_text(j, "subject", c->subject);
	add_text(j, "services", c->services);
	add_text(j, "error", c->error);
	if (c->expires != 0) {
		json_u64(j, "expires", c->expires);
		json_i64(j, "days", ((int64_t)c->expires - s->now.at) / 86400);
	}
	json_end(j);
}

/* The gauges of qmgr, without their service. */
static void add_queue(struct json *j, const struct stats *s)
{
	json_object(j, "queue");
	for (const struct read_service *c = s->now.services; c != NULL;
	     c = c->next)
		for (const struct read_counter *n = c->counters;
		     n != NULL && strcmp(c->command, "qmgr") == 0; n = n->next)
			if (n->row != NULL && n->row->kind == FIGURE_GAUGE)
				json_u64(j, n->name, n->value);
	json_end(j);
}

void stats_json(const struct stats *s, struct buf *out)
{
	struct json j = json_start(out);

	json_object(&j, NULL);
	json_i64(&j, "time", s->now.at);
	json_u64(&j, "started", s->now.started);
	json_u64(&j, "generation", s->now.generation);
	json_i64(&j, "interval_ms", s->ms);
	json_bool(&j, "since_start", s->before == NULL);
	add_queue(&j, s);
	json_array(&j, "services");
	for (const struct read_service *c = s->now.services; c != NULL;
	     c = c->next)
		add_service(&j, s, c);
	json_end(&j);
	json_array(&j, "certificates");
	for (const struct read_certificate *c = s->now.certificates; c != NULL;
	     c = c->next)
		add_certificate(&j, s, c);
	json_end(&j);
	json_end(&j);
}
