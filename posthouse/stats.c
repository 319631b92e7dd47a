/* SPDX-License-Identifier: ISC */
#include "posthouse/stats.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "posthouse/ask_master.h"
#include "posthouse/process_cost.h"

struct taking {
	struct reading *r;
	bool bad;
};

static void take(const struct ipc_type *type, const void *msg, void *arg)
{
	struct taking *t = arg;

	if (reading_take(t->r, type, msg) < 0)
		t->bad = true;
}

int stats_read(struct posthouse *p, const char *command, struct reading *r)
{
	struct taking t = {.r = r};
	const struct ask_calls calls = {.any = take, .arg = &t};

	/* Connecting changes the working directory. */
	if (p->config_directory[0] != '/') {
		static char path[PATH_MAX];

		if (realpath(p->config_directory, path) != NULL)
			p->config_directory = path;
	}
	reading_init(r);
	if (ask_master(p, command, MASTER_FIGURES, "", &calls, NULL) != 0)
		return 1;
	return t.bad ? posthouse_fail(command,
			   "master's answer is not understood; do both have "
			   "the same version?")
		     : 0;
}

void stats_since(struct stats *s, const struct reading *before)
{
	/* Of another master, which counted from 0 on its own. */
	if (before != NULL && before->started != s->now.started)
		before = NULL;
	s->before = before;
	s->ms = before != NULL ? s->now.at_ms - before->at_ms
			       : (s->now.at - (int64_t)s->now.started) * 1000;
	if (s->ms < 1)
		s->ms = 1;
}

/* ---- parts --------------------------------------------------------------- */

void stats_add_span(struct buf *out, uint64_t us)
{
	static const struct {
		uint64_t us;
		const char *unit;
	} units[] = {{UINT64_C(86400000000), "days"},
	    {UINT64_C(3600000000), "h"}, {60000000, "min"}, {1000000, "s"},
	    {1000, "ms"}};

	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		uint64_t one = units[i].us;

		if (us < one || (i == 0 && us < 2 * one) ||
		    (i == 2 && us < 2 * one))
			continue;
		if (us < 10 * one)
			buf_printf(out, "%" PRIu64 ".%" PRIu64 " %s", us / one,
			    us % one * 10 / one, units[i].unit);
		else
			buf_printf(
			    out, "%" PRIu64 " %s", us / one, units[i].unit);
		return;
	}
	buf_printf(out, "%" PRIu64 " us", us);
}

static void add_size(struct buf *out, uint64_t octets)
{
	if (octets >= 10u << 20)
		buf_printf(out, "%" PRIu64 " MB", octets >> 20);
	else
		buf_printf(out, "%" PRIu64 " kB", octets >> 10);
}

static void add_date(struct buf *out, int64_t seconds)
{
	time_t t = (time_t)seconds;
	char text[64];
	struct tm tm;

	if (localtime_r(&t, &tm) != NULL &&
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %Z", &tm) > 0)
		buf_add_text(out, text);
}

uint64_t stats_rate(const struct stats *s, uint64_t now, uint64_t before)
{
	uint64_t grown = now >= before ? now - before : now;

	return (uint64_t)((double)grown * 1e6 / (double)s->ms);
}

static const struct read_service *earlier(
    const struct stats *s, const struct read_service *service)
{
	return s->before == NULL ? NULL : reading_find(s->before, service);
}

uint64_t stats_counter_rate(const struct stats *s,
    const struct read_service *service, const struct read_counter *c)
{
	const struct read_service *b = earlier(s, service);

	return stats_rate(
	    s, c->value, b == NULL ? 0 : reading_counter(b, c->name));
}

struct histogram stats_times(const struct stats *s,
    const struct read_service *service, const struct read_times *t)
{
	const struct read_service *b = earlier(s, service);
	const struct read_times *old = b == NULL ? NULL
						 : reading_times(b, t->name);
	struct histogram h = t->h;

	if (old != NULL)
		histogram_since(&h, &old->h);
	return h;
}

uint64_t stats_resident(const struct read_service *service)
{
	struct str pids = str_from(service->pids), pid;
	struct process_cost c;
	uint64_t sum = 0;

	while ((pid = str_word(&pids, " ")).len > 0)
		if (process_cost(pid, &c) == 0)
			sum += c.resident;
	return sum;
}

static void add_rate(struct buf *out, uint64_t thousandths)
{
	buf_printf(out, " %8" PRIu64 ".%02" PRIu64, thousandths / 1000,
	    thousandths % 1000 / 10);
}

/* "smtpd/pass" in a column. */
static void add_service_name(struct buf *out, const struct read_service *s)
{
	char name[300];

	snprintf(name, sizeof(name), "%s/%s", s->name, s->type);
	buf_printf(out, "%-24s", name);
}

/* ---- the head, and the queue --------------------------------------------- */

void stats_add_head(const struct stats *s, struct buf *out)
{
	add_date(out, s->now.at);
	buf_add_text(out, ": up ");
	stats_add_span(
	    out, (uint64_t)(s->now.at - (int64_t)s->now.started) * 1000000);
	buf_printf(out,
	    ", configuration generation %" PRIu64 "; rates and times ",
	    s->now.generation);
	if (s->before == NULL) {
		buf_add_text(out, "since the start\n");
		return;
	}
	buf_add_text(out, "of the last ");
	stats_add_span(out, (uint64_t)s->ms * 1000);
	buf_add_char(out, '\n');
}

static uint64_t queue(const struct stats *s, const char *name)
{
	return reading_sum(&s->now, "qmgr", name);
}

static void add_reasons(const struct stats *s, struct buf *out)
{
	static const char *const reasons[] = {"network", "mailbox", "policy",
	    "address", "system", "protocol", "content", "other"};
	const char *before = "\nwaiting for another attempt: ";
	char name[40];

	for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
		uint64_t n;

		snprintf(name, sizeof(name), "deferred_%s", reasons[i]);
		n = queue(s, name);
		if (n == 0)
			continue;
		buf_printf(out, "%s%" PRIu64 " %s", before, n, reasons[i]);
		before = ", ";
	}
	if (before[0] == ',')
		buf_add_text(out, " (by the subject of the status code)");
}

void stats_add_queue(const struct stats *s, struct buf *out)
{
	uint64_t oldest = queue(s, "oldest_arrived");
	uint64_t backlog = queue(s, "backlog_destinations");

	buf_printf(out,
	    "\nQUEUE  %" PRIu64 " messages (%" PRIu64 " new, %" PRIu64
	    " active, %" PRIu64 " deferred), %" PRIu64 " recipients (%" PRIu64
	    " on hold), ",
	    queue(s, "messages"), queue(s, "messages_new"),
	    queue(s, "messages_active"), queue(s, "messages_deferred"),
	    queue(s, "recipients"), queue(s, "recipients_held"));
	add_size(out, queue(s, "octets"));
	if (oldest != 0 && (int64_t)oldest <= s->now.at) {
		buf_add_text(out, "\nthe oldest came ");
		stats_add_span(
		    out, (uint64_t)(s->now.at - (int64_t)oldest) * 1000000);
		buf_add_text(out, " ago");
	}
	add_reasons(s, out);
	if (backlog > 0) {
		buf_printf(out,
		    "\nwithout progress: %" PRIu64
		    " destinations, the worst for ",
		    backlog);
		stats_add_span(
		    out, queue(s, "backlog_oldest_seconds") * 1000000);
		buf_add_text(out, "; see \"posthouse queue why\"");
	}
	buf_add_char(out, '\n');
}

/* ---- services ------------------------------------------------------------ */

static uint64_t served_rate(
    const struct stats *s, const struct read_service *service)
{
	const struct read_service *b = earlier(s, service);

	return stats_rate(s, service->served, b == NULL ? 0 : b->served);
}

static void add_service(const struct stats *s,
    const struct read_service *service, bool memory, struct buf *out)
{
	char limit[32] = "-";

	if (service->limit > 0)
		snprintf(limit, sizeof(limit), "%" PRIu64, service->limit);
	add_service_name(out, service);
	buf_printf(out,
	    " %-9s %-9s %5" PRIu64 " %5" PRIu64 " %6" PRIu64 " %5s %9" PRIu64,
	    service->command, service->state, service->processes, service->busy,
	    service->parked, limit, service->served);
	add_rate(out, served_rate(s, service));
	buf_printf(out, " %5" PRIu64, service->restarts);
	if (memory && service->processes > 0) {
		buf_add_text(out, "  ");
		add_size(out, stats_resident(service));
	}
	buf_add_char(out, '\n');
}

/* The one that comes behind `last` when the busiest are first; NULL. */
static const struct read_service *next_busiest(const struct stats *s,
    const struct read_service *const *shown, size_t count)
{
	const struct read_service *best = NULL;

	for (const struct read_service *c = s->now.services; c != NULL;
	     c = c->next) {
		bool again = false;

		for (size_t i = 0; i < count; i++)
			again = again || shown[i] == c;
		if (again)
			continue;
		if (best == NULL || c->busy > best->busy ||
		    (c->busy == best->busy &&
			served_rate(s, c) > served_rate(s, best)))
			best = c;
	}
	return best;
}

#define SHOWN_MAX 100

void stats_add_services(const struct stats *s, size_t most, struct buf *out)
{
	const struct read_service *shown[SHOWN_MAX];

	buf_printf(out, "\n%-24s %-9s %-9s %5s %5s %6s %5s %9s %11s %5s%s\n",
	    "SERVICE", "COMMAND", "STATE", "PROCS", "BUSY", "PARKED", "LIMIT",
	    "SERVED", "A SECOND", "FAILS", most == 0 ? "  MEMORY" : "");
	for (const struct read_service *c = s->now.services;
	     c != NULL && most == 0; c = c->next)
		add_service(s, c, true, out);
	for (size_t i = 0; i < most && i < SHOWN_MAX; i++) {
		shown[i] = next_busiest(s, shown, i);
		if (shown[i] == NULL)
			break;
		add_service(s, shown[i], false, out);
	}
}

/* ---- counters and times -------------------------------------------------- */

/* "queue_outcomes outcome=delivered": the metric without what all have. */
static void figure_title(
    const struct figure *row, const char *name, char *out, size_t size)
{
	struct buf text = buf_new(size - 1);
	struct str metric;

	if (row == NULL) {
		snprintf(out, size, "%s", name);
		return;
	}
	metric = str_skip(str_from(row->metric), strlen("posthouse_"));
	if (str_ends(metric, STR("_total")))
		metric.len -= strlen("_total");
	buf_add(&text, metric);
	if (row->label != NULL) {
		struct str value = str_from(row->label);

		str_cut(&value, '"');
		buf_add_char(&text, ' ');
		buf_add(&text, str_cut(&value, '"'));
	}
	snprintf(out, size, "%s", buf_text(&text));
	buf_free(&text);
}

/* The queue has its own section. */
static bool is_of_queue(const struct read_counter *c)
{
	return c->row != NULL && c->row->kind == FIGURE_GAUGE &&
	    c->row->command != NULL && strcmp(c->row->command, "qmgr") == 0;
}

void stats_add_counters(const struct stats *s, struct buf *out)
{
	char title[160];

	buf_printf(out, "\n%-24s %-44s %12s %11s\n", "SERVICE", "FIGURE",
	    "VALUE", "A SECOND");
	for (const struct read_service *c = s->now.services; c != NULL;
	     c = c->next)
		for (const struct read_counter *n = c->counters; n != NULL;
		     n = n->next) {
			if (is_of_queue(n) || n->value == 0)
				continue;
			figure_title(n->row, n->name, title, sizeof(title));
			add_service_name(out, c);
			buf_printf(out, " %-44s %12" PRIu64, title, n->value);
			if (n->row == NULL ? !n->gauge
					   : n->row->kind == FIGURE_COUNT)
				add_rate(out, stats_counter_rate(s, c, n));
			buf_add_char(out, '\n');
		}
}

static void add_column(struct buf *out, uint64_t us)
{
	struct buf text = buf_new(40);

	stats_add_span(&text, us);
	buf_printf(out, " %9s", buf_text(&text));
	buf_free(&text);
}

void stats_add_times(const struct stats *s, struct buf *out)
{
	buf_printf(out, "\n%-24s %-10s %10s %11s %9s %9s %9s %9s\n", "SERVICE",
	    "TIME OF", "COUNT", "A SECOND", "HALF", "95 %", "99 %", "LONGEST");
	for (const struct read_service *c = s->now.services; c != NULL;
	     c = c->next)
		for (const struct read_times *t = c->times; t != NULL;
		     t = t->next) {
			struct histogram h = stats_times(s, c, t);

			if (h.count == 0)
				continue;
			add_service_name(out, c);
			buf_printf(out, " %-10s %10" PRIu64, t->name, h.count);
			add_rate(out, stats_rate(s, h.count, 0));
			add_column(out, histogram_quantile(&h, 500));
			add_column(out, histogram_quantile(&h, 950));
			add_column(out, histogram_quantile(&h, 990));
			add_column(out,
			    s->before == NULL ? h.max
					      : histogram_quantile(&h, 1000));
			buf_add_char(out, '\n');
		}
}

/* ---- certificates -------------------------------------------------------- */

void stats_add_certificates(const struct stats *s, struct buf *out)
{
	if (s->now.certificates == NULL)
		return;
	buf_printf(out, "\n%-40s %6s  %s\n", "CERTIFICATE", "DAYS", "ENDS");
	for (const struct read_certificate *c = s->now.certificates; c != NULL;
	     c = c->next) {
		int64_t left = (int64_t)c->expires - s->now.at;

		buf_printf(out, "%-40s ", c->path);
		if (c->expires == 0) {
			buf_printf(out, "%6s  %s\n", "-", c->error);
			continue;
		}
		buf_printf(out, "%6" PRId64 "  ", left / 86400);
		add_date(out, (int64_t)c->expires);
		buf_printf(out, ", %s%s\n", c->subject,
		    left <= 0 ? ": HAS EXPIRED" : "");
	}
}
