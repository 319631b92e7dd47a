/* SPDX-License-Identifier: ISC */
#include "store/box.h"

bool box_quota_allows(struct box *b, uint64_t octets, uint64_t messages)
{
	struct change c = {.b = b};

	return change_quota(&c, octets, messages) == STORE_OK;
}
