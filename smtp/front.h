/* SPDX-License-Identifier: ISC */
/*
 * The side that qmgr sees: takes requests, gives answers, and keeps both
 * until they are acknowledged, also over the end of a queue manager.
 */
#ifndef SMTP_FRONT_H
#define SMTP_FRONT_H

#include "daemon/daemon.h"
#include "smtp/deliver.h"
#include "smtp/job.h"

struct front *front_open(struct loop *loop, struct delivery *delivery);
void front_accepted(struct front *f, struct conn *conn);
/* Sends the answer of a recipient, if qmgr is there. */
void front_send_result(struct job *j, const struct rcpt *r);
/* Jobs that are not finished. */
size_t front_busy(const struct front *f);
/* Whose delivery a job is. */
struct delivery *front_delivery(const struct job *j);

#endif
