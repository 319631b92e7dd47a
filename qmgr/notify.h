/* SPDX-License-Identifier: ISC */
/*
 * Asks bounce for delivery status notifications: FAILED, DSN committed under
 * an id derived from (id, round), NOTIFIED. The group of recipients that one
 * notification tells is fixed in their slots before it is asked for, so that
 * after a crash the same one is asked for again.
 */
#ifndef QMGR_NOTIFY_H
#define QMGR_NOTIFY_H

#include "qmgr/qmgr.h"

void notify_open(struct qmgr *q);
void notify_close(struct qmgr *q);
/*
 * Puts the next notification that an active message owes in line for
 * notify_push, and counts it in m->busy; flow_settled is called when it is
 * there. Returns 0, or when bounce could not be asked in this pass the time
 * (seconds since 1970) to come again.
 */
uint32_t notify_start(struct qmgr *q, struct message *m);
void notify_push(struct qmgr *q);
/* Why bounce could not be asked the last time; "": it could. */
const char *notify_trouble(const struct qmgr *q);

#endif
