/* SPDX-License-Identifier: ISC */
#include "login/limits.h"

#include <stdlib.h>

#include "core/memory.h"
#include "core/table.h"

struct address {
	int count;
	uint64_t key; /* netaddr_client_key */
};

static struct table addresses;

static struct str key_of(const uint64_t *key)
{
	return str_of(key, sizeof(*key));
}

struct address *address_enter(
    const struct netaddr *peer, int most, struct str exceptions, bool *refused)
{
	uint64_t key = netaddr_client_key(peer);
	struct str bad;

	*refused = false;
	if (most == 0 || netaddr_in_list(peer, exceptions, &bad) == 1)
		return NULL;
	struct address *a = table_get(&addresses, key_of(&key));
	if (a == NULL) {
		a = NEW(struct address);
		a->key = key;
		table_put(&addresses, key_of(&key), a);
	}
	if (a->count >= most) {
		*refused = true;
		return NULL;
	}
	a->count++;
	return a;
}

void address_leave(struct address **a)
{
	struct address *left = *a;

	*a = NULL;
	if (left == NULL || --left->count > 0)
		return;
	table_remove(&addresses, key_of(&left->key));
	free(left);
}
