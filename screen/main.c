/* SPDX-License-Identifier: ISC */
/*
 * What stands before port 25, a front: it holds the clients that say nothing,
 * tests the strange ones, and hands the others with their first command to a
 * process of smtpd.
 *
 * client.c is a client from its connection to its end; handover.c keeps the
 * connections to the processes of smtpd.
 */
#include "daemon/daemon.h"
#include "screen/client.h"
#include "screen/handover.h"

static struct screen_conf conf;

static int start(void)
{
	clients_open(&conf);
	handover_open();
	return 0;
}

int main(int argc, char **argv)
{
	static const struct daemon screen = {
	    .name = "screen",
	    .kind = DAEMON_FRONT,
	    .hands_over = true,
	    .params = screen_params,
	    .conf = &conf,
	    .start = start,
	    .accepted = client_accept,
	    .drain = clients_drain,
	};

	return daemon_main(&screen, argc, argv);
}
