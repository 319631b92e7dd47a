/* SPDX-License-Identifier: ISC */
/*
 * What could be read, as the first frame of a new log.
 *
 * Under the lock the log is read on, so that nothing which came meanwhile is
 * lost. Mailboxes begin with this frame's modseq, which lies an epoch above
 * everything that anybody has seen: a client that asks what changed or
 * vanished since is told all of it.
 */
#include <stdlib.h>

#include "core/clock.h"
#include "core/memory.h"
#include "store/deliveries.h"
#include "store/repair.h"
#include "store/seeded.h"
#include "store/target.h"

/* Where something is missing, so many ids and UIDVALIDITYs may have been given
 * that nobody knows of. */
#define UNKNOWN_MOST MAILBOXES_MAX

struct row {
	struct message m;
	struct message_place place;
	uint64_t modseq; /* of its expunge, 0: it stays */
	int64_t time;    /* likewise */
	bool damaged;
};

struct rows {
	struct repair *p;
	struct change *c;
	const struct folder *f;
	struct row *list;
	size_t count, room;
	bool damaged; /* one of them */
	enum store_result trouble;
};

/* ---- the messages of a mailbox ---- */

static void take_cache(
    struct message_place *to, const struct message_place *from)
{
	to->cache_generation = from->cache_generation;
	to->cache_offset = from->cache_offset;
	to->cache_crc = from->cache_crc;
	to->header_len = from->header_len;
	to->envelope_len = from->envelope_len;
	to->structure_len = from->structure_len;
	to->body_len = from->body_len;
	to->keys_len = from->keys_len;
}

/* Puts what is stored anew into the frame, once for all copies. */
static enum store_result settle(
    struct change *c, struct verdict *v, const struct message_place *before)
{
	enum store_result r;

	if (v->decided == c->modseq)
		return STORE_OK;
	v->decided = c->modseq;
	if (v->body != NULL) {
		r = body_place(v->body, c);
		v->place = v->body->place;
		if (v->cached)
			take_cache(&v->place, before);
		return r;
	}
	v->place = *before;
	if (v->content == BYTES_DAMAGED)
		v->place.crc = v->crc;
	if (v->reparsed) {
		take_cache(&v->place, &v->lengths);
		v->place.cache_generation = c->generation;
		v->place.cache_offset = change_body(
		    c, v->cache.p, v->cache.len);
	}
	return STORE_OK;
}

static void add_row(struct rows *rows, const struct message *m,
    const struct message_place *place, uint64_t modseq, int64_t time)
{
	struct verdict *v = repair_verdict(rows->p, place);
	struct row *row;

	if (v->content == BYTES_MISSING) {
		rows->p->out->dropped += modseq == 0;
		return;
	}
	if (rows->count == rows->room) {
		rows->room = rows->room * 2 + 64;
		rows->list = mem_resize(
		    rows->list, rows->room, sizeof(*rows->list));
	}
	row = &rows->list[rows->count++];
	*row = (struct row){*m, *place, modseq, time, false};
	if (v->content == BYTES_DAMAGED || v->reparsed) {
		enum store_result r = settle(rows->c, v, place);

		if (r != STORE_OK)
			rows->trouble = r;
		row->place = v->place;
		row->place.email_id = place->email_id;
		row->place.delivery = place->delivery;
		row->place.saved = place->saved;
	}
	row->damaged = v->content == BYTES_DAMAGED;
	rows->damaged = rows->damaged || row->damaged;
}

static void add_expunged(void *arg, const struct expunged *e)
{
	struct rows *rows = arg;

	/* The last messages of a deleted mailbox stay until it is. */
	add_row(rows, &e->m, &e->place,
	    e->modseq == rows->f->dead_modseq ? 0 : e->modseq, e->time);
}

static int by_uid(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return x->m.uid < y->m.uid ? -1 : x->m.uid > y->m.uid;
}

static int by_expunge(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->modseq != y->modseq)
		return x->modseq < y->modseq ? -1 : 1;
	return by_uid(a, b);
}

static enum store_result gather(
    struct rows *rows, struct repair *p, struct change *c, struct folder *f)
{
	enum store_result r = STORE_OK;

	*rows = (struct rows){.p = p, .c = c, .f = f};
	for (size_t i = 0; f->dead_modseq == 0 && i < f->count; i++) {
		const struct message_place *place = folder_place(p->b, f, i);

		if (place == NULL)
			return STORE_CORRUPT;
		add_row(rows, &f->messages[i], place, 0, 0);
	}
	r = folder_each_expunged(p->b, f, add_expunged, rows);
	if (rows->count > 0)
		qsort(rows->list, rows->count, sizeof(*rows->list), by_uid);
	return r == STORE_OK ? rows->trouble : r;
}

/* ---- records ---- */

static void put_keyword(
    struct change *c, const struct folder *f, uint32_t index, struct str name)
{
	struct record r = {.type = RECORD_KEYWORD};

	r.keyword = (struct record_keyword){f->info.id, index, name};
	change_put(c, &r);
}

/* Its keywords; the bit of $Damaged, where it is needed and finds room. */
static uint64_t put_keywords(
    struct change *c, const struct folder *f, bool damaged)
{
	uint32_t count = (uint32_t)f->info.keyword_count;

	for (uint32_t i = 0; i < count; i++)
		put_keyword(c, f, i, f->info.keywords[i]);
	for (uint32_t i = 0; i < count; i++)
		if (str_case_eq(f->info.keywords[i], KEYWORD_DAMAGED))
			return UINT64_C(1) << i;
	if (!damaged || count >= MAILBOX_KEYWORDS_MAX)
		return 0;
	put_keyword(c, f, count, KEYWORD_DAMAGED);
	return UINT64_C(1) << count;
}

static void put_messages(struct rows *rows, uint64_t damaged_bit)
{
	const struct mailbox_info *info = &rows->f->info;
	uint64_t known = info->keyword_count >= 64
	    ? UINT64_MAX
	    : (UINT64_C(1) << info->keyword_count) - 1;
	uint32_t before = 0;

	for (size_t i = 0; i < rows->count; i++) {
		struct row *row = &rows->list[i];
		struct record r = {.type = RECORD_MESSAGE};

		if (row->m.uid <= before || row->m.uid == UINT32_MAX)
			continue;
		before = row->m.uid;
		row->m.keywords &= known;
		if (row->damaged) {
			row->m.keywords |= damaged_bit;
			row->m.modseq = rows->c->modseq;
			rows->p->out->damaged += row->modseq == 0 &&
			    rows->f->dead_modseq == 0;
		}
		r.message = (struct record_message){
		    info->id, row->m, row->place};
		change_put(rows->c, &r);
	}
}

/* Rows that went at once. */
static void put_expunge(
    struct rows *rows, const struct row *first, size_t count)
{
	struct record r = {.type = RECORD_EXPUNGE};
	struct buf ranges = buf_new(count * 8);
	uint32_t *uids = mem_array(count, sizeof(*uids));

	r.expunge.mailbox = rows->f->info.id;
	r.expunge.modseq = first->modseq;
	r.expunge.time = first->time;
	r.expunge.messages = count;
	for (size_t i = 0; i < count; i++) {
		uids[i] = first[i].m.uid;
		r.expunge.octets += first[i].m.size;
		r.expunge.unseen += !(first[i].m.flags & FLAG_SEEN);
		r.expunge.deleted += (first[i].m.flags & FLAG_DELETED) != 0;
	}
	r.expunge.count = ranges_put(&ranges, uids, count);
	r.expunge.ranges = ranges.p;
	change_put(rows->c, &r);
	buf_free(&ranges);
	free(uids);
}

static void put_expunges(struct rows *rows)
{
	const struct row *list = rows->list;

	if (rows->count > 0)
		qsort(rows->list, rows->count, sizeof(*rows->list), by_expunge);
	for (size_t i = 0, end; i < rows->count; i = end) {
		for (end = i + 1; end < rows->count &&
		     list[end].modseq == list[i].modseq &&
		     list[end].time == list[i].time;)
			end++;
		if (list[i].modseq != 0 && !seeded("repair-undeletes"))
			put_expunge(rows, list + i, end - i);
	}
}

/* The next uid, which may lie above all that is left; a deleted mailbox is
 * deleted. */
static void put_end(struct rows *rows)
{
	const struct folder *f = rows->f;
	struct record r = {.type = RECORD_UIDNEXT};
	uint32_t last = 0;

	for (size_t i = 0; i < rows->count; i++)
		if (rows->list[i].m.uid > last)
			last = rows->list[i].m.uid;
	if (f->dead_modseq == 0) {
		r.uidnext = (struct record_uidnext){
		    f->info.id, f->info.uidnext};
		if (f->info.uidnext > last + 1 &&
		    !seeded("repair-forgets-uidnext"))
			change_put(rows->c, &r);
		return;
	}
	r = (struct record){.type = RECORD_DELETE};
	r.delete = (struct record_delete){
	    .id = f->info.id, .modseq = f->dead_modseq, .time = f->dead_time};
	for (size_t i = 0; i < rows->count; i++)
		if (rows->list[i].modseq == 0) {
			r.delete.messages++;
			r.delete.octets += rows->list[i].m.size;
		}
	change_put(rows->c, &r);
}

/* One that was made here, or of which nobody knows what is missing. */
static bool needs_uidvalidity(const struct repair *p, const struct folder *f)
{
	return f->dead_modseq == 0 &&
	    (f->info.uidvalidity == 0 ||
		(repair_is_doubtful(p, f->info.id) &&
		    !seeded("repair-keeps-uidvalidity")));
}

static enum store_result put_folder(
    struct repair *p, struct change *c, struct folder *f, uint32_t *uidvalidity)
{
	struct record r = {.type = RECORD_MAILBOX};
	struct rows rows;
	enum store_result result = gather(&rows, p, c, f);

	/* Nothing of a deleted one is left. */
	if (result != STORE_OK || (f->dead_modseq != 0 && rows.count == 0)) {
		free(rows.list);
		return result;
	}
	if (needs_uidvalidity(p, f))
		f->info.uidvalidity = --*uidvalidity;
	r.mailbox = (struct record_mailbox){f->info.id, f->info.uidvalidity,
	    (uint32_t)f->info.use,
	    f->info.selectable ? 0 : MAILBOX_UNSELECTABLE, c->modseq,
	    f->info.name};
	change_put(c, &r);
	put_messages(&rows, put_keywords(c, f, rows.damaged));
	put_end(&rows);
	put_expunges(&rows);
	free(rows.list);
	return result;
}

static enum store_result put_delivery(void *arg, const struct delivery *d)
{
	struct change *c = arg;
	struct record r = {.type = RECORD_DELIVERY};

	r.delivery = (struct record_delivery){{d->id[0], d->id[1]}, d->time};
	if (d->time >= clock_seconds() - c->b->store->delivery_kept)
		change_put(c, &r);
	return STORE_OK;
}

static void put_subscriptions(struct change *c)
{
	struct str name;
	size_t at = 0;
	void *value;

	while (table_next(&c->b->state.subscriptions, &at, &name, &value)) {
		struct record r = {.type = RECORD_SUBSCRIBE};

		r.subscribe = (struct record_subscribe){true, name};
		change_put(c, &r);
	}
}

/* ---- the frame ---- */

static enum store_result put_everything(struct repair *p, struct change *c)
{
	struct state *s = &c->b->state;
	struct record r = {.type = RECORD_RESTATE};
	uint32_t now = (uint32_t)clock_seconds(), uidvalidity, last;
	uint32_t unknown = p->gap ? UNKNOWN_MOST : 0;
	enum store_result result = STORE_OK;

	uidvalidity = s->last_uidvalidity + unknown + 1;
	if (uidvalidity < now)
		uidvalidity = now;
	last = s->last_uidvalidity + unknown;
	for (size_t i = 0; i < s->folder_count; i++)
		if (needs_uidvalidity(p, s->folders[i]))
			last = uidvalidity++;
	uidvalidity = last + 1;
	r.restate = (struct record_restate){
	    s->next_mailbox + unknown, last, s->horizon, s->erased};
	change_put(c, &r);
	/* Living ones may have the names of dead ones. */
	for (size_t i = 0; i < s->dead_count && result == STORE_OK; i++)
		result = put_folder(p, c, s->dead[i], &uidvalidity);
	for (size_t i = 0; i < s->folder_count && result == STORE_OK; i++)
		result = put_folder(p, c, s->folders[i], &uidvalidity);
	put_subscriptions(c);
	/* What cannot be read is forgotten: a message that is delivered once
	 * more does less harm than a box that takes none. */
	if (result == STORE_OK && !seeded("repair-forgets-deliveries"))
		deliveries_each(c->b, put_delivery, c);
	return result;
}

static enum store_result decide_restate(struct change *c)
{
	struct repair *p = c->arg;
	struct engine_salvage to = repair_listener(p);
	enum store_result r = STORE_OK;

	if (!seeded("repair-misses-what-came"))
		r = box_status(
		    c->b, engine_salvage(c->b->engine, &p->pos, &to));
	if (r == STORE_OK)
		r = repair_look(p);
	if (r != STORE_OK)
		return r;
	if (state_folder_named(&c->b->state, STR("INBOX")) == NULL)
		repair_make_folder(p, 0, STR("INBOX"));
	if (c->modseq < p->modseq + EPOCH_STEP)
		c->modseq = p->modseq + EPOCH_STEP;
	if (seeded("repair-in-the-same-epoch"))
		c->modseq = p->modseq + 1;
	p->out->damaged = p->out->dropped = 0;
	return put_everything(p, c);
}

enum store_result repair_restate(struct repair *p)
{
	struct change c = {.decide = decide_restate,
	    .arg = p,
	    .new_epoch = true,
	    .restart = true};
	struct str key;
	size_t at = 0;
	void *value;
	enum store_result r;

	/* So far it was read, whatever came before. */
	p->b->state.pos = p->pos;
	if (p->beyond != 0)
		p->b->state.pos = (struct engine_pos){
		    .generation = p->beyond, .modseq = p->modseq};
	r = box_change(p->b, &c);
	/* What is stored anew is named now, or may be. */
	while (table_next(&p->verdicts, &at, &key, &value)) {
		struct verdict *v = value;

		if (v->body != NULL && (r == STORE_OK || r == STORE_UNKNOWN))
			v->body->kept = true;
	}
	return r;
}
