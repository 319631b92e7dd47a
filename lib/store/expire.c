/* SPDX-License-Identifier: ISC */
/*
 * Expiry: messages that have been in a mailbox for too long are expunged.
 * When one came in is told by its place, and rises with the uid: the first
 * message that is not due ends the search.
 */
#include <stdlib.h>

#include "core/clock.h"
#include "core/memory.h"
#include "store/seeded.h"
#include "store/upkeep_steps.h"

#define AT_ONCE 10000u /* messages in a frame */

struct expiring {
	uint32_t mailbox;
	int64_t before; /* due: what came in earlier than this */
	size_t count;   /* out */
};

static struct folder *find(const struct state *s, const struct upkeep_expiry *e)
{
	char space[MAILBOX_NAME_MAX];
	struct str name;

	if (e->use == USE_NONE)
		return name_normalize(e->mailbox, space, &name)
		    ? state_folder_named(s, name)
		    : NULL;
	for (size_t i = 0; i < s->folder_count; i++)
		if (s->folders[i]->info.use == (int)e->use)
			return s->folders[i];
	return NULL;
}

/* Decided on what is there now, in case somebody else was faster. */
static enum store_result decide_expire(struct change *c)
{
	struct expiring *x = c->arg;
	struct folder *f = state_folder(&c->b->state, x->mailbox);
	uint32_t *uids;
	enum store_result r;

	x->count = 0;
	if (f == NULL)
		return STORE_OK;
	r = folder_load(c->b, f);
	if (r != STORE_OK)
		return r;
	uids = mem_array(AT_ONCE, sizeof(*uids));
	while (x->count < f->count && x->count < AT_ONCE) {
		const struct message_place *place = folder_place(
		    c->b, f, x->count);

		if (place == NULL)
			r = STORE_CORRUPT;
		if (place == NULL ||
		    (place->saved >= x->before && !seeded("expire-early")))
			break;
		uids[x->count] = f->messages[x->count].uid;
		x->count++;
	}
	if (r == STORE_OK && x->count > 0)
		change_expunge(c, f, uids, x->count);
	free(uids);
	return r;
}

/* When the oldest message came in; 0: there is none. */
static enum store_result oldest(struct box *b, uint32_t mailbox, int64_t *saved)
{
	*saved = 0;
	for (int attempt = 0; attempt < 3; attempt++) {
		const struct message_place *place;
		struct folder *f;
		enum store_result r = box_folder(b, mailbox, &f);

		if (r == STORE_GONE || (r == STORE_OK && f->count == 0))
			return STORE_OK;
		if (r != STORE_OK)
			return r;
		place = folder_place(b, f, 0);
		if (place != NULL) {
			*saved = place->saved;
			return STORE_OK;
		}
		/* The snapshot's column cannot be read. */
		r = box_reload(b, attempt > 0);
		if (r != STORE_OK)
			return r;
	}
	return STORE_CORRUPT;
}

/* One mailbox; a few frames should it be very full. */
static enum store_result expire_one(struct box *b, uint32_t mailbox,
    int64_t age, const struct upkeep_policy *policy, struct upkeep_result *out)
{
	struct expiring x = {mailbox, clock_seconds() - age, 0};
	struct change c = {.decide = decide_expire, .arg = &x, .frees = true};
	int64_t saved;
	enum store_result r;

	while ((r = oldest(b, mailbox, &saved)) == STORE_OK) {
		if (saved == 0 || saved >= x.before)
			break;
		r = box_change(b, &c);
		if (r != STORE_OK)
			return r;
		out->expired += x.count;
		r = upkeep_pace(policy);
		if (r != STORE_OK)
			return r;
	}
	if (r == STORE_OK && saved != 0)
		upkeep_next(out, upkeep_after(saved + 1, age));
	return r;
}

enum store_result box_expire(struct box *b, const struct upkeep_policy *policy,
    struct upkeep_result *out)
{
	enum store_result r = box_refresh(b);

	for (size_t i = 0; i < policy->expiry_count && r == STORE_OK; i++) {
		const struct upkeep_expiry *e = &policy->expiries[i];
		const struct folder *f = find(&b->state, e);

		if (f != NULL && f->info.messages > 0 && !b->state.virtual)
			r = expire_one(b, f->info.id, e->age, policy, out);
	}
	return r;
}
