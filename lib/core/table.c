/* SPDX-License-Identifier: ISC */
#include "core/table.h"

#include <stdlib.h>
#include <sys/random.h>
#include <xxhash.h>

#include "core/memory.h"

static char gone[1];

uint64_t table_hash(struct str key)
{
	static uint64_t seed;

	while (seed == 0)
		if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
			seed = 0;
	return XXH3_64bits_withSeed(key.p, key.len, seed);
}

/* The slot that holds key, or the first free one on its way, or NULL. */
static struct table_slot *find(
    const struct table *t, struct str key, uint64_t hash)
{
	struct table_slot *reuse = NULL;

	for (size_t n = 0; n < t->capacity; n++) {
		size_t at = (size_t)(hash + n) & (t->capacity - 1);
		struct table_slot *s = &t->slots[at];

		if (s->key == NULL)
			return reuse != NULL ? reuse : s;
		if (s->key == gone) {
			if (reuse == NULL)
				reuse = s;
		} else if (s->hash == hash && s->len == key.len &&
		    memcmp(s->key, key.p, key.len) == 0) {
			return s;
		}
	}
	return reuse;
}

static bool is_entry(const struct table_slot *s)
{
	return s != NULL && s->key != NULL && s->key != gone;
}

static void rehash(struct table *t)
{
	struct table old = *t;

	t->capacity = 16;
	while (t->capacity < old.count * 4)
		t->capacity *= 2;
	t->slots = mem_array(t->capacity, sizeof(struct table_slot));
	t->filled = old.count;
	for (size_t i = 0; i < old.capacity; i++) {
		struct table_slot *s = &old.slots[i];

		if (is_entry(s))
			*find(t, str_of(s->key, s->len), s->hash) = *s;
	}
	free(old.slots);
}

void table_free(struct table *t)
{
	for (size_t i = 0; i < t->capacity; i++)
		if (is_entry(&t->slots[i]))
			free(t->slots[i].key);
	free(t->slots);
	*t = table_new();
}

void *table_get(const struct table *t, struct str key)
{
	struct table_slot *s = t->count == 0 ? NULL
					     : find(t, key, table_hash(key));

	return is_entry(s) ? s->value : NULL;
}

void *table_put(struct table *t, struct str key, void *value)
{
	uint64_t hash = table_hash(key);

	if ((t->filled + 1) * 4 > t->capacity * 3)
		rehash(t);
	struct table_slot *s = find(t, key, hash);
	if (is_entry(s)) {
		void *before = s->value;

		s->value = value;
		return before;
	}
	if (s->key == NULL)
		t->filled++;
	t->count++;
	*s = (struct table_slot){str_dup(key), key.len, value, hash};
	return NULL;
}

void *table_remove(struct table *t, struct str key)
{
	struct table_slot *s = t->count == 0 ? NULL
					     : find(t, key, table_hash(key));

	if (!is_entry(s))
		return NULL;
	free(s->key);
	s->key = gone;
	t->count--;
	return s->value;
}

bool table_next(
    const struct table *t, size_t *at, struct str *key, void **value)
{
	while (*at < t->capacity) {
		struct table_slot *s = &t->slots[(*at)++];

		if (is_entry(s)) {
			if (key != NULL)
				*key = str_of(s->key, s->len);
			if (value != NULL)
				*value = s->value;
			return true;
		}
	}
	return false;
}
