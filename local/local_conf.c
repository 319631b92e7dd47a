/* SPDX-License-Identifier: ISC */
#include "local/local_conf.h"

#define P(kind, name, ...) CONF_##kind(struct local_conf, name, __VA_ARGS__)

/* clang-format off */
const struct conf_param local_params[] = {
	P(BOOL, quota_full_tempfail, "no",
	  "Whether mail for a full mailbox waits in the queue (4.2.2) instead "
	  "of being returned (5.2.2)."),
	P(INT,  local_open_boxes, "32", 1, 10000,
	  "How many mailboxes a process of local keeps open between "
	  "deliveries."),
	CONF_END
};
/* clang-format on */
