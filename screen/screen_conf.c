/* SPDX-License-Identifier: ISC */
#include "screen/screen_conf.h"

static const char *const proxies[] = {"", "haproxy", NULL};
static const char *const actions[] = {"ignore", "enforce", "drop", NULL};

#define P(kind, name, ...) CONF_##kind(struct screen_conf, name, __VA_ARGS__)

/* clang-format off */
const struct conf_param screen_params[] = {
	P(TEXT, postscreen_access_list, "permit_mynetworks", 0, 65536,
	  "Who is not tested: permit_mynetworks, networks, and cidr: tables "
	  "whose results are permit, reject or dunno; the first that decides "
	  "counts. Who is rejected meets postscreen_denylist_action."),
	P(CHOICE, postscreen_denylist_action, "enforce", actions,
	  "What happens to clients that postscreen_access_list rejects: "
	  "ignore, enforce (mail is refused with 550, sender and recipient are "
	  "logged) or drop (disconnected with 521)."),
	P(TIME, postscreen_greet_wait, "6s", 0, 60,
	  "How long a strange client waits for its greeting; one that speaks "
	  "first breaks RFC 5321 and meets postscreen_greet_action. 0 leaves "
	  "this test out."),
	P(TEXT, postscreen_greet_banner, "$myhostname ESMTP $mail_name", 0,
	  400,
	  "The first line of the greeting, sent before the wait; none when "
	  "empty."),
	P(CHOICE, postscreen_greet_action, "enforce", actions,
	  "What happens to clients that speak before they are greeted."),
	P(TIME, postscreen_greet_ttl, "1d", 1, 31536000,
	  "For how long a client that waited for its greeting is known."),
	P(TEXT, postscreen_dnsbl_sites, "", 0, 16384,
	  "DNS lists that strange clients are looked up in, each "
	  "domain=filter*weight; filter (127.0.0.[2..11]) and weight (1; "
	  "below 0 for a list of good clients) may be left out."),
	P(INT,  postscreen_dnsbl_threshold, "1", 1, 1000,
	  "The sum of weights from which on a client meets "
	  "postscreen_dnsbl_action."),
	P(INT,  postscreen_dnsbl_allowlist_threshold, "0", -1000, 0,
	  "A client whose sum of weights is this or less waits no longer; 0: "
	  "never."),
	P(CHOICE, postscreen_dnsbl_action, "enforce", actions,
	  "What happens to clients with postscreen_dnsbl_threshold."),
	P(TIME, postscreen_dnsbl_min_ttl, "60s", 1, 86400,
	  "The least time for which the lists' answers are believed."),
	P(TIME, postscreen_dnsbl_max_ttl, "1h", 1, 86400,
	  "The longest time for which the lists' answers are believed."),
	P(TIME, postscreen_dnsbl_timeout, "10s", 1, 60,
	  "How long the lists are waited for; what has not come by then "
	  "counts nothing."),
	P(CHOICE, postscreen_non_smtp_command_action, "drop", actions,
	  "What happens to strange clients whose first line is no command of "
	  "SMTP."),
	P(CHOICE, postscreen_pipelining_action, "enforce", actions,
	  "What happens to strange clients that send more behind their first "
	  "command before they know that they may."),
	P(CHOICE, postscreen_bare_newline_action, "ignore", actions,
	  "What happens to strange clients whose first line ends in LF "
	  "without CR; see smtpd_forbid_bare_newline."),
	P(TIME, postscreen_command_time_limit, "300s", 1, 3600,
	  "How long a client may take for its first command, and one that is "
	  "refused for each."),
	P(INT,  postscreen_command_count_limit, "20", 1, 1000,
	  "Commands of a client that is refused."),
	P(INT,  postscreen_client_connection_count_limit, "50", 0, 100000,
	  "Connections of one strange client (of IPv6 a /64) at a time, those "
	  "that smtpd serves included; 0 for no limit."),
	P(INT,  postscreen_client_connection_rate_limit, "0", 0, 1000000,
	  "Connections of one strange client in anvil_rate_time_unit; 0 "
	  "does not count them. Without policyd there is no limit."),
	P(INT,  postscreen_network_connection_rate_limit, "0", 0, 1000000,
	  "The same for all clients of a network: a /24 of IPv4, a /48 of "
	  "IPv6."),
	P(INT,  postscreen_pre_queue_limit, "5000", 1, 1000000,
	  "Clients that have not said their first command; beyond it the one "
	  "that has been silent longest is let go with 421."),
	P(INT,  postscreen_post_queue_limit, "1000", 1, 100000,
	  "Clients that wait for a process of smtpd; more are told 421."),
	P(TIME, postscreen_post_queue_timeout, "100s", 1, 3600,
	  "How long a client waits for a process of smtpd before it is told "
	  "421."),
	P(TIME, postscreen_stress_greet_wait, "2s", 0, 60,
	  "In place of postscreen_greet_wait while there are more clients "
	  "than half of postscreen_pre_queue_limit."),
	P(TIME, postscreen_stress_command_time_limit, "10s", 1, 3600,
	  "In place of postscreen_command_time_limit under such stress."),
	P(CHOICE, postscreen_upstream_proxy_protocol, "", proxies,
	  "haproxy: each connection begins with a PROXY header, of version 1 "
	  "or 2, that says who the client is; see haproxy_trusted_networks."),
	P(TIME, postscreen_upstream_proxy_timeout, "5s", 1, 300,
	  "How long the header of postscreen_upstream_proxy_protocol may "
	  "take."),
	CONF_END
};
/* clang-format on */
