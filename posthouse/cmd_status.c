/* SPDX-License-Identifier: ISC */
/* posthouse status: what runs, how busy it is, and with which rights. */
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "daemon/board.h"
#include "posthouse/ask_master.h"
#include "posthouse/status.h"

#define JSON_MAX (4u << 20)

/* Collects the answer as text and as JSON at once. */
struct report {
	struct buf text, counters, json_text;
	struct json json;
	bool in_service; /* a service object is open */
	bool in_counters;
};

static void close_service(struct report *r)
{
	if (r->in_counters)
		json_end(&r->json);
	if (r->in_service)
		json_end(&r->json);
	r->in_service = r->in_counters = false;
}

static void json_pids(struct json *j, struct str pids)
{
	struct str word;
	uint64_t n;

	json_array(j, "pids");
	while ((word = str_word(&pids, " ")).len > 0)
		if (str_to_u64(word, UINT32_MAX, &n) == 0)
			json_u64(j, NULL, n);
	json_end(j);
}

static void add_service(const struct master_service *m, void *arg)
{
	struct report *r = arg;

	buf_printf(&r->text,
	    "%-22.*s %-10.*s %-10.*s %-9.*s %5llu %5llu "
	    "%5llu %9llu %5llu\n",
	    STR_FMT(m->name), STR_FMT(m->type), STR_FMT(m->command),
	    STR_FMT(m->state), (unsigned long long)m->processes,
	    (unsigned long long)m->busy, (unsigned long long)m->limit,
	    (unsigned long long)m->served, (unsigned long long)m->restarts);
	if (m->error.len > 0 && !str_eq(m->state, STR("running")))
		buf_printf(&r->text, "%22s %.*s\n", "", STR_FMT(m->error));
	close_service(r);
	json_object(&r->json, NULL);
	json_text(&r->json, "name", m->name);
	json_text(&r->json, "type", m->type);
	json_text(&r->json, "command", m->command);
	json_text(&r->json, "state", m->state);
	json_u64(&r->json, "processes", m->processes);
	json_u64(&r->json, "busy", m->busy);
	json_u64(&r->json, "parked", m->parked);
	json_u64(&r->json, "old", m->old);
	json_u64(&r->json, "generation", m->generation);
	json_u64(&r->json, "limit", m->limit);
	json_u64(&r->json, "served", m->served);
	json_u64(&r->json, "restarts", m->restarts);
	json_text(&r->json, "error", m->error);
	json_pids(&r->json, m->pids);
	r->in_service = true;
}

static void add_counter(const struct master_counter *m, void *arg)
{
	struct report *r = arg;
	char name[BOARD_NAME_MAX + 1];

	if (str_copy(name, sizeof(name), m->name) < 0)
		return;
	buf_printf(&r->counters, "  %.*s/%.*s %s: %llu\n", STR_FMT(m->service),
	    STR_FMT(m->type), name, (unsigned long long)m->value);
	if (!r->in_counters)
		json_object(&r->json, "counters");
	r->in_counters = true;
	json_u64(&r->json, name, m->value);
}

static void add_end(const struct master_end *m, void *arg)
{
	struct report *r = arg;
	int64_t up = clock_seconds() - (int64_t)m->started;

	close_service(r);
	json_end(&r->json);
	json_u64(&r->json, "pid", m->pid);
	json_u64(&r->json, "started", m->started);
	json_u64(&r->json, "generation", m->generation);
	json_end(&r->json);
	buf_printf(&r->text,
	    "\nmaster is process %llu, up %lld s, "
	    "configuration generation %llu\n",
	    (unsigned long long)m->pid, (long long)up,
	    (unsigned long long)m->generation);
}

static void report_start(struct report *r)
{
	r->text = buf_new(JSON_MAX);
	r->counters = buf_new(JSON_MAX);
	r->json_text = buf_new(JSON_MAX);
	r->json = json_start(&r->json_text);
	json_object(&r->json, NULL);
	json_array(&r->json, "services");
	buf_printf(&r->text, "%-22s %-10s %-10s %-9s %5s %5s %5s %9s %5s\n",
	    "SERVICE", "TYPE", "COMMAND", "STATE", "PROCS", "BUSY", "LIMIT",
	    "SERVED", "FAILS");
}

static void report_free(struct report *r)
{
	buf_free(&r->text);
	buf_free(&r->counters);
	buf_free(&r->json_text);
}

int status_print(struct posthouse *p, const char *command, const char *service)
{
	struct report r = {0};
	struct ask_calls calls = {.service = add_service,
	    .counter = add_counter,
	    .end = add_end,
	    .arg = &r};
	int status;

	report_start(&r);
	status = ask_master(p, command, MASTER_STATUS, service, &calls, NULL);
	if (status == 0 && p->json)
		fputs(buf_text(&r.json_text), stdout);
	else if (status == 0)
		printf("%s%s%s", buf_text(&r.text),
		    r.counters.len > 0 ? "\n" : "", buf_text(&r.counters));
	report_free(&r);
	return status;
}

int cmd_status(struct posthouse *p, int argc, char **argv)
{
	if (argc == 1)
		return status_print(p, "status", "");
	if (argc == 2 && strcmp(argv[1], "--security") == 0)
		return status_security(p);
	return posthouse_usage("status");
}
