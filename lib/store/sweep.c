/* SPDX-License-Identifier: ISC */
/* Blobs that no frame names. */
#include "store/box.h"
#include "store/upkeep.h"

enum store_result box_sweep(struct box *b, const struct upkeep_policy *policy,
    struct upkeep_result *out)
{
	(void)b;
	(void)policy;
	(void)out;
	return STORE_ERROR;
}
