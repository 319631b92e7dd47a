/* SPDX-License-Identifier: ISC */
/* The table of commands, for main.c and the usage lines of common.c. */
#ifndef POSTHOUSE_COMMANDS_H
#define POSTHOUSE_COMMANDS_H

#include "posthouse/posthouse.h"

struct command_row {
	const char *name;
	posthouse_command *run;
	const char *usage; /* behind "posthouse " */
	const char *what;
};

extern const struct command_row commands[];

#endif
