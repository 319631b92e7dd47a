/* SPDX-License-Identifier: ISC */
/*
 * Asks lookup how each recipient is delivered: many questions under way on
 * one connection. Without lookup recipients are deferred for a moment.
 */
#ifndef QMGR_RESOLVE_H
#define QMGR_RESOLVE_H

#include "ipc/lookup.h"
#include "qmgr/qmgr.h"

void resolve_open(struct qmgr *q);
void resolve_close(struct qmgr *q);
/* r is idle and its message active; it becomes PHASE_RESOLVING. The outcome
 * comes from the loop. */
void resolve_ask(struct qmgr *q, struct recipient *r);
/* r is idle and its message active: what lookup said of it is known already.
 * m->busy is counted; the outcome may come at once. */
void resolve_known(
    struct qmgr *q, struct recipient *r, const struct lookup_resolved *a);
/* Sends what was asked. */
void resolve_push(struct qmgr *q);

#endif
