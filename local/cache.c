/* SPDX-License-Identifier: ISC */
#include "local/cache.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"

#define OPEN_MS 10000

void cache_init(struct cache *c, struct store *store, size_t boxes)
{
	*c = (struct cache){.store = store, .count = boxes};
	c->entries = mem_array(boxes, sizeof(*c->entries));
}

static void entry_close(struct cache_entry *e)
{
	box_close(&e->box);
	free(e->account);
	*e = (struct cache_entry){0};
}

void cache_free(struct cache *c)
{
	for (size_t i = 0; i < c->count; i++)
		entry_close(&c->entries[i]);
	free(c->entries);
	*c = (struct cache){0};
}

struct box *cache_get(
    struct cache *c, struct str account, enum store_result *result)
{
	struct cache_entry *oldest = &c->entries[0];

	c->clock++;
	for (size_t i = 0; i < c->count; i++) {
		struct cache_entry *e = &c->entries[i];

		if (e->box != NULL && str_eq(str_from(e->account), account)) {
			e->used = c->clock;
			*result = STORE_OK;
			return e->box;
		}
		if (e->used < oldest->used)
			oldest = e;
	}
	entry_close(oldest);
	*result = box_open(
	    c->store, account, deadline_in(OPEN_MS), &oldest->box);
	if (*result != STORE_OK) {
		if (oldest->box != NULL)
			log_warning("mailbox %.*s: %s", STR_FMT(account),
			    store_why(oldest->box));
		box_close(&oldest->box);
		return NULL;
	}
	oldest->account = str_dup(account);
	oldest->used = c->clock;
	return oldest->box;
}

void cache_drop(struct cache *c, const struct box *b)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->entries[i].box == b)
			entry_close(&c->entries[i]);
}

void cache_maintain(struct cache *c)
{
	for (size_t i = 0; i < c->count; i++) {
		struct cache_entry *e = &c->entries[i];
		enum store_result r = e->box == NULL ? STORE_OK
						     : box_maintain(e->box);

		if (r == STORE_OK || r == STORE_BUSY)
			continue;
		log_warning(
		    "mailbox %s: snapshot: %s", e->account, store_why(e->box));
		entry_close(e);
	}
}
