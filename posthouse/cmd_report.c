/* SPDX-License-Identifier: ISC */
/* posthouse report: what others report about mail in our name (list, show,
 * summary), and what we report to them (pending, send). */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "posthouse/posthouse.h"
#include "posthouse/report.h"

static const struct {
	const char *name;
	int (*run)(struct posthouse *p, int argc, char **argv);
} verbs[] = {
    {"list", report_list},
    {"show", report_show},
    {"summary", report_summary},
    {"pending", report_show_pending},
    {"send", report_send_now},
};

int cmd_report(struct posthouse *p, int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(verbs); i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].run(p, argc - 1, argv + 1);
	return posthouse_usage("report");
}
