/* SPDX-License-Identifier: ISC */
/*
 * What the operator asks of policyd's memory (ipc/policy.h): rows, and a
 * policy_listed behind them. For the commands penalty and greylist.
 */
#ifndef POSTHOUSE_ASK_POLICYD_H
#define POSTHOUSE_ASK_POLICYD_H

#include "ipc/policy.h"
#include "posthouse/posthouse.h"

struct policyd_answer {
	const char *command;
	bool json;
	/* Puts a row, as a line or as JSON; NULL: there are none. */
	void (*row)(struct policyd_answer *a, const void *row);
	struct buf text;
	struct json j;
	struct policy_listed end;
};

/* a->end is the answer. An exit status, with a message if it is not 0. */
int policyd_ask(struct posthouse *p, const struct ipc_type *type,
    const void *message, struct policyd_answer *a);

/* Prints all rows; nothing: a line to say when there is none. The status is
 * policyd_ask's. */
int policyd_list(struct posthouse *p, const struct ipc_type *type,
    const void *message, struct policyd_answer *a, const char *nothing);

/* Prints what a change came to: "3 forgotten". */
void policyd_told(const struct policyd_answer *a, const char *done);

#endif
