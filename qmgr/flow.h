/* SPDX-License-Identifier: ISC */
/*
 * The way of a message through the queue manager: in line, active, asleep,
 * gone. flow_pump is the heart: it wakes those that are due, activates those
 * in line as far as qmgr_message_active_limit allows, and hands work out.
 */
#ifndef QMGR_FLOW_H
#define QMGR_FLOW_H

#include "qmgr/qmgr.h"

void flow_open(struct qmgr *q);
void flow_close(struct qmgr *q);
/*
 * The agents' answers are collected, or will not come: from now on mail goes
 * out, and the spool is read. Earlier, what smtp still works on would be sent
 * twice. Again and again without harm.
 */
void flow_begin(struct qmgr *q);
/* A message that was read into memory: puts it where it belongs. */
void flow_take_up(struct qmgr *q, struct message *m);
/* The same for one that an agent named: unless it stands somewhere already.
 * The walk passes over what is in memory. */
void flow_adopt(struct qmgr *q, struct message *m);
/* Wakes, activates and dispatches; call it when something may go on. */
void flow_pump(struct qmgr *q);
/* No more messages can be active: what is new has to wait. */
bool flow_is_behind(const struct qmgr *q);
/* The same, soon and from the loop; for callers deep inside. */
void flow_pump_later(struct qmgr *q);
/* The same at a time of the loop's clock; 0: never. */
void flow_wake_at(struct qmgr *q, int64_t at);
/*
 * Something of the message ended (m->busy went down). When nothing is under
 * way any more the pass ends: notifications, then removal or sleep. m may be
 * gone afterwards.
 */
void flow_settled(struct qmgr *q, struct message *m);
/* m, which has m->active, is active from now on, whatever else is in line;
 * what is to be done with its recipients is the caller's. */
void flow_start(struct qmgr *q, struct message *m);
/* The line that begins a message's way, once. */
void flow_log_active(struct message *m);
/* Where a message that is not active belongs now. */
void flow_place(struct qmgr *q, struct message *m);

#endif
