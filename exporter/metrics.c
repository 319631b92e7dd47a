/* SPDX-License-Identifier: ISC */
/*
 * For each metric of the table (lib/daemon/figures.h) in turn: its head, then
 * a line for each service that has the figure. The format wants all lines of a
 * metric together.
 */
#include "exporter/metrics.h"

#include <string.h>

static void put_escaped(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\\' || *text == '"')
			buf_add_char(out, '\\');
		if (*text == '\n')
			buf_add_text(out, "\\n");
		else
			buf_add_char(out, *text);
	}
}

static void put_label(
    struct buf *out, char before, const char *name, const char *value)
{
	buf_add_char(out, before);
	buf_printf(out, "%s=\"", name);
	put_escaped(out, value);
	buf_add_char(out, '"');
}

/* Names and labels up to the closing brace, which is left open. */
static void put_name(struct buf *out, const struct figure *f,
    const char *suffix, const struct read_service *s)
{
	buf_printf(out, "%s%s", f->metric, suffix);
	put_label(out, '{', "service", s->name);
	put_label(out, ',', "type", s->type);
	put_label(out, ',', "command", s->command);
	if (f->label != NULL)
		buf_printf(out, ",%s", f->label);
}

static void put_u64(struct buf *out, uint64_t n)
{
	buf_printf(out, "%llu\n", (unsigned long long)n);
}

static void put_value(struct buf *out, const struct figure *f,
    const struct read_service *s, uint64_t value)
{
	put_name(out, f, "", s);
	buf_add_text(out, "} ");
	put_u64(out, value);
}

/* ---- histograms ---- */

/* Buckets by doublings, and by twos of them where times are slow, so that a
 * reader has some twenty: each of them ends where one of ours does. */
static void put_times(struct buf *out, const struct figure *f,
    const struct read_service *s, const struct histogram *h)
{
	unsigned first = f->slow ? 10 : 6, last = f->slow ? 39 : 26;
	uint64_t all = histogram_within(h, UINT64_MAX);

	for (unsigned e = first; e <= last; e += f->slow ? 2 : 1) {
		uint64_t us = (uint64_t)1 << e;

		put_name(out, f, "_bucket", s);
		buf_printf(out, ",le=\"%.15g\"} ", (double)us / 1e6);
		put_u64(out, histogram_within(h, us));
	}
	put_name(out, f, "_bucket", s);
	buf_add_text(out, ",le=\"+Inf\"} ");
	put_u64(out, all);
	put_name(out, f, "_sum", s);
	buf_printf(out, "} %llu.%06llu\n",
	    (unsigned long long)(h->sum / 1000000),
	    (unsigned long long)(h->sum % 1000000));
	put_name(out, f, "_count", s);
	buf_add_text(out, "} ");
	put_u64(out, all);
}

/* ---- what master knows ---- */

static uint64_t of_service(const struct figure *f, const struct read_service *s)
{
	const struct {
		const char *name;
		uint64_t value;
	} known[] = {
	    {"up",
		strcmp(s->state, "running") == 0 ||
		    strcmp(s->state, "waiting") == 0},
	    {"throttled", strcmp(s->state, "throttled") == 0},
	    {"processes", s->processes},
	    {"busy", s->busy},
	    {"parked", s->parked},
	    {"old", s->old},
	    {"limit", s->limit},
	    {"served", s->served},
	    {"restarts", s->restarts},
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(known[i].name, f->name) == 0)
			return known[i].value;
	return 0;
}

static void put_certificates(
    struct buf *out, const struct figure *f, const struct reading *r)
{
	for (const struct read_certificate *c = r->certificates; c != NULL;
	     c = c->next) {
		buf_add_text(out, f->metric);
		put_label(out, '{', "file", c->path);
		put_label(out, ',', "subject", c->subject);
		buf_add_text(out, "} ");
		put_u64(out, c->expires);
	}
}

static void put_house(
    struct buf *out, const struct figure *f, const struct reading *r)
{
	if (strcmp(f->name, "certificate") == 0) {
		put_certificates(out, f, r);
		return;
	}
	buf_printf(out, "%s ", f->metric);
	put_u64(
	    out, strcmp(f->name, "started") == 0 ? r->started : r->generation);
}

/* ---- one row ---- */

static void put_of_boards(
    struct buf *out, const struct figure *f, const struct reading *r)
{
	for (const struct read_service *s = r->services; s != NULL;
	     s = s->next) {
		for (const struct read_counter *c = s->counters; c != NULL;
		     c = c->next)
			if (c->row == f)
				put_value(out, f, s, c->value);
		for (const struct read_times *t = s->times; t != NULL;
		     t = t->next)
			if (t->row == f)
				put_times(out, f, s, &t->h);
	}
}

static void put_row(
    struct buf *out, const struct figure *f, const struct reading *r)
{
	if (f->command != NULL && strcmp(f->command, "house") == 0)
		put_house(out, f, r);
	else if (f->command == NULL || f->command[0] != '\0')
		put_of_boards(out, f, r);
	else
		for (const struct read_service *s = r->services; s != NULL;
		     s = s->next)
			put_value(out, f, s, of_service(f, s));
}

void metrics_write(const struct reading *r, struct buf *out)
{
	const char *metric = "";

	for (const struct figure *f = figures; f->metric != NULL; f++) {
		if (strcmp(f->metric, metric) != 0) {
			metric = f->metric;
			buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metric,
			    f->help, metric, figure_kind_name(f->kind));
		}
		put_row(out, f, r);
	}
}
