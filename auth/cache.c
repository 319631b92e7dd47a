/* SPDX-License-Identifier: ISC */
#include "auth/cache.h"

#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "core/buf.h"
#include "core/memory.h"

struct cache_slot {
	unsigned char mark[CACHE_MARK];
	int64_t until; /* 0: free */
};

int cache_init(struct cache *c, size_t size, int64_t ttl_ms)
{
	*c = (struct cache){.size = size, .ttl_ms = ttl_ms};
	c->slots = mem_array(size, sizeof(struct cache_slot));
	return RAND_bytes(c->key, sizeof(c->key)) == 1 ? 0 : -1;
}

void cache_clear(struct cache *c)
{
	table_free(&c->by_mark);
	free(c->slots);
	mem_wipe(c, sizeof(*c));
}

static void add_part(struct buf *b, struct str part)
{
	uint64_t len = part.len;

	buf_add_bytes(b, &len, sizeof(len));
	buf_add(b, part);
}

void cache_mark(const struct cache *c, struct str login, struct str password,
    struct str stored, unsigned char mark[CACHE_MARK])
{
	struct buf b = buf_new(65536);
	unsigned len = CACHE_MARK;

	/* One piece of memory from the start: growing leaves copies behind. */
	buf_room(&b, login.len + password.len + stored.len + 24);
	add_part(&b, login);
	add_part(&b, password);
	add_part(&b, stored);
	if (b.overflow ||
	    HMAC(EVP_sha256(), c->key, sizeof(c->key),
		(const unsigned char *)b.p, b.len, mark, &len) == NULL) {
		/* A mark that is found by nobody. */
		if (RAND_bytes(mark, CACHE_MARK) != 1)
			abort();
	}
	if (b.p != NULL)
		mem_wipe(b.p, b.capacity);
	buf_free(&b);
}

bool cache_has(
    struct cache *c, const unsigned char mark[CACHE_MARK], int64_t now_ms)
{
	const struct cache_slot *s = table_get(
	    &c->by_mark, str_of(mark, CACHE_MARK));

	return c->ttl_ms > 0 && s != NULL && s->until > now_ms;
}

void cache_add(
    struct cache *c, const unsigned char mark[CACHE_MARK], int64_t now_ms)
{
	struct cache_slot *s = table_get(&c->by_mark, str_of(mark, CACHE_MARK));

	if (c->ttl_ms == 0)
		return;
	if (s == NULL) {
		s = &c->slots[c->next];
		c->next = (c->next + 1) % c->size;
		if (s->until != 0)
			table_remove(&c->by_mark, str_of(s->mark, CACHE_MARK));
		memcpy(s->mark, mark, CACHE_MARK);
		table_put(&c->by_mark, str_of(mark, CACHE_MARK), s);
	}
	s->until = now_ms + c->ttl_ms;
}
