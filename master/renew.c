/* SPDX-License-Identifier: ISC */
/*
 * New processes in the place of old ones. The new one starts beside the old
 * ones, which go on taking clients; when it is ready they are drained. So
 * nobody waits, and a new one that cannot start has done no harm. Roles of
 * which only one may be at work (role_is_sole) are drained first; who calls
 * them waits at their socket.
 *
 * A whole configuration is changed by generation.c with these same steps.
 */
#include <stdio.h>

#include "core/clock.h"
#include "core/log.h"
#include "master/master.h"

bool process_is_stale(const struct process *p)
{
	return p->generation != p->service->generation;
}

void renew_try(struct running *s)
{
	s->turned = false;
	s->tested = s->wanted == WANT_RUNNING && s->listener_count > 0 &&
	    !s->leaving && (service_is_warm(s) || service_count_all(s) > 0);
	if (s->tested && !role_is_sole(s->role) && process_start(s) == NULL)
		service_look(s); /* tries again */
}

bool renew_is_ready(const struct running *s)
{
	return !s->tested || s->wanted != WANT_RUNNING || s->failing ||
	    service_has_ready(s);
}

void renew_finish(struct running *s, int64_t bound_ms)
{
	for (struct process *p = s->processes; p != NULL; p = p->next)
		if (process_is_stale(p))
			process_drain(p, bound_ms);
}

void renew_alone(struct running *s, int64_t bound_ms)
{
	s->renew_failed = false;
	if (role_is_sole(s->role) || service_count_all(s) == 0) {
		service_drain(s, bound_ms);
		service_look(s);
		return;
	}
	if (s->before == 0)
		s->before = s->generation;
	s->generation = ++master.last_generation;
	s->renew_deadline = deadline_in(master.conf.service_start_timeout);
	s->renew_bound = bound_ms;
	s->failing = false;
	s->failures = 0;
	s->throttled_until = 0;
	s->error[0] = '\0';
	renew_try(s);
}

static void give_up(struct running *s)
{
	log_error("%s/%s: the new process does not start (%s); the old one "
		  "goes on",
	    s->name, config_type_name(s->type), s->error);
	s->generation = s->before;
	s->before = 0;
	s->renew_failed = true;
	s->throttled_until = 0;
	s->failures = 0;
	for (struct process *p = s->processes; p != NULL; p = p->next)
		if (process_is_stale(p))
			process_drain(p, 0);
	service_look(s);
}

void renew_look(void)
{
	for (struct running *s = master.services; s != NULL; s = s->next) {
		if (s->before == 0)
			continue;
		if (renew_is_ready(s)) {
			s->before = 0;
			renew_finish(s, s->renew_bound);
			service_look(s);
		} else if (s->error[0] != '\0') {
			give_up(s);
		} else if (deadline_left(s->renew_deadline) == 0) {
			snprintf(
			    s->error, sizeof(s->error), "not ready in time");
			give_up(s);
		}
	}
}
