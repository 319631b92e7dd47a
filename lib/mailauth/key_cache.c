/* SPDX-License-Identifier: ISC */
#include "mailauth/key_cache.h"

#include <stdlib.h>

#include "core/memory.h"
#include "core/table.h"

struct entry {
	struct dkim_key *key;
	struct dkim_key_flags flags;
	struct buf name; /* the algorithm and the record */
};

struct key_cache {
	struct table table;
	struct entry *ring;
	size_t most, count;
	size_t oldest; /* once the ring is full */
	struct buf name;
	struct dkim_key *passing; /* not kept: until the next call */
};

struct key_cache *key_cache_new(size_t most)
{
	struct key_cache *cache = NEW(struct key_cache);

	cache->most = most > 0 ? most : 1;
	cache->ring = mem_array(cache->most, sizeof(*cache->ring));
	cache->name = buf_new(SIZE_MAX / 2);
	return cache;
}

static void drop(struct key_cache *cache, struct entry *e)
{
	table_remove(&cache->table, buf_str(&e->name));
	dkim_key_free(&e->key);
	buf_free(&e->name);
}

void key_cache_free(struct key_cache **cache)
{
	struct key_cache *c = *cache;

	if (c == NULL)
		return;
	*cache = NULL;
	for (size_t i = 0; i < c->count; i++)
		drop(c, &c->ring[i]);
	dkim_key_free(&c->passing);
	table_free(&c->table);
	free(c->ring);
	buf_free(&c->name);
	free(c);
}

/* The place of the next key; the oldest one leaves it. */
static struct entry *make_room(struct key_cache *cache)
{
	if (cache->count < cache->most)
		return &cache->ring[cache->count++];
	struct entry *e = &cache->ring[cache->oldest];
	cache->oldest = (cache->oldest + 1) % cache->most;
	drop(cache, e);
	return e;
}

static struct str name_of(
    struct key_cache *cache, struct str record, enum dkim_algorithm algorithm)
{
	buf_clear(&cache->name);
	buf_add_char(&cache->name, (char)('0' + algorithm));
	buf_add(&cache->name, record);
	return buf_str(&cache->name);
}

const struct dkim_key *key_cache_parse(struct key_cache *cache,
    struct str record, enum dkim_algorithm algorithm,
    struct dkim_key_flags *flags, const char **why)
{
	dkim_key_free(&cache->passing);
	if (record.len > KEY_CACHE_RECORD_MOST)
		return cache->passing = dkim_key_parse(
			   record, algorithm, flags, why);
	struct str name = name_of(cache, record, algorithm);
	struct entry *e = table_get(&cache->table, name);

	if (e == NULL) {
		struct dkim_key *key = dkim_key_parse(
		    record, algorithm, flags, why);
		if (key == NULL)
			return NULL;
		e = make_room(cache);
		*e = (struct entry){
		    .key = key, .flags = *flags, .name = buf_new(name.len)};
		buf_add(&e->name, name);
		table_put(&cache->table, name, e);
	}
	*flags = e->flags;
	return e->key;
}

size_t key_cache_count(const struct key_cache *cache)
{
	return cache->count;
}
