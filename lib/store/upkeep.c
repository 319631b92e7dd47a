/* SPDX-License-Identifier: ISC */
/* What is due in a box, and the store as a whole. */
#include "core/clock.h"
#include "store/seeded.h"
#include "store/snapshot.h"
#include "store/upkeep_steps.h"

/* Erasure costs two snapshots: what becomes due within this part of the
 * undelete window is done together. */
#define GATHER 16

enum store_result upkeep_pace(const struct upkeep_policy *policy)
{
	return policy->pace != NULL && policy->pace(policy->pace_arg) != 0
	    ? STORE_BUSY
	    : STORE_OK;
}

void upkeep_next(struct upkeep_result *out, int64_t when)
{
	if (when != 0 && (out->next == 0 || when < out->next))
		out->next = when;
}

int64_t upkeep_after(int64_t since, int64_t age)
{
	return since > INT64_MAX - age ? 0 : since + age;
}

static enum store_result snapshot_when_due(
    struct box *b, struct upkeep_result *out)
{
	enum store_result r;

	if (!box_snapshot_due(b, SNAPSHOT_DUE))
		return STORE_OK;
	r = snapshot_take(b, false);
	out->snapshots += r == STORE_OK;
	/* On a full disk it is erasure that makes room for it. */
	if (r == STORE_NO_SPACE && !seeded("full-disk-ends-upkeep"))
		return STORE_OK;
	return upkeep_end(r);
}

static enum store_result erase_when_due(struct box *b,
    const struct upkeep_policy *policy, struct upkeep_result *out)
{
	int64_t due = erase_due(b, policy);
	enum store_result r = STORE_OK;

	/* What was begun is not put off. */
	if (b->state.horizon <= b->state.erased && due != 0)
		due = upkeep_after(due, policy->undelete / GATHER);
	if (due != 0 && due <= clock_seconds())
		r = box_erase(b, policy, out);
	else
		upkeep_next(out, due);
	return r;
}

/* What looks at all messages, and has nothing new to find as long as nothing
 * was erased and no snapshot taken. */
static enum store_result look_through(struct box *b,
    const struct upkeep_policy *policy, struct upkeep_result *out)
{
	enum store_result r = upkeep_pace(policy);

	if (r == STORE_OK)
		r = box_drop_generations(b, policy, out);
	if (r == STORE_OK)
		r = upkeep_pace(policy);
	return r == STORE_OK ? box_sweep(b, policy, out) : r;
}

enum store_result box_upkeep(struct box *b, const struct upkeep_policy *policy,
    struct upkeep_result *out)
{
	enum store_result r = box_refresh(b);
	uint64_t erased = b->state.erased;
	unsigned snapshots = out->snapshots;

	if (r != STORE_OK || b->state.virtual)
		return r;
	r = box_expire(b, policy, out);
	if (r == STORE_OK)
		r = upkeep_pace(policy);
	if (r == STORE_OK)
		r = snapshot_when_due(b, out);
	if (r == STORE_OK)
		r = upkeep_pace(policy);
	if (r == STORE_OK)
		r = erase_when_due(b, policy, out);
	if (r == STORE_OK &&
	    (out->snapshots != snapshots || b->state.erased != erased))
		r = look_through(b, policy, out);
	return r;
}

/* ---- the store as a whole ---- */

static enum store_result plain_result(enum engine_status s)
{
	switch (s) {
	case ENGINE_OK:
		return STORE_OK;
	case ENGINE_NO_SPACE:
		return STORE_NO_SPACE;
	case ENGINE_BUSY:
		return STORE_BUSY;
	default:
		return STORE_ERROR;
	}
}

enum store_result store_scan(struct store *s, unsigned shard,
    int (*found)(void *arg, struct str account), void *arg)
{
	return plain_result(engine_scan(s->engine, shard, found, arg));
}

enum store_result store_reserve(
    struct store *s, uint64_t octets, uint64_t *have)
{
	return plain_result(engine_reserve(s->engine, octets, have));
}
