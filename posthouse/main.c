/* SPDX-License-Identifier: ISC */
/*
 * posthouse: one command for the operator. Each row of commands.c is a command
 * and a file cmd_*.c; what they share stands in common.c.
 */
#include "posthouse/posthouse.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/log.h"
#include "posthouse/commands.h"

static int help(FILE *to)
{
	fprintf(to,
	    "usage: posthouse [-c CONFIG_DIRECTORY] [--json] COMMAND "
	    "...\n\n");
	for (const struct command_row *c = commands; c->name != NULL; c++)
		fprintf(to, "  %-8s %s\n", c->name, c->what);
	fprintf(to,
	    "\nposthouse(8) describes each. posthouse COMMAND --help "
	    "shows its arguments.\n");
	return to == stdout ? 0 : EX_USAGE;
}

/* Takes every --json out of the arguments. */
static int take_json(int argc, char **argv, bool *json)
{
	int kept = 0;

	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			*json = true;
		else
			argv[kept++] = argv[i];
	}
	argv[kept] = NULL;
	return kept;
}

int main(int argc, char **argv)
{
	struct posthouse p = {
	    .config_directory = POSTHOUSE_SYSCONFDIR,
	};
	int at = 1, status;

	log_open("posthouse");
	argc = take_json(argc, argv, &p.json);
	if (at + 1 < argc && strcmp(argv[at], "-c") == 0) {
		p.config_directory = argv[at + 1];
		at += 2;
	}
	if (at >= argc)
		return help(stderr);
	if (strcmp(argv[at], "help") == 0 || strcmp(argv[at], "--help") == 0 ||
	    strcmp(argv[at], "-h") == 0)
		return help(stdout);
	if (strcmp(argv[at], "--version") == 0)
		return printf("Posthouse %s\n", POSTHOUSE_VERSION) < 0;
	for (const struct command_row *c = commands; c->name != NULL; c++) {
		if (strcmp(c->name, argv[at]) != 0)
			continue;
		if (at + 1 < argc && strcmp(argv[at + 1], "--help") == 0)
			return printf("usage: posthouse %s\n", c->usage) < 0;
		status = c->run(&p, argc - at, argv + at);
		conf_free(&p.conf);
		return status;
	}
	fprintf(stderr, "posthouse: there is no command %s\n", argv[at]);
	return help(stderr);
}
