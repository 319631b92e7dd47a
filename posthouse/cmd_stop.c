/* SPDX-License-Identifier: ISC */
/* posthouse stop: waits until the last process has ended. */
#include <stdio.h>

#include "posthouse/ask_master.h"

int cmd_stop(struct posthouse *p, int argc, char **argv)
{
	bool gone = false;

	(void)argv;
	if (argc > 1)
		return posthouse_usage("stop");
	if (ask_master(p, "stop", MASTER_SHUTDOWN, "", NULL, &gone) != 0)
		return 1;
	if (!gone)
		return posthouse_fail("stop", "master is still running");
	printf(p->json ? "{\"stopped\":true}\n" : "stopped\n");
	return 0;
}
