/* SPDX-License-Identifier: ISC */
/* Expiry of messages by age. */
#include "store/box.h"
#include "store/upkeep.h"

enum store_result box_expire(struct box *b, const struct upkeep_policy *policy,
    struct upkeep_result *out)
{
	(void)b;
	(void)policy;
	(void)out;
	return STORE_ERROR;
}
