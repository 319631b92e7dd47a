/* SPDX-License-Identifier: ISC */
/*
 * Copies elsewhere: the engine copies, and what was copied is opened and held
 * against the box before anybody relies on it.
 */
#include <stdio.h>

#include "core/clock.h"
#include "store/box.h"
#include "store/recovery.h"

#define TRIES 5 /* while the box is erased */

static enum store_result failed(
    struct backup_result *out, enum store_result r, const char *why)
{
	snprintf(out->why, sizeof(out->why), "%s", why);
	return r;
}

static bool same_mailbox(
    const struct mailbox_info *a, const struct mailbox_info *b)
{
	return a->id == b->id && str_eq(a->name, b->name) &&
	    a->uidvalidity == b->uidvalidity && a->uidnext == b->uidnext &&
	    a->highest_modseq == b->highest_modseq &&
	    a->messages == b->messages && a->unseen == b->unseen &&
	    a->octets == b->octets;
}

static bool same_state(const struct state *a, const struct state *b)
{
	if (a->incarnation != b->incarnation ||
	    a->usage.octets != b->usage.octets ||
	    a->usage.messages != b->usage.messages ||
	    a->folder_count != b->folder_count)
		return false;
	for (size_t i = 0; i < a->folder_count; i++)
		if (!same_mailbox(&a->folders[i]->info, &b->folders[i]->info))
			return false;
	return true;
}

/* The copy ends at `end`, and says there what the box said. */
static enum store_result verify(struct box *b, struct box *copy,
    const struct engine_pos *end, struct backup_result *out)
{
	const struct engine_pos *at = &copy->state.pos;
	enum store_result r = box_reload(copy, false);

	if (r != STORE_OK)
		return failed(out, r, store_why(copy));
	/* The chain: the same frames, from the first to the last. */
	if (at->modseq != end->modseq || at->chain != end->chain)
		return failed(out, STORE_CORRUPT,
		    "the copy does not end where the box did");
	r = box_fold_until(b, 0, end->modseq);
	if (r == STORE_GONE || r == STORE_CORRUPT)
		return STORE_OK; /* generations were dropped since */
	if (r != STORE_OK)
		return failed(out, r, store_why(b));
	return same_state(&b->state, &copy->state)
	    ? STORE_OK
	    : failed(out, STORE_CORRUPT, "the copy says something else");
}

/*
 * Bytes that were erased while they were copied: what the copy says of them
 * would not be true before it has the frame that says so, which was written
 * before any of it was overwritten.
 */
static bool erased_meanwhile(struct box *b, const struct box *copy)
{
	return box_refresh(b) == STORE_OK &&
	    b->state.incarnation == copy->state.incarnation &&
	    b->state.horizon > copy->state.horizon;
}

static bool has_snapshot(struct box *b, uint64_t number)
{
	uint64_t newest;

	return number == 0 ||
	    (engine_snapshot_newest(b->engine, number, &newest) == ENGINE_OK &&
		newest == number);
}

/* One that was taken while the others were copied: without it the copy opens
 * more slowly, and is not wrong. */
static bool lacks_snapshot(struct box *b, struct box *copy)
{
	uint64_t number = copy->state.snapshot.number;

	return !has_snapshot(copy, number) &&
	    (has_snapshot(b, number) || b->state.snapshot.number > number);
}

static enum store_result copy_once(
    struct box *b, struct box *copy, struct backup_result *out)
{
	struct engine_pos end;
	uint64_t written;
	enum engine_status s = engine_copy(
	    b->engine, copy->engine, &end, &written);

	out->written += written;
	if (s != ENGINE_OK)
		return failed(
		    out, box_status(copy, s), engine_why(copy->engine));
	out->modseq = end.modseq;
	/* Without a frame there is nothing to copy. */
	return end.modseq == 0 ? STORE_OK : verify(b, copy, &end, out);
}

static enum store_result backup(
    struct box *b, struct box *copy, struct backup_result *out)
{
	enum store_result r = copy_once(b, copy, out);

	for (int i = 1; r == STORE_OK && out->modseq != 0; i++) {
		bool erased = erased_meanwhile(b, copy);

		if (!erased && (i >= TRIES || !lacks_snapshot(b, copy)))
			return STORE_OK;
		if (i >= TRIES)
			return failed(out, STORE_BUSY,
			    "the box is erased while it is copied");
		r = copy_once(b, copy, out);
	}
	return r;
}

enum store_result store_backup(struct store *from, struct store *to,
    struct str account, struct backup_result *out)
{
	struct box *b, *copy = NULL;
	enum store_result r = box_open(from, account, DEADLINE_NEVER, &b);

	*out = (struct backup_result){0};
	if (r != STORE_OK)
		failed(out, r, b == NULL ? "" : store_why(b));
	if (r == STORE_OK)
		r = box_new(to, account, &copy);
	if (r == STORE_OK)
		r = backup(b, copy, out);
	box_close(&copy);
	box_close(&b);
	return r;
}
