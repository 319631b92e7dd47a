/* SPDX-License-Identifier: ISC */
#ifndef FEEDBACK_FEEDBACK_CONF_H
#define FEEDBACK_FEEDBACK_CONF_H

#include "conf/param.h"

struct feedback_conf {
	int64_t feedback_lifetime;             /* ms */
	uint64_t feedback_storage_limit;       /* octets */
	uint64_t feedback_message_size_limit;  /* octets */
	uint64_t feedback_expanded_size_limit; /* octets */
	int feedback_expansion_limit;          /* times */
	const char *feedback_own_networks;
	uint64_t feedback_kept_size; /* octets */
};

extern const struct conf_param feedback_params[];

#endif
