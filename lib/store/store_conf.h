/* SPDX-License-Identifier: ISC */
/* The parameters of the store's upkeep: of keeper, and of `posthouse store`. */
#ifndef STORE_STORE_CONF_H
#define STORE_STORE_CONF_H

#include "conf/param.h"
#include "store/upkeep.h"

struct store_conf {
	const char *mailbox_expire;
	int64_t store_upkeep_interval; /* ms */
	uint64_t store_upkeep_rate;    /* octets a second, 0: no limit */
	uint64_t store_reserve_size;   /* octets */
	int64_t store_orphan_time;     /* ms */
};

extern const struct conf_param store_params[];

/*
 * Fills what a policy has of parameters: expiries (which the caller frees;
 * their names point into conf), orphan_age and, from mail_undelete_time in ms,
 * undelete. 0, or -1 and *why: a phrase about mailbox_expire.
 */
int store_conf_policy(const struct store_conf *conf, int64_t undelete_ms,
    struct upkeep_policy *out, const char **why);

#endif
