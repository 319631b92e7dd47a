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
	P(TIME, greylist_delay,        "5m", 1, 86400,
	  "How long a client that is greylisted (smtpd_greylisting) has to wait "
	  "before the same sender and recipient are let through."),
	P(TIME, greylist_retry_window, "2d", 10, 8640000,
	  "How long it has for coming back, counted from the first attempt; "
	  "what comes later is new."),
	P(TIME, greylist_lifetime,     "35d", 60, 86400000,
	  "For how long after its last message a sender, a recipient and a "
	  "client that have waited once do not wait again."),
	P(INT,  greylist_client_passes, "5", 0, 1000000,
	  "Messages that waited or need not wait any more, no more than one "
	  "counted in greylist_delay, after which the client does not wait for "
	  "anything; 0: it always does."),
	P(INT,  greylist_login_failures, "5", 0, 1000000,
	  "Failed logins of a client, within login_failure_window, from which on "
	  "its mail is greylisted where smtpd_greylisting is selective; 0: they "
	  "do not count."),
	P(INT,  greylist_ipv4_prefix,  "24", 8, 32,
	  "Bits of an IPv4 address by which a client is known: 24, as big "
	  "senders come back from another host of the same network."),
	P(INT,  greylist_ipv6_prefix,  "64", 16, 128,
	  "The same of an IPv6 address."),
	P(INT,  greylist_entries_max,  "200000", 100, 100000000,
	  "Clients and triplets that are remembered, of some 500 octets of "
	  "memory each; what was used least recently makes room, and what has "
	  "not come back yet never takes more than half."),
	CONF_END
};
/* clang-format on */
