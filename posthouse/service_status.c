/* SPDX-License-Identifier: ISC */
/* posthouse service status: all about one service, and what each of its
 * processes costs as the kernel counts it. */
#include "posthouse/service_status.h"

#include <stdio.h>

#include "posthouse/ask_master.h"
#include "posthouse/process_cost.h"

#define REPORT_MAX (1u << 20)

struct detail {
	struct buf text, counters, json_text;
	struct json json;
	bool found;
};

static void add_processes(struct detail *d, struct str pids)
{
	struct process_cost c, sum = {0};
	struct str pid;
	uint64_t n;

	json_array(&d->json, "processes");
	buf_printf(
	    &d->text, "\n%10s %12s %12s\n", "PID", "CPU SECONDS", "RESIDENT");
	while ((pid = str_word(&pids, " ")).len > 0) {
		if (str_to_u64(pid, UINT32_MAX, &n) < 0 ||
		    process_cost(pid, &c) < 0)
			continue;
		sum.cpu_ms += c.cpu_ms;
		sum.resident += c.resident;
		buf_printf(&d->text, "%10.*s %8llu.%03llu %9llu kB\n",
		    STR_FMT(pid), (unsigned long long)(c.cpu_ms / 1000),
		    (unsigned long long)(c.cpu_ms % 1000),
		    (unsigned long long)(c.resident / 1024));
		json_object(&d->json, NULL);
		json_u64(&d->json, "pid", n);
		json_u64(&d->json, "cpu_ms", c.cpu_ms);
		json_u64(&d->json, "resident", c.resident);
		json_end(&d->json);
	}
	json_end(&d->json);
	json_u64(&d->json, "cpu_ms", sum.cpu_ms);
	json_u64(&d->json, "resident", sum.resident);
}

static void add_number(struct detail *d, const char *name, uint64_t n)
{
	buf_printf(&d->text, "%-12s %llu\n", name, (unsigned long long)n);
	json_u64(&d->json, name, n);
}

static void add_word(struct detail *d, const char *name, struct str word)
{
	if (word.len > 0)
		buf_printf(&d->text, "%-12s %.*s\n", name, STR_FMT(word));
	json_text(&d->json, name, word);
}

static void add_service(const struct master_service *m, void *arg)
{
	struct detail *d = arg;

	d->found = true;
	add_word(d, "name", m->name);
	add_word(d, "type", m->type);
	add_word(d, "command", m->command);
	add_word(d, "state", m->state);
	add_number(d, "count", m->processes);
	add_number(d, "busy", m->busy);
	add_number(d, "parked", m->parked);
	add_number(d, "old", m->old);
	add_number(d, "limit", m->limit);
	add_number(d, "served", m->served);
	add_number(d, "restarts", m->restarts);
	add_number(d, "generation", m->generation);
	add_word(d, "error", m->error);
	add_processes(d, m->pids);
	json_object(&d->json, "counters");
}

static void add_counter(const struct master_counter *m, void *arg)
{
	struct detail *d = arg;
	char name[128];

	if (str_copy(name, sizeof(name), m->name) < 0)
		return;
	buf_printf(
	    &d->counters, "%-22s %llu\n", name, (unsigned long long)m->value);
	json_u64(&d->json, name, m->value);
}

int service_status(struct posthouse *p, const char *service)
{
	struct detail d = {.text = buf_new(REPORT_MAX),
	    .counters = buf_new(REPORT_MAX),
	    .json_text = buf_new(REPORT_MAX)};
	struct ask_calls calls = {
	    .service = add_service, .counter = add_counter, .arg = &d};
	int status;

	d.json = json_start(&d.json_text);
	json_object(&d.json, NULL);
	status = ask_master(p, "service", MASTER_STATUS, service, &calls, NULL);
	if (d.found)
		json_end(&d.json);
	json_end(&d.json);
	if (status == 0 && p->json)
		fputs(buf_text(&d.json_text), stdout);
	else if (status == 0)
		printf("%s%s%s", buf_text(&d.text),
		    d.counters.len > 0 ? "\n" : "", buf_text(&d.counters));
	buf_free(&d.text);
	buf_free(&d.counters);
	buf_free(&d.json_text);
	return status;
}
