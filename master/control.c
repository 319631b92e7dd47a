/* SPDX-License-Identifier: ISC */
/*
 * The socket "master": what `posthouse` asks for. A verb that takes time is
 * answered when it is done.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "ipc/master.h"
#include "master/master.h"
#include "master/who.h"
#include "master/report.h"

#define CLIENTS_MAX 32
#define ANSWER_MS   1000 /* between two looks at what is being waited for */

struct client {
	struct client *next;
	struct ipc *ipc;
	struct loop_watch *watch;
	int waiting; /* enum master_verb, -1: for nothing */
	char service[128];
	int type;
};

static struct {
	int fd;
	struct loop_watch *watch;
	struct loop_timer *timer;
	struct client *clients;
	unsigned count;
} control = {.fd = -1};

/* ---- answers ------------------------------------------------------------- */

static void drop(struct client *c)
{
	struct client **at = &control.clients;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	control.count--;
	loop_watch_free(&c->watch);
	ipc_close(&c->ipc);
	free(c);
}

/* Sends what is pending as far as it goes; the rest when there is room. */
static void push(struct client *c)
{
	enum ipc_result r = ipc_push(c->ipc);

	if (r == IPC_BROKEN)
		drop(c);
	else
		loop_watch_set(c->watch,
		    r == IPC_AGAIN ? LOOP_READ | LOOP_WRITE : LOOP_READ);
}

static void answer(struct client *c, bool ok, const char *text)
{
	struct master_end end = report_end(ok, text);

	c->waiting = -1;
	ipc_put(c->ipc, &master_end, &end);
	push(c);
}

/* Each line of text as a note. */
static void put_notes(struct client *c, struct str text)
{
	while (text.len > 0) {
		struct master_note note = {
		    str_sub(str_cut(&text, '\n'), 0, 2000)};

		ipc_put(c->ipc, &master_note, &note);
	}
}

static void status(struct client *c, struct str only)
{
	const char *why;
	struct running *one = only.len > 0 ? service_find(only, &why) : NULL;

	if (only.len > 0 && one == NULL) {
		answer(c, false, why);
		return;
	}
	for (const struct running *s = master.services; s != NULL;
	     s = s->next) {
		if ((one != NULL && s != one) || s->removed)
			continue;
		report_service(c->ipc, s);
		report_counters(c->ipc, s);
	}
	answer(c, true, "");
}

/* ---- verbs --------------------------------------------------------------- */

static struct running *service_of(const struct client *c)
{
	for (struct running *s = master.services; s != NULL; s = s->next)
		if (!s->removed && s->type == c->type &&
		    strcmp(s->name, c->service) == 0)
			return s;
	return NULL;
}

static void start(struct client *c, struct running *s)
{
	char why[300];

	if (s->listener_count == 0 && service_open(s, why, sizeof(why)) < 0) {
		answer(c, false, why);
		return;
	}
	s->wanted = WANT_RUNNING;
	s->failures = 0;
	s->throttled_until = 0;
	s->error[0] = '\0';
	service_look(s);
	c->waiting = MASTER_START;
}

static int64_t bound_of(const struct running *s)
{
	return s->role->brief ? BRIEF_MS : master.conf.shutdown_timeout;
}

static void one_service(struct client *c, int verb, struct running *s)
{
	c->type = s->type;
	snprintf(c->service, sizeof(c->service), "%s", s->name);
	c->waiting = verb;
	log_info("operator: %s %s/%s", master_verb_names[verb], s->name,
	    config_type_name(s->type));
	switch (verb) {
	case MASTER_STOP:
	case MASTER_DRAIN:
		s->wanted = WANT_STOPPED;
		service_close(s);
		service_drain(s, verb == MASTER_STOP ? bound_of(s) : -1);
		if (verb == MASTER_DRAIN && !service_is_gone(s))
			answer(c, true, "draining");
		break;
	case MASTER_RESTART:
		start(c, s);
		if (c->waiting >= 0)
			renew_alone(s, bound_of(s));
		break;
	default:
		start(c, s);
		break;
	}
	control_look();
}

static void reload(struct client *c)
{
	struct buf errors = buf_new(65536);

	if (master.stopping) {
		answer(c, false, "the suite is being stopped");
	} else if (generation_load(&errors) < 0) {
		put_notes(c, buf_str(&errors));
		answer(c, false,
		    "the configuration has errors; nothing was "
		    "changed");
	} else {
		put_notes(c, buf_str(&master.config->warnings));
		c->waiting = MASTER_RELOAD;
		control_look();
	}
	buf_free(&errors);
}

static void upgrade_to(struct client *c, struct str program)
{
	char path[4097];
	const char *why = "the program's path is not absolute";

	if (master.stopping)
		answer(c, false, "the suite is being stopped");
	else if (!master.started_up)
		answer(c, false, "the suite is still starting");
	else if (str_copy(path, sizeof(path), program) < 0 || path[0] != '/' ||
	    upgrade_begin(path, &why) < 0)
		answer(c, false, why);
	else
		c->waiting = MASTER_UPGRADE;
}

/* Until the next reload. */
static void limit(struct client *c, struct running *s, struct str number)
{
	uint64_t n;

	if (service_is_warm(s)) {
		answer(c, false,
		    "this service has one process (maxproc in "
		    "master.cf)");
		return;
	}
	if (str_to_u64(number, BOARD_SLOTS / 2, &n) < 0 || n == 0) {
		answer(c, false, "the limit is a number from 1 to 2048");
		return;
	}
	log_info("operator: limit %s/%s to %d processes", s->name,
	    config_type_name(s->type), (int)n);
	s->limit = (int)n;
	service_trim(s);
	service_look(s);
	answer(c, true, "");
}

static void sessions(struct client *c, struct str filter, bool ends)
{
	char text[64];
	int count = who_answer(c->ipc, filter, ends);

	if (count < 0) {
		answer(c, false, "the client is an address or a network");
		return;
	}
	if (ends)
		log_info("operator: kick user=<%.*s> client=<%.*s>: %d "
			 "sessions",
		    STR_FMT(str_sub(filter, 0, str_find(filter, '\n'))),
		    STR_FMT(str_sub(
			str_skip(filter, str_find(filter, '\n') + 1), 0,
			str_find(str_skip(filter, str_find(filter, '\n') + 1),
			    '\n'))),
		    count);
	snprintf(text, sizeof(text), "%d", count);
	answer(c, true, text);
}

/* The snapshot is sealed: who has it can only read. */
static void running_config(struct client *c)
{
	struct master_end end = {.ok = true,
	    .pid = (uint64_t)getpid(),
	    .started = (uint64_t)master.started,
	    .generation = master.generation};

	ipc_put_fd(c->ipc, &master_end, &end, master.snapshot);
	push(c);
}

static void handle(struct client *c, const struct master_ask *ask)
{
	struct running *s;
	const char *why;

	switch (ask->verb) {
	case MASTER_STATUS:
		status(c, ask->service);
		return;
	case MASTER_FIGURES:
		report_figures(c->ipc);
		answer(c, true, "");
		return;
	case MASTER_WHO:
	case MASTER_KICK:
		sessions(c, ask->argument, ask->verb == MASTER_KICK);
		return;
	case MASTER_DEBUG:
		why = who_watch(ask->argument);
		answer(c, why == NULL, why == NULL ? "" : why);
		return;
	case MASTER_CONFIG:
		running_config(c);
		return;
	case MASTER_RELOAD:
		reload(c);
		return;
	case MASTER_SHUTDOWN:
		answer(c, true, "stopping");
		stop_begin();
		return;
	case MASTER_UPGRADE:
		upgrade_to(c, ask->argument);
		return;
	case MASTER_AWAIT:
		c->waiting = MASTER_AWAIT;
		control_look();
		return;
	case MASTER_LIMIT:
		s = service_find(ask->service, &why);
		if (s == NULL)
			answer(c, false, why);
		else
			limit(c, s, ask->argument);
		return;
	default:
		s = service_find(ask->service, &why);
		if (s == NULL)
			answer(c, false, why);
		else if (master.stopping)
			answer(c, false, "the suite is being stopped");
		else
			one_service(c, ask->verb, s);
	}
}

/* ---- what is being waited for -------------------------------------------- */

static bool has_ready(const struct running *s)
{
	return s->before == 0 && (!service_is_warm(s) || service_has_ready(s));
}

/* Old processes have still to end. */
static bool has_stale(const struct running *s)
{
	for (const struct process *p = s->processes; p != NULL; p = p->next)
		if (!p->ended && process_is_stale(p))
			return true;
	return false;
}

/* The asker knows before we go; the answer to "await" is the new program's, or
 * ours when we are still there. */
static void look_at_upgrade(struct client *c)
{
	const char *why = "", *unused;
	int state = upgrade_state(&why);

	/* A reload that was begun meanwhile is finished here. */
	if (state == 0 || (state > 0 && generation_state(&unused) == 0))
		return;
	put_notes(c, upgrade_notes());
	answer(c, state > 0, why);
	if (state < 0)
		return;
	upgrade_execute(&why);
	generation_refused(why);
}

static void look_at(struct client *c)
{
	const struct running *s = service_of(c);
	const char *why = "";
	int state;

	switch (c->waiting) {
	case MASTER_AWAIT:
	case MASTER_RELOAD:
		state = generation_state(&why);
		if (state != 0)
			answer(c, state > 0, why);
		return;
	case MASTER_UPGRADE:
		look_at_upgrade(c);
		return;
	case MASTER_STOP:
	case MASTER_DRAIN:
		if (s == NULL || service_is_gone(s))
			answer(c, true, "stopped");
		return;
	default:
		if (s == NULL)
			answer(c, false, "the service is gone");
		else if (s->before == 0 && s->error[0] != '\0' &&
		    (s->renew_failed || s->throttled_until > clock_ms()))
			answer(c, false, s->error);
		else if (has_ready(s) &&
		    !(c->waiting == MASTER_RESTART && has_stale(s)))
			answer(c, true, "started");
	}
}

static void look(void *arg)
{
	struct client *next;

	(void)arg;
	loop_watch_set(control.watch, LOOP_READ);
	renew_look();
	generation_look();
	for (struct client *c = control.clients; c != NULL; c = next) {
		next = c->next;
		if (c->waiting >= 0)
			look_at(c);
	}
	for (struct client *c = control.clients; c != NULL; c = c->next)
		if (c->waiting >= 0)
			loop_timer_set(control.timer, ANSWER_MS);
}

/* Callers are in the midst of other things: a moment later. */
void control_look(void)
{
	if (control.timer != NULL)
		loop_timer_set(control.timer, 0);
}

/* ---- the socket ---------------------------------------------------------- */

static void ready(unsigned what, void *arg)
{
	struct client *c = arg;
	const struct ipc_type *type;
	const void *msg;
	enum ipc_result r;

	if (what & LOOP_WRITE) {
		push(c);
		return;
	}
	r = ipc_fill(c->ipc);
	while (r == IPC_OK && c->waiting < 0) {
		r = ipc_next(c->ipc, &type, &msg);
		if (r == IPC_OK && type != &master_ask)
			r = IPC_BROKEN;
		if (r == IPC_OK) {
			/* One question at a time; the asker may be gone
			 * behind it. */
			handle(c, msg);
			return;
		}
	}
	if (r == IPC_EOF || r == IPC_BROKEN)
		drop(c);
}

static void accepted(unsigned what, void *arg)
{
	struct client *c;
	unsigned uid;
	int fd = accept4(control.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)what;
	(void)arg;
	if (fd < 0) {
		/* No descriptors: it would be told again at once. */
		loop_watch_set(control.watch, 0);
		loop_timer_set(control.timer, ANSWER_MS);
		return;
	}
	if (control.count == CLIENTS_MAX) {
		file_close(&fd);
		return;
	}
	c = NEW(struct client);
	c->ipc = ipc_server(fd, &master_exchange);
	uid = ipc_peer_uid(c->ipc);
	if (uid != 0 && uid != geteuid()) {
		log_warning("uid %u may not talk to master", uid);
		ipc_close(&c->ipc);
		free(c);
		return;
	}
	c->waiting = -1;
	c->watch = loop_watch_new(master.loop, fd, LOOP_READ, ready, c);
	c->next = control.clients;
	control.clients = c;
	control.count++;
}

static void control_listen(int fd)
{
	control.fd = fd;
	control.timer = loop_timer_new(master.loop, look, NULL);
	control.watch = loop_watch_new(
	    master.loop, control.fd, LOOP_READ, accepted, NULL);
}

int control_fd(void)
{
	return control.fd;
}

void control_inherit(int fd)
{
	control_listen(fd);
}

void control_open(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "master"};
	int fd;

	if (fchdir(master.run_fd) < 0 || chdir("sockets") < 0)
		log_fatal("run_directory: %s", strerror(errno));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    chmod("master", 0600) < 0 || listen(fd, CLIENTS_MAX) < 0)
		log_fatal("the socket master: %s", strerror(errno));
	if (chdir("/") < 0)
		log_fatal("/: %s", strerror(errno));
	control_listen(fd);
}

void control_close(void)
{
	loop_watch_free(&control.watch);
	file_close(&control.fd);
	unlinkat(master.run_fd, "sockets/master", 0);
	while (control.clients != NULL) {
		ipc_flush(control.clients->ipc, deadline_in(200));
		drop(control.clients);
	}
	loop_timer_free(&control.timer);
}
