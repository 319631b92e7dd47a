/* SPDX-License-Identifier: ISC */
/* What reportd is told of a message, for DMARC's aggregate reports
 * (ipc/report.h). */
#ifndef SMTPD_REPORT_ROW_H
#define SMTPD_REPORT_ROW_H

#include "smtpd/disposition.h"
#include "smtpd/session.h"

/*
 * A row for a message that was checked and is now accepted or refused, when
 * the author's domain asks for reports; but no aggregate report. Never waits: a row that does not go
 * out at once is dropped and counted.
 */
void report_row_send(
    const struct session *s, struct verdict *v, const struct disposition *d);

#endif
