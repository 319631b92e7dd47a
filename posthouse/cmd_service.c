/* SPDX-License-Identifier: ISC */
/* posthouse service: one service alone. */
#include <stdio.h>
#include <string.h>

#include "posthouse/ask_master.h"
#include "posthouse/status.h"

struct verb {
	const char *word;
	int verb;
	const char *done;
};

static const struct verb verbs[] = {{"stop", MASTER_STOP, "stopped"},
    {"start", MASTER_START, "started"},
    {"restart", MASTER_RESTART, "restarted"},
    {"drain", MASTER_DRAIN, "draining"}};

int cmd_service(struct posthouse *p, int argc, char **argv)
{
	const struct verb *v = NULL;

	if (argc == 2 && strcmp(argv[1], "list") == 0)
		return status_print(p, "service", "");
	for (size_t i = 0; i < ARRAY_LEN(verbs) && argc == 3; i++)
		if (strcmp(argv[1], verbs[i].word) == 0)
			v = &verbs[i];
	if (v == NULL)
		return posthouse_usage("service");
	if (ask_master(p, "service", v->verb, argv[2], NULL, NULL) != 0)
		return 1;
	if (p->json)
		return status_print(p, "service", argv[2]);
	printf("%s: %s\n", argv[2], v->done);
	return 0;
}
