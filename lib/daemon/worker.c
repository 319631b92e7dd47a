/* SPDX-License-Identifier: ISC */
/*
 * Workers: one client at a time. All processes of a service wait at the same
 * listening sockets (EPOLLEXCLUSIVE wakes one of them); whether one is busy
 * or idle stands on the board.
 */
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/observe.h"
#include "daemon/daemon_private.h"
#include "ipc/trace.h"

#define EVENTS       4
#define ACCEPT_PAUSE 100 /* ms, when there are no descriptors left */
#define LOG_SLICE_MS 10  /* until log records that wait are tried again */

static int worker_epoll(void)
{
	struct epoll_event e = {.events = EPOLLIN, .data.fd = self.channel};
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0)
		log_fatal("epoll: %s", strerror(errno));
	if (self.channel >= 0)
		epoll_ctl(fd, EPOLL_CTL_ADD, self.channel, &e);
	for (int i = 0; i < self.listener_count; i++) {
		e.events = EPOLLIN | EPOLLEXCLUSIVE;
		e.data.fd = self.listeners[i];
		if (epoll_ctl(fd, EPOLL_CTL_ADD, self.listeners[i], &e) < 0 &&
		    !self.draining)
			log_fatal("epoll: %s", strerror(errno));
	}
	return fd;
}

/* After max_idle a process is one too many, unless it is the last one that is
 * warm. */
static bool may_retire(void)
{
	struct board_slot *s = &self.board->slots[self.slot];
	uint32_t idle = BOARD_IDLE;

	if (self.channel < 0)
		return false;
	if (atomic_fetch_sub(&self.board->idle, 1) <= 1) {
		self.board->idle++;
		return false;
	}
	atomic_compare_exchange_strong(&s->state, &idle, BOARD_GONE);
	return true;
}

static void serve_one(int listener)
{
	int64_t began;
	struct netaddr peer = {.len = sizeof(peer.u)};
	struct conn conn;
	int fd = accept4(listener, &peer.u.sa, &peer.len, SOCK_CLOEXEC);

	/* Without a descriptor the client stays, and would be told at once
	 * again; else another was faster, or the client left. */
	if (fd < 0 && (errno == EMFILE || errno == ENFILE))
		poll(NULL, 0, ACCEPT_PAUSE);
	if (fd < 0)
		return;
	board_say(BOARD_BUSY);
	if (self.type == TYPE_PASS) {
		pass_serve(fd);
		return;
	}
	daemon_feel_stress();
	conn = conn_of(fd, &peer);
	began = observe_begin();
	self.daemon->serve(&conn);
	if (self.type == TYPE_INET)
		observe_end("session", began);
	who_clear(&self.board->who[self.slot]);
	self.board->slots[self.slot].client = 0;
	board_served();
}

unsigned daemon_client_count(const struct netaddr *client)
{
	uint64_t key = netaddr_client_key(client);

	if (key == 0)
		return 1;
	self.board->slots[self.slot].client = key;
	return board_clients(self.board, key);
}

static int slice(int64_t deadline)
{
	int left = deadline_left(deadline);

	if (!logsink_flush() && (left < 0 || left > LOG_SLICE_MS))
		return LOG_SLICE_MS;
	return left;
}

/* A listener that has a client, or -1 when it is time to end. */
static int wait_client(int epoll_fd)
{
	int64_t deadline = deadline_in(self.house.max_idle);
	struct epoll_event e[EVENTS];

	while (!self.draining) {
		int n = epoll_wait(epoll_fd, e, EVENTS, slice(deadline));

		if (n == 0 && deadline_left(deadline) == 0) {
			if (may_retire())
				return -1;
			deadline = deadline_in(self.house.max_idle);
		}
		/* master is heard first: behind its word no client is taken. */
		for (int i = 0; i < n; i++)
			if (e[i].data.fd == self.channel &&
			    channel_hear() == CHANNEL_DRAIN)
				self.draining = 1;
		for (int i = 0; i < n && !self.draining; i++)
			if (e[i].data.fd != self.channel)
				return e[i].data.fd;
	}
	return -1;
}

void worker_run(void)
{
	int epoll_fd = worker_epoll(), listener;
	uint64_t before = self.board->slots[self.slot].served;

	channel_say(CHANNEL_READY, NULL);
	logsink_gather(GATHER_EVENTS);
	for (;;) {
		board_say(BOARD_IDLE);
		listener = wait_client(epoll_fd);
		if (listener < 0)
			break;
		serve_one(listener);
		if (self.board->slots[self.slot].served - before >=
		    (uint64_t)self.house.max_use)
			break;
	}
	board_say(BOARD_GONE);
	close(epoll_fd);
}

/*
 * Lets the peer go: 0, or 1 when its next request has come all the same. From
 * here on the peer cannot send, and so knows that what it has to say was not
 * heard.
 */
static int let_go(int fd)
{
	struct pollfd p = {fd, POLLIN, 0};
	char octet;

	if (poll(&p, 1, 0) > 0)
		return 1;
	shutdown(fd, SHUT_RD);
	return recv(fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

int daemon_idle(int fd)
{
	struct pollfd p[2] = {{fd, POLLIN, 0}, {self.channel, POLLIN, 0}};
	int64_t deadline = deadline_in(self.house.max_idle);
	int answer = -1;

	board_say(BOARD_PARKED);
	while (answer < 0) {
		int n = self.draining ? 0 : poll(p, 2, slice(deadline));

		if (self.draining || (n == 0 && deadline_left(deadline) == 0))
			answer = 0;
		else if (n > 0 && p[0].revents != 0)
			answer = 1;
		else if (n > 0) {
			int word = channel_hear();

			if (word == CHANNEL_DRAIN)
				self.draining = 1;
			if (word != 0)
				answer = 0;
		}
	}
	board_say(BOARD_BUSY);
	return answer == 0 ? let_go(fd) : answer;
}
