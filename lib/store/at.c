/* SPDX-License-Identifier: ISC */
/* A box as it was. */
#include "store/box.h"
#include "store/recovery.h"

enum store_result box_open_at(struct store *s, struct str account,
    int64_t time_us, uint64_t modseq, struct box **out)
{
	(void)s;
	(void)account;
	(void)time_us;
	(void)modseq;
	(void)out;
	return STORE_ERROR;
}
