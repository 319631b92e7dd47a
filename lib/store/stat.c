/* SPDX-License-Identifier: ISC */
/* What a box has. */
#include "store/recovery.h"
#include "store/snapshot.h"

static void count_expunged(void *arg, const struct expunged *e)
{
	struct store_stat *out = arg;

	out->expunged++;
	out->expunged_octets += e->m.size;
}

static enum store_result sum_expunged(struct box *b, struct store_stat *out)
{
	const struct state *s = &b->state;
	enum store_result r = STORE_OK;

	for (size_t i = 0; i < s->folder_count && r == STORE_OK; i++)
		r = folder_each_expunged(b, s->folders[i], count_expunged, out);
	for (size_t i = 0; i < s->dead_count && r == STORE_OK; i++)
		r = folder_each_expunged(b, s->dead[i], count_expunged, out);
	return r;
}

/* Should a snapshot fail, from an older one, and at last from the log. */
static enum store_result stat_expunged(struct box *b, struct store_stat *out)
{
	enum store_result r = sum_expunged(b, out);

	for (int attempt = 0; attempt < 2 && r != STORE_OK; attempt++) {
		r = box_reload(b, attempt > 0);
		out->expunged = out->expunged_octets = 0;
		if (r == STORE_OK)
			r = sum_expunged(b, out);
	}
	return r;
}

static int first_frame(
    void *arg, struct str heads, const struct engine_frame_info *info)
{
	uint64_t *time_us = arg;

	(void)heads;
	*time_us = info->time_us;
	return 3;
}

/* When the first frame was written; where it was dropped, the last one that
 * the base snapshot has. In whole seconds, not before it. */
static int64_t oldest_time(struct box *b)
{
	struct engine_pos start = {0};
	struct snapshot_header h = {0};
	uint64_t time_us = 0;

	if (!box_is_cut(b))
		engine_read(b->engine, &start, first_frame, &time_us);
	else if (snapshot_header_read(b, snapshot_base_number(b), &h) ==
	    STORE_OK)
		time_us = h.time_us;
	return (int64_t)((time_us + 999999) / 1000000);
}

enum store_result box_stat(struct box *b, struct store_stat *out)
{
	struct engine_size size;
	enum store_result r = box_refresh(b);

	memset(out, 0, sizeof(*out));
	if (r == STORE_OK)
		r = stat_expunged(b, out);
	if (r == STORE_OK)
		r = box_status(b, engine_box_size(b->engine, &size));
	if (r != STORE_OK)
		return r;
	out->usage = b->state.usage;
	out->mailboxes = b->state.folder_count;
	out->disk_octets = size.octets;
	out->files = size.files;
	out->generations = size.generations;
	out->snapshots = size.snapshots;
	out->blobs = size.blobs;
	out->modseq = b->state.pos.modseq;
	out->snapshot = b->state.snapshot.number;
	out->frames_behind = b->frames_octets;
	out->oldest = b->state.virtual ? 0 : oldest_time(b);
	return STORE_OK;
}
