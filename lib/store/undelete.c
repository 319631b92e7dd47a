/* SPDX-License-Identifier: ISC */
/*
 * Bringing expunged messages back. They are still known, with their places,
 * until they are erased; what lies before the horizon is about to be erased
 * and does not come back. Quota is not asked for: an operator does this.
 */
#include <stdlib.h>

#include "core/memory.h"
#include "store/recovery.h"
#include "store/seeded.h"
#include "store/target.h"

#define TRIES 3

/* ---- what can be brought back ---- */

struct row {
	struct folder *f;
	struct expunged e;
};

struct rows {
	struct folder *f; /* being read */
	uint64_t horizon;
	struct row *list;
	size_t count, room;
};

static void add_row(void *arg, const struct expunged *e)
{
	struct rows *rows = arg;

	if (e->modseq <= rows->horizon && !seeded("undelete-beyond-horizon"))
		return;
	if (rows->count == rows->room) {
		rows->room = rows->room * 2 + 16;
		rows->list = mem_resize(
		    rows->list, rows->room, sizeof(*rows->list));
	}
	rows->list[rows->count++] = (struct row){rows->f, *e};
}

/* Of mailboxes with this name ("": all), living ones first. Deleted ones that
 * could not be selected were never seen: a restore left them. */
static enum store_result gather(
    struct box *b, struct str name, struct rows *rows, bool *found)
{
	const struct state *s = &b->state;
	enum store_result r = STORE_OK;

	*rows = (struct rows){.horizon = s->horizon};
	*found = name.len == 0;
	for (size_t i = 0; i < s->folder_count + s->dead_count; i++) {
		rows->f = i < s->folder_count ? s->folders[i]
					      : s->dead[i - s->folder_count];
		if ((!rows->f->info.selectable && !seeded("undelete-staged")) ||
		    (name.len > 0 && !str_eq(rows->f->info.name, name)))
			continue;
		*found = true;
		r = folder_each_expunged(b, rows->f, add_row, rows);
		if (r != STORE_OK)
			return r;
	}
	return r;
}

/* ---- the list ---- */

static struct str envelope(
    struct box *b, const struct message_place *p, struct arena *arena)
{
	size_t len = (size_t)p->envelope_len + p->structure_len + p->body_len +
	    p->keys_len;
	struct engine_place place = {.generation = p->cache_generation,
	    .offset = p->cache_offset,
	    .length = len,
	    .crc = p->cache_crc};
	struct str out = STR_EMPTY;
	char *bytes;

	if (p->envelope_len == 0 || len > CACHE_MAX)
		return out;
	bytes = mem_resize(NULL, len, 1);
	if (engine_get(b->engine, &place, 0, bytes, len) == ENGINE_OK)
		out = arena_copy(arena, str_of(bytes, p->envelope_len));
	free(bytes);
	return out;
}

static int by_time(const void *a, const void *b)
{
	const struct expunged_message *x = a, *y = b;

	if (x->expunged != y->expunged)
		return x->expunged < y->expunged ? -1 : 1;
	if (x->mailbox != y->mailbox)
		return x->mailbox < y->mailbox ? -1 : 1;
	return x->m.uid < y->m.uid ? -1 : x->m.uid > y->m.uid;
}

static enum store_result list(struct box *b, struct arena *arena,
    const struct rows *rows, struct expunged_message *out)
{
	const struct folder *before = NULL;
	struct str name = STR_EMPTY;

	for (size_t i = 0; i < rows->count; i++) {
		const struct row *row = &rows->list[i];

		if (row->f != before)
			name = arena_copy(arena, row->f->info.name);
		before = row->f;
		out[i] = (struct expunged_message){.mailbox = row->f->info.id,
		    .mailbox_name = name,
		    .mailbox_deleted = row->f->dead_modseq != 0,
		    .m = row->e.m,
		    .expunged = row->e.time,
		    .envelope = envelope(b, &row->e.place, arena)};
		if (name.p == NULL || out[i].envelope.p == NULL)
			return box_fail(b, STORE_LIMIT, "too many to list");
	}
	qsort(out, rows->count, sizeof(*out), by_time);
	return STORE_OK;
}

enum store_result box_expunged(struct box *b, struct arena *arena,
    struct expunged_message **out, size_t *count)
{
	struct rows rows = {0};
	bool found;
	enum store_result r = box_load_all(b);

	*out = NULL;
	*count = 0;
	if (r == STORE_OK)
		r = gather(b, STR_EMPTY, &rows, &found);
	if (r == STORE_OK) {
		*out = arena_alloc(arena, rows.count * sizeof(**out) + 1);
		r = *out == NULL ? box_fail(b, STORE_LIMIT, "too many to list")
				 : list(b, arena, &rows, *out);
	}
	if (r == STORE_OK)
		*count = rows.count;
	free(rows.list);
	return r;
}

/* ---- bringing back ---- */

struct undelete {
	const struct undelete_choice *choice;
	struct str mailbox; /* its name, normal */
	uint64_t count;
};

static bool is_chosen(
    const struct undelete_choice *choice, const struct row *row)
{
	size_t low = 0, high = choice->uid_count;

	if (row->e.time < choice->since)
		return false;
	if (choice->uids == NULL)
		return true;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (choice->uids[middle] < row->e.m.uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < choice->uid_count && choice->uids[low] == row->e.m.uid;
}

/* Copies of a message side by side, the one that was expunged last first. */
static int by_message(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	uint64_t i = message_identity(&x->e.place);
	uint64_t k = message_identity(&y->e.place);

	if (i != k)
		return i < k ? -1 : 1;
	return x->e.modseq > y->e.modseq ? -1 : x->e.modseq < y->e.modseq;
}

static int by_uid(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return x->e.m.uid < y->e.m.uid ? -1 : x->e.m.uid > y->e.m.uid;
}

/* Of one mailbox: each message once, by uid. */
static size_t sort(struct row *rows, size_t count)
{
	size_t kept = 0;

	qsort(rows, count, sizeof(*rows), by_message);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 ||
		    message_identity(&rows[i].e.place) !=
			message_identity(&rows[kept - 1].e.place))
			rows[kept++] = rows[i];
	qsort(rows, kept, sizeof(*rows), by_uid);
	return kept;
}

static enum store_result bring(
    struct change *c, struct targets *all, const struct row *rows, size_t count)
{
	struct undelete *u = c->arg;
	const struct mailbox_info *from = &rows->f->info;
	struct target *t;
	enum store_result r = target_find(c, all, from->id, from->name, &t);

	for (size_t i = 0; i < count && r == STORE_OK; i++)
		r = target_put(c, t, from, &rows[i].e.m, &rows[i].e.place,
		    message_identity(&rows[i].e.place), &u->count);
	return r;
}

static enum store_result bring_all(
    struct change *c, struct targets *all, struct rows *rows)
{
	const struct undelete *u = c->arg;
	enum store_result r = STORE_OK;
	size_t kept = 0;

	for (size_t i = 0; i < rows->count; i++)
		if (is_chosen(u->choice, &rows->list[i]))
			rows->list[kept++] = rows->list[i];
	for (size_t i = 0, end; i < kept && r == STORE_OK; i = end) {
		for (end = i;
		     end < kept && rows->list[end].f == rows->list[i].f;)
			end++;
		r = bring(
		    c, all, rows->list + i, sort(rows->list + i, end - i));
	}
	return r;
}

static enum store_result decide_undelete(struct change *c)
{
	struct undelete *u = c->arg;
	struct targets all = {0};
	struct rows rows;
	bool found;
	enum store_result r = gather(c->b, u->mailbox, &rows, &found);

	u->count = 0;
	if (r == STORE_OK && !found)
		r = box_fail(c->b, STORE_NO_MAILBOX, "no such mailbox");
	if (r == STORE_OK)
		r = bring_all(c, &all, &rows);
	targets_free(&all);
	free(rows.list);
	return r;
}

enum store_result box_undelete(
    struct box *b, const struct undelete_choice *choice, uint64_t *count)
{
	char space[MAILBOX_NAME_MAX];
	struct undelete u = {.choice = choice};
	struct change c = {.decide = decide_undelete, .arg = &u};
	enum store_result r;

	*count = 0;
	if (choice->mailbox.len > 0 &&
	    !name_normalize(choice->mailbox, space, &u.mailbox))
		return box_fail(b, STORE_BAD_NAME, "not a mailbox name");
	if (b->state.virtual)
		return STORE_OK;
	r = STORE_CORRUPT;
	/* Another process may take a snapshot, and drop the one that we read
	 * from, until we have the lock. */
	for (int i = 0; i < TRIES && r == STORE_CORRUPT; i++) {
		r = box_refresh(b);
		if (r == STORE_OK)
			r = box_load_all(b);
		if (r == STORE_OK)
			r = box_change(b, &c);
	}
	if (r == STORE_OK)
		*count = u.count;
	return r;
}
