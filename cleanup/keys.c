/* SPDX-License-Identifier: ISC */
#include "cleanup/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/table.h"

#define LOOK_AGAIN_MS 1000
/* A folder that has just changed may change again within the same tick of the
 * file system's clock, which its time would not show. */
#define SETTLED_S    2
#define SAY_AGAIN_MS 60000

struct entry {
	struct domain_keys keys;
	struct timespec changed; /* of its folder; 0: there is none */
	bool settled;
	int64_t look_at, say_at;
	uint64_t used; /* the message that used it last */
};

struct keys {
	int folder;
	size_t most;
	uint64_t message;
	struct table entries;
};

struct keys *keys_new(int folder, size_t most)
{
	struct keys *k = NEW(struct keys);

	k->folder = folder;
	k->most = most;
	return k;
}

void keys_begin(struct keys *k)
{
	k->message++;
}

/* ---- reading ---- */

static void forget_keys(struct domain_keys *d)
{
	for (size_t i = 0; i < d->count; i++)
		dkim_key_free(&d->list[i].key);
	d->count = 0;
	d->broken = false;
}

static int by_selector(const void *a, const void *b)
{
	const struct signing_key *x = a, *y = b;

	return strcmp(x->selector, y->selector);
}

struct reading {
	struct keys *k;
	struct entry *e;
	bool quiet;
};

static void complain(struct reading *r, struct str selector, const char *why)
{
	r->e->keys.broken = true;
	if (!r->quiet)
		log_error("dkim_key_directory/%s/%.*s%s: %s", r->e->keys.domain,
		    STR_FMT(selector), selector.len > 0 ? ".active" : "", why);
}

static int found(struct str selector, enum key_state state, void *arg)
{
	struct reading *r = arg;
	struct domain_keys *d = &r->e->keys;
	const char *why;

	if (state != KEY_ACTIVE)
		return 0;
	if (d->count == KEYS_MOST) {
		complain(r, selector, "too many active keys, not used");
		return 0;
	}
	struct signing_key *s = &d->list[d->count];
	s->key = key_folder_read(
	    r->k->folder, str_from(d->domain), selector, state, &why);
	if (s->key == NULL) {
		complain(r, selector, why);
		return 0;
	}
	(void)str_copy(s->selector, sizeof(s->selector), selector);
	d->count++;
	return 0;
}

static void read_keys(struct keys *k, struct entry *e)
{
	int64_t now = clock_ms();
	struct reading r = {k, e, now < e->say_at};
	struct stat st = {0};

	forget_keys(&e->keys);
	if (k->folder < 0)
		complain(&r, STR_EMPTY, "dkim_key_directory cannot be read");
	else if (fstatat(k->folder, e->keys.domain, &st, 0) < 0 &&
	    errno != ENOENT)
		complain(&r, STR_EMPTY, strerror(errno));
	else if (st.st_mtim.tv_sec != 0 &&
	    key_folder_each(k->folder, str_from(e->keys.domain), found, &r) < 0)
		complain(&r, STR_EMPTY, strerror(errno));
	qsort(
	    e->keys.list, e->keys.count, sizeof(e->keys.list[0]), by_selector);
	e->changed = st.st_mtim;
	e->settled = clock_seconds() > st.st_mtim.tv_sec + SETTLED_S;
	if (e->keys.broken && !r.quiet)
		e->say_at = now + SAY_AGAIN_MS;
}

/* ---- the cache ---- */

static bool is_current(const struct keys *k, const struct entry *e)
{
	struct stat st = {0};

	if (e->keys.broken || !e->settled)
		return false;
	if (fstatat(k->folder, e->keys.domain, &st, 0) < 0 && errno != ENOENT)
		return false;
	return st.st_mtim.tv_sec == e->changed.tv_sec &&
	    st.st_mtim.tv_nsec == e->changed.tv_nsec;
}

/* Room for one more: the one that was not used for longest goes. */
static void make_room(struct keys *k)
{
	struct entry *oldest = NULL;
	struct str key;
	size_t at = 0;
	void *value;

	if (k->entries.count < k->most)
		return;
	while (table_next(&k->entries, &at, &key, &value)) {
		struct entry *e = value;
		if (oldest == NULL || e->used < oldest->used)
			oldest = e;
	}
	if (oldest == NULL || oldest->used == k->message)
		return;
	table_remove(&k->entries, str_from(oldest->keys.domain));
	forget_keys(&oldest->keys);
	free(oldest);
}

const struct domain_keys *keys_find(struct keys *k, struct str domain)
{
	static const struct domain_keys none;
	struct entry *e = table_get(&k->entries, domain);
	int64_t now = clock_ms();

	if (e == NULL && !key_domain_valid(domain))
		return &none;
	if (e == NULL) {
		make_room(k);
		e = NEW(struct entry);
		(void)str_copy(e->keys.domain, sizeof(e->keys.domain), domain);
		table_put(&k->entries, domain, e);
	} else if (e->used == k->message || now < e->look_at) {
		e->used = k->message;
		return &e->keys;
	}
	e->used = k->message;
	if (!is_current(k, e))
		read_keys(k, e);
	e->look_at = now + LOOK_AGAIN_MS;
	return &e->keys;
}
