/* SPDX-License-Identifier: ISC */
/*
 * Whatever the input: the parts and the @ between them make it up, a path
 * takes no more than its brackets, the normal form stays as it is, and a list
 * gives no more entries and octets than were asked for or came in, its groups
 * opened and closed in turn.
 */
#include <stdlib.h>

#include "mail/address.h"

static void split(struct str in)
{
	struct address a;
	const char *why;

	for (int utf8 = 0; utf8 < 2; utf8++) {
		if (address_split(in, utf8, &a, &why) < 0)
			continue;
		if (a.local.len + 1 + a.domain.len != in.len ||
		    a.local.len == 0 || a.local.len > 255 ||
		    a.domain.len == 0 || a.domain.len > 255)
			abort();
	}
}

static void path(struct str in)
{
	struct str rest = in, mailbox;
	const char *why;

	if (address_cut_path(&rest, true, &mailbox, &why) < 0) {
		if (rest.p != in.p || rest.len != in.len)
			abort();
		return;
	}
	if (rest.p + rest.len != in.p + in.len || rest.p[-1] != '>' ||
	    mailbox.len + 2 > in.len - rest.len)
		abort();
}

static void normalize(struct str in)
{
	struct buf once = buf_new(1000), twice = buf_new(1000);

	if (address_normalize(in, true, &once) == 0 &&
	    (address_normalize(buf_str(&once), true, &twice) < 0 ||
		!str_eq(buf_str(&once), buf_str(&twice))))
		abort();
	buf_free(&once);
	buf_free(&twice);
}

static void list(struct str in)
{
	struct arena arena = arena_new(1 << 20);
	struct mailbox *list;
	size_t octets = 0, n = address_list(in, &arena, 50, &list);
	bool inside = false;

	if (n > 50)
		abort();
	for (size_t i = 0; i < n; i++) {
		octets += list[i].name.len + list[i].local.len +
		    list[i].domain.len;
		if (list[i].group_start ? inside : list[i].group_end && !inside)
			abort();
		if (list[i].group_start || list[i].group_end)
			inside = list[i].group_start;
	}
	/* Only the bound may cut a group's end off. */
	if (octets > in.len * 2 || (inside && n < 50))
		abort();
	arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct str in = {(const char *)data, len};

	split(in);
	path(in);
	normalize(in);
	list(in);
	return 0;
}
