/* SPDX-License-Identifier: ISC */
/*
 * The endpoint for Prometheus, a front: the figures of the whole house by
 * HTTP, on loopback unless master.cf says otherwise (exporter(8)).
 *
 * http.c reads requests, client.c answers them, ask.c gets the figures from
 * master, metrics.c writes them. Nothing here can be changed by a client, and
 * nothing of the house by us: master tells us figures and takes no orders.
 */
#include "daemon/daemon.h"
#include "exporter/client.h"

static struct exporter_conf conf;

static int start(void)
{
	client_open(&conf);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct daemon exporter = {
	    .name = "exporter",
	    .kind = DAEMON_FRONT,
	    .params = exporter_params,
	    .conf = &conf,
	    .start = start,
	    .accepted = client_accepted,
	    .drain = client_drain,
	};

	return daemon_main(&exporter, argc, argv);
}
