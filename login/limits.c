/* SPDX-License-Identifier: ISC */
#include "login/limits.h"

#include <stdlib.h>

#include "core/memory.h"
#include "core/table.h"

struct address {
	int count;
	char text[NETADDR_TEXT_MAX];
};

static struct table addresses;

struct address *address_enter(
    const struct netaddr *peer, int most, struct str exceptions, bool *refused)
{
	char text[NETADDR_TEXT_MAX];
	struct str bad;

	*refused = false;
	if (most == 0 || netaddr_in_list(peer, exceptions, &bad) == 1)
		return NULL;
	netaddr_text(peer, text);
	struct address *a = table_get(&addresses, str_from(text));
	if (a == NULL) {
		a = NEW(struct address);
		memcpy(a->text, text, sizeof(text));
		table_put(&addresses, str_from(text), a);
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
	table_remove(&addresses, str_from(left->text));
	free(left);
}
