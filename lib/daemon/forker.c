/* SPDX-License-Identifier: ISC */
/*
 * Forkers: the warm parent accepts and forks; the child serves one connection
 * and ends. The children's slots on the board are taken by the parent. When
 * the parent drains, the children go on to their own end.
 */
#include <errno.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/observe.h"
#include "daemon/daemon_private.h"
#include "ipc/trace.h"

static struct {
	pid_t pids[BOARD_SLOTS]; /* by slot; 0: none of ours */
	int count;
	sigset_t signals; /* blocked before SIGCHLD was */
} children;

static void child_ended(int signal_number)
{
	(void)signal_number; /* only ends the wait */
}

static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (int i = 0; i < BOARD_SLOTS; i++) {
			if (children.pids[i] != pid)
				continue;
			children.pids[i] = 0;
			children.count--;
			board_release(self.board, i);
			break;
		}
		if (WIFSIGNALED(status))
			log_warning("process %d was ended by signal %d",
			    (int)pid, WTERMSIG(status));
	}
}

static _Noreturn void child(int fd, const struct netaddr *peer, int slot)
{
	struct sigaction again = {.sa_handler = SIG_DFL};
	struct conn conn;

	sigaction(SIGCHLD, &again, NULL);
	sigprocmask(SIG_SETMASK, &children.signals, NULL);
	prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
	listeners_close();
	self.listener_count = 0;
	file_close(&self.channel);
	file_close(&self.alive);
	limits_enter_child();
	self.slot = slot;
	self.board->slots[slot].pid = (uint32_t)getpid();
	board_say(BOARD_BUSY);
	conn = conn_of(fd, peer);
	int64_t began = observe_begin();
	self.daemon->serve(&conn);
	observe_end("session", began);
	board_say(BOARD_GONE);
	leave(0);
}

static void fork_for(int fd, const struct netaddr *peer)
{
	int slot = board_take(self.board, 0);
	pid_t pid = slot < 0 ? -1 : fork();

	if (pid == 0)
		child(fd, peer, slot);
	if (pid < 0) {
		log_warning("cannot fork: %s",
		    slot < 0 ? "the scoreboard is full" : strerror(errno));
		board_release(self.board, slot);
	} else {
		self.board->slots[slot].pid = (uint32_t)pid;
		children.pids[slot] = pid;
		children.count++;
		board_served();
	}
	file_close(&fd);
}

static void accept_one(int listener)
{
	struct netaddr peer = {.len = sizeof(peer.u)};
	int fd = accept4(listener, &peer.u.sa, &peer.len, SOCK_CLOEXEC);

	if (fd >= 0)
		fork_for(fd, &peer);
	else if (errno == EMFILE || errno == ENFILE)
		poll(NULL, 0, 100);
}

/* Waits for a client, a word of master or the end of a child. */
static void turn(bool take_clients)
{
	struct pollfd p[1 + LISTENERS_MAX];
	struct timespec slice = {0, 10000000};
	int count = take_clients ? self.listener_count : 0;

	p[0] = (struct pollfd){self.channel, POLLIN, 0};
	for (int i = 0; i < count; i++)
		p[1 + i] = (struct pollfd){self.listeners[i], POLLIN, 0};
	if (ppoll(p, (nfds_t)count + 1, logsink_flush() ? NULL : &slice,
		&children.signals) <= 0)
		return;
	if (p[0].revents != 0 && channel_hear() == CHANNEL_DRAIN)
		self.draining = 1;
	for (int i = 0; i < count && !self.draining; i++)
		if (p[1 + i].revents != 0)
			accept_one(self.listeners[i]);
}

void forker_run(void)
{
	struct sigaction ended = {.sa_handler = child_ended};
	sigset_t block;
	bool full = false;

	sigaction(SIGCHLD, &ended, NULL);
	sigemptyset(&block);
	sigaddset(&block, SIGCHLD);
	sigprocmask(SIG_BLOCK, &block, &children.signals);
	board_say(BOARD_IDLE);
	channel_say(CHANNEL_READY, NULL);
	while (!self.draining) {
		bool now = children.count >= self.house.session_process_limit;

		if (now && !full)
			log_warning("session_process_limit (%d) is reached",
			    self.house.session_process_limit);
		full = now;
		turn(!full);
		reap();
	}
	board_say(BOARD_GONE);
}
