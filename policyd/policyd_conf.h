/* SPDX-License-Identifier: ISC */
#ifndef POLICYD_POLICYD_CONF_H
#define POLICYD_POLICYD_CONF_H

#include "conf/param.h"

struct policyd_conf {
	int policy_counters_max;
	int policy_memory_max;
	int64_t login_failure_window;    /* ms */
	int64_t login_failure_delay;     /* ms */
	int64_t login_failure_delay_max; /* ms */
	int login_failure_block;
	const char *login_failure_exempt;
	int64_t greylist_delay;        /* ms */
	int64_t greylist_retry_window; /* ms */
	int64_t greylist_lifetime;     /* ms */
	int greylist_client_passes;
	int greylist_login_failures;
	int greylist_ipv4_prefix;
	int greylist_ipv6_prefix;
	int greylist_entries_max;
};

extern const struct conf_param policyd_params[];

#endif
