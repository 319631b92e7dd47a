/* SPDX-License-Identifier: ISC */
/* Processes: how they start, what they tell, how they end. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "master/master.h"

#define SHORT_LIFE 10000 /* ms: who ends badly within them fails in a row */
#define REAPER_MS  250
#define HEAR_MOST  16   /* words of one process in a turn of the loop */
#define WORDS_MOST 5000 /* in a second; who says more has gone mad */

/* ---- starting ------------------------------------------------------------ */

static void watch_late(void);

/* Each client is worth a word or two. */
static void count_word(struct process *p)
{
	int64_t now = clock_ms();

	if (now - p->words_since >= 1000) {
		p->words_since = now;
		p->words = 0;
	}
	if (++p->words != WORDS_MOST)
		return;
	log_warning("%s: process %d floods its channel; killing it",
	    p->service->name, (int)p->pid);
	kill(p->pid, SIGKILL);
	loop_watch_set(p->watch, 0);
}

/* Takes one packet from the channel; false when there is none. */
static bool hear(struct process *p)
{
	char packet[CHANNEL_TEXT_MAX + 1];
	ssize_t n;

	do {
		n = recv(p->channel, packet, sizeof(packet) - 1, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0) {
		/* It ends; SIGCHLD tells how. */
		loop_watch_free(&p->watch);
		return false;
	}
	count_word(p);
	switch (packet[0]) {
	case CHANNEL_READY:
		if (!p->ready) {
			p->ready = true;
			if (!p->draining)
				p->kill_at = DEADLINE_NEVER;
			control_look();
		}
		break;
	case CHANNEL_FATAL:
		packet[n] = '\0';
		memcpy(p->fatal, packet + 1, (size_t)n);
		break;
	case CHANNEL_BUSY:
		service_spare(p->service);
		break;
	default:
		break;
	}
	return true;
}

static void heard(unsigned what, void *arg)
{
	struct process *p = arg;

	(void)what;
	/* What is left is heard in the next turn; others come first. */
	for (int i = 0; i < HEAR_MOST && hear(p); i++)
		continue;
	service_look(p->service);
}

/* fork(2), with no signal for the child until it is a program of its own: our
 * handlers there would speak to our loop. */
static pid_t fork_quietly(struct process *p, const int pair[2])
{
	sigset_t all, before;
	pid_t pid;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0) {
		static const int ours[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};

		for (size_t i = 0; i < ARRAY_LEN(ours); i++)
			signal(ours[i], SIG_DFL);
		sigemptyset(&before);
		sigprocmask(SIG_SETMASK, &before, NULL);
		process_become(p, pair[1]);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}

struct process *process_start(struct running *s)
{
	struct process *p = NEW(struct process);
	int pair[2] = {-1, -1};

	p->service = s;
	p->generation = s->generation;
	p->started = p->words_since = clock_ms();
	p->kill_at = deadline_in(master.conf.service_start_timeout);
	p->slot = board_take(s->board, 0);
	if (p->slot < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ||
	    (p->pid = fork_quietly(p, pair)) < 0) {
		log_warning("%s: cannot start a process: %s", s->name,
		    p->slot < 0 ? "the scoreboard is full" : strerror(errno));
		file_close(&pair[0]);
		file_close(&pair[1]);
		board_release(s->board, p->slot);
		free(p);
		return NULL;
	}
	setpgid(p->pid, p->pid);
	file_close(&pair[1]);
	p->channel = pair[0];
	p->watch = loop_watch_new(master.loop, p->channel, LOOP_READ, heard, p);
	s->board->slots[p->slot].pid = (uint32_t)p->pid;
	p->next = s->processes;
	s->processes = p;
	watch_late();
	return p;
}

void process_inherit(struct running *s, const struct state_process *m)
{
	struct process *p = NEW(struct process);

	p->service = s;
	p->pid = (pid_t)m->pid;
	p->channel = (int)m->channel;
	p->slot = (int)m->slot;
	p->generation = (unsigned)m->generation;
	p->ready = m->ready;
	p->draining = m->draining;
	p->ended = m->ended;
	p->started = m->process_started;
	p->kill_at = m->kill_at;
	p->words_since = clock_ms();
	if (!p->ended)
		p->watch = loop_watch_new(
		    master.loop, p->channel, LOOP_READ, heard, p);
	p->next = s->processes;
	s->processes = p;
	watch_late();
}

/* ---- ending -------------------------------------------------------------- */

static void late(void *arg)
{
	(void)arg;
	process_kill_late();
}

static void watch_late(void)
{
	if (master.reaper == NULL)
		master.reaper = loop_timer_new(master.loop, late, NULL);
	loop_timer_set(master.reaper, REAPER_MS);
}

void process_drain(struct process *p, int64_t bound_ms)
{
	char word = CHANNEL_DRAIN;
	bool first = !p->draining;

	p->draining = true;
	if (first && !p->ended) {
		if (send(p->channel, &word, 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			log_debug(
			    "channel of %d: %s", (int)p->pid, strerror(errno));
	}
	if (bound_ms < 0)
		return; /* who is busy finishes in peace */
	/* Time is short: tells the busy, and the children too (the sessions
	 * of imapd and pop3d). */
	kill(-p->pid, SIGTERM);
	if (deadline_in(bound_ms) < p->kill_at)
		p->kill_at = deadline_in(bound_ms);
	watch_late();
}

static void forget(struct process *p)
{
	struct process **at = &p->service->processes;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	loop_watch_free(&p->watch);
	file_close(&p->channel);
	free(p);
}

static bool group_lives(const struct process *p)
{
	return kill(-p->pid, 0) == 0 || errno == EPERM;
}

/* Entries of processes whose last child has ended. */
static void forget_empty_groups(struct running *s)
{
	struct process *next;

	for (struct process *p = s->processes; p != NULL; p = next) {
		next = p->next;
		if (p->ended && !group_lives(p))
			forget(p);
	}
}

/* One that does not become ready counts as one that failed. */
static void kill_one_late(struct process *p)
{
	bool starting = !p->ready && !p->draining;

	if (deadline_left(p->kill_at) > 0) {
		/* Again: the first may have come just before a wait began. */
		if (!starting)
			kill(-p->pid, SIGTERM);
		return;
	}
	log_warning("%s: process %d did not %s in time; killing it",
	    p->service->name, (int)p->pid, starting ? "become ready" : "end");
	if (starting)
		snprintf(p->fatal, sizeof(p->fatal), "not ready in time");
	kill(-p->pid, SIGKILL);
	p->kill_at = deadline_in(5000);
}

static bool kill_late_of(struct running *s)
{
	bool more = false;

	forget_empty_groups(s);
	for (struct process *p = s->processes; p != NULL; p = p->next) {
		if (p->kill_at == DEADLINE_NEVER)
			continue;
		more = true;
		kill_one_late(p);
	}
	return more;
}

void process_kill_late(void)
{
	bool more = false;

	for (struct running *s = master.services; s != NULL; s = s->next)
		more |= kill_late_of(s);
	if (more)
		loop_timer_set(master.reaper, REAPER_MS);
	control_look();
	if (master.stopping)
		stop_look();
}

/* Waits between failures: none, then 1 s, 2 s, 4 s ... */
static void throttle(struct running *s, const struct process *p)
{
	int64_t now = clock_ms(), wait = 1000;

	s->restarts++;
	if (now - p->started >= SHORT_LIFE)
		s->failures = 0;
	s->failures += p->ready ? 1 : 2;
	for (unsigned i = 3; i < s->failures && wait < 3600000; i++)
		wait *= 2;
	if (s->failures <= 2 && p->ready)
		return;
	if (wait > master.conf.service_throttle_time)
		wait = master.conf.service_throttle_time;
	s->throttled_until = now + wait;
	log_warning("%s/%s: its processes keep failing; the next one starts in "
		    "%lld s",
	    s->name, config_type_name(s->type), (long long)(wait / 1000));
}

static void say_end(struct process *p, int status)
{
	struct running *s = p->service;
	int n;

	if (WIFSIGNALED(status))
		n = snprintf(s->error, sizeof(s->error),
		    "ended by signal %d%s%s", WTERMSIG(status),
		    p->fatal[0] != '\0' ? ": " : "", p->fatal);
	else
		n = snprintf(s->error, sizeof(s->error), "exit status %d%s%s",
		    WEXITSTATUS(status), p->fatal[0] != '\0' ? ": " : "",
		    p->fatal);
	if (n > 0)
		log_warning("process %s/%s pid %d: %s", s->name,
		    config_type_name(s->type), (int)p->pid, s->error);
}

/* By somebody, who had a reason that lies elsewhere. */
static bool was_killed(int status)
{
	return WIFSIGNALED(status) &&
	    (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGTERM);
}

static void ended(struct process *p, int status)
{
	struct running *s = p->service;
	bool bad = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
	bool killed_by_us = p->draining && was_killed(status);

	/* A last word may still be in the channel. */
	for (int i = 0; i < HEAR_MOST && hear(p); i++)
		continue;
	loop_watch_free(&p->watch);
	board_release(s->board, p->slot);
	p->slot = -1;
	p->ended = true;
	if (bad && !killed_by_us) {
		say_end(p, status);
		if (!p->draining && !process_is_stale(p))
			throttle(s, p);
		if (!p->draining && !(p->ready && was_killed(status)))
			generation_process_failed(p);
	}
	p->draining = true;
	forget_empty_groups(s);
	service_look(s);
}

/* A session process whose parent ended before it: its slot becomes free. */
static void release_slot_of(pid_t pid)
{
	for (struct running *s = master.services; s != NULL; s = s->next)
		for (int i = 0; i < BOARD_SLOTS; i++)
			if (s->board->slots[i].pid == (uint32_t)pid)
				board_release(s->board, i);
}

static struct process *find(pid_t pid)
{
	for (struct running *s = master.services; s != NULL; s = s->next)
		for (struct process *p = s->processes; p != NULL; p = p->next)
			if (p->pid == pid && !p->ended)
				return p;
	return NULL;
}

void process_reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct process *p = find(pid);

		if (p != NULL)
			ended(p, status);
		else if (!upgrade_reap(pid, status))
			release_slot_of(pid);
	}
	for (struct running *s = master.services; s != NULL; s = s->next)
		forget_empty_groups(s);
	control_look();
	if (master.stopping)
		stop_look();
}
