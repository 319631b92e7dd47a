/* SPDX-License-Identifier: ISC */
#include "keeper/due.h"

#include <stdlib.h>

#include "core/memory.h"

void due_init(struct due *d, size_t most)
{
	*d = (struct due){.most = most, .by_account = table_new()};
	d->heap = mem_array(most, sizeof(struct due_entry *));
}

void due_free(struct due *d)
{
	for (size_t i = 0; i < d->count; i++) {
		free(d->heap[i]->account);
		free(d->heap[i]);
	}
	free(d->heap);
	table_free(&d->by_account);
}

static void put(struct due *d, size_t place, struct due_entry *e)
{
	d->heap[place] = e;
	e->place = place;
}

static void rise(struct due *d, struct due_entry *e)
{
	size_t at = e->place;

	while (at > 0 && d->heap[(at - 1) / 2]->at > e->at) {
		put(d, at, d->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	put(d, at, e);
}

static void sink(struct due *d, struct due_entry *e)
{
	size_t at = e->place;

	for (;;) {
		size_t child = 2 * at + 1;

		if (child + 1 < d->count &&
		    d->heap[child + 1]->at < d->heap[child]->at)
			child++;
		if (child >= d->count || d->heap[child]->at >= e->at)
			break;
		put(d, at, d->heap[child]);
		at = child;
	}
	put(d, at, e);
}

bool due_add(struct due *d, struct str account, int64_t at)
{
	struct due_entry *e = table_get(&d->by_account, account);

	if (e == NULL) {
		if (d->count == d->most)
			return false;
		e = NEW(struct due_entry);
		e->account = str_dup(account);
		e->at = at;
		put(d, d->count++, e);
		table_put(&d->by_account, account, e);
	} else if (at < e->at) {
		e->at = at;
	}
	rise(d, e);
	return true;
}

int64_t due_next(const struct due *d)
{
	return d->count > 0 ? d->heap[0]->at : INT64_MAX;
}

char *due_take(struct due *d, int64_t now)
{
	struct due_entry *first, *last;
	char *account;

	if (due_next(d) > now)
		return NULL;
	first = d->heap[0];
	last = d->heap[--d->count];
	if (d->count > 0) {
		put(d, 0, last);
		sink(d, last);
	}
	account = first->account;
	table_remove(&d->by_account, str_from(account));
	free(first);
	return account;
}
