/* SPDX-License-Identifier: ISC */
#include "mail/author.h"

#include "mail/address.h"

#define AUTHORS_MAX 100 /* mailboxes of From that are looked at */

/* Mailboxes with a domain in an address list. */
static size_t count_mailboxes(struct str value)
{
	struct arena arena = arena_new(65536);
	struct mailbox *list = NULL;
	size_t count = 0;
	size_t n = address_list(value, &arena, AUTHORS_MAX, &list);

	for (size_t i = 0; i < n; i++)
		if (list[i].local.len > 0 && list[i].domain.len > 0)
			count++;
	arena_free(&arena);
	return count;
}

const char *author_check(
    size_t from, struct str from_value, size_t sender, struct str sender_value)
{
	size_t authors;

	if (from == 0)
		return "the message has no From field";
	if (from > 1)
		return "the message has more than one From field";
	authors = count_mailboxes(from_value);
	if (authors == 0)
		return "the From field names no mailbox";
	if (sender > 1)
		return "the message has more than one Sender field";
	if (sender == 1 && count_mailboxes(sender_value) != 1)
		return "the Sender field does not name one mailbox";
	if (authors > 1 && sender == 0)
		return "several mailboxes in From and no Sender field";
	return NULL;
}
