/* SPDX-License-Identifier: ISC */
/*
 * Blobs that no frame names: a delivery wrote one and died, or was refused.
 * One that was written lately may wait for its frame; and whoever comes later
 * than orphan_age finds that it is gone (engine_blob_there), because both
 * decide under the lock.
 */
#include <stdlib.h>

#include "core/checksum.h"
#include "core/clock.h"
#include "core/memory.h"
#include "store/named.h"
#include "store/seeded.h"
#include "store/upkeep_steps.h"

#define TRIES 3

struct orphan {
	unsigned char id[16];
	bool named;
};

struct orphans {
	struct orphan *all; /* by id */
	size_t count, room;
	int64_t before;  /* younger ones are left alone */
	uint64_t modseq; /* the state that `named` is of */
	bool again;      /* it is not the newest */
	uint64_t dropped;
};

static void found_blob(
    void *arg, const unsigned char id[16], uint64_t octets, int64_t modified)
{
	struct orphans *o = arg;

	(void)octets;
	if (modified >= o->before)
		return;
	if (o->count == o->room) {
		o->room = o->room == 0 ? 64 : o->room * 2;
		o->all = mem_resize(o->all, o->room, sizeof(*o->all));
	}
	o->all[o->count] = (struct orphan){.named = false};
	memcpy(o->all[o->count].id, id, 16);
	o->count++;
}

static int by_id(const void *a, const void *b)
{
	const struct orphan *x = a, *y = b;

	return memcmp(x->id, y->id, sizeof(x->id));
}

static void look_begin(void *arg)
{
	struct orphans *o = arg;

	for (size_t i = 0; i < o->count; i++)
		o->all[i].named = false;
}

static int look_visit(void *arg, const struct named *n)
{
	struct orphans *o = arg;
	struct engine_place body = place_of_bytes(n->place, n->m);
	struct orphan key = {0}, *at;

	if (!body.blob || (n->modseq != 0 && seeded("sweep-undeletable")))
		return 0;
	memcpy(key.id, body.id, sizeof(key.id));
	at = bsearch(&key, o->all, o->count, sizeof(*o->all), by_id);
	if (at != NULL)
		at->named = true;
	return 0;
}

/* Under the lock: nothing that could name a blob came since we looked. */
static enum store_result decide_drop(struct change *c)
{
	struct orphans *o = c->arg;

	o->again = c->b->state.pos.modseq != o->modseq &&
	    !seeded("sweep-no-second-look");
	for (size_t i = 0; i < o->count && !o->again; i++) {
		if (o->all[i].named)
			continue;
		engine_blob_drop(c->b->engine, o->all[i].id);
		o->dropped++;
	}
	return STORE_OK;
}

static bool any(const struct orphans *o)
{
	for (size_t i = 0; i < o->count; i++)
		if (!o->all[i].named)
			return true;
	return false;
}

static enum store_result drop_orphans(struct box *b, struct orphans *o)
{
	const struct named_scan scan = {look_begin, look_visit, o, false};
	struct change c = {.decide = decide_drop, .arg = o};
	enum store_result r = STORE_OK;

	qsort(o->all, o->count, sizeof(*o->all), by_id);
	for (int i = 0; i < TRIES && r == STORE_OK; i++) {
		r = box_refresh(b);
		if (r == STORE_OK)
			r = box_each_named(b, &scan);
		if (r != STORE_OK || !any(o))
			return r;
		o->modseq = b->state.pos.modseq;
		r = box_change(b, &c);
		if (!o->again)
			return r;
	}
	return r; /* a busy box: another time */
}

/* ---- temporary files ---- */

struct leftovers {
	struct box *b;
	int64_t before;
	struct buf names; /* one behind the other, each with its NUL */
};

static void found_leftover(void *arg, const char *name, int64_t modified)
{
	struct leftovers *l = arg;

	if (modified < l->before)
		buf_add_bytes(&l->names, name, strlen(name) + 1);
}

enum store_result sweep_leftovers(struct box *b, int64_t age)
{
	struct leftovers l = {b, clock_seconds() - age, buf_new(1 << 20)};
	enum store_result r = box_status(
	    b, engine_leftovers(b->engine, found_leftover, &l));
	enum engine_status s;

	for (size_t at = 0; at < l.names.len && r == STORE_OK;) {
		const char *name = l.names.p + at;

		at += strlen(name) + 1;
		s = engine_leftover_drop(b->engine, name);
		if (s != ENGINE_REFUSED)
			r = box_status(b, s);
	}
	buf_free(&l.names);
	return r;
}

enum store_result box_sweep(struct box *b, const struct upkeep_policy *policy,
    struct upkeep_result *out)
{
	struct orphans o = {.before = clock_seconds() - policy->orphan_age};
	enum store_result r = box_refresh(b);

	if (r != STORE_OK || b->state.virtual)
		return r;
	r = sweep_leftovers(b, policy->orphan_age);
	if (r == STORE_OK)
		r = box_status(b, engine_blobs(b->engine, found_blob, &o));
	if (r == STORE_OK && o.count > 0)
		r = drop_orphans(b, &o);
	out->orphans += o.dropped;
	free(o.all);
	return upkeep_end(r);
}
