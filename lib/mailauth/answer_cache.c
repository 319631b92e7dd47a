/* SPDX-License-Identifier: ISC */
#include "mailauth/answer_cache.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/memory.h"
#include "core/table.h"

/* That there is no record: its TTL stands in no record of the answer. */
#define ABSENT_MS 60000

struct entry {
	struct entry *next; /* as they came */
	size_t octets;
	int64_t until; /* deadline */
	struct dns_reply reply;
	struct str key;
	char *texts; /* behind the records, in one piece with them */
};

struct answer_cache {
	size_t most, octets;
	int64_t longest_ms;
	struct table table;
	struct entry *first, **last;
};

struct answer_cache *answer_cache_new(size_t most, int64_t longest_ms)
{
	struct answer_cache *cache = NEW(struct answer_cache);

	cache->most = most;
	cache->longest_ms = longest_ms;
	cache->last = &cache->first;
	return cache;
}

static void drop_oldest(struct answer_cache *cache)
{
	struct entry *e = cache->first;

	cache->first = e->next;
	if (cache->first == NULL)
		cache->last = &cache->first;
	cache->octets -= e->octets;
	/* A newer one of this key may have taken its place. */
	if (table_get(&cache->table, e->key) == e)
		table_remove(&cache->table, e->key);
	free(e);
}

void answer_cache_free(struct answer_cache **cache)
{
	struct answer_cache *c = *cache;

	if (c == NULL)
		return;
	*cache = NULL;
	while (c->first != NULL)
		drop_oldest(c);
	table_free(&c->table);
	free(c);
}

const struct dns_reply *answer_cache_get(
    struct answer_cache *cache, struct str key)
{
	const struct entry *e = table_get(&cache->table, key);

	return e != NULL && deadline_left(e->until) != 0 ? &e->reply : NULL;
}

/* How long it may be kept; 0: not at all. */
static int64_t lifetime(
    const struct answer_cache *cache, const struct dns_reply *reply)
{
	int64_t ms = cache->longest_ms;

	if (reply->status == DNS_NO_DATA || reply->status == DNS_NO_NAME)
		return ms < ABSENT_MS ? ms : ABSENT_MS;
	if (reply->status != DNS_OK)
		return 0;
	for (size_t i = 0; i < reply->count; i++)
		if ((int64_t)reply->records[i].ttl * 1000 < ms)
			ms = (int64_t)reply->records[i].ttl * 1000;
	return ms;
}

static struct str put_text(struct entry *e, struct str s)
{
	char *to = e->texts;

	if (s.len > 0)
		memcpy(to, s.p, s.len);
	e->texts += s.len;
	return str_of(to, s.len);
}

/* A copy of all in one piece of memory. */
static struct entry *copy(struct str key, const struct dns_reply *reply)
{
	struct dns_record *records;
	struct entry *e;
	size_t octets = sizeof(*e) + reply->count * sizeof(*records) + key.len;

	for (size_t i = 0; i < reply->count; i++)
		octets += reply->records[i].name.len +
		    reply->records[i].text.len;
	e = mem_alloc(octets);
	records = (struct dns_record *)(e + 1);
	*e = (struct entry){.octets = octets,
	    .reply = *reply,
	    .texts = (char *)(records + reply->count)};
	e->key = put_text(e, key);
	for (size_t i = 0; i < reply->count; i++) {
		records[i] = reply->records[i];
		records[i].name = put_text(e, reply->records[i].name);
		records[i].text = put_text(e, reply->records[i].text);
	}
	e->reply.records = records;
	return e;
}

void answer_cache_put(
    struct answer_cache *cache, struct str key, const struct dns_reply *reply)
{
	int64_t ms = lifetime(cache, reply);
	struct entry *e;

	if (ms == 0)
		return;
	e = copy(key, reply);
	/* One answer never takes the place of most others. */
	if (e->octets > cache->most / 8) {
		free(e);
		return;
	}
	while (cache->octets + e->octets > cache->most)
		drop_oldest(cache);
	e->until = deadline_in(ms);
	cache->octets += e->octets;
	*cache->last = e;
	cache->last = &e->next;
	table_put(&cache->table, key, e);
}

size_t answer_cache_size(const struct answer_cache *cache)
{
	return cache->octets;
}
