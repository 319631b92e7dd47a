/* SPDX-License-Identifier: ISC */
/*
 * What a connection may do is decided by the uid that the kernel names; how
 * many a user may have, when it is accepted. A user who is refused a place
 * finds the connection closed and leaves the message in spool/drop.
 */
#include "pickup/client.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "ipc/limits.h"
#include "ipc/pickup.h"
#include "pickup/inject.h"
#include "pickup/relay.h"

/* Nobody can change or shorten what has them, nor make a read of it wait. */
#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)

struct client {
	struct client *next, **back;
	struct wire *wire;
	unsigned uid;
	struct letter *letter; /* on its way */
	struct relay *relay;   /* under way */
	struct loop_timer *silence;
};

static struct client *clients;

static void client_free(struct client *c)
{
	*c->back = c->next;
	if (c->next != NULL)
		c->next->back = c->back;
	inject_forget(&c->letter);
	relay_free(&c->relay);
	loop_timer_free(&c->silence);
	wire_close(&c->wire);
	free(c);
}

/* An answer was put: the next request, or the end. */
static void answered(struct client *c)
{
	wire_push(c->wire);
	if (daemon_draining() && ipc_pending(wire_ipc(c->wire)) == 0)
		client_free(c);
	else
		loop_timer_set(c->silence, pickup.conf->pickup_client_timeout);
}

/* ---- submissions ---- */

static void say(struct client *c, const struct outcome *o)
{
	struct pickup_submitted answer = {.accepted = o->code == 250,
	    .queue_id = o->code == 250 ? id_str(&o->id) : STR_EMPTY,
	    .code = o->code,
	    .dsn = str_from(o->dsn),
	    .text = str_sub(o->text, 0, IPC_REPLY_MAX)};

	if (wire_put(c->wire, &pickup_submitted, &answer) < 0)
		client_free(c);
	else
		answered(c);
}

static void refuse(
    struct client *c, unsigned code, const char *dsn, const char *text)
{
	struct outcome o = {
	    .code = code, .dsn = dsn, .text = str_from(text), .id = {""}};

	log_info("NOQUEUE: uid=%u: %u %s %s", c->uid, code, dsn, text);
	daemon_count("refused", 1);
	say(c, &o);
}

static void injected(void *arg, const struct outcome *o)
{
	struct client *c = arg;

	c->letter = NULL;
	say(c, o);
}

static void submit(struct client *c, int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);

	if (!user_may(&pickup.submit, c->uid)) {
		file_close(&fd);
		refuse(c, 550, "5.7.1",
		    "You may not send mail here (authorized_submit_users)");
	} else if (seals < 0 || (seals & SEALS) != SEALS) {
		file_close(&fd);
		refuse(c, 554, "5.6.0", "The submission is no sealed memfd");
	} else {
		c->letter = inject(fd, c->uid, injected, c);
	}
}

/* ---- the queue ---- */

static void relayed(void *arg, bool whole)
{
	static const struct queue_end away = {
	    .ok = false, .text = STR_INIT("the queue manager does not answer")};
	struct client *c = arg;

	c->relay = NULL;
	if (!whole && wire_put(c->wire, &queue_end, &away) < 0)
		client_free(c);
	else
		answered(c);
}

static void deny(struct client *c, const struct queue_ask *ask)
{
	static const struct queue_end forbidden = {
	    .ok = false, .text = STR_INIT("you may not do this")};

	log_info(
	    "uid=%u may not ask for %s", c->uid, queue_verb_names[ask->verb]);
	if (wire_put(c->wire, &queue_end, &forbidden) < 0)
		client_free(c);
	else
		answered(c);
}

/* Whoever sees the whole queue changes his own mail alone. */
static bool is_own_alone(const struct client *c, const struct queue_ask *ask)
{
	static const struct user_list nobody = {.count = 0};

	if (ask->verb == QUEUE_LIST || ask->verb == QUEUE_WHY)
		return !user_may(&pickup.mailq, c->uid);
	return ask->verb != QUEUE_FLUSH && !user_may(&nobody, c->uid);
}

static void ask_queue(struct client *c, const struct queue_ask *in)
{
	struct queue_ask ask = *in;

	if (ask.verb == QUEUE_FLUSH
		? !user_may(&pickup.flush, c->uid)
		: ask.verb != QUEUE_LIST && ask.verb != QUEUE_WHY &&
		    ask.verb != QUEUE_DELETE && ask.verb != QUEUE_BOUNCE) {
		deny(c, in);
		return;
	}
	ask.owner = is_own_alone(c, in) ? (uint64_t)c->uid + 1 : 0;
	/* qmgr lets us pass on only what is somebody's own. */
	if (ask.owner == 0 &&
	    (ask.verb == QUEUE_DELETE || ask.verb == QUEUE_BOUNCE)) {
		deny(c, in);
		return;
	}
	c->relay = relay_new(c->wire, &queue_ask, &ask, relayed, c);
	if (c->relay == NULL)
		relayed(c, false);
}

/* ---- the connection ---- */

static void message(
    struct wire *w, void *arg, const struct ipc_type *type, const void *msg)
{
	struct client *c = arg;
	int fd = ipc_take_fd(wire_ipc(w));

	loop_timer_stop(c->silence);
	if (type == &pickup_submit && fd >= 0 && c->letter == NULL &&
	    c->relay == NULL) {
		submit(c, fd);
		return;
	}
	file_close(&fd);
	if (c->letter != NULL || c->relay != NULL)
		client_free(c); /* one request at a time */
	else if (type == &queue_ask)
		ask_queue(c, msg);
	else
		client_free(c);
}

static void lost(struct wire *w, void *arg, const char *why)
{
	struct client *c = arg;

	(void)w;
	if (why[0] != '\0')
		log_info("lost uid=%u: %s", c->uid, why);
	c->wire = NULL;
	client_free(c);
}

static void drained(struct wire *w, void *arg)
{
	struct client *c = arg;

	(void)w;
	if (c->relay != NULL)
		relay_go_on(c->relay);
	else if (daemon_draining() && c->letter == NULL)
		client_free(c);
}

static void silent(void *arg)
{
	client_free(arg);
}

/* Whether there is a place for one more of this user. */
static bool has_place(unsigned uid)
{
	int all = 0, own = 0;

	for (const struct client *c = clients; c != NULL; c = c->next) {
		all++;
		own += c->uid == uid;
	}
	if (all >= pickup.conf->pickup_connection_limit)
		return false;
	return uid == 0 || uid == geteuid() ||
	    own < pickup.conf->pickup_user_connection_limit;
}

void client_accepted(struct conn *conn)
{
	static const struct wire_calls calls = {message, lost, drained};
	struct ipc *ipc = ipc_server(conn->fd, &pickup_exchange);
	unsigned uid = ipc_peer_uid(ipc);
	struct client *c;

	if (uid == (unsigned)-1 || !has_place(uid)) {
		log_warning("too many connections; one of uid=%u is closed "
			    "(pickup_connection_limit, "
			    "pickup_user_connection_limit)",
		    uid);
		daemon_count("closed", 1);
		ipc_close(&ipc);
		return;
	}
	c = NEW(struct client);
	c->uid = uid;
	c->silence = loop_timer_new(pickup.loop, silent, c);
	c->wire = wire_new(pickup.loop, ipc, &calls, c);
	c->next = clients;
	c->back = &clients;
	if (c->next != NULL)
		c->next->back = &c->next;
	clients = c;
	loop_timer_set(c->silence, pickup.conf->pickup_client_timeout);
}

void client_drain(void)
{
	struct client *next;

	for (struct client *c = clients; c != NULL; c = next) {
		next = c->next;
		if (c->letter == NULL && c->relay == NULL &&
		    ipc_pending(wire_ipc(c->wire)) == 0)
			client_free(c);
	}
}
