/* SPDX-License-Identifier: ISC */
#include "imapd/list_names.h"

#include <stdlib.h>

#include "core/table.h"

/* Names as the table knows them: INBOX in one spelling. */
static struct str key_of(struct str name)
{
	return str_case_eq(name, STR("INBOX")) ? STR("INBOX") : name;
}

static struct list_name *add(
    struct table *t, struct str name, struct arena *arena)
{
	struct list_name *n;

	name = key_of(name);
	n = table_get(t, name);
	if (n != NULL)
		return n;
	n = arena_alloc(arena, sizeof(*n));
	if (n == NULL)
		return NULL;
	n->name = name;
	table_put(t, name, n);
	size_t slash = str_find_last(name, '/');
	if (slash < name.len && slash > 0) {
		n->above = add(t, str_sub(name, 0, slash), arena);
		if (n->above == NULL)
			return NULL;
	}
	return n;
}

static bool add_mailboxes(struct box *b, struct table *t, struct arena *arena)
{
	const struct mailbox_info *const *infos;
	size_t count = box_mailboxes(b, &infos);

	for (size_t i = 0; i < count; i++) {
		struct list_name *n = add(t, infos[i]->name, arena);

		if (n == NULL)
			return false;
		n->info = infos[i];
		n->subscribed = infos[i]->subscribed;
		for (struct list_name *up = n->above; up; up = up->above) {
			up->has_children = true;
			up->subscribed_below |= n->subscribed;
			up->use_below |= infos[i]->use != USE_NONE;
		}
	}
	return true;
}

static bool add_subscriptions(
    struct box *b, struct table *t, struct arena *arena)
{
	struct str *names;
	size_t count = box_subscriptions(b, arena, &names);

	for (size_t i = 0; i < count; i++) {
		struct list_name *n = add(t, names[i], arena);

		if (n == NULL)
			return false;
		n->subscribed = true;
		for (struct list_name *up = n->above; up; up = up->above)
			up->subscribed_below = true;
	}
	return true;
}

static int by_name(const void *a, const void *b)
{
	const struct list_name *x = *(struct list_name *const *)a;
	const struct list_name *y = *(struct list_name *const *)b;
	bool x_inbox = str_eq(x->name, STR("INBOX"));
	bool y_inbox = str_eq(y->name, STR("INBOX"));

	if (x_inbox != y_inbox)
		return x_inbox ? -1 : 1;
	return str_cmp(x->name, y->name);
}

static bool in_order(
    const struct table *t, struct arena *arena, struct list_names *out)
{
	struct str key;
	void *value;

	out->count = 0;
	out->names = arena_alloc(
	    arena, (t->count + 1) * sizeof(struct list_name *));
	if (out->names == NULL)
		return false;
	for (size_t at = 0; table_next(t, &at, &key, &value);)
		out->names[out->count++] = value;
	qsort(out->names, out->count, sizeof(struct list_name *), by_name);
	return true;
}

bool list_names(struct box *b, struct arena *arena, struct list_names *out)
{
	struct table t = table_new();
	bool ok = add_mailboxes(b, &t, arena) &&
	    add_subscriptions(b, &t, arena) && in_order(&t, arena, out);

	table_free(&t);
	return ok;
}
