/* SPDX-License-Identifier: ISC */
#include "keeper/walk.h"

/* Names of one shard; those beyond wait for a smaller one. */
#define NAMES_MAX ((size_t)256 << 20)

void walk_init(struct walk *w, int64_t interval, int64_t wall, int64_t now)
{
	*w = (struct walk){.interval = interval,
	    .shard = (unsigned)(wall % interval * STORE_SHARDS / interval),
	    .shard_at = now,
	    .names = buf_new(NAMES_MAX)};
}

void walk_free(struct walk *w)
{
	buf_free(&w->names);
}

/* Accounts of a shard are visited over the time that belongs to it. */
int64_t walk_next(const struct walk *w)
{
	if (!w->inside)
		return w->shard_at;
	if (w->next == w->count)
		return w->shard_at;
	return w->shard_at +
	    w->interval / STORE_SHARDS * (int64_t)w->next / (int64_t)w->count;
}

static int collect(void *arg, struct str account)
{
	struct walk *w = arg;

	buf_add(&w->names, account);
	buf_add_char(&w->names, '\0');
	w->count++;
	return w->names.overflow;
}

static enum store_result begin(struct walk *w, struct store *s)
{
	enum store_result r;

	buf_clear(&w->names);
	w->next = w->count = w->offset = 0;
	w->inside = true;
	r = store_scan(s, w->shard, collect, w);
	if (w->names.overflow) /* the last name is not whole */
		w->count--;
	return r;
}

/* Who is late goes on from where it is. */
static void end(struct walk *w, int64_t now)
{
	int64_t slot = w->interval / STORE_SHARDS;

	w->inside = false;
	w->shard = (w->shard + 1) % STORE_SHARDS;
	w->shard_at += slot;
	if (w->shard_at < now - slot)
		w->shard_at = now;
}

struct str walk_take(struct walk *w, struct store *s, int64_t now, bool *began,
    enum store_result *result)
{
	struct str name;

	*began = false;
	*result = STORE_OK;
	if (walk_next(w) > now)
		return STR_EMPTY;
	if (!w->inside) {
		*result = begin(w, s);
		*began = true;
		return STR_EMPTY;
	}
	if (w->next == w->count) {
		end(w, now);
		return STR_EMPTY;
	}
	name = str_from(w->names.p + w->offset);
	w->offset += name.len + 1;
	w->next++;
	return name;
}

unsigned walk_percent(const struct walk *w)
{
	return w->shard * 100 / STORE_SHARDS;
}
