/* SPDX-License-Identifier: ISC */
#include "screen/count.h"

#include "core/table.h"

static struct table counts; /* the number itself stands for the pointer */

static unsigned change(const struct netaddr *client, int by)
{
	uint64_t number = netaddr_client_key(client);
	struct str key = str_of(&number, sizeof(number));
	uintptr_t n = (uintptr_t)table_get(&counts, key);

	n = by < 0 ? n - 1 : n + 1;
	if (n == 0)
		table_remove(&counts, key);
	else
		// NOLINTNEXTLINE(performance-no-int-to-ptr): never followed
		table_put(&counts, key, (void *)n);
	return (unsigned)n;
}

unsigned count_enter(const struct netaddr *client)
{
	return change(client, 1);
}

void count_leave(const struct netaddr *client)
{
	change(client, -1);
}
