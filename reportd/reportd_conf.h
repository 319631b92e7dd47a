/* SPDX-License-Identifier: ISC */
#ifndef REPORTD_REPORTD_CONF_H
#define REPORTD_REPORTD_CONF_H

#include "conf/param.h"

struct reportd_conf {
	bool dmarc_reporting;
	const char *dmarc_report_sender;
	const char *dmarc_report_org_name;
	const char *dmarc_report_contact;
	int64_t dmarc_report_time;   /* ms */
	int64_t dmarc_report_jitter; /* ms */
	int64_t dmarc_report_retry_time;
	int64_t dmarc_report_lifetime;
	int64_t dmarc_report_dns_timeout;
	int dmarc_report_destination_limit;
	int dmarc_report_domain_limit;
	int dmarc_report_row_limit;
	uint64_t dmarc_report_database_limit;
	uint64_t dmarc_report_size_limit;
};

extern const struct conf_param reportd_params[];

#endif
