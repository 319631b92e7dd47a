/* SPDX-License-Identifier: ISC */
#include "screen/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "screen/handover.h"

#define FIRST_LINE_MAX 2048  /* octets, as line_length_limit has it */
#define DRAIN_MS       10000 /* for who may be about to speak */
#define DRAIN_LOOK_MS  100

static struct {
	const struct screen_conf *conf;
	struct client *first, *last; /* before their first command */
	int count;
	struct loop_timer *draining;
	int64_t drained_at;
} clients;

/* ---- words ---- */

struct peer_text {
	char text[NETADDR_TEXT_MAX + 16];
};

/* "[192.0.2.1]:40001" */
static struct peer_text peer_of(const struct client *c)
{
	char address[NETADDR_TEXT_MAX];
	struct peer_text t;

	netaddr_text(&c->peer, address);
	snprintf(
	    t.text, sizeof(t.text), "[%s]:%u", address, netaddr_port(&c->peer));
	return t;
}

static void say(const struct client *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Always fits: nothing but a greeting was sent before. */
static void say(const struct client *c, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	int n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n > 0 && (size_t)n < sizeof(text))
		(void)send(c->fd, text, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* ---- life ---- */

static void link_client(struct client *c)
{
	c->next = NULL;
	c->before = clients.last;
	*(clients.last != NULL ? &clients.last->next : &clients.first) = c;
	clients.last = c;
	clients.count++;
}

static void unlink_client(struct client *c)
{
	*(c->before != NULL ? &c->before->next : &clients.first) = c->next;
	*(c->next != NULL ? &c->next->before : &clients.last) = c->before;
	c->next = c->before = NULL;
	clients.count--;
}

static void done_when_empty(void)
{
	if (daemon_draining() && clients.count == 0 && handover_waiting() == 0)
		daemon_done();
}

static void client_free(struct client *c)
{
	if (c->state == CLIENT_GREETED)
		unlink_client(c);
	else if (c->state == CLIENT_QUEUED)
		handover_cancel(c);
	loop_watch_free(&c->watch);
	loop_timer_free(&c->timer);
	close(c->fd);
	free(c);
	done_when_empty();
}

static bool stressed(void)
{
	return clients.count > clients.conf->postscreen_pre_queue_limit / 2;
}

/* ---- its first command ---- */

static void queue_client(struct client *c)
{
	int one = 1;

	loop_watch_free(&c->watch);
	if (c->peeked > 0)
		setsockopt(c->fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
	unlink_client(c);
	c->state = CLIENT_QUEUED;
	if (handover_waiting() >= clients.conf->postscreen_post_queue_limit) {
		client_unserved(c, "Too many clients wait");
		return;
	}
	loop_timer_set(c->timer, clients.conf->postscreen_post_queue_timeout);
	handover_begin(c);
}

static void hung_up(struct client *c)
{
	log_info("HANGUP after %.1f from %s before its first command",
	    (double)(clock_ms() - c->since) / 1000, peer_of(c).text);
	daemon_count("hangups", 1);
	client_free(c);
}

/* More octets than there are already, or an end. */
static void wait_for_more(struct client *c, size_t have)
{
	int more = (int)have + 1;

	if (have == c->peeked) {
		hung_up(c); /* nothing new: the client has stopped sending */
		return;
	}
	c->peeked = have;
	setsockopt(c->fd, SOL_SOCKET, SO_RCVLOWAT, &more, sizeof(more));
}

static void refuse_length(struct client *c)
{
	log_info("COMMAND LENGTH LIMIT from %s after CONNECT", peer_of(c).text);
	say(c, "521 5.5.2 %s Error: line too long\r\n",
	    daemon_house()->myhostname);
	client_free(c);
}

static void ready(unsigned what, void *arg)
{
	struct client *c = arg;
	char line[FIRST_LINE_MAX];
	ssize_t n = recv(c->fd, line, sizeof(line), MSG_PEEK | MSG_DONTWAIT);

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		hung_up(c);
	else if (memchr(line, '\n', (size_t)n) != NULL)
		queue_client(c);
	else if ((size_t)n == sizeof(line))
		refuse_length(c);
	else
		wait_for_more(c, (size_t)n);
}

static void greet(struct client *c)
{
	const struct house_conf *house = daemon_house();
	const struct screen_conf *conf = clients.conf;

	say(c, "220 %s ESMTP %s\r\n", house->myhostname, house->mail_name);
	c->state = CLIENT_GREETED;
	c->watch = loop_watch_new(daemon_loop(), c->fd, LOOP_READ, ready, c);
	loop_timer_set(c->timer,
	    stressed() ? conf->postscreen_stress_command_time_limit
		       : conf->postscreen_command_time_limit);
}

static void fired(void *arg)
{
	struct client *c = arg;
	const char *host = daemon_house()->myhostname;

	if (c->state == CLIENT_QUEUED) {
		handover_cancel(c);
		client_unserved(c, "Service busy");
		return;
	}
	log_info("COMMAND TIME LIMIT from %s after CONNECT", peer_of(c).text);
	say(c, "421 4.4.2 %s Error: timeout exceeded\r\n", host);
	client_free(c);
}

/* ---- told by handover.c ---- */

void client_passed(struct client *c)
{
	c->state = CLIENT_SERVED;
	loop_timer_stop(c->timer);
	daemon_count("passed", 1);
	done_when_empty();
}

void client_returned(struct client *c)
{
	c->state = CLIENT_QUEUED;
	c->seat = NULL;
	loop_timer_set(c->timer, clients.conf->postscreen_post_queue_timeout);
}

void client_done(struct client *c)
{
	client_free(c);
}

void client_unserved(struct client *c, const char *why)
{
	c->state = CLIENT_SERVED; /* in no list */
	log_info("NOQUEUE: reject: CONNECT from %s: all server ports busy: %s",
	    peer_of(c).text, why);
	say(c, "421 4.3.2 %s %s, try again later\r\n",
	    daemon_house()->myhostname, why);
	daemon_count("unserved", 1);
	client_free(c);
}

/* ---- coming and going ---- */

/* Who has been silent longest makes room. */
static void drop_oldest(void)
{
	struct client *c = clients.first;

	if (c == NULL)
		return;
	log_info("NOQUEUE: reject: CONNECT from %s: all screening ports busy",
	    peer_of(c).text);
	say(c, "421 4.3.2 %s All screening ports are busy\r\n",
	    daemon_house()->myhostname);
	daemon_count("crowded out", 1);
	client_free(c);
}

void client_accept(struct conn *conn)
{
	struct client *c = NEW(struct client);

	if (clients.count >= clients.conf->postscreen_pre_queue_limit)
		drop_oldest();
	c->fd = conn->fd;
	c->peer = conn->peer;
	c->id = id_new();
	c->since = clock_ms();
	c->timer = loop_timer_new(daemon_loop(), fired, c);
	c->found = "";
	c->trusted = true;
	link_client(c);
	greet(c);
}

void clients_open(const struct screen_conf *conf)
{
	clients.conf = conf;
}

/* Who was greeted may be about to speak, and is handed over when it does. */
static void drain_some(void *arg)
{
	bool all = daemon_hurried() || deadline_left(clients.drained_at) == 0;

	(void)arg;
	while (all && clients.first != NULL) {
		say(clients.first, "421 4.3.2 %s Service shutting down\r\n",
		    daemon_house()->myhostname);
		client_free(clients.first);
	}
	done_when_empty();
	loop_timer_set(clients.draining, DRAIN_LOOK_MS);
}

void clients_drain(void)
{
	handover_drain();
	clients.draining = loop_timer_new(daemon_loop(), drain_some, NULL);
	clients.drained_at = deadline_in(DRAIN_MS);
	drain_some(NULL);
}
