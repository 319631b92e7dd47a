/* SPDX-License-Identifier: ISC */
#ifndef PICKUP_PICKUP_CONF_H
#define PICKUP_PICKUP_CONF_H

#include "conf/param.h"

struct pickup_conf {
	int pickup_connection_limit;
	int pickup_user_connection_limit;
	int pickup_injection_limit;
	int pickup_user_injection_limit;
	int64_t pickup_client_timeout; /* ms */
	int64_t pickup_scan_interval;  /* ms */
	const char *authorized_mailq_users;
	const char *authorized_flush_users;
};

extern const struct conf_param pickup_params[];

#endif
