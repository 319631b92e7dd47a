/* SPDX-License-Identifier: ISC */
/* Mending a box. */
#include "store/box.h"
#include "store/recovery.h"

enum store_result box_repair(struct store *s, struct str account,
    void (*found)(void *arg, const struct store_finding *f), void *arg,
    struct repair_result *out)
{
	(void)s;
	(void)account;
	(void)found;
	(void)arg;
	(void)out;
	return STORE_ERROR;
}

enum store_result box_rebuild(
    struct store *s, struct str account, struct repair_result *out)
{
	(void)s;
	(void)account;
	(void)out;
	return STORE_ERROR;
}
