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
	struct inquiry *inquiry;  /* operator.c: under way, or NULL */
	struct message *proposed; /* direct.c: for cut-through, or NULL */
};

void server_open(struct qmgr *q);
void server_close(struct qmgr *q);
void server_accepted(struct qmgr *q, struct conn *conn);

#endif
