/* SPDX-License-Identifier: ISC */
/* When something has to be done about a period. Pure; times are seconds since
 * 1970. */
#ifndef REPORTD_SCHEDULE_H
#define REPORTD_SCHEDULE_H

#include "reportd/rows.h"

/* When its report is due, or, where none will be sent, it is dropped. The
 * first attempt is spread over dmarc_report_jitter. */
uint64_t schedule_time(const struct reportd_conf *conf, const struct period *p);
/* Its report is to be sent now, without the operator's word. */
bool schedule_due(
    const struct reportd_conf *conf, const struct period *p, uint64_t now);
/* It is older than dmarc_report_lifetime. */
bool schedule_over(
    const struct reportd_conf *conf, const struct period *p, uint64_t now);

#endif
