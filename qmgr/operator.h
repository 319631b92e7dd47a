/* SPDX-License-Identifier: ISC */
/*
 * posthouse queue: lists, and hold, release, delete and flush. Both look at
 * every message in slices, so that mail goes on meanwhile.
 */
#ifndef QMGR_OPERATOR_H
#define QMGR_OPERATOR_H

#include "qmgr/server.h"

struct inquiry;

void operator_list(struct client *c, const struct queue_list *ask);
void operator_act(struct client *c, const struct queue_act *ask);
/* The client can take more. */
void operator_go_on(struct client *c);
void operator_forget(struct client *c);

#endif
