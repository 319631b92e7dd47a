/* SPDX-License-Identifier: ISC */
/*
 * posthouse upgrade: the programs that are installed now take over, and no
 * client notices. What cannot take over leaves everything as it is.
 */
#include <stdio.h>
#include <stdlib.h>

#include "posthouse/ask_master.h"

static void remember(const struct master_end *m, void *arg)
{
	*(uint64_t *)arg = m->generation;
}

int cmd_upgrade(struct posthouse *p, int argc, char **argv)
{
	uint64_t generation = 0;
	struct ask_calls calls = {.end = remember, .arg = &generation};
	char *program, *path;
	int status;

	(void)argv;
	if (argc > 1)
		return posthouse_usage("upgrade");
	if (posthouse_conf(p) < 0)
		return 1;
	if (asprintf(&program, "%s/master", p->house.daemon_directory) < 0)
		return posthouse_fail("upgrade", "out of memory");
	path = realpath(program, NULL);
	if (path == NULL)
		status = posthouse_fail("upgrade", "%s is not there", program);
	else
		status = ask_master_with(
		    p, "upgrade", MASTER_UPGRADE, "", path, &calls, NULL);
	free(program);
	free(path);
	if (status != 0)
		return status;
	/* It is about to execute; the new one answers, or the old one. */
	if (ask_master(p, "upgrade", MASTER_AWAIT, "", &calls, NULL) != 0)
		return 1;
	printf(
	    p->json ? "{\"generation\":%llu}\n" : "upgraded, generation %llu\n",
	    (unsigned long long)generation);
	return 0;
}
