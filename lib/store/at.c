/* SPDX-License-Identifier: ISC */
/*
 * A box as it was: the newest snapshot that is old enough, and the frames
 * behind it up to the first that is too young. Clocks may step back; what
 * counts is the latest time of all frames so far.
 */
#include "store/box.h"
#include "store/recovery.h"

static enum store_result look_back(struct box *b)
{
	enum store_result r = box_reload(b, false);

	if (r == STORE_OK && !b->state.virtual)
		return r;
	/* No snapshot is that old, nor is what is left of the log. */
	if (r == STORE_OK || (b->state.base == 0 && box_is_cut(b)))
		r = box_fail(b, STORE_GONE, "nothing that old is kept");
	return r;
}

enum store_result box_open_at(struct store *s, struct str account,
    int64_t time_us, uint64_t modseq, struct box **out)
{
	enum store_result r = box_new(s, account, out);
	struct box *b = *out;

	if (b == NULL)
		return r;
	b->frozen = true;
	b->until_time = time_us > 0 ? (uint64_t)time_us : 0;
	b->until_modseq = time_us == 0 ? modseq : 0;
	if (r == STORE_OK && b->until_time == 0 && b->until_modseq == 0)
		r = STORE_GONE;
	engine_look_only(b->engine);
	if (r == STORE_OK)
		r = look_back(b);
	if (r != STORE_OK && r != STORE_CORRUPT && r != STORE_ERROR)
		box_close(out);
	return r;
}
