/* SPDX-License-Identifier: ISC */
/* What is due in a box, and the store as a whole. */
#include "store/box.h"
#include "store/upkeep.h"

enum store_result box_upkeep(struct box *b, const struct upkeep_policy *policy,
    struct upkeep_result *out)
{
	(void)b;
	(void)policy;
	(void)out;
	return STORE_ERROR;
}

enum store_result store_scan(struct store *s, unsigned shard,
    int (*found)(void *arg, struct str account), void *arg)
{
	(void)s;
	(void)shard;
	(void)found;
	(void)arg;
	return STORE_ERROR;
}

enum store_result store_reserve(
    struct store *s, uint64_t octets, uint64_t *have)
{
	(void)s;
	(void)octets;
	(void)have;
	return STORE_ERROR;
}
