/* SPDX-License-Identifier: ISC */
#include "policyd/policyd_conf.h"

#define P(kind, name, ...) CONF_##kind(struct policyd_conf, name, __VA_ARGS__)

/* clang-format off */
const struct conf_param policyd_params[] = {
	P(INT,  policy_counters_max, "200000", 1000, 100000000,
	  "Counters that policyd keeps in memory, of about 150 octets each; "
	  "the one that was least recently used makes room."),
	P(INT,  policy_memory_max, "100000", 1000, 100000000,
	  "Clients and the like that policyd remembers something about, of "
	  "about 250 octets each; what was least recently asked for makes "
	  "room. They survive its restart."),
	P(TIME, login_failure_window, "15m", 10, 86400,
	  "For how long a failed login counts against its address and its "
	  "account."),
	P(TIME, login_failure_delay, "2s", 0, 60,
	  "How long the answer to the first failed login is delayed; each "
	  "further failure within the window doubles it. 0 delays none."),
	P(TIME, login_failure_delay_max, "16s", 0, 300,
	  "The longest delay of the answer to a failed login."),
	P(INT,  login_failure_block, "100", 1, 1000000,
	  "Failed logins within the window after which an address (of IPv6 "
	  "its /64) is refused without a look at the password."),
	P(TEXT, login_failure_exempt, "", 0, 65536,
	  "Networks whose addresses are never refused for failed logins, "
	  "such as a webmail's; their answers are delayed all the same."),
	CONF_END
};
/* clang-format on */
