/* SPDX-License-Identifier: ISC */
/*
 * Generations of the configuration. A new one is read and checked as a whole
 * before anything changes. Then it becomes the sealed snapshot that new
 * processes get, and the old processes drain: the listening sockets stay, so
 * that no client is refused. While the new processes start the old
 * configuration is kept; if one of them cannot start, it comes back.
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
#include "master/master.h"

#define SETTLE_MS 20000 /* until a generation that starts is taken as good */

static struct {
	struct config *before; /* while settling; else NULL */
	int64_t deadline;
	bool rolled_back;
	bool failed; /* to be rolled back */
	char why[2 * CHANNEL_TEXT_MAX];
} change;

void snapshot_make(void)
{
	int fd = memfd_create(
	    "posthouse-main.cf", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 ||
	    file_write_full(fd, master.config->text, master.config->text_len) <
		0 ||
	    fchmod(fd, 0444) < 0 ||
	    fcntl(fd, F_ADD_SEALS,
		F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		log_fatal("configuration snapshot: %s", strerror(errno));
	file_close(&master.snapshot);
	master.snapshot = fd;
}

/* ---- which sockets change ------------------------------------------------ */

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

static bool same_sockets(
    const struct config_service *a, const struct config_service *b)
{
	if (a->address_count != b->address_count ||
	    a->row->is_private != b->row->is_private)
		return false;
	for (size_t i = 0; i < a->address_count; i++)
		if (a->addresses[i].len != b->addresses[i].len ||
		    memcmp(&a->addresses[i].u, &b->addresses[i].u,
			a->addresses[i].len) != 0)
			return false;
	return true;
}

/* ---- changing over ------------------------------------------------------- */

static void add(const struct config_service *c)
{
	struct running *s = service_new(c);
	struct running **at = &master.services;
	char why[300];

	while (*at != NULL)
		at = &(*at)->next;
	*at = s;
	if (service_open(s, why, sizeof(why)) < 0) {
		log_error("service %s: %s", s->name, why);
		snprintf(s->error, sizeof(s->error), "%s", why);
		snprintf(change.why, sizeof(change.why), "service %s: %s",
		    s->name, why);
		change.failed = true;
	}
	service_look(s);
}

static void take_out(struct running *s)
{
	s->removed = true;
	s->wanted = WANT_STOPPED;
	service_close(s);
	service_drain(s, -1);
}

/* The service's processes on the new configuration. */
static void turn_over(struct running *s, const struct config_service *c)
{
	bool had = service_count(s) > 0;
	bool reopen = !same_sockets(s->config, c);
	char why[300];

	s->failing = s->throttled_until > clock_ms() || s->listener_count == 0;
	s->config = c;
	s->failures = 0;
	s->throttled_until = 0;
	if (s->wanted != WANT_RUNNING)
		return;
	if (reopen)
		service_close(s);
	service_drain(s, c->role->brief ? BRIEF_MS : -1);
	if (s->listener_count == 0 && service_open(s, why, sizeof(why)) < 0) {
		log_error("service %s: %s", s->name, why);
		snprintf(change.why, sizeof(change.why), "service %s: %s",
		    s->name, why);
		change.failed = true;
		return;
	}
	/* One that had processes gets one at once, as a test of the new
	 * configuration. */
	if (had && !service_is_warm(s))
		process_start(s);
	service_look(s);
}

static void change_to(struct config *c)
{
	master.config = c;
	master.generation++;
	snapshot_make();
	for (struct running *s = master.services; s != NULL; s = s->next) {
		const struct config_service *row = row_of(c, s->name, s->type);

		if (s->removed)
			continue;
		if (row == NULL)
			take_out(s);
		else
			turn_over(s, row);
	}
	for (size_t i = 0; i < c->mastercf->count; i++)
		if (running_of(&c->services[i]) == NULL)
			add(&c->services[i]);
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

/* Places cannot move under the feet of those who stand there. */
static void check_places(const struct config *c, struct buf *errors)
{
	const struct house_conf *now = &master.config->house, *new = &c->house;

	if (strcmp(now->run_directory, new->run_directory) != 0 ||
	    strcmp(now->queue_directory, new->queue_directory) != 0 ||
	    strcmp(now->mail_store_directory, new->mail_store_directory) != 0)
		buf_printf(errors,
		    "%s/main.cf: run_directory, queue_directory "
		    "and mail_store_directory change only with stop and "
		    "start\n",
		    c->directory);
}

int generation_load(struct buf *errors)
{
	struct config *c;

	if (change.before != NULL) {
		buf_add_text(errors, "a reload is still under way\n");
		return -1;
	}
	c = config_read(master.config->directory, errors);
	if (c == NULL)
		return -1;
	check_places(c, errors);
	conf_fill(c->conf, master_params, &master.conf, errors);
	if (errors->len > 0) {
		config_free(&c);
		conf_fill(
		    master.config->conf, master_params, &master.conf, errors);
		return -1;
	}
	change.before = master.config;
	change.deadline = deadline_in(SETTLE_MS);
	change.rolled_back = change.failed = false;
	change_to(c);
	log_info("reload -- version %s, generation %u", POSTHOUSE_VERSION,
	    master.generation);
	return 0;
}

/* ---- settling ------------------------------------------------------------ */

/* Deferred to generation_state: the caller is in the midst of a service. */
void generation_process_failed(struct process *p)
{
	if (change.before == NULL || p->generation != master.generation ||
	    p->service->failing)
		return; /* not the new configuration's fault */
	snprintf(change.why, sizeof(change.why), "%s: %s", p->service->name,
	    p->service->error);
	change.failed = true;
}

void generation_process_ready(struct process *p)
{
	(void)p;
	control_look();
}

static void roll_back(void)
{
	struct config *bad = master.config;
	struct buf ignored = buf_new(65536);

	log_error(
	    "reload: %s; going back to the configuration before", change.why);
	conf_fill(change.before->conf, master_params, &master.conf, &ignored);
	change_to(change.before);
	change.before = NULL;
	change.rolled_back = true;
	config_free(&bad);
	buf_free(&ignored);
}

/* Every service that should have a process has one that is ready. */
static bool settled(void)
{
	for (struct running *s = master.services; s != NULL; s = s->next) {
		if (s->wanted != WANT_RUNNING || s->failing)
			continue;
		if (service_is_warm(s) && service_count(s) == 0)
			return false;
		for (struct process *p = s->processes; p != NULL; p = p->next)
			if (!p->draining && !p->ready)
				return false;
	}
	return true;
}

int generation_state(const char **why)
{
	*why = change.why;
	sweep_removed();
	if (change.before != NULL && change.failed)
		roll_back();
	if (change.rolled_back)
		return -1;
	if (change.before == NULL)
		return settled() ? 1 : 0;
	if (!settled() && deadline_left(change.deadline) > 0)
		return 0;
	config_free(&change.before);
	return 1;
}
