/* SPDX-License-Identifier: ISC */
#include "master/report.h"

#include <unistd.h>

#include "core/clock.h"
#include "master/certificates.h"

static const char *state_of(const struct running *s)
{
	bool alive = service_count_all(s) > 0;

	if (s->wanted != WANT_RUNNING)
		return service_is_gone(s) ? "stopped" : "draining";
	if (s->listener_count == 0)
		return "failed";
	if (!alive && s->throttled_until > clock_ms())
		return "throttled";
	return alive ? "running" : "waiting";
}

static uint64_t count_in(const struct running *s, uint32_t state)
{
	uint64_t n = 0;

	for (int i = 0; i < BOARD_SLOTS; i++)
		n += s->board->slots[i].state == state;
	return n;
}

static uint64_t count_old(const struct running *s)
{
	uint64_t n = 0;

	for (const struct process *p = s->processes; p != NULL; p = p->next)
		n += !p->ended && (p->draining || process_is_stale(p));
	return n;
}

void report_service(struct ipc *to, const struct running *s)
{
	struct buf pids = buf_new(1000);
	uint64_t processes = 0;
	struct master_service m = {.name = str_from(s->name),
	    .type = str_from(config_type_name(s->type)),
	    .command = str_from(s->config->row->command),
	    .state = str_from(state_of(s)),
	    .busy = count_in(s, BOARD_BUSY),
	    .parked = count_in(s, BOARD_PARKED),
	    .old = count_old(s),
	    .generation = s->generation,
	    .limit = service_limit(s),
	    .served = s->board->served,
	    .restarts = s->restarts,
	    .error = str_from(s->error)};

	/* The board names the children of imapd too. What a process writes
	 * there is only shown. */
	for (int i = 0; i < BOARD_SLOTS; i++) {
		uint32_t pid = s->board->slots[i].pid;

		if (pid == 0)
			continue;
		processes++;
		buf_printf(&pids, "%s%u", pids.len > 0 ? " " : "", pid);
	}
	m.processes = processes;
	m.pids = buf_str(&pids);
	ipc_put(to, &master_service, &m);
	buf_free(&pids);
}

void report_counters(struct ipc *to, const struct running *s)
{
	for (int i = 0; i < BOARD_COUNTERS; i++) {
		const struct board_counter *b = &s->board->counters[i];
		char name[BOARD_NAME_MAX];
		size_t len = board_name_read(&b->name, name);
		struct master_counter m = {.service = str_from(s->name),
		    .type = str_from(config_type_name(s->type)),
		    .name = str_of(name, len),
		    .gauge = b->gauge != 0,
		    .value = b->value};

		if (len > 0)
			ipc_put(to, &master_counter, &m);
	}
}

static void put_times(struct ipc *to, const struct running *s)
{
	struct buf buckets = buf_new(4096);

	for (int i = 0; i < BOARD_TIMES; i++) {
		struct histogram h;
		char name[BOARD_NAME_MAX];
		size_t len = board_name_read(&s->board->times[i].name, name);

		if (len == 0)
			continue;
		buf_clear(&buckets);
		board_times_read(&s->board->times[i], &h);
		for (unsigned j = 0; j < HISTOGRAM_BUCKETS; j++)
			if (h.buckets[j] > 0)
				buf_printf(&buckets, "%s%u:%llu",
				    buckets.len > 0 ? " " : "", j,
				    (unsigned long long)h.buckets[j]);
		struct master_times m = {.service = str_from(s->name),
		    .type = str_from(config_type_name(s->type)),
		    .name = str_of(name, len),
		    .count = h.count,
		    .sum = h.sum,
		    .max = h.max,
		    .buckets = buf_str(&buckets)};
		if (!buckets.overflow)
			ipc_put(to, &master_times, &m);
	}
	buf_free(&buckets);
}

void report_figures(struct ipc *to)
{
	for (const struct running *s = master.services; s != NULL;
	     s = s->next) {
		if (s->removed)
			continue;
		report_service(to, s);
		report_counters(to, s);
		put_times(to, s);
	}
	certificates_report(to);
}

struct master_end report_end(bool ok, const char *text)
{
	return (struct master_end){.ok = ok,
	    .pid = (uint64_t)getpid(),
	    .started = (uint64_t)master.started,
	    .generation = master.generation,
	    .text = str_sub(str_from(text), 0, 2000)};
}
