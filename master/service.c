/* SPDX-License-Identifier: ISC */
/*
 * Services: when another process is started.
 *
 * A service with maxproc 1 is warm: its process runs from the start. The
 * others start on demand: while no process of theirs is idle, master itself
 * watches the listening socket, and starts one more when a client comes. At
 * the limit it asks a process that only keeps a silent peer's connection
 * ("parked") to let it go.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "master/master.h"

#define FULL_AGAIN_MS    100   /* between two looks at a full service */
#define FULL_SAY_MS      60000 /* between two warnings about it */
#define PARKED_ENOUGH_MS 20    /* a peer parked shorter may be about to ask */

struct master master = {
    .snapshot = -1, .run_fd = -1, .alive = -1, .stderr_pipe = {-1, -1}};

static void look_for_calm(void *arg);

static void look_again(void *arg)
{
	service_look(arg);
}

/* Sealed, so that no process can make it grow; -1 when the role keeps
 * nothing. */
static int make_kept(const struct role *r)
{
	unsigned long size = role_kept(r);
	int fd;

	if (size == 0)
		return -1;
	fd = memfd_create("posthouse-kept", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || ftruncate(fd, (off_t)size) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) <
		0)
		file_close(&fd);
	return fd;
}

struct running *service_inherit(const struct config_service *row,
    const char *name, int type, const struct role *role, int board_fd,
    int kept_fd)
{
	struct running *s = NEW(struct running);

	s->name = str_dup(str_from(name));
	s->type = type;
	s->config = row;
	s->role = role;
	s->board_fd = board_fd;
	s->kept_fd = kept_fd;
	s->board = board_map(board_fd);
	if (s->board != NULL && kept_fd < 0)
		s->kept_fd = make_kept(role);
	if (s->board == NULL || (s->kept_fd < 0 && role_kept(role) > 0)) {
		service_free(s);
		return NULL;
	}
	s->timer = loop_timer_new(master.loop, look_again, s);
	s->calm = loop_timer_new(master.loop, look_for_calm, s);
	if (s->board->stress)
		loop_timer_set(s->calm, 0);
	return s;
}

struct running *service_new(const struct config_service *c)
{
	struct running *s;
	struct board *board;
	int fd;

	board = board_new(&fd);
	if (board == NULL)
		return NULL;
	board_unmap(&board); /* service_inherit maps it */
	s = service_inherit(c, c->row->name, c->row->type, c->role, fd, -1);
	if (s != NULL)
		s->generation = master.generation;
	return s;
}

void service_free(struct running *s)
{
	service_close(s);
	files_forget(s);
	if (s->timer != NULL)
		loop_timer_free(&s->timer);
	if (s->calm != NULL)
		loop_timer_free(&s->calm);
	board_unmap(&s->board);
	file_close(&s->board_fd);
	file_close(&s->kept_fd);
	free(s->name);
	free(s);
}

bool service_is_warm(const struct running *s)
{
	return s->config->limit == 1;
}

unsigned service_limit(const struct running *s)
{
	return (unsigned)(s->limit > 0 ? s->limit : s->config->limit);
}

unsigned service_count(const struct running *s)
{
	unsigned n = 0;

	for (const struct process *p = s->processes; p != NULL; p = p->next)
		n += !p->draining && !process_is_stale(p);
	return n;
}

unsigned service_count_all(const struct running *s)
{
	unsigned n = 0;

	for (const struct process *p = s->processes; p != NULL; p = p->next)
		n += !p->draining;
	return n;
}

bool service_has_ready(const struct running *s)
{
	for (const struct process *p = s->processes; p != NULL; p = p->next)
		if (!p->draining && p->ready && !process_is_stale(p))
			return true;
	return false;
}

bool service_is_gone(const struct running *s)
{
	return s->processes == NULL;
}

/* Processes that can take the next client, or soon will. */
static unsigned available(const struct running *s)
{
	unsigned n = 0;

	for (const struct process *p = s->processes; p != NULL; p = p->next) {
		uint32_t state;

		if (p->draining)
			continue;
		state = s->board->slots[p->slot].state;
		n += state == BOARD_IDLE || state == BOARD_STARTING;
	}
	return n;
}

/* ---- at the limit --------------------------------------------------------- */

/* Of those that only keep a silent peer, the one that has kept it longest. */
static struct process *longest_parked(struct running *s)
{
	struct process *longest = NULL;
	int64_t since = clock_ms() - PARKED_ENOUGH_MS;

	for (struct process *p = s->processes; p != NULL; p = p->next) {
		const struct board_slot *slot;

		if (p->draining)
			continue;
		slot = &s->board->slots[p->slot];
		if (slot->state != BOARD_PARKED || slot->since > since)
			continue;
		longest = p;
		since = slot->since;
	}
	return longest;
}

/* The figure is what status shows. */
static void set_stress(struct running *s, bool on)
{
	if (s->board->stress == on)
		return;
	s->board->stress = on;
	board_gauge(s->board, "stress", on);
	log_warning("service %s/%s is %s stress", s->name,
	    config_type_name(s->type), on ? "under" : "no more under");
}

static void look_for_calm(void *arg)
{
	struct running *s = arg;
	int64_t left = s->stress_until - clock_ms();

	if (left > 0)
		loop_timer_set(s->calm, left);
	else
		set_stress(s, false);
}

/* Only of what clients connect to: the others are full when these are. */
static void feel_stress(struct running *s)
{
	if ((s->type != SERVICE_INET && s->type != SERVICE_PASS) ||
	    service_is_warm(s))
		return;
	s->stress_until = clock_ms() + master.conf.service_stress_time;
	if (s->board->stress)
		return;
	set_stress(s, true);
	loop_timer_set(s->calm, master.conf.service_stress_time);
}

static void make_place(struct running *s)
{
	struct process *p = longest_parked(s);
	char word = CHANNEL_LET_GO;

	if (p != NULL &&
	    send(p->channel, &word, 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1)
		return;
	feel_stress(s);
	if (clock_ms() - s->full_said < FULL_SAY_MS && s->full_said != 0)
		return;
	s->full_said = clock_ms();
	log_warning("service %s/%s has all its %d processes busy, and clients "
		    "wait (maxproc in master.cf)",
	    s->name, config_type_name(s->type), (int)service_limit(s));
}

/* ---- demand -------------------------------------------------------------- */

static void watch(struct running *s, bool on)
{
	for (int i = 0; i < s->listener_count; i++)
		loop_watch_set(s->listeners[i].watch, on ? LOOP_READ : 0);
}

static void wanted(unsigned what, void *arg)
{
	struct running *s = arg;

	(void)what;
	watch(s, false);
	if (available(s) > 0)
		return; /* an idle one takes the client */
	if (service_count(s) < service_limit(s)) {
		if (process_start(s) == NULL)
			loop_timer_set(s->timer, FULL_AGAIN_MS);
		return;
	}
	make_place(s);
	loop_timer_set(s->timer, FULL_AGAIN_MS);
}

/* The old one must be gone where only one may be at work. */
static bool must_wait(const struct running *s)
{
	if (!role_is_sole(s->role))
		return false;
	for (const struct process *p = s->processes; p != NULL; p = p->next)
		if (!p->ended)
			return true;
	return false;
}

void service_look(struct running *s)
{
	int64_t now = clock_ms();

	watch(s, false);
	if (s->wanted != WANT_RUNNING || s->listener_count == 0)
		return;
	if (s->throttled_until > now) {
		if (available(s) == 0)
			loop_timer_set(s->timer, s->throttled_until - now);
		return;
	}
	if (!service_is_warm(s)) {
		watch(s, available(s) == 0);
		return;
	}
	if (service_count(s) > 0 || must_wait(s))
		return;
	if (process_start(s) == NULL)
		loop_timer_set(s->timer, 1000);
}

/* With one to spare, clients that come one after the other do not wake master
 * each time; and a service under load grows by a quarter. */
void service_spare(struct running *s)
{
	unsigned count = service_count(s), more = 1 + count / 4;

	if (s->wanted != WANT_RUNNING || service_is_warm(s) ||
	    s->listener_count == 0 || master.stopping || available(s) > 0 ||
	    s->throttled_until > clock_ms())
		return;
	for (; more > 0 && count < service_limit(s); more--, count++)
		if (process_start(s) == NULL)
			return;
}

int service_open(struct running *s, char *why, size_t size)
{
	struct listener listeners[SERVICE_LISTENERS];
	int n = sockets_open(s->config, listeners, why, size);

	if (n < 0)
		return -1;
	service_listen(s, listeners, n);
	return 0;
}

void service_listen(
    struct running *s, const struct listener *listeners, int count)
{
	for (int i = 0; i < s->listener_count; i++)
		sockets_retire(&s->listeners[i]);
	for (int i = 0; i < count; i++) {
		s->listeners[i] = listeners[i];
		s->listeners[i].watch = loop_watch_new(
		    master.loop, listeners[i].fd, 0, wanted, s);
	}
	s->listener_count = count;
}

/* Another service has a socket under the same name. */
static bool has_twin(const struct running *s)
{
	for (const struct running *t = master.services; t != NULL; t = t->next)
		if (t != s && t->type != SERVICE_INET &&
		    t->listener_count > 0 && strcmp(t->name, s->name) == 0)
			return true;
	return false;
}

void service_close(struct running *s)
{
	sockets_close(s->listeners, s->listener_count);
	if (s->listener_count > 0 && s->type != SERVICE_INET && !has_twin(s))
		tree_unlink(s->name);
	s->listener_count = 0;
}

void service_drain(struct running *s, int64_t bound_ms)
{
	loop_timer_stop(s->timer);
	for (struct process *p = s->processes; p != NULL; p = p->next)
		process_drain(p, bound_ms);
}

void service_trim(struct running *s)
{
	unsigned count = service_count(s), most = service_limit(s);

	for (int round = 0; round < 2; round++)
		for (struct process *p = s->processes;
		     p != NULL && count > most; p = p->next) {
			if (p->draining || process_is_stale(p) ||
			    (round == 0 &&
				s->board->slots[p->slot].state != BOARD_IDLE))
				continue;
			process_drain(p, -1);
			count--;
		}
}

struct running *service_find(struct str name, const char **why)
{
	struct str rest = name, plain = str_cut(&rest, '/');
	struct running *found = NULL;

	*why = "there is no such service";
	for (struct running *s = master.services; s != NULL; s = s->next) {
		if (s->removed || !str_eq(str_from(s->name), plain))
			continue;
		if (rest.len > 0 &&
		    !str_eq(rest, str_from(config_type_name(s->type))))
			continue;
		if (found != NULL) {
			*why = "several services have this name; write "
			       "NAME/inet or NAME/unix";
			return NULL;
		}
		found = s;
	}
	return found;
}
