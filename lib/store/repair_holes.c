/* SPDX-License-Identifier: ISC */
/*
 * A snapshot of which a part is bad, where the log has lost its start.
 *
 * What the other parts say is taken. The messages of the bad ones are looked
 * for in what is left of the log: the generation that has a message's bytes is
 * there as long as the message is, and with it the record that made it and all
 * later ones. Only flags that were set before are forgotten.
 */
#include <stdlib.h>

#include "core/memory.h"
#include "store/repair.h"

struct hole {
	struct folder *f;
	uint32_t first, last; /* uids */
};

struct holes {
	struct repair *p;
	struct repair old; /* what the log alone says, up to the snapshot */
	uint64_t modseq;   /* of the snapshot */
	struct hole *list;
	size_t count;
};

static void add_hole(void *arg, struct folder *f, uint32_t first, uint32_t last)
{
	struct holes *h = arg;

	h->list = mem_resize(h->list, h->count + 1, sizeof(*h->list));
	h->list[h->count++] = (struct hole){f, first, last};
	repair_doubt(h->p, f->info.id);
}

/* ---- what the log says ---- */

static void ignore(void *arg, const struct store_finding *f)
{
	(void)arg, (void)f;
}

static void on_frame(
    void *arg, struct str heads, const struct engine_frame_info *info, bool gap)
{
	struct holes *h = arg;
	struct engine_salvage to = repair_listener(&h->old);

	if (info->after.modseq <= h->modseq)
		to.frame(&h->old, heads, info, gap);
}

static enum store_result read_log(struct holes *h, struct repair_result *out)
{
	struct engine_salvage to = {.frame = on_frame, .arg = h};
	struct engine_pos pos = {0};
	enum store_result r;

	h->old = (struct repair){.store = h->p->store,
	    .account = h->p->account,
	    .found = ignore,
	    .out = out};
	r = box_new(h->p->store, h->p->account, &h->old.b);
	return r == STORE_OK
	    ? box_status(h->old.b, engine_salvage(h->old.b->engine, &pos, &to))
	    : r;
}

/* ---- filling ---- */

/* Puts messages [from, from + count) of `other` among those of f. */
static enum store_result insert(struct holes *h, struct folder *f,
    struct folder *other, size_t from, size_t count)
{
	size_t at = folder_search(f, other->messages[from].uid);
	size_t behind = f->count - at;
	struct message *moved = mem_array(behind, sizeof(*moved));
	uint32_t *where = mem_array(behind, sizeof(*where));
	enum store_result r = STORE_OK;

	memcpy(moved, f->messages + at, behind * sizeof(*moved));
	memcpy(where, f->where + at, behind * sizeof(*where));
	f->count = at;
	for (size_t i = from; i < from + count && r == STORE_OK; i++) {
		struct record record = {.type = RECORD_MESSAGE};
		const struct message_place *place = folder_place(
		    h->old.b, other, i);

		if (place == NULL) {
			r = STORE_CORRUPT;
			break;
		}
		record.message = (struct record_message){
		    f->info.id, other->messages[i], *place};
		folder_apply(f, &record);
	}
	for (size_t i = 0; i < behind; i++)
		folder_push(f, &moved[i], where[i]);
	free(moved);
	free(where);
	return r;
}

static enum store_result fill(struct holes *h, const struct hole *hole)
{
	struct state *old = &h->old.b->state;
	struct folder *f = hole->f, *other = state_folder(old, f->info.id);
	size_t from = 0, count = 0;

	if (other == NULL)
		other = state_dead(old, f->info.id);
	if (other != NULL) {
		from = folder_search(other, hole->first);
		count = folder_search(other, hole->last + 1) - from;
	}
	repair_found(h->p, FINDING_DAMAGE, "", 0, f->info.id, hole->first,
	    "no snapshot has messages %u to %u of mailbox %u: the log has %zu "
	    "of them",
	    hole->first, hole->last, f->info.id, count);
	return count == 0 ? STORE_OK : insert(h, f, other, from, count);
}

enum store_result repair_load_rest(struct repair *p)
{
	struct state *s = &p->b->state;
	struct repair_result scratch = {0};
	struct holes h = {.p = p, .modseq = s->pos.modseq};
	enum store_result r = STORE_OK;

	for (size_t i = 0; i < s->folder_count; i++)
		folder_load_rest(p->b, s->folders[i], add_hole, &h);
	for (size_t i = 0; i < s->dead_count; i++)
		folder_load_rest(p->b, s->dead[i], add_hole, &h);
	if (h.count > 0)
		r = read_log(&h, &scratch);
	for (size_t i = 0; i < h.count && r == STORE_OK; i++)
		r = fill(&h, &h.list[i]);
	free(h.old.doubtful);
	free(h.old.unnamed);
	free(h.list);
	box_close(&h.old.b);
	return r;
}
