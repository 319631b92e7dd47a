/* SPDX-License-Identifier: ISC */
/*
 * When reports are sent, and what becomes of them.
 *
 * A report is due after its period, spread over dmarc_report_jitter, and again
 * after each failure until dmarc_report_lifetime is over. One is under way at
 * a time: its destinations are verified, its file is made, and each address
 * gets a message of its own, under an id that stays the same however often it
 * is tried.
 */
#ifndef REPORTD_SEND_H
#define REPORTD_SEND_H

#include "ipc/wire.h"
#include "reportd/rows.h"

/* Still privileged: reads resolv.conf. -1, logged. */
int send_prepare(void);
void send_start(const struct reportd_conf *conf);
/* What is under way is left for the next process. */
void send_stop(void);

/* There are more periods than there were: looks when the first is due. */
void send_look_later(void);

/* The operator wants it now: asker is answered as lib/ipc/report.h says. */
void send_asked(struct wire *asker, const struct report_send *what);
/* The asker is gone. */
void send_forget(struct wire *asker);

#endif
