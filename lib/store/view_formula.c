/* SPDX-License-Identifier: ISC */
/*
 * A view as a few numbers, for a session that no process serves: the messages
 * below a uid that were not expunged at or before a modseq, with their flags
 * as of another.
 */
#include <stdlib.h>

#include "core/checksum.h"
#include "core/memory.h"
#include "store/view.h"

#define HASH_PIECE 4096 /* uids hashed at once */

static uint64_t hash_uids(const struct message *rows, uint32_t count)
{
	uint32_t uids[HASH_PIECE];
	uint64_t hash = count;

	for (uint32_t i = 0; i < count;) {
		size_t n = 0;

		while (n < HASH_PIECE && i < count)
			uids[n++] = rows[i++].uid;
		hash = hash64(hash, uids, n * sizeof(*uids));
	}
	return hash;
}

/* What a message was before it was expunged. */
static void fill_gone(void *arg, const struct expunged *e)
{
	struct view *v = arg;
	uint32_t seq = view_seq(v, e->m.uid);

	if (seq != 0)
		v->rows[seq - 1] = e->m;
}

static int by_uid(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Uids of the formula that are not in the folder any more; rising, to be
 * freed. */
static uint32_t *gone_since(
    const struct folder *f, const struct view_formula *formula, size_t *count)
{
	uint32_t *uids = NULL;
	size_t n = 0;

	for (size_t i = 0; i < f->vanished_count; i++)
		n += f->vanished[i].modseq > formula->expunged_at &&
		    f->vanished[i].uid < formula->uidnext;
	*count = n;
	if (n == 0)
		return NULL;
	uids = mem_array(n, sizeof(*uids));
	n = 0;
	for (size_t i = 0; i < f->vanished_count; i++)
		if (f->vanished[i].modseq > formula->expunged_at &&
		    f->vanished[i].uid < formula->uidnext)
			uids[n++] = f->vanished[i].uid;
	qsort(uids, n, sizeof(*uids), by_uid);
	return uids;
}

/* Rows of messages that are there, and of those that were; rising. */
static void merge(struct view *v, const struct folder *f, size_t there,
    const uint32_t *gone, size_t gone_count)
{
	size_t i = 0, g = 0;

	v->count = v->room = (uint32_t)(there + gone_count);
	v->rows = mem_large(v->room, sizeof(*v->rows));
	for (uint32_t at = 0; at < v->count; at++) {
		if (g < gone_count &&
		    (i == there || gone[g] < f->messages[i].uid)) {
			v->rows[at] = (struct message){.uid = gone[g++]};
			continue;
		}
		v->rows[at] = f->messages[i++];
		/* So that the next comparison tells it. */
		if (v->rows[at].modseq > v->flags_at)
			v->rows[at].modseq = 0;
	}
}

/* What the formula says; -1 when the folder cannot have been so. */
static int take_rows(struct view *v, struct folder *f,
    const struct view_formula *formula, size_t *gone_count)
{
	size_t there = folder_search(f, formula->uidnext);
	uint32_t *gone = gone_since(f, formula, gone_count);
	int result = there + *gone_count == formula->count ? 0 : -1;

	if (result == 0 && *gone_count == 0 && there == f->count &&
	    f->info.highest_modseq == formula->flags_at) {
		v->lent = rows_lend(&f->lent, f->messages);
		v->rows = f->messages;
		v->count = v->room = (uint32_t)f->count;
		v->version = f->version;
	} else if (result == 0) {
		merge(v, f, there, gone, *gone_count);
	}
	free(gone);
	return result;
}

/* The rows of a view that has none yet. */
static enum store_result build(struct view *v, struct folder *f,
    const struct view_formula *formula, bool hashed)
{
	size_t gone_count;
	bool same;

	v->version = f->version - 1; /* compared with none yet */
	same = take_rows(v, f, formula, &gone_count) == 0 &&
	    (!hashed || hash_uids(v->rows, v->count) == formula->hash);
	if (!same)
		return box_fail(
		    v->b, STORE_GONE, "messages are not as they were");
	v->waiting = gone_count > 0;
	return gone_count == 0 ? STORE_OK
			       : folder_each_expunged(v->b, f, fill_gone, v);
}

/* The folder as it was meant, if it still is. */
static enum store_result folder_of(
    struct box *b, const struct view_formula *formula, struct folder **f)
{
	enum store_result r = box_folder(b, formula->mailbox, f);

	if (r != STORE_OK)
		return r;
	if ((*f)->info.uidvalidity != formula->uidvalidity ||
	    !(*f)->info.selectable)
		return box_fail(b, STORE_GONE, "the mailbox is gone");
	if (formula->expunged_at < (*f)->vanish_floor)
		return box_fail(
		    b, STORE_GONE, "what was expunged since is not remembered");
	if (formula->flags_at > (*f)->info.highest_modseq ||
	    formula->expunged_at > formula->flags_at)
		return box_fail(b, STORE_GONE, "it is of another time");
	return STORE_OK;
}

enum store_result view_reopen(
    struct box *b, const struct view_formula *formula, struct view **out)
{
	struct folder *f;
	enum store_result r = box_materialize(b);

	*out = NULL;
	if (r == STORE_OK)
		r = folder_of(b, formula, &f);
	if (r != STORE_OK)
		return r;
	struct view *v = view_new(b, &f->info);
	v->flags_at = formula->flags_at;
	v->expunged_at = formula->expunged_at;
	r = build(v, f, formula, true);
	if (r != STORE_OK)
		view_close(&v);
	*out = v;
	return r;
}

enum store_result view_rows(struct view *v)
{
	const struct view_formula formula = {.mailbox = v->mailbox,
	    .uidvalidity = v->uidvalidity,
	    .uidnext = v->uidnext,
	    .count = v->count,
	    .expunged_at = v->expunged_at,
	    .flags_at = v->flags_at};
	struct folder *f;
	enum store_result r;

	if (!v->late)
		return STORE_OK;
	r = folder_of(v->b, &formula, &f);
	if (r == STORE_OK)
		r = build(v, f, &formula, false);
	v->late = r != STORE_OK;
	if (v->late) {
		rows_release(&v->lent, v->rows);
		v->rows = NULL;
	}
	return r;
}

enum store_result view_formula(struct view *v, struct view_formula *out)
{
	struct folder *f;
	struct view *again;
	enum store_result r = view_rows(v);

	if (r == STORE_OK)
		r = view_folder(v, &f);
	if (r != STORE_OK)
		return r;
	*out = (struct view_formula){
	    .mailbox = v->mailbox,
	    .uidvalidity = v->uidvalidity,
	    .uidnext = v->count > 0 ? v->rows[v->count - 1].uid + 1 : 1,
	    .count = v->count,
	    .expunged_at = v->expunged_at,
	    .flags_at = v->flags_at,
	    .hash = hash_uids(v->rows, v->count),
	};
	if (!v->waiting)
		return STORE_OK;
	/* A message that came and went between two comparisons is in the
	 * formula, not in the view. */
	r = view_reopen(v->b, out, &again);
	view_close(&again);
	return r;
}

bool view_is_waiting(const struct view *v)
{
	return v->waiting;
}
