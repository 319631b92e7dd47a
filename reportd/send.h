/* SPDX-License-Identifier: ISC */
/*
 * Which report is sent when: of themselves, and when the operator asks.
 *
 * A report is due after its period, spread over dmarc_report_jitter, and again
 * after each failure until dmarc_report_lifetime is over. One is under way at
 * a time (sending.h).
 */
#ifndef REPORTD_SEND_H
#define REPORTD_SEND_H

#include "ipc/wire.h"
#include "reportd/rows.h"

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
