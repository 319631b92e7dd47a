/* SPDX-License-Identifier: ISC */
#ifndef CLEANUP_CLEANUP_CONF_H
#define CLEANUP_CLEANUP_CONF_H

#include "conf/param.h"

struct cleanup_conf {
	int hopcount_limit;
	int cleanup_recipient_limit;
	uint64_t queue_minfree; /* octets */
	int queue_minfree_inodes;
	int64_t in_flow_delay; /* ms */
	int queue_unclaimed_limit;
	bool always_add_missing_headers;
	bool smtpd_sasl_authenticated_header;
	int64_t cleanup_ticket_reuse; /* ms */
	int64_t cut_through_timeout;  /* ms */
	int cut_through_recipient_limit;
};

extern const struct conf_param cleanup_params[];

#endif
