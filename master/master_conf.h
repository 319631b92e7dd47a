/* SPDX-License-Identifier: ISC */
#ifndef MASTER_MASTER_CONF_H
#define MASTER_MASTER_CONF_H

#include "conf/param.h"

struct master_conf {
	int64_t service_stress_time;      /* ms */
	int64_t service_throttle_time;    /* ms */
	int64_t service_start_timeout;    /* ms */
	int64_t file_check_interval;      /* ms */
	int64_t certificate_warning_time; /* ms */
	int64_t reload_probation_time;    /* ms */
	int64_t shutdown_timeout;         /* ms */
	int64_t takeover_timeout;         /* ms */
	int inet_backlog;
};

extern const struct conf_param master_params[];

#endif
