/* SPDX-License-Identifier: ISC */
/* posthouse reload: checked first; all errors at once, or none. */
#include <stdio.h>

#include "posthouse/ask_master.h"

static void remember(const struct master_end *m, void *arg)
{
	*(uint64_t *)arg = m->generation;
}

int cmd_reload(struct posthouse *p, int argc, char **argv)
{
	uint64_t generation = 0;
	struct ask_calls calls = {.end = remember, .arg = &generation};

	(void)argv;
	if (argc > 1)
		return posthouse_usage("reload");
	if (ask_master(p, "reload", MASTER_RELOAD, "", &calls, NULL) != 0)
		return 1;
	printf(
	    p->json ? "{\"generation\":%llu}\n" : "reloaded, generation %llu\n",
	    (unsigned long long)generation);
	return 0;
}
