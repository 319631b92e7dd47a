/* SPDX-License-Identifier: ISC */
#include "feedback/feedback_conf.h"

#define P(kind, name, ...) CONF_##kind(struct feedback_conf, name, __VA_ARGS__)

/* clang-format off */
const struct conf_param feedback_params[] = {
	P(TIME, feedback_lifetime, "90d", 60, 315360000,
	  "How long a received report is kept."),
	P(SIZE, feedback_storage_limit, "256M", 1048576, INT64_MAX,
	  "Octets of all received reports; beyond it the oldest go, those "
	  "that could not be read first."),
	P(SIZE, feedback_message_size_limit, "25M", 65536, 1073741824,
	  "Octets of a mail with a report; a larger one counts as "
	  "unreadable."),
	P(SIZE, feedback_expanded_size_limit, "32M", 65536, 1073741824,
	  "Octets that the report in an archive may become; a larger one "
	  "counts as unreadable."),
	P(INT,  feedback_expansion_limit, "200", 2, 100000,
	  "How many times its own size an archive may become, beyond the "
	  "first megabyte."),
	P(TEXT, feedback_own_networks, "", 0, 65536,
	  "Networks that mail of ours leaves from besides the addresses of "
	  "this host: the outer address of a NAT, other hosts of the site; as "
	  "mynetworks. posthouse report counts what comes from there as ours."),
	P(SIZE, feedback_kept_size, "256K", 0, 1073741824,
	  "Octets of a mail that are kept beside the reason when its report "
	  "cannot be read."),
	CONF_END
};
/* clang-format on */
