/* SPDX-License-Identifier: ISC */
/* Making mailboxes what they were. */
#include "store/box.h"
#include "store/recovery.h"

enum store_result box_restore(struct box *b, struct box *from,
    const struct restore_choice *choice, struct restore_result *out)
{
	(void)b;
	(void)from;
	(void)choice;
	(void)out;
	return STORE_ERROR;
}
