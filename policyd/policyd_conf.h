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
};

extern const struct conf_param policyd_params[];

#endif
