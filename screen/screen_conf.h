/* SPDX-License-Identifier: ISC */
/* The parameters of screen. */
#ifndef SCREEN_SCREEN_CONF_H
#define SCREEN_SCREEN_CONF_H

#include "conf/param.h"

struct screen_conf {
	int64_t postscreen_command_time_limit; /* ms */
	int postscreen_pre_queue_limit;
	int postscreen_post_queue_limit;
	int64_t postscreen_post_queue_timeout;        /* ms */
	int64_t postscreen_stress_command_time_limit; /* ms */
};

extern const struct conf_param screen_params[];

#endif
