/* SPDX-License-Identifier: ISC */
/*
 * The state that another program of master has left (upgrade.c): its
 * descriptors are ours by number, its children are our children, and its
 * configuration is the one that runs. `master -T` only looks whether all of it
 * is understood; `master -U` goes on with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "master/master.h"

/* Where reading stands. */
struct reader {
	char *p, *end;
	struct running *service; /* the one that lines are about */
	struct running **last;   /* where the next one is put */
	uint64_t services;
	bool ended;
};

static _Noreturn void bad(const char *what)
{
	log_fatal(
	    "the state of the program before is not understood: %s", what);
}

/* A descriptor that must be there. */
static int take_fd(int64_t fd)
{
	if (fd < 0 || fd > INT32_MAX || file_set_cloexec((int)fd) < 0)
		bad("a descriptor is missing");
	return (int)fd;
}

static int take_fd_or_none(int64_t fd)
{
	return fd < 0 ? -1 : take_fd(fd);
}

/* ---- the parts ----------------------------------------------------------- */

static struct str take_octets(struct reader *r, uint64_t len)
{
	struct str s = {r->p, len};

	if (len > (uint64_t)(r->end - r->p))
		bad("it ends too early");
	r->p += len;
	return s;
}

static void take_config(struct reader *r, const char *directory,
    uint64_t main_length, uint64_t master_length)
{
	struct buf errors = buf_new(65536);
	struct str main_cf = take_octets(r, main_length);
	struct str master_cf = take_octets(r, master_length);

	master.config = config_from_texts(
	    directory, main_cf, master_cf, &errors);
	if (master.config != NULL)
		conf_fill(
		    master.config->conf, master_params, &master.conf, &errors);
	if (errors.len > 0)
		log_fatal("the configuration that runs: %s", buf_text(&errors));
	buf_free(&errors);
}

static void take_house(struct reader *r, const struct state_house *h)
{
	char directory[4097];

	if (master.config != NULL ||
	    str_copy(directory, sizeof(directory), h->directory) < 0)
		bad("two houses");
	master.generation = (unsigned)h->generation;
	master.last_generation = (unsigned)h->last_generation;
	master.started = (int64_t)h->started;
	master.foreground = h->foreground;
	master.run_fd = take_fd((int64_t)h->run);
	master.alive = take_fd((int64_t)h->alive);
	tree_inherit(take_fd((int64_t)h->lock));
	control_inherit(take_fd((int64_t)h->control));
	take_fd_or_none(h->err_read);
	take_fd_or_none(h->err_write);
	take_fd_or_none(h->err_kept);
	stderr_inherit(h);
	take_config(r, directory, h->main_length, h->master_length);
	master.snapshot = snapshot_make(master.config);
	if (master.snapshot < 0)
		log_fatal("configuration snapshot: %s", strerror(errno));
	r->last = &master.services;
}

static const struct config_service *row_of(struct str name, struct str type)
{
	for (size_t i = 0; i < master.config->mastercf->count; i++) {
		const struct config_service *c = &master.config->services[i];

		if (str_eq(name, str_from(c->row->name)) &&
		    str_eq(type, str_from(config_type_name(c->row->type))))
			return c;
	}
	return NULL;
}

static int type_of(struct str type)
{
	for (int i = SERVICE_INET; i <= SERVICE_PASS; i++)
		if (str_eq(type, str_from(config_type_name(i))))
			return i;
	bad("a type of service");
}

static void take_service(struct reader *r, const struct state_service *m)
{
	const struct config_service *row = row_of(m->name, m->type);
	char *name = str_dup(m->name), *role_name = str_dup(m->role);
	const struct role *role = role_find(role_name);
	struct running *s;

	if ((row == NULL && !m->removed) || role == NULL)
		bad("a service that nobody knows");
	s = service_inherit(m->removed ? NULL : row, name, type_of(m->type),
	    role, take_fd((int64_t)m->board), take_fd_or_none(m->kept));
	if (s == NULL)
		log_fatal("scoreboard of %s: %s", name, strerror(errno));
	s->generation = (unsigned)m->generation;
	s->wanted = m->running ? WANT_RUNNING : WANT_STOPPED;
	s->removed = m->removed;
	s->limit = (int)m->limit;
	s->restarts = m->restarts;
	s->failures = (unsigned)m->failures;
	s->throttled_until = m->throttled_until;
	s->stress_until = m->stress_until;
	str_copy(s->error, sizeof(s->error), m->error);
	if (!s->removed)
		files_find(s);
	*r->last = r->service = s;
	r->last = &s->next;
	r->services++;
	free(name);
	free(role_name);
}

static void take_listener(struct reader *r, const struct state_listener *m)
{
	struct listener l[SERVICE_LISTENERS] = {{.fd = -1}};
	struct running *s = r->service;
	int type;
	socklen_t len = sizeof(type);
	int count = s->listener_count;

	if (count == SERVICE_LISTENERS)
		bad("too many listeners");
	for (int i = 0; i < count; i++)
		l[i] = s->listeners[i];
	l[count].fd = take_fd((int64_t)m->fd);
	if (getsockopt(l[count].fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
		bad("a listener is no socket");
	if (m->address.len > 0 &&
	    netaddr_parse(m->address, (uint16_t)m->port, &l[count].address) < 0)
		bad("a listener's address");
	s->listener_count = 0; /* nothing is retired */
	for (int i = 0; i < count; i++)
		loop_watch_free(&l[i].watch);
	service_listen(s, l, count + 1);
}

static void take_process(struct reader *r, const struct state_process *m)
{
	if (m->slot < -1 || m->slot >= BOARD_SLOTS ||
	    (m->slot < 0 && !m->ended))
		bad("a process has no slot");
	if (!m->ended)
		take_fd(m->channel);
	else if (m->channel >= 0)
		bad("a channel without a process");
	process_inherit(r->service, m);
}

/* ---- all of it ----------------------------------------------------------- */

static void take(struct reader *r, const struct ipc_type *type, const void *msg)
{
	if (type == &state_house)
		take_house(r, msg);
	else if (master.config == NULL)
		bad("it has no house");
	else if (type == &state_service)
		take_service(r, msg);
	else if (type == &state_end)
		r->ended = ((const struct state_end *)msg)->services ==
		    r->services;
	else if (r->service == NULL)
		bad("it belongs to no service");
	else if (type == &state_listener)
		take_listener(r, msg);
	else
		take_process(r, msg);
}

static struct str next_line(struct reader *r)
{
	struct str rest = {r->p, (size_t)(r->end - r->p)};
	size_t len = str_find(rest, '\n');

	if (len == rest.len)
		bad("it ends within a line");
	r->p += len + 1;
	return str_of(rest.p, len);
}

/* "master-state TAB version": ours, or the one before it. */
static void check_version(struct str line)
{
	struct str version = line, name = str_cut(&version, '\t');
	uint64_t n;

	if (!str_eq(name, str_from(state_exchange.name)) ||
	    str_to_u64(version, UINT32_MAX, &n) < 0)
		bad("it is none");
	if (n > STATE_VERSION || n + 1 < STATE_VERSION)
		log_fatal("the state is of version %llu, and this program "
			  "knows %d: stop and start instead",
		    (unsigned long long)n, STATE_VERSION);
}

void inherit(int fd)
{
	struct buf text = buf_new(STATE_MAX);
	_Alignas(max_align_t) char msg[IPC_STRUCT_MAX];
	struct reader r = {0};
	const char *why = "";

	if (lseek(fd, 0, SEEK_SET) < 0 || file_read_fd(fd, &text) < 0)
		log_fatal(
		    "the state of the program before: %s", strerror(errno));
	r.p = text.p;
	r.end = text.p + text.len;
	if (text.len == 0)
		bad("it is empty");
	check_version(next_line(&r));
	while (!r.ended && r.p < r.end) {
		struct str line = next_line(&r);
		const struct ipc_type *type = ipc_decode(&state_exchange,
		    (char *)(uintptr_t)line.p, line.len, msg, &why);

		if (type == NULL)
			bad(why);
		take(&r, type, msg);
	}
	if (!r.ended)
		bad("it was cut off");
	buf_free(&text);
}
