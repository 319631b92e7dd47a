/* SPDX-License-Identifier: ISC */
/*
 * Erasure of what was expunged long ago, and dropping of generations in which
 * nothing is left.
 *
 * A pass is: HORIZON, so that nothing comes back while we look; two snapshots
 * past it; overwriting of bytes that nobody shares; scrubbing of snapshots;
 * ERASED. Who finds state.horizon beyond state.erased finds a pass that was
 * broken off, and does it again from the start.
 */
#include <stdlib.h>

#include "core/checksum.h"
#include "core/clock.h"
#include "core/memory.h"
#include "store/named.h"
#include "store/seeded.h"
#include "store/snapshot.h"
#include "store/upkeep_steps.h"

#define SNAPSHOTS      2 /* past what is erased or dropped */
#define TRIES          4
#define LEFTOVER_AGE   3600 /* seconds: nobody writes it any more */
#define LEFTOVER_LEAST 60

/* What the rows that are gone say of a time. */
struct due {
	int64_t before; /* due: expunged earlier than this */
	uint64_t first; /* modseqs: of the first row, 0: there is none; */
	uint64_t last;  /* of the last; */
	uint64_t kept;  /* of the first that is not due, 0: all are */
	int64_t kept_time;
	uint64_t rows;
};

/* A body or a cache that is to be overwritten unless somebody shares it. */
struct extent {
	struct engine_place place; /* length 0: the slot is free */
	bool body, shared;
};

/* Those whose hash falls into one round, in a hash with room to spare. */
struct extents {
	struct extent *slots;
	size_t count, capacity; /* a power of two */
	uint64_t from, to;      /* modseqs: rows (from, to] are candidates */
	uint64_t round, rounds;
};

/* ---- what is due ---- */

static void due_begin(void *arg)
{
	struct due *d = arg;

	*d = (struct due){.before = d->before};
}

static int due_visit(void *arg, const struct named *n)
{
	struct due *d = arg;

	d->rows++;
	if (d->first == 0 || n->modseq < d->first)
		d->first = n->modseq;
	if (n->modseq > d->last)
		d->last = n->modseq;
	/* The clock may have been set back: what counts is the order. */
	if (n->time >= d->before && (d->kept == 0 || n->modseq < d->kept)) {
		d->kept = n->modseq;
		d->kept_time = n->time;
	}
	return 0;
}

/* The modseq up to which expunges are due; 0: none is. */
static uint64_t due_horizon(const struct due *d)
{
	if (d->first == 0 || d->first == d->kept)
		return 0;
	return d->kept == 0 || seeded("erase-by-time") ? d->last : d->kept - 1;
}

int64_t erase_due(const struct box *b, const struct upkeep_policy *policy)
{
	const struct state *s = &b->state;

	if (s->horizon > s->erased) /* a pass was broken off */
		return 1;
	if (s->gone_last <= s->erased)
		return 0;
	return upkeep_after(s->gone_since + 1, policy->undelete);
}

/* ---- candidates ---- */

static uint64_t place_hash(const struct engine_place *p)
{
	return p->blob ? hash64(1, p->id, sizeof(p->id))
		       : hash64(p->generation, &p->offset, sizeof(p->offset));
}

static bool place_same(
    const struct engine_place *a, const struct engine_place *b)
{
	if (a->blob || b->blob)
		return a->blob && b->blob &&
		    memcmp(a->id, b->id, sizeof(a->id)) == 0;
	return a->generation == b->generation && a->offset == b->offset;
}

/* Its slot, or the free one where it belongs. */
static struct extent *slot(
    const struct extents *x, const struct engine_place *p)
{
	size_t at = (size_t)(place_hash(p) / x->rounds);

	for (;; at++) {
		struct extent *e = &x->slots[at & (x->capacity - 1)];

		if (e->place.length == 0 || place_same(&e->place, p))
			return e;
	}
}

static void extents_clear(struct extents *x)
{
	free(x->slots);
	x->count = 0;
	x->capacity = 1024;
	x->slots = mem_array(x->capacity, sizeof(*x->slots));
}

static void extents_grow(struct extents *x)
{
	struct extents old = *x;

	x->capacity *= 2;
	x->slots = mem_array(x->capacity, sizeof(*x->slots));
	for (size_t i = 0; i < old.capacity; i++)
		if (old.slots[i].place.length != 0)
			*slot(x, &old.slots[i].place) = old.slots[i];
	free(old.slots);
}

static void add(struct extents *x, const struct engine_place *p, bool body)
{
	struct extent *e;

	if (p->length == 0 || place_hash(p) % x->rounds != x->round)
		return;
	if (x->count * 2 >= x->capacity)
		extents_grow(x);
	e = slot(x, p);
	if (e->place.length != 0)
		return;
	*e = (struct extent){.place = *p, .body = body};
	x->count++;
}

static void collect_begin(void *arg)
{
	extents_clear(arg);
}

static int collect_visit(void *arg, const struct named *n)
{
	struct extents *x = arg;
	struct engine_place body = place_of_bytes(n->place, n->m),
			    cache = place_of_cache(n->place);

	if (n->modseq <= x->from || n->modseq > x->to)
		return 0;
	add(x, &body, true);
	add(x, &cache, false);
	return 0;
}

static void share(struct extents *x, const struct engine_place *p)
{
	struct extent *e;

	if (p->length == 0 || place_hash(p) % x->rounds != x->round)
		return;
	e = slot(x, p);
	if (e->place.length != 0)
		e->shared = true;
}

static void share_begin(void *arg)
{
	(void)arg; /* who shares once is found again */
}

/* Whoever is there, and whoever can still come back. */
static int share_visit(void *arg, const struct named *n)
{
	struct extents *x = arg;
	struct engine_place body = place_of_bytes(n->place, n->m),
			    cache = place_of_cache(n->place);

	if ((n->modseq != 0 && n->modseq <= x->to) || seeded("erase-shared") ||
	    (n->modseq != 0 && seeded("erase-undeletable")))
		return 0;
	share(x, &body);
	share(x, &cache);
	return 0;
}

/* ---- overwriting ---- */

/* Places in the newest generation cannot be overwritten: it is ended. */
static enum store_result seal_before(
    struct box *b, const struct engine_place *places, size_t count)
{
	uint64_t oldest, first, newest;
	enum store_result r = box_status(
	    b, engine_generations(b->engine, &oldest, &first, &newest));

	for (size_t i = 0; i < count && r == STORE_OK; i++)
		if (!places[i].blob && places[i].generation >= newest &&
		    !seeded("erase-unsealed"))
			return box_seal(b);
	return r;
}

static enum store_result overwrite(
    struct box *b, const struct extents *x, struct upkeep_result *out)
{
	struct engine_place *places = mem_array(x->count, sizeof(*places));
	uint64_t bodies = 0, octets = 0;
	size_t count = 0;
	enum store_result r;

	for (size_t i = 0; i < x->capacity; i++) {
		const struct extent *e = &x->slots[i];

		if (e->place.length == 0 || e->shared)
			continue;
		places[count++] = e->place;
		bodies += e->body;
		octets += e->place.length;
	}
	r = count == 0 ? STORE_OK : seal_before(b, places, count);
	if (r == STORE_OK && count > 0)
		r = box_status(b, engine_erase(b->engine, places, count));
	free(places);
	if (r == STORE_OK) {
		out->erased += bodies;
		out->erased_octets += octets;
	}
	return r;
}

/* The rows (from, to], in rounds that fit into memory. */
static enum store_result overwrite_all(struct box *b, const struct due *d,
    uint64_t to, const struct upkeep_policy *policy, struct upkeep_result *out)
{
	struct extents x = {.from = b->state.erased,
	    .to = to,
	    .rounds = 1 + 2 * d->rows / b->store->erase_at_once};
	const struct named_scan collect = {
	    collect_begin, collect_visit, &x, true};
	const struct named_scan look = {share_begin, share_visit, &x, false};
	enum store_result r = STORE_OK;

	for (; x.round < x.rounds && r == STORE_OK; x.round++) {
		r = box_each_named(b, &collect);
		if (r == STORE_OK && x.count > 0)
			r = box_each_named(b, &look);
		if (r == STORE_OK)
			r = overwrite(b, &x, out);
		if (r == STORE_OK)
			r = upkeep_pace(policy);
	}
	free(x.slots);
	return r;
}

/* ---- frames ---- */

struct marking {
	enum record_type type;
	struct record_horizon horizon;
	uint64_t incarnation;
};

static enum store_result decide_mark(struct change *c)
{
	const struct marking *m = c->arg;
	const struct state *s = &c->b->state;
	uint64_t now = m->type == RECORD_HORIZON ? s->horizon : s->erased;
	struct record r = {.type = m->type};

	if (s->incarnation != m->incarnation && !seeded("erase-new-life"))
		return box_fail(c->b, STORE_GONE, "the account was removed");
	if (m->horizon.modseq <= now) /* another was faster */
		return STORE_OK;
	r.horizon = m->horizon;
	change_put(c, &r);
	return STORE_OK;
}

static enum store_result mark(
    struct box *b, enum record_type type, uint64_t modseq, int64_t gone_since)
{
	struct marking m = {type, {modseq, gone_since}, b->state.incarnation};
	struct change c = {.decide = decide_mark, .arg = &m, .frees = true};

	return box_change(b, &c);
}

/* ---- snapshots ---- */

/* How many announced ones are past a modseq, up to what is needed. */
static enum store_result snapshots_past(
    struct box *b, uint64_t modseq, unsigned *count)
{
	uint64_t number = b->state.snapshot.number;

	*count = 0;
	while (number > 0 && *count < SNAPSHOTS) {
		struct snapshot_header h;
		struct buf summary;
		enum store_result r = box_status(
		    b, engine_snapshot_newest(b->engine, number, &number));

		if (r != STORE_OK || number == 0)
			return r;
		r = snapshot_summary(b, number, &h, &summary);
		buf_free(&summary);
		if (r == STORE_OK && h.at.modseq < modseq)
			return STORE_OK;
		*count += r == STORE_OK;
		number--;
	}
	return STORE_OK;
}

/* The newest is clean; the one before may be needed when it is damaged. */
static enum store_result ensure_snapshots(
    struct box *b, uint64_t horizon, struct upkeep_result *out)
{
	unsigned past = 0;

	for (int i = 0; i < TRIES && past < SNAPSHOTS; i++) {
		enum store_result r = snapshot_take(b, true);

		if (r == STORE_OK)
			r = snapshots_past(b, horizon, &past);
		if (r != STORE_OK)
			return r;
		out->snapshots++;
	}
	return past < SNAPSHOTS
	    ? box_fail(b, STORE_BUSY, "others take snapshots all the time")
	    : STORE_OK;
}

/* What older snapshots hold of it. Others may take newer ones meanwhile and
 * drop the one that we go by: then theirs, which follow it, will do. */
static enum store_result scrub(struct box *b)
{
	enum store_result r = STORE_GONE;

	for (int i = 0; i < TRIES && r == STORE_GONE; i++) {
		r = box_refresh(b);
		if (r == STORE_OK)
			r = snapshot_scrub(b);
	}
	return r == STORE_GONE ? STORE_BUSY : r;
}

/* ---- the pass ---- */

static enum store_result erase_bytes(struct box *b, const struct due *d,
    uint64_t horizon, const struct upkeep_policy *policy,
    struct upkeep_result *out)
{
	enum store_result r = ensure_snapshots(b, horizon, out);
	bool full = r == STORE_NO_SPACE;

	if (r == STORE_OK)
		r = upkeep_pace(policy);
	/* On a full disk it is these bytes that make room for snapshots. */
	if (r == STORE_OK || full)
		r = overwrite_all(b, d, horizon, policy, out);
	if (r == STORE_OK && full)
		r = ensure_snapshots(b, horizon, out);
	return r;
}

/* Temporary snapshots that a crash left hold what snapshots hold. */
static int64_t leftover_age(const struct upkeep_policy *policy)
{
	if (policy->undelete > LEFTOVER_AGE)
		return LEFTOVER_AGE;
	return policy->undelete < LEFTOVER_LEAST ? LEFTOVER_LEAST
						 : policy->undelete;
}

static enum store_result erase_up_to(struct box *b, const struct due *d,
    uint64_t horizon, const struct upkeep_policy *policy,
    struct upkeep_result *out)
{
	/* What is expunged while we work is expunged later than now. */
	int64_t gone_since = d->kept != 0 ? d->kept_time
					  : d->before + policy->undelete;
	enum store_result r = seeded("erase-early")
	    ? erase_bytes(b, d, horizon, policy, out)
	    : STORE_OK;

	if (r == STORE_OK)
		r = mark(b, RECORD_HORIZON, horizon, 0);
	if (r == STORE_OK && seeded("erased-early"))
		r = mark(b, RECORD_ERASED, horizon, gone_since);
	if (r == STORE_OK)
		r = upkeep_pace(policy);
	if (r == STORE_OK)
		r = erase_bytes(b, d, horizon, policy, out);
	if (r == STORE_OK && !seeded("erase-unscrubbed"))
		r = scrub(b);
	if (r == STORE_OK && !seeded("erase-leftovers"))
		r = sweep_leftovers(b, leftover_age(policy));
	/* Snapshots too that were dropped, perhaps by others. */
	if (r == STORE_OK && !seeded("erased-unsynced"))
		r = box_status(b, engine_sync_drops(b->engine));
	if (r == STORE_OK)
		r = upkeep_pace(policy);
	return r == STORE_OK ? mark(b, RECORD_ERASED, horizon, gone_since) : r;
}

enum store_result box_erase(struct box *b, const struct upkeep_policy *policy,
    struct upkeep_result *out)
{
	struct due d = {.before = clock_seconds() - policy->undelete};
	const struct named_scan scan = {due_begin, due_visit, &d, true};
	enum store_result r = box_refresh(b);
	uint64_t horizon;
	int64_t due;

	if (r != STORE_OK || b->state.virtual)
		return r;
	due = erase_due(b, policy);
	if (due == 0 || due > clock_seconds()) {
		upkeep_next(out, due);
		return STORE_OK;
	}
	r = box_each_named(b, &scan);
	horizon = due_horizon(&d);
	if (horizon < b->state.horizon) /* broken off */
		horizon = b->state.horizon;
	if (r == STORE_OK && horizon > b->state.erased)
		r = erase_up_to(b, &d, horizon, policy, out);
	/* The summary may know an earlier time than that of any row. */
	if (r == STORE_OK && d.kept != 0)
		upkeep_next(
		    out, upkeep_after(d.kept_time + 1, policy->undelete));
	else if (r == STORE_OK)
		upkeep_next(out, erase_due(b, policy));
	return upkeep_end(r);
}

/* ---- dropping generations ---- */

struct oldest {
	uint64_t enough; /* a generation: lower ones need not be told apart */
	uint64_t named;  /* the oldest that somebody names */
};

static void oldest_begin(void *arg)
{
	struct oldest *o = arg;

	o->named = UINT64_MAX;
}

static int oldest_visit(void *arg, const struct named *n)
{
	struct oldest *o = arg;
	struct engine_place places[2] = {
	    place_of_bytes(n->place, n->m), place_of_cache(n->place)};

	if (n->modseq != 0 && seeded("drop-undeletable"))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (!places[i].blob && places[i].length > 0 &&
		    places[i].generation < o->named)
			o->named = places[i].generation;
	return o->named <= o->enough;
}

/* The log before them will be gone: the base and the newest two can be relied
 * upon. */
static enum store_result verify_kept(struct box *b)
{
	uint64_t number = b->state.snapshot.number + 1;
	struct snapshot_header h;
	struct engine_pos base;
	enum store_result r = snapshot_base(b, &base);

	for (unsigned i = 0; i < SNAPSHOTS && r == STORE_OK; i++) {
		r = box_status(
		    b, engine_snapshot_newest(b->engine, number - 1, &number));
		if (r == STORE_OK && number == 0)
			r = box_fail(b, STORE_ERROR, "too few snapshots");
		if (r == STORE_OK)
			r = snapshot_verify(b, number, &h);
	}
	return r;
}

static enum store_result drop_before(
    struct box *b, uint64_t from, uint64_t end, struct upkeep_result *out)
{
	enum store_result r = seeded("drop-unverified") ? STORE_OK
							: verify_kept(b);

	for (; from < end && r == STORE_OK; from++) {
		r = box_status(b, engine_drop(b->engine, from));
		out->generations += r == STORE_OK;
	}
	return r;
}

/* Generations before the one that the base lies in need not be read any more:
 * from *oldest to before *end. */
static enum store_result unread(struct box *b, uint64_t *oldest, uint64_t *end)
{
	uint64_t number = snapshot_base_number(b), first, newest;
	struct snapshot_header h = {0};
	enum store_result r = box_status(
	    b, engine_generations(b->engine, oldest, &first, &newest));

	if (r == STORE_OK && number != 0)
		r = snapshot_header_read(b, number, &h);
	*end = seeded("drop-unbased") ? newest : h.at.generation;
	return r;
}

enum store_result box_drop_generations(struct box *b,
    const struct upkeep_policy *policy, struct upkeep_result *out)
{
	struct oldest o = {0};
	const struct named_scan scan = {oldest_begin, oldest_visit, &o, false};
	uint64_t end = 0;
	enum store_result r = box_refresh(b);

	(void)policy; /* the base is older than what can be undeleted */
	if (r != STORE_OK || b->state.virtual)
		return r;
	r = unread(b, &o.enough, &end);
	if (r == STORE_OK && o.enough < end)
		r = box_each_named(b, &scan);
	if (r == STORE_OK && o.enough < end && o.named > o.enough)
		r = drop_before(
		    b, o.enough, o.named < end ? o.named : end, out);
	return upkeep_end(r);
}
