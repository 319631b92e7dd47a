/* SPDX-License-Identifier: ISC */
#include "qmgr/hop.h"

#include <stdlib.h>

#include "core/memory.h"

#define WORDS_MOST 500

/* ---- making and freeing ---- */

/* transport, NUL, next hop. Longer next hops than any agent takes are cut. */
static struct str make_key(
    struct str transport, struct str nexthop, char out[1200])
{
	transport = str_sub(transport, 0, 64);
	nexthop = str_sub(nexthop, 0, 1024);
	memcpy(out, transport.len > 0 ? transport.p : "", transport.len);
	out[transport.len] = '\0';
	memcpy(out + transport.len + 1, nexthop.len > 0 ? nexthop.p : "",
	    nexthop.len);
	return str_of(out, transport.len + 1 + nexthop.len);
}

struct hop *hop_find(
    const struct table *t, struct str transport, struct str nexthop)
{
	char key[1200];

	return table_get(t, make_key(transport, nexthop, key));
}

struct hop *hop_get(
    struct table *t, struct str transport, struct str nexthop, uint32_t now)
{
	char text[1200];
	struct str key = make_key(transport, nexthop, text);
	struct hop *h = table_get(t, key);

	if (h != NULL)
		return h;
	h = mem_alloc(sizeof(*h) + key.len + 1);
	*h = (struct hop){.table = t, .stretch = now};
	memcpy(h->key, key.p, key.len);
	h->key[key.len] = '\0';
	table_put(t, key, h);
	return h;
}

static void free_hop(struct hop *h)
{
	free(h->success);
	free(h->success_remote);
	free(h->failure);
	free(h->failure_remote);
	free(h);
}

void hops_tidy(struct table *t, uint32_t now, uint32_t age)
{
	struct str key;
	size_t at = 0;
	void *value;

	while (table_next(t, &at, &key, &value)) {
		struct hop *h = value;

		if (h->uses > 0 || h->last_success + age > now ||
		    h->last_failure + age > now)
			continue;
		table_remove(t, key);
		free_hop(h);
	}
}

void hops_free(struct table *t)
{
	struct str key;
	size_t at = 0;
	void *h;

	while (table_next(t, &at, &key, &h))
		free_hop(h);
	table_free(t);
}

/* ---- who waits ---- */

void hop_recount(struct recipient *r, uint32_t now)
{
	bool waits = r->state == QUEUE_PENDING && !r->hold && !r->deleted;
	struct hop *h = r->hop;

	if (h == NULL || waits == r->counted)
		return;
	r->counted = waits;
	if (waits && h->waiting++ == 0)
		h->since = now;
	else if (!waits && --h->waiting == 0)
		h->since = 0;
}

void hop_set(struct recipient *r, struct hop *h, uint32_t now)
{
	struct hop *old = r->hop;

	if (old == h)
		return;
	if (old != NULL) {
		if (r->counted && --old->waiting == 0)
			old->since = 0;
		old->uses--;
	}
	r->counted = false;
	r->hop = h;
	if (h == NULL)
		return;
	h->uses++;
	hop_recount(r, now);
}

/* ---- what happened ---- */

static void keep(char **to, struct str s)
{
	s = str_sub(s, 0, WORDS_MOST);
	if (*to != NULL && str_eq(str_from(*to), s))
		return;
	free(*to);
	*to = str_dup(s);
}

static void count_recent(struct hop *h, uint32_t now)
{
	uint32_t passed = now > h->stretch ? now - h->stretch : 0;

	if (passed >= HOP_STRETCH) {
		h->before = passed < 2 * HOP_STRETCH ? h->now : 0;
		h->now = 0;
		h->stretch = now - passed % HOP_STRETCH;
	}
	h->now++;
}

uint32_t hop_recent(const struct hop *h, uint32_t now)
{
	uint32_t passed = now > h->stretch ? now - h->stretch : 0;

	if (passed >= 2 * HOP_STRETCH)
		return 0;
	if (passed >= HOP_STRETCH)
		return (uint32_t)((uint64_t)h->now *
		    (2 * HOP_STRETCH - passed) / HOP_STRETCH);
	return h->now +
	    (uint32_t)((uint64_t)h->before * (HOP_STRETCH - passed) /
		HOP_STRETCH);
}

void hop_succeeded(
    struct hop *h, struct str words, struct str remote, uint32_t now)
{
	if (h == NULL)
		return;
	h->last_success = now;
	if (h->waiting > 0)
		h->since = now;
	h->delivered++;
	count_recent(h, now);
	keep(&h->success, words);
	keep(&h->success_remote, remote);
}

void hop_failed(struct hop *h, struct str words, struct str remote,
    bool for_good, uint32_t now)
{
	if (h == NULL)
		return;
	h->last_failure = now;
	if (h->key[0] == '\0' && h->waiting > 0)
		h->since = now; /* lookup has answered */
	if (for_good)
		h->failed++;
	else
		h->deferred++;
	keep(&h->failure, words);
	keep(&h->failure_remote, remote);
}

void hop_troubled(struct hop *h, struct str words, uint32_t now)
{
	if (h == NULL)
		return;
	h->last_failure = now;
	keep(&h->failure, words);
	keep(&h->failure_remote, STR_EMPTY);
}
