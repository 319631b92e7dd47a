/* SPDX-License-Identifier: ISC */
/*
 * The socket "figures": whoever may connect is told all figures, and cannot
 * ask for anything else. Its link stands in exporter's jail alone. What is
 * answered costs master a moment, so there is a pause between two answers.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "ipc/wire.h"
#include "master/master.h"
#include "master/report.h"

#define CLIENTS_MAX 4
#define PAUSE_MS    100

struct client {
	struct client *next;
	struct wire *wire;
	bool asks;
};

static struct {
	int fd;
	struct loop_watch *watch;
	struct loop_timer *timer;
	struct client *clients;
	unsigned count;
	int64_t next; /* clock_ms of the next answer */
} figures = {.fd = -1};

static void forget(struct client *c)
{
	struct client **at = &figures.clients;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	figures.count--;
	free(c);
	if (figures.watch != NULL)
		loop_watch_set(figures.watch, LOOP_READ);
}

static void answer(struct client *c)
{
	struct master_end end = report_end(true, "");

	c->asks = false;
	report_figures(wire_ipc(c->wire));
	wire_put(c->wire, &master_end, &end);
	wire_push(c->wire);
}

static void fired(void *arg)
{
	(void)arg;
	figures.next = clock_ms() + PAUSE_MS;
	for (struct client *c = figures.clients; c != NULL; c = c->next)
		if (c->asks)
			answer(c);
}

static void message(
    struct wire *w, void *arg, const struct ipc_type *type, const void *msg)
{
	const struct master_ask *ask = msg;
	struct client *c = arg;
	int64_t wait = figures.next - clock_ms();

	(void)w;
	/* One question at a time. */
	if (type != &master_ask || ask->verb != MASTER_FIGURES || c->asks) {
		log_warning("a caller of figures asks for something else");
		wire_close(&c->wire);
		forget(c);
		return;
	}
	c->asks = true;
	loop_timer_set(figures.timer, wait > 0 ? wait : 0);
}

static void lost(struct wire *w, void *arg, const char *why)
{
	(void)w;
	if (why[0] != '\0')
		log_warning("a caller of figures: %s", why);
	forget(arg);
}

static const struct wire_calls calls = {message, lost, NULL};

static void accepted(unsigned what, void *arg)
{
	int fd = accept4(figures.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *c;

	(void)what;
	(void)arg;
	if (fd < 0)
		return;
	c = NEW(struct client);
	c->wire = wire_new(
	    master.loop, ipc_server(fd, &master_exchange), &calls, c);
	c->next = figures.clients;
	figures.clients = c;
	if (++figures.count == CLIENTS_MAX)
		loop_watch_set(figures.watch, 0); /* the others wait */
}

void figures_open(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "figures"};

	if (fchdir(master.run_fd) < 0 || chdir("sockets") < 0)
		log_fatal("run_directory: %s", strerror(errno));
	unlink("figures"); /* of the program that was in our place */
	figures.fd = socket(
	    AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (figures.fd < 0 ||
	    bind(figures.fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    chmod("figures", 0666) < 0 || listen(figures.fd, CLIENTS_MAX) < 0)
		log_fatal("the socket figures: %s", strerror(errno));
	if (chdir("/") < 0)
		log_fatal("/: %s", strerror(errno));
	tree_link("figures", false);
	figures.timer = loop_timer_new(master.loop, fired, NULL);
	figures.watch = loop_watch_new(
	    master.loop, figures.fd, LOOP_READ, accepted, NULL);
}

void figures_close(void)
{
	while (figures.clients != NULL) {
		wire_close(&figures.clients->wire);
		forget(figures.clients);
	}
	loop_watch_free(&figures.watch);
	loop_timer_free(&figures.timer);
	file_close(&figures.fd);
	tree_unlink("figures");
}
