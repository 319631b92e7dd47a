/* SPDX-License-Identifier: ISC */
/*
 * posthouse queue: questions about the queue, and orders. Either looks at
 * every message that it may mean, a few milliseconds at a time (roll.h), so
 * that mail goes on meanwhile.
 *
 * The filters are applied here and not in the command: what is deleted is
 * chosen by who owns it, in the moment it is deleted, and of a hundred
 * thousand messages only those that are meant travel.
 */
#ifndef QMGR_OPERATOR_H
#define QMGR_OPERATOR_H

#include "qmgr/server.h"

struct inquiry;

void operator_ask(struct client *c, const struct queue_ask *ask);
/* The client can take more. */
void operator_go_on(struct client *c);
void operator_forget(struct client *c);

#endif
