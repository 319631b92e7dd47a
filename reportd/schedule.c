/* SPDX-License-Identifier: ISC */
#include "reportd/schedule.h"

#include "core/checksum.h"

/* Spread, and always the same for the same report. */
static uint64_t first_time(
    const struct reportd_conf *conf, const struct period *p)
{
	uint64_t jitter = (uint64_t)conf->dmarc_report_jitter / 1000;
	uint64_t hash = hash64(p->begin, p->id.p, p->id.len);

	return p->end + (uint64_t)conf->dmarc_report_time / 1000 +
	    (jitter > 0 ? hash % jitter : 0);
}

bool schedule_over(
    const struct reportd_conf *conf, const struct period *p, uint64_t now)
{
	return p->end + (uint64_t)conf->dmarc_report_lifetime / 1000 <= now;
}

uint64_t schedule_time(const struct reportd_conf *conf, const struct period *p)
{
	uint64_t over = p->end + (uint64_t)conf->dmarc_report_lifetime / 1000;
	uint64_t next = p->next != 0 ? p->next : first_time(conf, p);

	return conf->dmarc_reporting && next < over ? next : over;
}

bool schedule_due(
    const struct reportd_conf *conf, const struct period *p, uint64_t now)
{
	return p->end <= now && conf->dmarc_reporting &&
	    !schedule_over(conf, p, now) && schedule_time(conf, p) <= now;
}
