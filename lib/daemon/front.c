/* SPDX-License-Identifier: ISC */
/* Fronts: everything happens on one event loop. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/file.h"
#include "core/log.h"
#include "daemon/daemon_private.h"
#include "ipc/trace.h"

#define ACCEPT_AT_ONCE 16
#define ACCEPT_PAUSE   200 /* ms, when there are no descriptors left */
#define LOG_SLICE_MS   20

static struct {
	struct loop_watch *listeners[LISTENERS_MAX];
	struct loop_watch *channel;
	struct loop_timer *pause, *log;
	bool drained;   /* drain was called; self.draining may come earlier */
	bool log_waits; /* its timer runs */
	bool done;
} front;

static void listen_for(unsigned what)
{
	for (int i = 0; i < self.listener_count; i++)
		if (front.listeners[i] != NULL)
			loop_watch_set(front.listeners[i], what);
}

static void pause_over(void *arg)
{
	(void)arg;
	listen_for(LOOP_READ);
}

static void accept_some(unsigned what, void *arg)
{
	int listener = *(const int *)arg;
	int flags = SOCK_CLOEXEC |
	    (self.daemon->hands_over ? 0 : SOCK_NONBLOCK);

	(void)what;
	for (int i = 0; i < ACCEPT_AT_ONCE && !self.draining; i++) {
		struct netaddr peer = {.len = sizeof(peer.u)};
		struct conn conn;
		int fd = accept4(listener, &peer.u.sa, &peer.len, flags);

		if (fd < 0) {
			if (errno != EMFILE && errno != ENFILE &&
			    errno != ENOBUFS && errno != ENOMEM)
				return;
			log_warning("accept: %s", strerror(errno));
			listen_for(0);
			loop_timer_set(front.pause, ACCEPT_PAUSE);
			return;
		}
		conn = conn_of(fd, &peer);
		board_served();
		self.daemon->accepted(&conn);
	}
}

static void datagram(unsigned what, void *arg)
{
	(void)what;
	self.daemon->datagram(*(const int *)arg);
}

void daemon_done(void)
{
	front.done = true;
	loop_stop(daemon_loop());
}

static void drain(void)
{
	if (front.drained)
		return;
	front.drained = true;
	self.draining = 1;
	board_say(BOARD_GONE); /* takes no more clients */
	for (int i = 0; i < self.listener_count; i++)
		loop_watch_free(&front.listeners[i]);
	/* A datagram socket still has what was sent before. */
	if (self.daemon->datagram == NULL)
		listeners_close();
	if (self.daemon->drain != NULL)
		self.daemon->drain();
	else
		daemon_done();
}

static void heard(unsigned what, void *arg)
{
	char packet[1 + CHANNEL_TEXT_MAX + 1];
	int word = channel_hear_text(packet, sizeof(packet));

	(void)what;
	(void)arg;
	if (word == CHANNEL_KICK && self.daemon->kick != NULL) {
		struct str protocol = str_from(packet + 1);
		struct str user = str_cut(&protocol, '\n');
		struct str client = str_cut(&protocol, '\n');

		self.daemon->kick(user, client, protocol);
	}
	if (word != CHANNEL_DRAIN)
		return;
	loop_watch_free(&front.channel);
	drain();
}

static void signalled(int signal_number, void *arg)
{
	(void)signal_number;
	(void)arg;
	self.hurried = 1;
	drain();
	if (self.daemon->hurry != NULL && !front.done)
		self.daemon->hurry();
}

static void log_waits(void)
{
	if (!front.log_waits)
		loop_timer_set(front.log, LOG_SLICE_MS);
	front.log_waits = true;
}

static void try_log(void *arg)
{
	(void)arg;
	front.log_waits = false;
	if (!logsink_flush())
		log_waits();
}

void front_run(void)
{
	struct loop *loop = daemon_loop();

	front.pause = loop_timer_new(loop, pause_over, NULL);
	front.log = loop_timer_new(loop, try_log, NULL);
	logsink_on_wait(log_waits);
	logsink_gather(GATHER_EVENTS);
	loop_signal(loop, SIGTERM, signalled, NULL);
	if (self.by_hand)
		loop_signal(loop, SIGINT, signalled, NULL);
	if (self.channel >= 0)
		front.channel = loop_watch_new(
		    loop, self.channel, LOOP_READ, heard, NULL);
	for (int i = 0; i < self.listener_count; i++)
		front.listeners[i] = loop_watch_new(loop, self.listeners[i],
		    LOOP_READ, self.type == TYPE_DGRAM ? datagram : accept_some,
		    &self.listeners[i]);
	board_say(BOARD_IDLE);
	channel_say(CHANNEL_READY, NULL);
	if (self.draining)
		drain(); /* told before the loop could hear it */
	if (!front.done)
		loop_run(loop);
	board_say(BOARD_GONE);
}
