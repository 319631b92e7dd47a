/* SPDX-License-Identifier: ISC */
/*
 * Generations of the configuration. A new one is read and checked as a whole,
 * and its sockets are opened, before anything changes. Then
 *
 *	TRYING     a process of each service starts beside the old ones, which
 *	           go on taking clients (renew.c)
 *	SWITCHING  all are ready; the roles of which only one may be at work
 *	           change over, those that are called before their callers
 *	PROBATION  the old processes take no more clients and finish in peace;
 *	           the new ones are watched for a moment
 *
 * and the old configuration goes. A process of the new generation that fails
 * before that brings the old one back: its processes are still there, or start
 * again, and its sockets were never closed. What fails later is restarted and
 * told in the log and in `posthouse status`, like any other failure.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "master/master.h"

#define LOOK_MS   50    /* between two looks at a change */
#define SWITCH_MS 60000 /* smtp finishes what it is sending */
#define CLOSE_MS  2000  /* for idle old processes to hear that they drain */

enum phase { SETTLED, TRYING, SWITCHING, PROBATION };

static struct {
	enum phase phase;
	struct config *before; /* the configuration, while not SETTLED */
	unsigned generation_before;
	int snapshot_before;
	int64_t deadline;
	bool failed; /* to be rolled back */
	bool rolled_back;
	char why[2 * CHANNEL_TEXT_MAX];
	struct loop_timer *timer;
} change = {.snapshot_before = -1};

int snapshot_make(const struct config *c)
{
	int fd = memfd_create(
	    "posthouse-main.cf", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || file_write_full(fd, c->text, c->text_len) < 0 ||
	    fchmod(fd, 0444) < 0 ||
	    fcntl(fd, F_ADD_SEALS,
		F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		file_close(&fd);
	return fd;
}

/* ---- rows and services --------------------------------------------------- */

static const struct config_service *row_of(
    const struct config *c, const char *name, int type)
{
	for (size_t i = 0; i < c->mastercf->count; i++)
		if (c->services[i].row->type == type &&
		    strcmp(c->services[i].row->name, name) == 0)
			return &c->services[i];
	return NULL;
}

static struct running *running_of(const struct config_service *c)
{
	for (struct running *s = master.services; s != NULL; s = s->next)
		if (!s->removed && s->type == c->row->type &&
		    strcmp(s->name, c->row->name) == 0)
			return s;
	return NULL;
}

/* ---- what the new configuration needs, before anything changes ------------ */

/* A row's service and sockets. */
struct place {
	struct running *service; /* one that is to be added; NULL: it exists */
	struct listener listeners[SERVICE_LISTENERS];
	int count; /* 0: those that there are stay */
};

static bool keeps_sockets(const struct running *s)
{
	return s != NULL &&
	    (s->wanted != WANT_RUNNING ||
		(s->type != SERVICE_INET && s->listener_count > 0));
}

static int prepare_place(
    const struct config_service *c, struct place *p, char *why, size_t size)
{
	const struct running *s = running_of(c);

	if (keeps_sockets(s))
		return 0;
	p->count = sockets_open(c, p->listeners, why, size);
	if (p->count < 0) {
		p->count = 0;
		return -1;
	}
	if (s == NULL && (p->service = service_new(c)) == NULL) {
		snprintf(why, size, "%s", strerror(errno));
		return -1;
	}
	return 0;
}

static void forget_places(struct place *places, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		sockets_close(places[i].listeners, places[i].count);
		if (places[i].service != NULL)
			service_free(places[i].service);
	}
	free(places);
}

/* NULL with an error line for each that cannot be. */
static struct place *prepare(const struct config *c, struct buf *errors)
{
	struct place *places = mem_array(
	    c->mastercf->count, sizeof(struct place));
	char why[300];

	for (size_t i = 0; i < c->mastercf->count; i++)
		if (prepare_place(
			&c->services[i], &places[i], why, sizeof(why)) < 0)
			buf_printf(errors, "service %s: %s\n",
			    c->services[i].row->name, why);
	if (errors->len == 0)
		return places;
	forget_places(places, c->mastercf->count);
	return NULL;
}

/* Places cannot move under the feet of those who stand there. */
static void check_places(const struct config *c, struct buf *errors)
{
	const struct house_conf *now = &master.config->house, *new = &c->house;

	if (strcmp(now->run_directory, new->run_directory) != 0 ||
	    strcmp(now->queue_directory, new->queue_directory) != 0 ||
	    strcmp(now->dkim_key_directory, new->dkim_key_directory) != 0 ||
	    strcmp(now->mail_store_directory, new->mail_store_directory) != 0)
		buf_printf(errors,
		    "%s/main.cf: run_directory, queue_directory, "
		    "dkim_key_directory and mail_store_directory change only "
		    "with stop and "
		    "start\n",
		    c->directory);
}

/* ---- changing over ------------------------------------------------------- */

static void append(struct running *s)
{
	struct running **at = &master.services;

	while (*at != NULL)
		at = &(*at)->next;
	*at = s;
}

/* back: to the configuration that there was. */
static void take_place(
    const struct config_service *c, struct place *p, bool back)
{
	struct running *s = running_of(c);

	if (s == NULL) {
		s = p->service;
		p->service = NULL;
		append(s);
	}
	if (p->count > 0)
		service_listen(s, p->listeners, p->count);
	else if (s->type != SERVICE_INET && s->listener_count > 0)
		tree_link(s->name, !c->row->is_private);
	p->count = 0;
	s->failing = s->throttled_until > clock_ms() || s->listener_count == 0;
	s->config = c;
	s->role = c->role;
	/* One that was renewed alone has a generation of its own. */
	s->generation = back ? s->fallback : master.generation;
	s->before = 0;
	s->leaving = false;
	s->limit = 0;
	files_find(s);
	s->failures = 0;
	s->throttled_until = 0;
}

/* Every service is of the configuration now; its processes follow. */
static void change_to(struct config *c, unsigned generation, int snapshot,
    struct place *places, bool back)
{
	struct buf ignored = buf_new(65536);

	master.config = c;
	master.generation = generation;
	master.snapshot = snapshot;
	conf_fill(c->conf, master_params, &master.conf, &ignored);
	buf_free(&ignored);
	files_watch();
	for (struct running *s = master.services; s != NULL; s = s->next)
		if (!s->removed)
			s->leaving = row_of(c, s->name, s->type) == NULL;
	for (size_t i = 0; i < c->mastercf->count; i++)
		take_place(&c->services[i], &places[i], back);
	free(places);
}

static void look_again(void *arg)
{
	(void)arg;
	control_look();
}

static void look_at(int64_t ms)
{
	if (change.timer == NULL)
		change.timer = loop_timer_new(master.loop, look_again, NULL);
	loop_timer_set(change.timer, ms);
}

static void begin(struct config *c, int snapshot, struct place *places)
{
	change.before = master.config;
	change.generation_before = master.generation;
	change.snapshot_before = master.snapshot;
	change.rolled_back = change.failed = false;
	change.phase = TRYING;
	notify_reloading();
	for (struct running *s = master.services; s != NULL; s = s->next)
		s->fallback = s->before != 0 ? s->before : s->generation;
	change_to(c, ++master.last_generation, snapshot, places, false);
	change.deadline = deadline_in(master.conf.service_start_timeout);
	for (struct running *s = master.services; s != NULL; s = s->next)
		if (!s->removed)
			renew_try(s);
	look_at(LOOK_MS);
}

int generation_load(struct buf *errors)
{
	struct place *places = NULL;
	struct master_conf unused;
	struct config *c;
	int snapshot = -1;

	if (change.phase != SETTLED || master.stopping) {
		buf_add_text(errors,
		    master.stopping ? "the suite is being stopped\n"
				    : "a reload is still under way\n");
		return -1;
	}
	c = config_read(master.config->directory, errors);
	if (c == NULL)
		return -1;
	check_places(c, errors);
	conf_fill(c->conf, master_params, &unused, errors);
	if (errors->len == 0 && (snapshot = snapshot_make(c)) < 0)
		buf_printf(
		    errors, "configuration snapshot: %s\n", strerror(errno));
	if (errors->len == 0)
		places = prepare(c, errors);
	if (places == NULL) {
		file_close(&snapshot);
		config_free(&c);
		return -1;
	}
	begin(c, snapshot, places);
	log_info("reload -- version %s, generation %u", POSTHOUSE_VERSION,
	    master.generation);
	return 0;
}

/* ---- the end of a change ------------------------------------------------- */

static void take_out(struct running *s)
{
	s->removed = true;
	s->leaving = false;
	s->wanted = WANT_STOPPED;
	service_close(s);
	service_drain(s, -1);
	s->config = NULL; /* it goes with its configuration */
}

static void sweep_removed(void)
{
	struct running **at = &master.services;

	while (*at != NULL) {
		struct running *s = *at;

		if (!s->removed || !service_is_gone(s)) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		service_free(s);
	}
}

static void settle(struct config **gone, int *snapshot)
{
	for (struct running *s = master.services; s != NULL; s = s->next)
		if (s->leaving)
			take_out(s);
	sockets_close_retired();
	file_close(snapshot);
	config_free(gone);
	change.before = NULL;
	change.snapshot_before = -1;
	change.phase = SETTLED;
	for (struct running *s = master.services; s != NULL; s = s->next)
		if (!s->removed)
			service_look(s);
	notify_ready(change.rolled_back ? change.why : "");
}

static void roll_back(void)
{
	struct config *bad = master.config;
	int bad_snapshot = master.snapshot;
	struct buf errors = buf_new(65536);
	struct place *places;

	log_error(
	    "reload: %s; going back to the configuration before", change.why);
	/* The sockets are all there: no row has to open one. */
	master.config = change.before;
	places = prepare(change.before, &errors);
	if (places == NULL) {
		log_error("reload: %s", buf_text(&errors));
		places = mem_array(
		    change.before->mastercf->count, sizeof(struct place));
	}
	buf_free(&errors);
	change_to(change.before, change.generation_before,
	    change.snapshot_before, places, true);
	for (struct running *s = master.services; s != NULL; s = s->next)
		for (struct process *p = s->processes; p != NULL; p = p->next)
			if (process_is_stale(p))
				process_drain(p, p->ready ? -1 : 0);
	change.rolled_back = true;
	settle(&bad, &bad_snapshot);
}

/* ---- step by step -------------------------------------------------------- */

void generation_process_failed(struct process *p)
{
	if (change.phase == SETTLED || p->generation != master.generation ||
	    p->service->failing || p->service->leaving || master.stopping)
		return; /* not the new configuration's fault */
	snprintf(change.why, sizeof(change.why), "%s: %s", p->service->name,
	    p->service->error);
	change.failed = true;
}

/* The first service whose new process is not ready; sole ones only when they
 * are asked for. */
static const struct running *not_ready(bool sole)
{
	for (const struct running *s = master.services; s != NULL; s = s->next)
		if (!s->removed && !s->leaving &&
		    (sole || !role_is_sole(s->role)) && !renew_is_ready(s))
			return s;
	return NULL;
}

static bool calls(const struct running *s, const struct running *t)
{
	for (const char *const *c = s->role->calls; *c != NULL; c++)
		if (strcmp(*c, t->name) == 0)
			return true;
	return false;
}

/* One that this one calls has still to change over. */
static bool waits(const struct running *s)
{
	for (const struct running *t = master.services; t != NULL; t = t->next)
		if (t != s && !t->removed && t->tested &&
		    role_is_sole(t->role) && calls(s, t) &&
		    !(t->turned && renew_is_ready(t)))
			return true;
	return false;
}

static void switch_sole(void)
{
	for (struct running *s = master.services; s != NULL; s = s->next) {
		if (s->removed || s->leaving || !s->tested || s->turned ||
		    !role_is_sole(s->role) || waits(s))
			continue;
		s->turned = true;
		renew_finish(s, s->role->brief ? BRIEF_MS : -1);
		service_look(s);
	}
}

/* An idle process of the old generation may still take a client. */
static bool old_ones_listen(void)
{
	for (const struct running *s = master.services; s != NULL; s = s->next)
		for (const struct process *p = s->processes; p != NULL;
		     p = p->next) {
			uint32_t state;

			if (p->ended || !process_is_stale(p) || p->slot < 0)
				continue;
			state = s->board->slots[p->slot].state;
			if (state == BOARD_IDLE || state == BOARD_STARTING)
				return true;
		}
	return false;
}

static void drain_old(void)
{
	for (struct running *s = master.services; s != NULL; s = s->next)
		if (!s->removed && !s->leaving)
			renew_finish(s, s->role->brief ? BRIEF_MS : -1);
}

static void late(const struct running *s)
{
	snprintf(change.why, sizeof(change.why), "%s: %s", s->name,
	    s->error[0] != '\0' ? s->error : "not ready in time");
	change.failed = true;
}

static void step(void)
{
	const struct running *s = not_ready(change.phase == SWITCHING);
	int left = deadline_left(change.deadline);

	if (change.phase != PROBATION && s != NULL && left == 0) {
		late(s);
	} else if (change.phase == TRYING && s == NULL) {
		change.phase = SWITCHING;
		change.deadline = deadline_in(SWITCH_MS);
		switch_sole();
	} else if (change.phase == SWITCHING) {
		switch_sole();
		if (s != NULL || not_ready(true) != NULL)
			return;
		drain_old();
		change.phase = PROBATION;
		change.deadline = deadline_in(
		    master.conf.reload_probation_time);
	} else if (change.phase == PROBATION && left == 0 &&
	    (!old_ones_listen() ||
		deadline_left(change.deadline + CLOSE_MS) == 0)) {
		settle(&change.before, &change.snapshot_before);
	}
}

void generation_look(void)
{
	sweep_removed();
	if (change.phase == SETTLED || master.stopping)
		return;
	if (!change.failed)
		step();
	if (change.failed)
		roll_back();
	if (change.phase != SETTLED)
		look_at(LOOK_MS);
}

void generation_refused(const char *why)
{
	snprintf(change.why, sizeof(change.why), "%s", why);
	change.rolled_back = true;
	notify_ready(why);
}

int generation_state(const char **why)
{
	*why = change.why;
	if (change.phase != SETTLED)
		return 0;
	return change.rolled_back ? -1 : 1;
}
