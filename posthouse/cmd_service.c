/* SPDX-License-Identifier: ISC */
/* posthouse service: one service alone. */
#include <stdio.h>
#include <string.h>

#include "posthouse/ask_master.h"
#include "posthouse/service_status.h"
#include "posthouse/status.h"

struct verb {
	const char *word;
	int verb;
	int arguments; /* behind the word */
	const char *done;
};

static const struct verb verbs[] = {{"stop", MASTER_STOP, 1, "stopped"},
    {"start", MASTER_START, 1, "started"},
    {"restart", MASTER_RESTART, 1, "restarted"},
    {"drain", MASTER_DRAIN, 1, "draining"},
    {"limit", MASTER_LIMIT, 2, "limited until the next reload"}};

static const struct verb *find(int argc, char **argv)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs) && argc > 1; i++)
		if (strcmp(argv[1], verbs[i].word) == 0 &&
		    argc == 2 + verbs[i].arguments)
			return &verbs[i];
	return NULL;
}

int cmd_service(struct posthouse *p, int argc, char **argv)
{
	const struct verb *v = find(argc, argv);

	if (argc == 2 && strcmp(argv[1], "list") == 0)
		return status_print(p, "service", "");
	if (argc == 3 && strcmp(argv[1], "status") == 0)
		return service_status(p, argv[2]);
	if (v == NULL)
		return posthouse_usage("service");
	if (ask_master_with(p, "service", v->verb, argv[2],
		argc > 3 ? argv[3] : "", NULL, NULL) != 0)
		return 1;
	if (p->json)
		return status_print(p, "service", argv[2]);
	printf("%s: %s\n", argv[2], v->done);
	return 0;
}
