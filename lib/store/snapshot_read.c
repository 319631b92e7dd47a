/* SPDX-License-Identifier: ISC */
/*
 * Reading snapshots: the summary when a box is opened, columns of messages
 * when somebody asks for them. A snapshot that cannot be read costs time, not
 * mail: an older one or the log itself says the same.
 */
#include <stdlib.h>

#include "core/checksum.h"
#include "core/memory.h"
#include "store/le.h"
#include "store/snapshot.h"
#include "store/seeded.h"

#define TRIES       4 /* older snapshots before the log is folded */
#define SUMMARY_MAX ((size_t)256 << 20)
#define R_OCTETS    4u

#define COLUMN_LARGE (16u << 20)

static const char magic[8] = "PHSNAP01";

/* clang-format off */
#define AT_MAGIC       0
#define AT_VERSION     8
#define AT_FLAGS       12
#define AT_INCARNATION 16
#define AT_NUMBER      24
#define AT_POSITION    32 /* generation, length, chain, modseq, bodies */
#define AT_SUMMARY     72 /* offset, length, CRC-32C */
#define AT_TIME        88
#define AT_TAKEN       96
#define AT_KEPT        104 /* before, base, candidate */
#define AT_CRC         508
/* clang-format on */

void snapshot_header_encode(
    const struct snapshot_header *h, unsigned char p[SNAPSHOT_HEADER])
{
	memset(p, 0, SNAPSHOT_HEADER);
	memcpy(p + AT_MAGIC, magic, sizeof(magic));
	put_u32(p + AT_VERSION, SNAPSHOT_VERSION);
	put_u64(p + AT_INCARNATION, h->incarnation);
	put_u64(p + AT_NUMBER, h->number);
	put_u64(p + AT_POSITION, h->at.generation);
	put_u64(p + AT_POSITION + 8, h->at.length);
	put_u64(p + AT_POSITION + 16, h->at.chain);
	put_u64(p + AT_POSITION + 24, h->at.modseq);
	put_u64(p + AT_POSITION + 32, h->at.bodies);
	put_u64(p + AT_SUMMARY, h->summary_offset);
	put_u32(p + AT_SUMMARY + 8, h->summary_len);
	put_u32(p + AT_SUMMARY + 12, h->summary_crc);
	put_u64(p + AT_TIME, h->time_us);
	put_u64(p + AT_TAKEN, (uint64_t)h->taken);
	put_u64(p + AT_KEPT, h->before);
	put_u64(p + AT_KEPT + 8, h->base);
	put_u64(p + AT_KEPT + 16, h->candidate);
	put_u32(p + AT_CRC, crc32c(0, p, AT_CRC));
}

static int header_decode(
    const unsigned char *p, uint64_t number, struct snapshot_header *h)
{
	if (memcmp(p + AT_MAGIC, magic, sizeof(magic)) != 0 ||
	    get_u32(p + AT_CRC) != crc32c(0, p, AT_CRC) ||
	    get_u32(p + AT_VERSION) != SNAPSHOT_VERSION ||
	    get_u32(p + AT_FLAGS) != 0 || get_u64(p + AT_NUMBER) != number)
		return -1;
	h->number = number;
	h->incarnation = get_u64(p + AT_INCARNATION);
	h->at.generation = get_u64(p + AT_POSITION);
	h->at.length = get_u64(p + AT_POSITION + 8);
	h->at.chain = get_u64(p + AT_POSITION + 16);
	h->at.modseq = get_u64(p + AT_POSITION + 24);
	h->at.bodies = get_u64(p + AT_POSITION + 32);
	h->summary_offset = get_u64(p + AT_SUMMARY);
	h->summary_len = get_u32(p + AT_SUMMARY + 8);
	h->summary_crc = get_u32(p + AT_SUMMARY + 12);
	h->time_us = get_u64(p + AT_TIME);
	h->taken = (int64_t)get_u64(p + AT_TAKEN);
	h->before = get_u64(p + AT_KEPT);
	h->base = get_u64(p + AT_KEPT + 8);
	h->candidate = get_u64(p + AT_KEPT + 16);
	return h->summary_len <= SUMMARY_MAX && h->at.generation != 0 ? 0 : -1;
}

enum store_result snapshot_header_read(
    struct box *b, uint64_t number, struct snapshot_header *h)
{
	unsigned char p[SNAPSHOT_HEADER];
	enum engine_status s = engine_snapshot_get(
	    b->engine, number, 0, p, sizeof(p));

	if (s != ENGINE_OK)
		return box_status(b, s);
	return header_decode(p, number, h) < 0
	    ? box_fail(b, STORE_CORRUPT, "a snapshot's header")
	    : STORE_OK;
}

enum store_result snapshot_summary(struct box *b, uint64_t number,
    struct snapshot_header *h, struct buf *summary)
{
	enum store_result r = snapshot_header_read(b, number, h);
	enum engine_status s;
	char *room;

	*summary = buf_new(SUMMARY_MAX);
	if (r != STORE_OK)
		return r;
	room = buf_room(summary, h->summary_len);
	s = engine_snapshot_get(
	    b->engine, number, h->summary_offset, room, h->summary_len);
	if (s != ENGINE_OK)
		return box_status(b, s);
	buf_added(summary, h->summary_len);
	if (crc32c(0, summary->p, summary->len) != h->summary_crc &&
	    !seeded("summary-unchecked"))
		return box_fail(b, STORE_CORRUPT, "a snapshot's summary");
	return STORE_OK;
}

/* ---- the summary ---- */

static int take_mailbox(struct state *s, const struct record_summary *r)
{
	struct folder *f;

	if (!(r->options & MAILBOX_DEAD))
		f = folder_new(s, r->id, r->name, &s->why);
	else if (r->dead_modseq != 0)
		f = folder_new_dead(
		    s, r->id, r->name, r->dead_modseq, r->dead_time, &s->why);
	else
		return -1;
	if (f == NULL)
		return -1;
	f->info.uidvalidity = r->uidvalidity;
	f->info.uidnext = r->uidnext;
	f->info.use = r->use <= USE_TRASH ? (int)r->use : USE_NONE;
	f->info.selectable = !(r->options & MAILBOX_UNSELECTABLE);
	f->info.highest_modseq = r->highest_modseq;
	f->info.messages = r->messages;
	f->info.unseen = r->unseen;
	f->info.deleted = r->deleted;
	f->info.octets = r->octets;
	f->vanish_floor = r->vanish_floor;
	return 0;
}

static void add_segment(
    struct segment **segments, size_t *count, const struct record_segment *r)
{
	struct segment *added;

	*segments = mem_resize(*segments, *count + 1, sizeof(**segments));
	added = &(*segments)[(*count)++];
	*added = (struct segment){.count = r->count,
	    .rows = r->count,
	    .last_modseq = r->modseq,
	    .uid = r->uid};
	memcpy(added->columns, r->columns, sizeof(added->columns));
	if (r->columns[COLUMN_R].snapshot != 0)
		added->rows = r->columns[COLUMN_I].length / PLACE_OCTETS;
}

static bool has_messages(const struct segment *s)
{
	return s->columns[COLUMN_M].snapshot != 0;
}

/* Those with messages stand behind the others, by uid. */
static bool follows(const struct folder *f, const struct record_segment *r)
{
	const struct segment *last;

	if (f->segment_count == 0)
		return true;
	last = &f->segments[f->segment_count - 1];
	return !has_messages(last) ||
	    (r->columns[COLUMN_M].snapshot != 0 && r->uid > last->uid);
}

static struct folder *alive_or_dead(const struct state *s, uint32_t id)
{
	struct folder *f = state_folder(s, id);

	return f != NULL ? f : state_dead(s, id);
}

static int take_segment(struct state *s, const struct record_segment *r)
{
	struct folder *f;

	if (r->mailbox == 0)
		return deliveries_take(&s->deliveries, r);
	if (r->count == 0 || r->count > SEGMENT_ROWS)
		return -1;
	f = alive_or_dead(s, r->mailbox);
	if (f == NULL ||
	    r->columns[COLUMN_I].length / PLACE_OCTETS > SEGMENT_ROWS)
		return -1;
	f->loaded = false;
	/* Rows are addressed in 18 + 13 bits. */
	if (f->segment_count >= WHERE_FRESH / SEGMENT_ROWS || !follows(f, r))
		return -1;
	add_segment(&f->segments, &f->segment_count, r);
	return 0;
}

static int take_record(struct state *s, const struct record *r)
{
	struct folder *f;

	switch (r->type) {
	case RECORD_BOX:
		s->next_mailbox = r->box.next_mailbox;
		s->last_uidvalidity = r->box.last_uidvalidity;
		s->usage.octets = r->box.octets;
		s->usage.messages = r->box.messages;
		s->horizon = r->box.horizon;
		s->erased = r->box.erased;
		s->gone_last = r->box.gone_last;
		s->gone_since = r->box.gone_since;
		return 0;
	case RECORD_SUMMARY:
		return take_mailbox(s, &r->summary);
	case RECORD_KEYWORD:
		f = alive_or_dead(s, r->keyword.mailbox);
		return f == NULL
		    ? -1
		    : folder_keyword(f, r->keyword.index, r->keyword.name);
	case RECORD_SUBSCRIBE:
		table_put(&s->subscriptions, r->subscribe.name, s);
		f = state_folder_named(s, r->subscribe.name);
		if (f != NULL)
			f->info.subscribed = true;
		return 0;
	case RECORD_SEGMENT:
		return take_segment(s, &r->segment);
	default:
		return -1;
	}
}

/* The messages that a mailbox counts stand in segments. */
static bool counts_fit(const struct state *s)
{
	for (size_t i = 0; i < s->folder_count; i++) {
		const struct folder *f = s->folders[i];
		uint64_t rows = 0;

		for (size_t k = 0; k < f->segment_count; k++)
			if (has_messages(&f->segments[k]))
				rows += f->segments[k].count;
		if (f->info.messages != rows ||
		    f->info.unseen > f->info.messages ||
		    f->info.deleted > f->info.messages)
			return false;
	}
	return true;
}

enum store_result snapshot_load_one(struct box *b, uint64_t number)
{
	struct snapshot_header h;
	struct buf summary;
	struct record r;
	struct str rest;
	int next;
	enum store_result result = snapshot_summary(b, number, &h, &summary);

	if (result == STORE_OK)
		b->state.incarnation = h.incarnation;
	if (result == STORE_OK && box_is_beyond(b, h.time_us, h.at.modseq))
		result = STORE_EXISTS;
	rest = buf_str(&summary);
	if (result == STORE_OK) {
		while ((next = record_next(&rest, &r, NULL)) == 1)
			if (take_record(&b->state, &r) < 0)
				break;
		if (next != 0)
			result = box_fail(b, STORE_CORRUPT, "a snapshot");
		else if (!counts_fit(&b->state))
			result = box_fail(
			    b, STORE_CORRUPT, "a snapshot's count of messages");
	}
	buf_free(&summary);
	if (result != STORE_OK)
		return result;
	b->state.pos = h.at;
	b->state.time_us = h.time_us;
	b->state.base = number;
	b->summary_octets = h.summary_len;
	b->state.snapshot = (struct record_snapshot){number, h.at};
	return STORE_OK;
}

enum store_result snapshot_load(struct box *b)
{
	uint64_t number = UINT64_MAX;

	for (int tries = 0; tries < TRIES; number--) {
		enum engine_status s = engine_snapshot_newest(
		    b->engine, number, &number);
		enum store_result r;

		if (s != ENGINE_OK)
			return box_status(b, s);
		if (number == 0)
			return STORE_OK;
		r = snapshot_load_one(b, number);
		if (r == STORE_OK)
			return STORE_OK;
		state_clear(&b->state);
		tries += r != STORE_EXISTS; /* which is younger than asked */
	}
	return STORE_OK; /* the log has it all */
}

enum store_result snapshot_load_base(struct box *b)
{
	uint64_t number = box_is_cut(b) ? snapshot_base_number(b) : 0;

	if (!box_is_cut(b))
		return STORE_OK; /* the log has it all */
	if (number != 0 && snapshot_load_one(b, number) == STORE_OK)
		return STORE_OK;
	state_clear(&b->state);
	return snapshot_load(b);
}

/* ---- columns ---- */

/* Reads a column into space, which is emptied first. */
static enum store_result column_into(
    struct box *b, const struct column *c, struct buf *space)
{
	enum engine_status s = ENGINE_OK;
	char *p, last;

	buf_clear(space);
	/* No room is made for what is not there. */
	if (c->offset > (uint64_t)INT64_MAX - c->length)
		return box_fail(b, STORE_CORRUPT, "a snapshot's column");
	if (c->length > COLUMN_LARGE)
		s = engine_snapshot_get(b->engine, c->snapshot,
		    c->offset + c->length - 1, &last, 1);
	if (s != ENGINE_OK)
		return box_status(b, s);
	p = buf_room(space, c->length);
	if (p == NULL)
		return box_fail(b, STORE_CORRUPT, "a snapshot's column");
	s = engine_snapshot_get(
	    b->engine, c->snapshot, c->offset, p, c->length);
	if (s != ENGINE_OK)
		return box_status(b, s);
	if (crc32c(0, p, c->length) != c->crc && !seeded("column-unchecked"))
		return box_fail(
		    b, STORE_CORRUPT, "a snapshot's column: checksum");
	buf_added(space, c->length);
	return STORE_OK;
}

enum store_result column_get(
    struct box *b, const struct column *c, unsigned char **out, size_t *len)
{
	struct buf space = buf_new((size_t)c->length + 1);
	enum store_result r = column_into(b, c, &space);

	if (r != STORE_OK) {
		buf_free(&space);
		return r;
	}
	*out = (unsigned char *)space.p;
	*len = space.len;
	return STORE_OK;
}

/* Reads a column of rows, checked; malloc'ed. */
static enum store_result column_read(struct box *b, const struct column *c,
    uint32_t rows, uint32_t octets, unsigned char **out)
{
	size_t len;

	if (c->snapshot == 0 || c->length != rows * octets)
		return box_fail(b, STORE_CORRUPT, "a snapshot's column");
	return column_get(b, c, out, &len);
}

/* numbers: column R, or NULL when all rows of D are left. */
static int load_rows(struct folder *f, size_t number, const unsigned char *m,
    const unsigned char *d, const unsigned char *numbers)
{
	const struct segment *s = &f->segments[number];
	uint32_t where = (uint32_t)(number * SEGMENT_ROWS);
	uint32_t uid = f->count > 0 ? f->messages[f->count - 1].uid : 0;
	uint32_t least = 0; /* the next row number */

	for (uint32_t i = 0; i < s->count; i++) {
		uint32_t row = numbers == NULL
		    ? i
		    : get_u32(numbers + (size_t)i * R_OCTETS);
		struct message message;

		if (row < least || row >= s->rows)
			return -1;
		least = row + 1;
		message_decode(m + (size_t)i * M_OCTETS,
		    d + (size_t)row * D_OCTETS, &message);
		if (seeded("renumbered"))
			message.uid = uid + 1;
		if (message.uid <= uid)
			return -1;
		uid = message.uid;
		folder_push(f, &message, where + row);
	}
	return 0;
}

static enum store_result load_vanished(
    struct box *b, struct folder *f, const struct segment *s)
{
	unsigned char *p;
	enum store_result r = column_read(
	    b, &s->columns[COLUMN_V], s->count, V_OCTETS, &p);

	if (r != STORE_OK)
		return r;
	for (uint32_t i = 0; i < s->count; i++) {
		const unsigned char *row = p + (size_t)i * V_OCTETS;
		struct vanished v = {
		    get_u32(row), get_u64(row + 8), (int64_t)get_u64(row + 16)};

		folder_vanish(f, &v);
	}
	free(p);
	return STORE_OK;
}

/* Room for the columns of one segment after the other. */
struct columns {
	struct buf m, d, numbers;
};

static struct columns columns_new(void)
{
	return (struct columns){buf_new(SEGMENT_ROWS * M_OCTETS),
	    buf_new(SEGMENT_ROWS * D_OCTETS), buf_new(SEGMENT_ROWS * R_OCTETS)};
}

static void columns_free(struct columns *space)
{
	buf_free(&space->m);
	buf_free(&space->d);
	buf_free(&space->numbers);
}

static enum store_result rows_into(struct box *b, const struct column *c,
    uint32_t rows, uint32_t octets, struct buf *space)
{
	if (c->snapshot == 0 || c->length != rows * octets)
		return box_fail(b, STORE_CORRUPT, "a snapshot's column");
	return column_into(b, c, space);
}

static enum store_result load_segment(
    struct box *b, struct folder *f, size_t number, struct columns *space)
{
	const struct segment *s = &f->segments[number];
	bool thinned = s->columns[COLUMN_R].snapshot != 0;
	enum store_result r;

	if (s->columns[COLUMN_V].snapshot != 0)
		return load_vanished(b, f, s);
	if (s->columns[COLUMN_U].snapshot != 0)
		return STORE_OK; /* folder_each_expunged reads it */
	r = rows_into(b, &s->columns[COLUMN_M], s->count, M_OCTETS, &space->m);
	if (r == STORE_OK)
		r = rows_into(
		    b, &s->columns[COLUMN_D], s->rows, D_OCTETS, &space->d);
	if (r == STORE_OK && thinned)
		r = rows_into(b, &s->columns[COLUMN_R], s->count, R_OCTETS,
		    &space->numbers);
	if (r == STORE_OK &&
	    load_rows(f, number, (const unsigned char *)space->m.p,
		(const unsigned char *)space->d.p,
		thinned ? (const unsigned char *)space->numbers.p : NULL) < 0)
		r = box_fail(b, STORE_CORRUPT, "a snapshot's rows");
	return r;
}

/* All but those that are left out. */
static enum store_result load_segments(struct box *b, struct folder *f)
{
	struct columns space = columns_new();
	enum store_result r = STORE_OK;

	for (size_t i = 0; i < f->segment_count && r == STORE_OK; i++)
		if (!f->segments[i].left_out)
			r = load_segment(b, f, i, &space);
	columns_free(&space);
	return r;
}

static void forget_messages(struct folder *f)
{
	f->count = f->vanished_count = f->fresh_count = f->gone_count = 0;
}

enum store_result folder_load(struct box *b, struct folder *f)
{
	struct record r;
	struct str rest = buf_str(&f->pending);
	enum store_result result;

	if (f->loaded)
		return STORE_OK;
	forget_messages(f);
	folder_reserve(f, f->info.messages);
	result = load_segments(b, f);
	while (result == STORE_OK && record_next(&rest, &r, NULL) == 1)
		if (folder_apply(f, &r) < 0)
			result = box_fail(
			    b, STORE_CORRUPT, "records make no sense");
	if (result == STORE_OK && f->count != f->info.messages)
		result = box_fail(
		    b, STORE_CORRUPT, "a snapshot's count of messages");
	if (result != STORE_OK) {
		forget_messages(f);
		return result;
	}
	folder_forget_erased(f, b->state.erased);
	b->state.pending_octets -= f->pending.len;
	buf_free(&f->pending);
	f->loaded = true;
	return STORE_OK;
}

/* ---- a part of a folder ---- */

/* Segments in which uids of the range may be; those with messages begin at
 * `begin`. */
static void include_range(
    struct folder *part, size_t begin, uint32_t first, uint32_t last)
{
	size_t low = begin, high = part->segment_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (part->segments[middle].uid <= first)
			low = middle + 1;
		else
			high = middle;
	}
	if (low > begin)
		low--;
	for (; low < part->segment_count && part->segments[low].uid <= last;
	     low++)
		part->segments[low].left_out = false;
}

static void include_changed(
    struct folder *part, uint32_t count, const char *ranges)
{
	size_t begin = 0;

	while (begin < part->segment_count &&
	    !has_messages(&part->segments[begin]))
		begin++;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t first, last;

		range_get(ranges, i, &first, &last);
		include_range(part, begin, first, last);
	}
}

static void include_vanished(struct folder *part)
{
	for (size_t i = 0; i < part->segment_count; i++)
		part->segments[i].left_out &=
		    part->segments[i].columns[COLUMN_V].snapshot == 0;
}

/* What is pending touches: marked in part; how many messages are new. */
static size_t include_touched(struct folder *part, struct str pending)
{
	size_t fresh = 0;
	struct record r;

	while (record_next(&pending, &r, NULL) == 1)
		switch (r.type) {
		case RECORD_FLAGS:
			include_changed(part, r.flags.count, r.flags.ranges);
			break;
		case RECORD_EXPUNGE:
			include_changed(
			    part, r.expunge.count, r.expunge.ranges);
			if (!seeded("vanished-left-out"))
				include_vanished(part);
			break;
		default:
			fresh++;
		}
	return fresh;
}

/* The last segments that new messages will be joined with. */
static void include_small(struct folder *part, size_t fresh, uint32_t least)
{
	for (size_t i = part->segment_count; i-- > 0 && fresh > 0;) {
		struct segment *s = &part->segments[i];

		if (!has_messages(s) || s->rows >= least ||
		    s->count > 2 * fresh)
			break;
		s->left_out = false;
		fresh += s->count;
	}
}

/* Without what is loaded of them. */
static struct segment *copy_segments(const struct folder *f)
{
	struct segment *copy = mem_array(f->segment_count, sizeof(*copy));

	for (size_t i = 0; i < f->segment_count; i++) {
		copy[i] = f->segments[i];
		copy[i].places = NULL;
	}
	return copy;
}

enum store_result folder_load_changed(
    struct box *b, const struct folder *f, uint32_t least, struct folder *part)
{
	struct str rest = buf_str(&f->pending);
	enum store_result result;
	uint64_t left_out = 0;
	struct record r;

	*part = (struct folder){.info = f->info,
	    .version = f->version,
	    .dead_modseq = f->dead_modseq,
	    .dead_time = f->dead_time,
	    .vanish_floor = f->vanish_floor,
	    .segment_count = f->segment_count};
	part->segments = copy_segments(f);
	for (size_t i = 0; i < f->segment_count; i++)
		part->segments[i].left_out = true;
	include_small(part, include_touched(part, rest), least);
	for (size_t i = 0; i < f->segment_count; i++)
		if (part->segments[i].left_out &&
		    has_messages(&part->segments[i]))
			left_out += part->segments[i].count;
	result = load_segments(b, part);
	while (result == STORE_OK && record_next(&rest, &r, NULL) == 1)
		if (folder_apply(part, &r) < 0)
			result = box_fail(
			    b, STORE_CORRUPT, "records make no sense");
	if (result == STORE_OK && part->count + left_out != f->info.messages)
		result = box_fail(
		    b, STORE_CORRUPT, "a snapshot's count of messages");
	folder_forget_erased(part, b->state.erased);
	return result;
}

/* The position of the first one in a part that has some messages loaded. */
static bool find_unseen(const struct folder *part, uint32_t *at)
{
	for (*at = 0; *at < part->count; (*at)++)
		if (!(part->messages[*at].flags & FLAG_SEEN))
			return true;
	return false;
}

/* Brings the messages of one segment up to date, or, with none loaded, takes
 * those that are new since the snapshot. */
static int apply_pending(struct folder *part, struct str pending, bool fresh)
{
	struct record r;

	while (record_next(&pending, &r, NULL) == 1)
		if ((r.type != RECORD_MESSAGE || fresh) &&
		    folder_apply(part, &r) < 0)
			return -1;
	return 0;
}

enum store_result folder_first_unseen(
    struct box *b, const struct folder *f, uint32_t *seq)
{
	struct columns space = columns_new();
	struct folder part = {.segment_count = f->segment_count};
	enum store_result r = STORE_OK;
	uint32_t before = 0, at;

	*seq = 0;
	part.segments = copy_segments(f);
	for (size_t i = 0; i <= f->segment_count && r == STORE_OK; i++) {
		bool fresh = i == f->segment_count;

		if (!fresh && !has_messages(&f->segments[i]))
			continue;
		forget_messages(&part);
		if (!fresh)
			r = load_segment(b, &part, i, &space);
		if (r == STORE_OK &&
		    apply_pending(&part, buf_str(&f->pending), fresh) < 0)
			r = box_fail(b, STORE_CORRUPT, "records make no sense");
		if (r == STORE_OK && find_unseen(&part, &at)) {
			*seq = before + at + 1;
			break;
		}
		before += (uint32_t)part.count;
	}
	folder_unload(&part);
	columns_free(&space);
	return r;
}

const struct message_place *folder_place_at(
    struct box *b, struct folder *f, uint32_t where)
{
	struct segment *s;
	unsigned char *p;

	if (where & WHERE_FRESH)
		return &f->fresh[where & ~WHERE_FRESH];
	s = &f->segments[where / SEGMENT_ROWS];
	if (s->places == NULL) {
		if (column_read(b, &s->columns[COLUMN_I], s->rows, PLACE_OCTETS,
			&p) != STORE_OK)
			return NULL;
		s->places = mem_array(s->rows, sizeof(*s->places));
		for (uint32_t i = 0; i < s->rows; i++)
			place_decode(
			    p + (size_t)i * PLACE_OCTETS, &s->places[i]);
		free(p);
	}
	return &s->places[where % SEGMENT_ROWS];
}

const struct message_place *folder_place(
    struct box *b, struct folder *f, size_t at)
{
	return folder_place_at(b, f, f->where[at]);
}

/* ---- what is gone ---- */

struct visitor {
	void (*visit)(void *arg, const struct expunged *e);
	void *arg;
};

static enum store_result visit_segment(
    struct box *b, const struct segment *s, const struct visitor *v)
{
	unsigned char *p;
	enum store_result r = column_read(
	    b, &s->columns[COLUMN_U], s->count, EXPUNGED_OCTETS, &p);

	if (r != STORE_OK)
		return r;
	for (uint32_t i = 0; i < s->count; i++) {
		struct expunged e;

		expunged_decode(p + (size_t)i * EXPUNGED_OCTETS, &e);
		if (e.modseq > b->state.erased)
			v->visit(v->arg, &e);
	}
	free(p);
	return STORE_OK;
}

static enum store_result visit_one(struct box *b, struct folder *f,
    const struct gone *gone, const struct visitor *v)
{
	const struct message_place *place = folder_place_at(b, f, gone->where);
	struct expunged e = {
	    .m = gone->m, .modseq = gone->modseq, .time = gone->time};

	if (place == NULL)
		return STORE_CORRUPT;
	e.place = *place;
	v->visit(v->arg, &e);
	return STORE_OK;
}

enum store_result folder_each_expunged(struct box *b, struct folder *f,
    void (*visit)(void *arg, const struct expunged *e), void *arg)
{
	struct visitor v = {visit, arg};
	enum store_result r = folder_load(b, f);

	for (size_t i = 0; i < f->segment_count && r == STORE_OK; i++)
		if (f->segments[i].columns[COLUMN_U].snapshot != 0 &&
		    f->segments[i].last_modseq > b->state.erased)
			r = visit_segment(b, &f->segments[i], &v);
	for (size_t i = 0; i < f->gone_count && r == STORE_OK; i++)
		r = visit_one(b, f, &f->gone[i], &v);
	for (size_t i = 0; f->dead_modseq != 0 && i < f->count && r == STORE_OK;
	     i++) {
		struct gone last = {
		    f->messages[i], f->where[i], f->dead_modseq, f->dead_time};

		r = visit_one(b, f, &last, &v);
	}
	return r;
}

/* ---- what is left ---- */

/* The messages of a segment with their places, or none of them. */
static bool load_whole(
    struct box *b, struct folder *f, size_t number, struct columns *space)
{
	size_t before = f->count;

	if (load_segment(b, f, number, space) == STORE_OK &&
	    (f->count == before || folder_place(b, f, before) != NULL))
		return true;
	f->count = before;
	return false;
}

/* The highest uid that may stand in a segment of messages. */
static uint32_t last_uid(const struct folder *f, size_t number)
{
	for (size_t i = number + 1; i < f->segment_count; i++)
		if (f->segments[i].columns[COLUMN_M].snapshot != 0)
			return f->segments[i].uid - 1;
	return f->info.uidnext - 1;
}

void folder_load_rest(struct box *b, struct folder *f,
    void (*lost)(void *arg, struct folder *f, uint32_t first, uint32_t last),
    void *arg)
{
	struct columns space = columns_new();

	forget_messages(f);
	folder_reserve(f, f->info.messages);
	for (size_t i = 0; i < f->segment_count; i++) {
		struct segment *s = &f->segments[i];
		struct column *gone = &s->columns[COLUMN_U];
		unsigned char *p;
		size_t len;

		if (gone->snapshot != 0 &&
		    column_get(b, gone, &p, &len) == STORE_OK)
			free(p);
		else if (gone->snapshot != 0)
			s->last_modseq = 0; /* nobody looks at it again */
		else if (!load_whole(b, f, i, &space) &&
		    s->columns[COLUMN_M].snapshot != 0)
			lost(arg, f, s->uid, last_uid(f, i));
	}
	f->loaded = true;
	columns_free(&space);
}
