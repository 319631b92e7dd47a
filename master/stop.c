/* SPDX-License-Identifier: ISC */
/*
 * The end: clients first, then those who ask others, then those who are only
 * asked, and the log last. Each step waits until its processes have ended, or
 * until they were killed.
 */
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "ipc/trace.h"
#include "master/master.h"

enum step { CLIENTS, ASKERS, ASKED, THE_LOG, STEPS };

static enum step step;

/* The sessions of imapd and pop3d are clients' too: login waits for them. */
static bool has_sessions(const struct running *s)
{
	return strcmp(s->role->name, "imapd") == 0 ||
	    strcmp(s->role->name, "pop3d") == 0;
}

static enum step step_of(const struct running *s)
{
	if (s->type == SERVICE_INET || s->type == SERVICE_PASS ||
	    has_sessions(s))
		return CLIENTS;
	if (s->type == SERVICE_DGRAM)
		return THE_LOG;
	return s->role->calls[0] != NULL || strcmp(s->role->name, "smtp") == 0
	    ? ASKERS
	    : ASKED;
}

/* Half of the time that is left belongs to this step. */
static void begin_step(void)
{
	int64_t bound = master.conf.shutdown_timeout >> (step + 1);

	for (struct running *s = master.services; s != NULL; s = s->next) {
		if (!s->removed && step_of(s) > step)
			continue;
		s->wanted = WANT_STOPPED;
		service_close(s);
		service_drain(
		    s, s->role->brief && bound > BRIEF_MS ? BRIEF_MS : bound);
	}
}

static bool step_is_over(void)
{
	for (struct running *s = master.services; s != NULL; s = s->next)
		if (step_of(s) <= step && !service_is_gone(s))
			return false;
	return step != THE_LOG || !upgrade_is_checking();
}

void stop_begin(void)
{
	if (master.stopping)
		return;
	master.stopping = true;
	notify_stopping();
	upgrade_give_up("the suite is being stopped");
	sockets_close_retired();
	log_info("terminating: letting everybody finish");
	step = CLIENTS;
	begin_step();
	stop_look();
}

void stop_look(void)
{
	while (step < STEPS && step_is_over()) {
		if (++step == STEPS)
			break;
		if (step == THE_LOG)
			log_info("stopped");
		logsink_flush();
		begin_step();
	}
	if (step == STEPS)
		loop_stop(master.loop);
}
