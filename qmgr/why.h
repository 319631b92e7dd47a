/* SPDX-License-Identifier: ISC */
/* What keeps a recipient, or a destination, waiting; for the operator. */
#ifndef QMGR_WHY_H
#define QMGR_WHY_H

#include "ipc/qmgr.h"
#include "qmgr/hop.h"
#include "qmgr/qmgr.h"
#include "qmgr/spool.h"

/* note: of the last attempt. The texts belong to q and note. */
struct queue_why why_recipient(
    struct qmgr *q, const struct recipient *r, const struct note *note);
struct queue_hop why_hop(struct qmgr *q, const struct hop *h);

#endif
