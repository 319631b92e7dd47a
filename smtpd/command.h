/* SPDX-License-Identifier: ISC */
/* The table of commands. */
#ifndef SMTPD_COMMAND_H
#define SMTPD_COMMAND_H

#include "smtpd/session.h"

/* Runs a line: finds the command, checks that it is allowed now, runs it. */
/* Whether a line is a command of ours without a secret in it. */
bool command_is_plain(const struct session *s, struct str line);
void command_run(struct session *s, struct str line);

/* " ehlo=1 rcpt=1/2 commands=2/3", for the last log line; size octets. */
void command_summary(const struct session *s, char *out, size_t size);

#endif
