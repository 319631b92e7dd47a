/* SPDX-License-Identifier: ISC */
/*
 * Who calls the queue manager: cleanup with offers, and the operator
 * (operator.c) with questions and orders.
 */
#ifndef QMGR_SERVER_H
#define QMGR_SERVER_H

#include "daemon/daemon.h"
#include "ipc/qmgr.h"
#include "ipc/wire.h"
#include "qmgr/qmgr.h"

struct client {
	struct client *prev, *next;
	struct qmgr *q;
	struct wire *wire;
	struct inquiry *inquiry; /* operator.c: under way, or NULL */
	/* direct.c: for cut-through, or NULL; and those of the one to come */
	struct message *proposed;
	struct arena arena;
	struct qmgr_propose_to *to; /* texts in the arena */
	size_t to_count, to_room;
};

void server_open(struct qmgr *q);
void server_close(struct qmgr *q);
void server_accepted(struct qmgr *q, struct conn *conn);

#endif
