/* SPDX-License-Identifier: ISC */
/*
 * What is answered about services (lib/ipc/master.h): to the operator, and to
 * exporter(8).
 */
#ifndef MASTER_REPORT_H
#define MASTER_REPORT_H

#include "ipc/master.h"
#include "master/master.h"

/* The service itself. */
void report_service(struct ipc *to, const struct running *s);
/* Its counters and gauges. */
void report_counters(struct ipc *to, const struct running *s);
/* Everything that there is to know: services, counters, times, certificates;
 * "master_end" is left to the caller. */
void report_figures(struct ipc *to);
struct master_end report_end(bool ok, const char *text);

#endif
