/* SPDX-License-Identifier: ISC */
/* posthouse report: the reports that domains ask for about mail in their name. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "posthouse/posthouse.h"
#include "posthouse/report.h"

static const struct {
	const char *name;
	int (*run)(struct posthouse *p, int argc, char **argv);
} verbs[] = {
    {"pending", report_show_pending},
};

int cmd_report(struct posthouse *p, int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(verbs); i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].run(p, argc - 1, argv + 1);
	return posthouse_usage("report");
}
