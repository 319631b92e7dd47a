/* SPDX-License-Identifier: ISC */
#include "daemon/house_store.h"

#include <stdio.h>

struct store *house_store_open(
    const struct house_conf *house, bool told, const char **why)
{
	char notify[4200];
	struct store *s;

	snprintf(notify, sizeof(notify), "%s/notify", house->run_directory);
	s = store_open(house->mail_store_directory, told ? notify : NULL, why);
	if (s == NULL)
		return NULL;
	store_set_queue_lifetime(s, house->maximal_queue_lifetime);
	store_set_undelete(s, house->mail_undelete_time / 1000);
	store_set_compression(s, house->mail_compress_minimum_size);
	return s;
}
