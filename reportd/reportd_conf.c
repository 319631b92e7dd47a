/* SPDX-License-Identifier: ISC */
#include "reportd/reportd_conf.h"

#define P(kind, name, ...) CONF_##kind(struct reportd_conf, name, __VA_ARGS__)

/* clang-format off */
const struct conf_param reportd_params[] = {
	P(BOOL, dmarc_reporting, "no",
	  "Send aggregate reports (RFC 9990) to the domains that ask for them "
	  "with rua=. With no, messages are counted all the same, for "
	  "posthouse report pending, and the counts go after "
	  "dmarc_report_lifetime."),
	P(TEXT, dmarc_report_sender, "noreply-dmarc@$mydomain", 3, 254,
	  "The author and the envelope sender of reports; its domain should "
	  "be signed for, or have an SPF record that names this host, since "
	  "a report has to pass DMARC itself."),
	P(TEXT, dmarc_report_org_name, "$mydomain", 1, 255,
	  "The name of this organization in reports."),
	P(TEXT, dmarc_report_contact, "postmaster@$mydomain", 3, 254,
	  "The address in reports that questions about them go to."),
	P(TIME, dmarc_report_time, "30m", 0, 43200,
	  "How long after midnight (UTC) the reports of the day before are "
	  "sent at the earliest."),
	P(TIME, dmarc_report_jitter, "2h", 0, 43200,
	  "Over how long from then on the reports are spread, so that not all "
	  "domains hear from all hosts at the same moment."),
	P(TIME, dmarc_report_retry_time, "1h", 1, 86400,
	  "After how long a report is tried again that could not be handed "
	  "over, or whose destination could not be verified in DNS."),
	P(TIME, dmarc_report_lifetime, "3d", 3600, 2678400,
	  "How long after its period a report is kept; one that could not be "
	  "sent until then is dropped."),
	P(TIME, dmarc_report_dns_timeout, "30s", 1, 600,
	  "The time for all questions to DNS about one report."),
	P(INT,  dmarc_report_destination_limit, "5", 1, 100,
	  "Addresses of one rua= that get a report; the first ones count."),
	P(INT,  dmarc_report_domain_limit, "10000", 1, 1000000,
	  "Domains that are counted for on one day; messages of further ones "
	  "are not reported."),
	P(INT,  dmarc_report_row_limit, "5000", 1, 1000000,
	  "Rows of one report; messages that would need a further one are "
	  "left out of it, and the report's covering text says how many."),
	P(SIZE, dmarc_report_database_limit, "256M", 65536, INT64_MAX,
	  "Octets of all rows that wait for their report; beyond it only "
	  "messages that have a row already are counted."),
	P(SIZE, dmarc_report_size_limit, "10M", 262144, 104857600,
	  "Octets of one report after compression; rows beyond it are left "
	  "out."),
	CONF_END
};
/* clang-format on */
