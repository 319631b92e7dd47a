/* SPDX-License-Identifier: ISC */
/* Copies elsewhere. */
#include "store/box.h"
#include "store/recovery.h"

enum store_result store_backup(struct store *from, struct store *to,
    struct str account, struct backup_result *out)
{
	(void)from;
	(void)to;
	(void)account;
	(void)out;
	return STORE_ERROR;
}
