/* SPDX-License-Identifier: ISC */
#include "screen/screen_conf.h"

#define P(kind, name, ...) CONF_##kind(struct screen_conf, name, __VA_ARGS__)

/* clang-format off */
const struct conf_param screen_params[] = {
	P(TIME, postscreen_command_time_limit, "300s", 1, 3600,
	  "How long a client may take for its first command, and one that is "
	  "refused for each."),
	P(INT,  postscreen_pre_queue_limit, "5000", 1, 1000000,
	  "Clients that have not said their first command; beyond it the one "
	  "that has been silent longest is let go with 421."),
	P(INT,  postscreen_post_queue_limit, "1000", 1, 100000,
	  "Clients that wait for a process of smtpd; more are told 421."),
	P(TIME, postscreen_post_queue_timeout, "100s", 1, 3600,
	  "How long a client waits for a process of smtpd before it is told "
	  "421."),
	P(TIME, postscreen_stress_command_time_limit, "10s", 1, 3600,
	  "In place of postscreen_command_time_limit under such stress."),
	CONF_END
};
/* clang-format on */
