/* SPDX-License-Identifier: ISC */
#include "store/rows.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

struct lent_rows *rows_lend(struct lent_rows **owner, struct message *messages)
{
	if (*owner == NULL) {
		*owner = NEW(struct lent_rows);
		(*owner)->users = 1;
		(*owner)->messages = messages;
	}
	(*owner)->users++;
	return *owner;
}

void rows_release(struct lent_rows **user, struct message *messages)
{
	struct lent_rows *shared = *user;

	*user = NULL;
	if (shared != NULL && --shared->users > 0)
		return;
	free(shared);
	free(messages);
}

struct message *rows_own(struct lent_rows **user, struct message *messages,
    size_t count, size_t room)
{
	struct lent_rows *shared = *user;

	if (shared == NULL)
		return messages;
	*user = NULL;
	if (--shared->users == 0) {
		free(shared);
		return messages;
	}
	messages = mem_large(room > count ? room : count, sizeof(*messages));
	if (count > 0)
		memcpy(messages, shared->messages, count * sizeof(*messages));
	return messages;
}
