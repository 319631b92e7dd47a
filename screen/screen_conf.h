/* SPDX-License-Identifier: ISC */
/* The parameters of screen. */
#ifndef SCREEN_SCREEN_CONF_H
#define SCREEN_SCREEN_CONF_H

#include "conf/param.h"

/* postscreen_*_action */
enum action { ACTION_IGNORE, ACTION_ENFORCE, ACTION_DROP };

struct screen_conf {
	/* who is known */
	const char *postscreen_access_list;
	int postscreen_denylist_action; /* enum action */
	/* before the greeting */
	int64_t postscreen_greet_wait; /* ms */
	const char *postscreen_greet_banner;
	int postscreen_greet_action; /* enum action */
	int64_t postscreen_greet_ttl;
	const char *postscreen_dnsbl_sites;
	int postscreen_dnsbl_threshold;
	int postscreen_dnsbl_allowlist_threshold;
	int postscreen_dnsbl_action; /* enum action */
	int64_t postscreen_dnsbl_min_ttl;
	int64_t postscreen_dnsbl_max_ttl;
	int64_t postscreen_dnsbl_timeout;
	/* its first command */
	int postscreen_non_smtp_command_action; /* enum action */
	int postscreen_pipelining_action;       /* enum action */
	int postscreen_bare_newline_action;     /* enum action */
	int64_t postscreen_command_time_limit;  /* ms */
	int postscreen_command_count_limit;
	/* how many */
	int postscreen_client_connection_count_limit;
	int postscreen_client_connection_rate_limit;
	int postscreen_network_connection_rate_limit;
	int postscreen_pre_queue_limit;
	int postscreen_post_queue_limit;
	int64_t postscreen_post_queue_timeout;        /* ms */
	int64_t postscreen_stress_greet_wait;         /* ms */
	int64_t postscreen_stress_command_time_limit; /* ms */
	/* before it all */
	int postscreen_upstream_proxy_protocol;    /* not 0: demanded */
	int64_t postscreen_upstream_proxy_timeout; /* ms */
};

extern const struct conf_param screen_params[];

#endif
