/* SPDX-License-Identifier: ISC */
/*
 * Warns of mail that waits without a success: for a destination, for a route,
 * or anywhere. A log line when qmgr_backlog_warn_time is over, again after
 * twice, four times ... that time, and one when it moves again; the figures
 * backlog_destinations, backlog_recipients and backlog_oldest_seconds.
 */
#ifndef QMGR_BACKLOG_H
#define QMGR_BACKLOG_H

#include "qmgr/qmgr.h"

void backlog_open(struct qmgr *q);
void backlog_close(struct qmgr *q);

#endif
