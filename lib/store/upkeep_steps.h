/* SPDX-License-Identifier: ISC */
/* What the steps of upkeep share. */
#ifndef STORE_UPKEEP_STEPS_H
#define STORE_UPKEEP_STEPS_H

#include "store/box.h"
#include "store/upkeep.h"

/* Between two steps: STORE_BUSY when upkeep is to end. */
enum store_result upkeep_pace(const struct upkeep_policy *policy);
/* What a step says in the end. Others who drop snapshots while we read them are
 * no trouble: another time. */
static inline enum store_result upkeep_end(enum store_result r)
{
	return r == STORE_GONE ? STORE_BUSY : r;
}
/* There will be something to do at a time, in seconds since 1970. */
void upkeep_next(struct upkeep_result *out, int64_t when);
/* `since` and `age` seconds, or 0 when that is never. */
int64_t upkeep_after(int64_t since, int64_t age);

/* When expunged messages will be due for erasure, as far as the summary of the
 * box knows: not later than this. 0: nothing is gone. */
int64_t erase_due(const struct box *b, const struct upkeep_policy *policy);
/* Removes temporary files that a crash left `age` seconds ago. */
enum store_result sweep_leftovers(struct box *b, int64_t age);

#endif
