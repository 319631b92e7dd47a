/* SPDX-License-Identifier: ISC */
/* Erasure of what was expunged long ago. */
#include "store/box.h"
#include "store/upkeep.h"

enum store_result box_erase(struct box *b, const struct upkeep_policy *policy,
    struct upkeep_result *out)
{
	(void)b;
	(void)policy;
	(void)out;
	return STORE_ERROR;
}

enum store_result box_drop_generations(struct box *b,
    const struct upkeep_policy *policy, struct upkeep_result *out)
{
	(void)b;
	(void)policy;
	(void)out;
	return STORE_ERROR;
}
