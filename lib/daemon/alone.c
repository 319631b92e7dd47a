/* SPDX-License-Identifier: ISC */
/*
 * Who serves nobody: straight-line code that goes on by itself and rests in
 * one place, where it hears master.
 */
#include <poll.h>

#include "core/clock.h"
#include "core/log.h"
#include "daemon/daemon_private.h"
#include "ipc/trace.h"

#define LOG_SLICE_MS 10 /* until log records that wait are tried again */

static int slice(int64_t deadline)
{
	int left = deadline_left(deadline);

	if (!logsink_flush() && (left < 0 || left > LOG_SLICE_MS))
		return LOG_SLICE_MS;
	return left;
}

int daemon_rest(int fd, int64_t deadline)
{
	struct pollfd p[2] = {{fd, POLLIN, 0}, {self.channel, POLLIN, 0}};
	int n = 0;

	board_say(BOARD_PARKED);
	do {
		n = self.draining ? 0 : poll(p, 2, slice(deadline));
		if (n > 0 && p[1].revents != 0 &&
		    channel_hear() == CHANNEL_DRAIN)
			self.draining = 1;
	} while (!self.draining && (n <= 0 || p[0].revents == 0) &&
	    deadline_left(deadline) != 0);
	board_say(BOARD_BUSY);
	if (self.draining)
		return -1;
	return n > 0 && p[0].revents != 0;
}

void alone_run(void)
{
	channel_say(CHANNEL_READY, NULL);
	board_say(BOARD_BUSY);
	self.daemon->work();
	board_say(BOARD_GONE);
}
