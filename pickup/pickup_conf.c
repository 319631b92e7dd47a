/* SPDX-License-Identifier: ISC */
#include "pickup/pickup_conf.h"

#define P(kind, name, ...) CONF_##kind(struct pickup_conf, name, __VA_ARGS__)

/* clang-format off */
const struct conf_param pickup_params[] = {
	P(INT,  pickup_connection_limit, "1000", 1, 100000,
	  "Connections of local users at the same time; who finds no place "
	  "leaves the message in spool/drop."),
	P(INT,  pickup_user_connection_limit, "100", 1, 100000,
	  "Connections of one local user at the same time, root and the "
	  "suite's owner but for the limit of all."),
	P(INT,  pickup_injection_limit, "8", 1, 100,
	  "Messages that are brought to cleanup at the same time; the others "
	  "wait in line."),
	P(INT,  pickup_user_injection_limit, "4", 1, 100,
	  "How many of them may be one user's, so that nobody's thousand "
	  "messages keep the others waiting."),
	P(TIME, pickup_client_timeout, "60s", 1, 3600,
	  "How long a local client may say nothing before the connection is "
	  "closed."),
	P(TIME, pickup_scan_interval, "60s", 1, 86400,
	  "How often spool/drop is looked through. What arrives there is seen "
	  "at once; this is for what could not be queued then."),
	P(TEXT, authorized_mailq_users, "", 0, 65536,
	  "Local users who may see the whole queue with mailq(1), written as "
	  "authorized_submit_users; root and the suite's owner always may. "
	  "Anybody else sees the mail that he has submitted on this host, and "
	  "may delete it."),
	P(TEXT, authorized_flush_users, "", 0, 65536,
	  "Local users who may have waiting mail tried at once with "
	  "\"sendmail -q\", written as authorized_submit_users; root and the "
	  "suite's owner always may."),
	CONF_END
};
/* clang-format on */
