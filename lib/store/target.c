/* SPDX-License-Identifier: ISC */
#include "store/target.h"

#include <stdlib.h>

#include "core/checksum.h"
#include "core/clock.h"
#include "core/memory.h"
#include "store/le.h"
#include "store/seeded.h"

/* ---- sets of messages ---- */

uint64_t place_identity(const struct message_place *place)
{
	unsigned char where[17];
	uint64_t hash;

	where[0] = (place->kind & PLACE_BLOB) != 0;
	put_u64(where + 1, place->a);
	put_u64(where + 9, place->b);
	hash = hash64(0, where, sizeof(where));
	return hash == 0 ? 1 : hash;
}

uint64_t message_identity(const struct message_place *place)
{
	return place->email_id != 0 ? place->email_id : place_identity(place);
}

/* Where it is, or would be. */
static size_t slot_of(const struct identities *set, uint64_t identity)
{
	size_t at = (size_t)hash64(0, &identity, sizeof(identity));

	for (;; at++) {
		at &= set->capacity - 1;
		if (set->slots[at] == 0 || set->slots[at] == identity)
			return at;
	}
}

static void grow(struct identities *set)
{
	struct identities old = *set;

	set->capacity = old.capacity == 0 ? 64 : old.capacity * 2;
	set->slots = mem_array(set->capacity, sizeof(*set->slots));
	for (size_t i = 0; i < old.capacity; i++)
		if (old.slots[i] != 0)
			set->slots[slot_of(set, old.slots[i])] = old.slots[i];
	free(old.slots);
}

bool identities_add(struct identities *set, uint64_t identity)
{
	size_t at;

	if (2 * (set->count + 1) > set->capacity)
		grow(set);
	at = slot_of(set, identity);
	if (set->slots[at] != 0)
		return false;
	set->slots[at] = identity;
	set->count++;
	return true;
}

bool identities_has(const struct identities *set, uint64_t identity)
{
	return set->count > 0 && set->slots[slot_of(set, identity)] != 0;
}

void identities_free(struct identities *set)
{
	free(set->slots);
	*set = (struct identities){0};
}

/* ---- targets ---- */

static struct target *add(
    struct targets *all, struct folder *f, struct folder *made)
{
	struct target *t = NEW(struct target);

	t->f = f;
	t->made = made;
	t->next = f->info.uidnext;
	all->list = mem_resize(all->list, all->count + 1, sizeof(*all->list));
	all->list[all->count++] = t;
	return t;
}

/* What is in it now. */
static enum store_result know(struct box *b, struct target *t)
{
	enum store_result r = folder_load(b, t->f);

	for (size_t i = 0; i < t->f->count && r == STORE_OK; i++) {
		const struct message_place *place = folder_place(b, t->f, i);

		if (place == NULL)
			return STORE_CORRUPT;
		identities_add(&t->there, message_identity(place));
		identities_add(&t->there, place_identity(place));
	}
	return r;
}

static enum store_result make(
    struct change *c, struct targets *all, struct str name, struct target **out)
{
	struct folder *made = NEW(struct folder);
	enum store_result r = change_create(
	    c, name, USE_NONE, &made->info.id, &made->info.uidvalidity);

	if (r != STORE_OK) {
		free(made);
		return r;
	}
	made->info.name = name;
	made->info.uidnext = 1;
	*out = add(all, made, made);
	return STORE_OK;
}

enum store_result target_find(struct change *c, struct targets *all,
    uint32_t id, struct str name, struct target **out)
{
	struct folder *f = state_folder(&c->b->state, id);

	if (f == NULL || !f->info.selectable)
		f = state_folder_named(&c->b->state, name);
	if (f != NULL && !f->info.selectable)
		f = NULL; /* a level only, which gives way */
	for (size_t i = 0; i < all->count; i++) {
		*out = all->list[i];
		if (f != NULL ? (*out)->f == f
			      : (*out)->made != NULL &&
			    str_eq((*out)->f->info.name, name))
			return STORE_OK;
	}
	if (f == NULL)
		return make(c, all, name, out);
	*out = add(all, f, NULL);
	return know(c->b, *out);
}

uint64_t change_carry_keywords(struct change *c,
    const struct mailbox_info *from, struct folder *to, uint64_t keywords)
{
	uint64_t bits = 0;

	if (seeded("keywords-by-bit"))
		return keywords;
	for (size_t i = 0; i < from->keyword_count; i++) {
		uint64_t bit;

		if (keywords & UINT64_C(1) << i &&
		    change_keywords(c, to, &from->keywords[i], 1, &bit) ==
			STORE_OK)
			bits |= bit;
	}
	return bits;
}

enum store_result target_put(struct change *c, struct target *t,
    const struct mailbox_info *from, const struct message *m,
    const struct message_place *place, uint64_t identity, uint64_t *count)
{
	struct record r = {.type = RECORD_MESSAGE};

	if (!identities_add(&t->there, identity) && !seeded("undelete-doubles"))
		return STORE_OK;
	if (t->next >= UINT32_MAX - 1)
		return box_fail(c->b, STORE_LIMIT, "the uids are used up");
	r.message.m = *m;
	r.message.m.keywords = change_carry_keywords(
	    c, from, t->f, m->keywords);
	r.message.mailbox = t->f->info.id;
	r.message.m.uid = t->next++;
	r.message.m.modseq = c->modseq;
	r.message.m.flags &= ~FLAG_DELETED;
	r.message.place = *place;
	r.message.place.saved = clock_seconds();
	change_put(c, &r);
	(*count)++;
	return STORE_OK;
}

void targets_free(struct targets *all)
{
	for (size_t i = 0; i < all->count; i++) {
		identities_free(&all->list[i]->there);
		free(all->list[i]->made);
		free(all->list[i]);
	}
	free(all->list);
	*all = (struct targets){0};
}

/* ---- loading ---- */

static void ignore(void *arg, const struct expunged *e)
{
	(void)arg, (void)e;
}

static enum store_result load(struct box *b, struct folder *f)
{
	enum store_result r = folder_each_expunged(b, f, ignore, NULL);

	for (size_t i = 0; i < f->count && r == STORE_OK; i++)
		if (folder_place(b, f, i) == NULL)
			r = STORE_CORRUPT;
	return r;
}

enum store_result box_load_all(struct box *b)
{
	enum store_result r = STORE_OK;

	/* As it is; from the newest snapshot; from the log alone. */
	for (int attempt = 0; attempt < 3; attempt++) {
		const struct state *s = &b->state;

		if (attempt > 0)
			r = box_reload(b, attempt == 2);
		for (size_t i = 0; i < s->folder_count && r == STORE_OK; i++)
			r = load(b, s->folders[i]);
		for (size_t i = 0; i < s->dead_count && r == STORE_OK; i++)
			r = load(b, s->dead[i]);
		if (r == STORE_OK)
			return r;
	}
	return r;
}
