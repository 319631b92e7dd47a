/* SPDX-License-Identifier: ISC */
/* The commands of RFC 1939's TRANSACTION state, and QUIT's UPDATE. */
#ifndef POP3D_COMMAND_H
#define POP3D_COMMAND_H

#include "pop3d/session.h"

/* Runs one command line (without its line end). */
/* Whether a line is a command of ours, which has no secret in it. */
bool command_is_plain(struct str line);
void command_run(struct session *s, struct str line);

/*
 * Splits a line into a verb and up to two numbers. Returns how many numbers
 * there are, or -1 when something else stands there. Pure.
 */
int command_split(struct str line, struct str *verb, uint64_t numbers[2]);

#endif
