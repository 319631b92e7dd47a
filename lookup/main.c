/* SPDX-License-Identifier: ISC */
/*
 * lookup, a front: answers who is who and where mail goes.
 *
 * answer.c takes the questions apart; resolve.c, expand.c and directory.c
 * decide, from tables alone; tables.c keeps the tables open. Every question
 * is answered at once, so a connection has no state but its buffers.
 */
#include <stdlib.h>
#include <sys/socket.h>

#include "core/log.h"
#include "core/memory.h"
#include "daemon/daemon.h"
#include "lookup/answer.h"

struct client {
	struct wire *wire;
	struct client *next, **at; /* at: what points here */
};

static struct lookup_conf conf;
static struct tables tables;
static struct directory directory;
static struct client *clients;

static void forget(struct client *c)
{
	*c->at = c->next;
	if (c->next != NULL)
		c->next->at = c->at;
	free(c);
	if (clients == NULL && daemon_draining())
		daemon_done();
}

static void message(
    struct wire *w, void *arg, const struct ipc_type *type, const void *msg)
{
	struct client *c = arg;

	daemon_count("questions", 1);
	if (answer_question(&directory, w, type, msg) < 0) {
		wire_close(&c->wire);
		forget(c);
		return;
	}
	/* Answers to questions that came together leave together. */
	if (!ipc_has_input(wire_ipc(w)))
		wire_push(w);
}

static void lost(struct wire *w, void *arg, const char *why)
{
	(void)w;
	if (why[0] != '\0')
		log_warning("a peer was dropped: %s", why);
	forget(arg);
}

static const struct wire_calls calls = {message, lost, NULL};

static void accepted(struct conn *conn)
{
	struct client *c = NEW(struct client);

	c->next = clients;
	c->at = &clients;
	if (clients != NULL)
		clients->at = &c->next;
	clients = c;
	c->wire = wire_new(
	    daemon_loop(), ipc_server(conn->fd, &lookup_exchange), &calls, c);
}

/* No peer can send more; what they have sent is answered, then the end of
 * input closes each. */
static void drain(void)
{
	for (struct client *c = clients; c != NULL; c = c->next)
		shutdown(ipc_fd(wire_ipc(c->wire)), SHUT_RD);
	if (clients == NULL)
		daemon_done();
}

/* Opens the tables, so that what is wrong with them is in the log now. */
static int start(void)
{
	const char *const maps[] = {conf.mail_domain_maps,
	    conf.virtual_mailbox_maps, conf.virtual_alias_maps,
	    conf.relay_recipient_maps, conf.local_recipient_maps,
	    conf.transport_maps, conf.smtpd_sender_login_maps};
	struct buf value = buf_new(65536);
	const char *why;

	tables = tables_new(daemon_house()->config_directory);
	directory = (struct directory){.conf = &conf,
	    .myorigin = daemon_house()->myorigin,
	    .tables = &tables,
	    .arena = arena_new(DIRECTORY_ARENA_MAX)};
	for (size_t i = 0; i < ARRAY_LEN(maps); i++)
		tables_find_any(&tables, maps[i], STR(""), &value, &why);
	buf_free(&value);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct daemon lookup = {
	    .name = "lookup",
	    .kind = DAEMON_FRONT,
	    .params = lookup_params,
	    .conf = &conf,
	    .start = start,
	    .accepted = accepted,
	    .drain = drain,
	};

	return daemon_main(&lookup, argc, argv);
}
