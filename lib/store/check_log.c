/* SPDX-License-Identifier: ISC */
/*
 * The log: every frame is read, every record is held against the state that
 * it follows (check_record.c) and then folded.
 *
 * Behind damage the state is not known. Frames are then proven only for
 * themselves, until the log comes to the position of a snapshot that holds.
 */
#include <stdlib.h>

#include "store/check.h"
#include "store/le.h"

/* ---- frames ---- */

/* Records of any type. A malformed one ends it. */
static uint32_t count_records(struct str heads)
{
	uint32_t count = 0;

	while (heads.len >= 8 && get_u32(heads.p + 4) >= 8 &&
	    get_u32(heads.p + 4) <= heads.len) {
		heads = str_skip(heads, get_u32(heads.p + 4));
		count++;
	}
	return count;
}

/* 0; 1 when folding refuses it; 2 when a newer version wrote it. */
static int fold_record(
    struct check *c, const struct record *r, struct str whole, uint32_t number)
{
	struct state *s = &c->log->state;
	int result;

	if (r->type == RECORD_RESTATE && number > 0) {
		s->why = "the log is begun anew within a frame";
		check_refused(c, r);
		return 1;
	}
	c->restated = c->restated || r->type == RECORD_RESTATE;
	if (c->folding)
		check_record(c, r);
	s->why = NULL;
	result = c->folding ? state_fold(s, whole, c->frame) : 0;
	if (result == 1)
		check_refused(c, r);
	return result;
}

static int fold_frame(
    struct check *c, struct str heads, const struct engine_frame_info *info)
{
	uint32_t number = 0, count = count_records(heads);
	struct record r;
	struct str whole;
	int next, result = 0;

	c->restated = false;
	while (result == 0 && (next = record_next(&heads, &r, &whole)) == 1)
		result = fold_record(c, &r, whole, number++);
	if (result != 0)
		return result;
	if (next == -2)
		return 2;
	c->out.records += count;
	if (next == -1 || count != info->count) {
		record_found(c, 0, 0, "%s",
		    next == -1 ? "a malformed record"
			       : "a frame with more or fewer records than it "
				 "says");
		return next == -1;
	}
	if (c->restated)
		check_forget_given(c);
	return 0;
}

static int on_frame(
    void *arg, struct str heads, const struct engine_frame_info *info)
{
	struct check *c = arg;
	/* Where the log was cut, the first one may stand anywhere. */
	bool begins = c->out.frames == 0
	    ? info->at.chain == 0
	    : info->at.generation != c->behind.generation;
	int result;

	c->frame = info;
	c->out.frames++;
	if (begins) {
		c->bodies_at = info->at.bodies;
		c->frames_at = info->at.length;
	}
	c->log->state.incarnation = engine_incarnation(c->log->engine);
	result = fold_frame(c, heads, info);
	c->senseless = result == 1;
	c->behind = info->after;
	if (result == 0)
		check_arrive(c, &info->after);
	c->frame = NULL;
	return result;
}

/* ---- damage ---- */

/* The log cannot be read on from c->seen: what is wrong there? */
static void name_damage(struct check *c, const char *why)
{
	struct engine_box *e = c->other->engine;
	uint64_t generation = c->seen.generation;
	struct check_at at = at_generation(generation, c->seen.length);
	struct engine_pos end;
	enum engine_status s = engine_previous(e, generation, &end);

	if (s != ENGINE_OK) {
		at.offset = 0;
	} else if (generation < c->newest) {
		s = engine_previous(e, generation + 1, &end);
		if (s != ENGINE_OK || c->seen.length >= end.length)
			at = at_generation(generation + 1, 0);
	}
	if (s == ENGINE_GONE)
		why = "a generation is missing";
	else if (s != ENGINE_OK)
		why = engine_why(e);
	check_found(c, FINDING_DAMAGE, &at, "%s", why);
	c->named = at;
}

/* A snapshot behind the damage, in the same generation. */
static bool resume_at_snapshot(struct check *c)
{
	for (size_t i = 0; i < c->snapshot_count; i++) {
		struct check_snapshot *s = &c->snapshots[i];

		if (!s->usable || s->met ||
		    s->h.at.generation != c->seen.generation ||
		    s->h.at.length <= c->seen.length)
			continue;
		s->met = true;
		if (check_load(c, c->log, s->h.number) != STORE_OK)
			continue;
		c->seen = s->h.at;
		c->folding = true;
		return true;
	}
	return false;
}

/* The end of generation n - 1, as the header of n says: reading goes on from
 * there. */
static bool resume_with(struct check *c, uint64_t n)
{
	struct check_at at = at_generation(n, 0);
	struct engine_pos end;
	enum engine_status s = engine_previous(c->other->engine, n, &end);
	const char *why = engine_why(c->other->engine);

	if (s == ENGINE_OK && end.generation == n - 1) {
		c->seen = end;
		check_arrive(c, &end);
		return true;
	}
	if (s == ENGINE_OK)
		why = "header: previous";
	if (strcmp(at.file, c->named.file) != 0 || c->named.offset != 0)
		check_found(c, FINDING_DAMAGE, &at, "%s", why);
	return false;
}

/* Where reading can go on, ever further. False: nowhere. */
static bool resume(struct check *c)
{
	c->folding = false;
	if (c->senseless) { /* the frame as such is a good one */
		c->seen = c->behind;
		check_arrive(c, &c->seen);
		return true;
	}
	if (resume_at_snapshot(c))
		return true;
	if (c->resumed < c->seen.generation)
		c->resumed = c->seen.generation;
	while (c->resumed < c->newest)
		if (resume_with(c, ++c->resumed))
			return true;
	return false;
}

/* ---- the whole log ---- */

static enum store_result remember_old(void *arg, const struct delivery *d)
{
	check_remember_delivery(arg, d);
	return STORE_OK;
}

/* The oldest snapshot that holds, where the first frame was dropped. */
static bool begin_with_base(struct check *c)
{
	struct engine_frame_info none = {0};

	for (size_t i = 0; i < c->snapshot_count; i++) {
		struct check_snapshot *s = &c->snapshots[i];

		if (!s->usable || s->h.at.generation + 1 < c->oldest)
			continue;
		s->met = true;
		if (check_load(c, c->log, s->h.number) != STORE_OK)
			continue;
		c->seen = s->h.at;
		c->frame = &none;
		check_forget_given(c);
		deliveries_each(c->log, remember_old, c);
		c->frame = NULL;
		return true;
	}
	return false;
}

static bool dropped_meanwhile(struct check *c)
{
	uint64_t oldest, first, newest;

	return engine_generations(c->other->engine, &oldest, &first, &newest) ==
	    ENGINE_OK &&
	    (oldest != c->oldest || first != c->first);
}

/* Those that were listed may have been dropped before they were read. */
static bool snapshots_changed(struct check *c)
{
	uint64_t newest, listed = 0;

	for (size_t i = 0; i < c->snapshot_count; i++)
		if (c->snapshots[i].h.number > listed)
			listed = c->snapshots[i].h.number;
	return engine_snapshot_newest(c->other->engine, UINT64_MAX, &newest) ==
	    ENGINE_OK &&
	    newest != listed;
}

static void begin(struct check *c)
{
	struct check_at at = at_box();

	c->folding = c->first >= c->oldest || begin_with_base(c);
	c->resumed = c->oldest;
	c->again = !c->folding && snapshots_changed(c);
	if (c->folding || c->again)
		return;
	c->damaged = true;
	check_found(c, FINDING_DAMAGE, &at,
	    "the log's beginning was dropped, and no snapshot says what it "
	    "said");
	if (!resume_with(c, c->oldest))
		c->seen = (struct engine_pos){.generation = c->oldest};
}

/* The end of a log behind which nothing folded: the newest snapshot is the
 * best that is known. */
static void end_without_state(struct check *c)
{
	for (size_t i = c->snapshot_count; i > 0 && !c->folding; i--)
		c->folding = c->snapshots[i - 1].usable &&
		    check_load(c, c->log, c->snapshots[i - 1].h.number) ==
			STORE_OK;
	c->no_state = !c->folding;
}

static int by_id(const void *a, const void *b)
{
	const struct check_delivery *x = a, *y = b;
	int order = memcmp(x->d.id, y->d.id, sizeof(x->d.id));

	return order != 0            ? order
	    : x->d.time != y->d.time ? (x->d.time < y->d.time ? -1 : 1)
				     : 0;
}

/* No delivery was stored twice while its id was kept. */
static void check_deliveries(struct check *c)
{
	struct check_delivery *d = c->deliveries;

	if (c->delivery_count > 0)
		qsort(d, c->delivery_count, sizeof(*d), by_id);
	for (size_t i = 1; i < c->delivery_count; i++) {
		struct check_at at = at_generation(
		    d[i].generation, d[i].offset);

		if (memcmp(d[i - 1].d.id, d[i].d.id, sizeof(d->d.id)) == 0 &&
		    d[i].d.time - d[i - 1].d.time < c->store->delivery_kept)
			check_found(c, FINDING_DAMAGE, &at,
			    "a delivery was stored twice");
	}
}

static void check_end(struct check *c)
{
	struct check_at at;
	struct engine_end end;

	if (engine_end(c->log->engine, &c->seen, &end) != ENGINE_OK)
		return;
	at = at_generation(c->seen.generation, end.mark);
	if (end.lost)
		check_found(c, FINDING_DERIVED, &at,
		    "the mark that says where the log ends is damaged");
}

enum store_result check_log(struct check *c)
{
	enum engine_status s;
	bool more = true;

	begin(c);
	while (more && !c->again) {
		s = engine_read(c->log->engine, &c->seen, on_frame, c);
		more = s == ENGINE_CORRUPT;
		if ((more || s == ENGINE_GONE) && dropped_meanwhile(c)) {
			c->again = true;
			return STORE_OK;
		}
		if (s != ENGINE_OK && !more)
			return check_fail(c, box_status(c->log, s),
			    engine_why(c->log->engine));
		if (more) {
			c->damaged = true;
			if (!c->senseless)
				name_damage(c, engine_why(c->log->engine));
			more = resume(c);
		}
		c->senseless = false;
	}
	if (c->again)
		return STORE_OK;
	check_arrive(c, &c->seen);
	if (!c->folding)
		end_without_state(c);
	check_deliveries(c);
	check_end(c);
	return STORE_OK;
}

void check_log_clear(struct check *c)
{
	table_free(&c->ids);
	table_free(&c->validities);
	free(c->deliveries);
	c->deliveries = NULL;
	c->delivery_count = c->delivery_room = 0;
}
