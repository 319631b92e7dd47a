/* SPDX-License-Identifier: ISC */
/* Bringing expunged messages back. */
#include "store/box.h"
#include "store/recovery.h"

enum store_result box_expunged(struct box *b, struct arena *arena,
    struct expunged_message **out, size_t *count)
{
	(void)b;
	(void)arena;
	(void)out;
	(void)count;
	return STORE_ERROR;
}

enum store_result box_undelete(
    struct box *b, const struct undelete_choice *choice, uint64_t *count)
{
	(void)b;
	(void)choice;
	(void)count;
	return STORE_ERROR;
}
