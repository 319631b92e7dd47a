/* SPDX-License-Identifier: ISC */
/*
 * The walk over queue/: at the start it reads every message into memory while
 * the queue manager already delivers; later, at intervals, it finds those
 * whose offer was lost. It works in small steps on the loop and removes
 * nothing.
 */
#ifndef QMGR_SCAN_H
#define QMGR_SCAN_H

#include "qmgr/qmgr.h"

/* The walk of the start, and from then on one each qmgr_walk_interval. */
void scan_start(struct qmgr *q);
void scan_stop(struct qmgr *q);
/* The walk of the start has ended. */
bool scan_is_complete(const struct qmgr *q);

#endif
