/* SPDX-License-Identifier: ISC */
/* Where the bytes are of what is restored; copying them from another store. */
#include <stdio.h>
#include <stdlib.h>

#include "core/checksum.h"
#include "core/clock.h"
#include "core/id.h"
#include "core/memory.h"
#include "store/le.h"
#include "store/restore.h"
#include "store/seeded.h"

#define PIECE        262144u
#define STAGE_OCTETS 16777216u /* of one frame */
#define STAGE_COUNT  256u      /* messages; the large ones are open files */
#define STAGE_KEPT   86400     /* seconds until upkeep may erase it */

/* ---- finding ---- */

static uint64_t key_of(
    const struct message *m, const struct message_place *place)
{
	unsigned char key[16];

	put_u64(key, message_identity(place));
	put_u64(key + 8, m->size);
	return hash64(0, key, sizeof(key));
}

/* The slot of a head with this key, or a free one. */
static size_t *slot_of(const struct restore *p, uint64_t key)
{
	for (size_t at = (size_t)key;; at++) {
		size_t *slot = &p->hash[at & (p->capacity - 1)];
		const struct wanted *w = &p->list[*slot == 0 ? 0 : *slot - 1];

		if (*slot == 0 || key_of(&w->m, &w->then) == key)
			return slot;
	}
}

static void hash_grow(struct restore *p)
{
	p->capacity = p->capacity == 0 ? 256 : p->capacity * 2;
	free(p->hash);
	p->hash = mem_array(p->capacity, sizeof(*p->hash));
	for (size_t i = 0; i < p->count; i++)
		if (p->list[i].head == i)
			*slot_of(
			    p, key_of(&p->list[i].m, &p->list[i].then)) = i + 1;
}

void restore_want(struct restore *p, const struct message *m,
    const struct message_place *place)
{
	size_t *slot;

	if (p->count == p->room) {
		p->room = p->room * 2 + 64;
		p->list = mem_resize(p->list, p->room, sizeof(*p->list));
	}
	p->list[p->count] = (struct wanted){
	    .m = *m, .then = *place, .head = p->count};
	if (2 * (p->count + 1) > p->capacity)
		hash_grow(p);
	slot = slot_of(p, key_of(m, place));
	if (*slot == 0)
		*slot = p->count + 1;
	p->list[p->count++].head = *slot - 1;
}

static bool same_place(
    const struct message_place *a, const struct message_place *b)
{
	return ((a->kind ^ b->kind) & PLACE_BLOB) == 0 && a->a == b->a &&
	    a->b == b->b;
}

/* The same octets as in the other store, however each stores them. */
static bool same_content(struct restore *p, const struct wanted *w,
    const struct message *m, const struct message_place *place)
{
	struct buf a = buf_new(PIECE), b = buf_new(PIECE);
	bool same = true;

	for (uint64_t at = 0; at < m->size && same; at += PIECE) {
		buf_clear(&a);
		buf_clear(&b);
		same = place_read(p->from, &w->m, &w->then, at, PIECE, &a) ==
			STORE_OK &&
		    place_read(p->b, m, place, at, PIECE, &b) == STORE_OK &&
		    str_eq(buf_str(&a), buf_str(&b));
	}
	buf_free(&a);
	buf_free(&b);
	return same;
}

/* What stands here is as good as what the other store has: a message that was
 * found damaged here, and got a new checksum, is not. */
static bool is_source(struct restore *p, const struct wanted *w,
    const struct message *m, const struct message_place *place)
{
	if (seeded("restore-unread"))
		return true;
	if (place_verify(p->b, m, place) != STORE_OK)
		return false;
	return (place->crc == w->then.crc && place->stored == w->then.stored) ||
	    same_content(p, w, m, place) ||
	    place_verify(p->from, &w->m, &w->then) == STORE_CORRUPT;
}

struct finder {
	struct restore *p;
	bool read;
	uint64_t horizon;
};

/* A message that the box has, or can undelete. */
static void meet(struct finder *f, const struct message *m,
    const struct message_place *place)
{
	struct restore *p = f->p;
	size_t slot = *slot_of(p, key_of(m, place));
	struct wanted *w = slot == 0 ? NULL : &p->list[slot - 1];

	if (w == NULL || w->found)
		return;
	if (!p->ours && !(w->good && same_place(&w->now, place))) {
		if (!f->read || w->good || !is_source(p, w, m, place))
			return;
		w->good = true;
	}
	w->found = true;
	w->now = *place;
}

static void meet_expunged(void *arg, const struct expunged *e)
{
	struct finder *f = arg;

	if (e->modseq > f->horizon || seeded("restore-beyond-horizon"))
		meet(f, &e->m, &e->place);
}

static enum store_result look_through(struct finder *finder, struct folder *f)
{
	struct box *b = finder->p->b;
	enum store_result r = folder_load(b, f);

	for (size_t i = 0; f->dead_modseq == 0 && i < f->count; i++) {
		const struct message_place *place;

		if (r != STORE_OK)
			return r;
		place = folder_place(b, f, i);
		if (place == NULL)
			return STORE_CORRUPT;
		meet(finder, &f->messages[i], place);
	}
	if (r == STORE_OK)
		r = folder_each_expunged(b, f, meet_expunged, finder);
	return r;
}

enum store_result restore_find(struct restore *p, bool read)
{
	const struct state *s = &p->b->state;
	struct finder finder = {p, read, s->horizon};
	enum store_result r = STORE_OK;

	if (p->count == 0)
		return r;
	for (size_t i = 0; i < p->count; i++)
		p->list[i].found = false;
	for (size_t i = 0; i < s->folder_count && r == STORE_OK; i++)
		r = look_through(&finder, s->folders[i]);
	for (size_t i = 0; i < s->dead_count && r == STORE_OK; i++)
		r = look_through(&finder, s->dead[i]);
	return r;
}

/* ---- copying ---- */

struct stage {
	struct restore *p;
	size_t items[STAGE_COUNT]; /* of p->list */
	struct store_body *bodies[STAGE_COUNT];
	size_t count;
	uint64_t octets;
};

/* Reads a message of the other store. STORE_CORRUPT, STORE_GONE: it has not
 * got it either. */
static enum store_result fetch(
    struct restore *p, const struct wanted *w, struct store_body *body)
{
	struct buf piece = buf_new(PIECE);
	enum store_result r = place_verify(p->from, &w->m, &w->then);

	for (uint64_t at = 0; at < w->m.size && r == STORE_OK; at += PIECE) {
		buf_clear(&piece);
		r = place_read(p->from, &w->m, &w->then, at, PIECE, &piece);
		if (r == STORE_OK &&
		    store_body_add(body, piece.p, piece.len) < 0)
			break; /* body_ready says why */
	}
	buf_free(&piece);
	if (r != STORE_OK)
		box_note(p->b, "%s", store_why(p->from));
	return r == STORE_OK ? body_ready(body) : r;
}

/* A name that nobody else has. */
static struct str stage_name(struct change *c)
{
	char text[64];
	int len = snprintf(text, sizeof(text), "Restoring %s", id_new().text);

	return arena_copy(&c->arena, str_of(text, (size_t)len));
}

static enum store_result put_staged(
    struct change *c, struct stage *s, size_t i, uint32_t mailbox)
{
	struct wanted *w = &s->p->list[s->items[i]];
	struct record r = {.type = RECORD_MESSAGE};
	enum store_result result = body_place(s->bodies[i], c);

	if (result != STORE_OK)
		return result;
	w->now = s->bodies[i]->place;
	w->now.email_id = w->then.email_id;
	w->now.delivery = w->then.delivery;
	r.message = (struct record_message){mailbox, w->m, w->now};
	r.message.m.uid = (uint32_t)i + 1;
	r.message.m.modseq = c->modseq;
	r.message.m.keywords = 0;
	change_put(c, &r);
	return STORE_OK;
}

/* A mailbox that comes and goes in one frame: what is in it can be undeleted,
 * so that the next frame may name its bytes. */
static enum store_result decide_stage(struct change *c)
{
	struct stage *s = c->arg;
	struct record r = {.type = RECORD_DELETE};
	uint32_t id, uidvalidity;
	enum store_result result = change_create_one(
	    c, stage_name(c), USE_NONE, false, &id, &uidvalidity);

	r.delete = (struct record_delete){.id = id,
	    .modseq = c->modseq,
	    .messages = s->count,
	    .time = clock_seconds() +
		(seeded("staged-without-time") ? 0 : STAGE_KEPT)};
	for (size_t i = 0; i < s->count && result == STORE_OK; i++) {
		result = put_staged(c, s, i, id);
		r.delete.octets += s->bodies[i]->len;
	}
	change_put(c, &r);
	return result;
}

static enum store_result stage_write(struct stage *s)
{
	struct change c = {.decide = decide_stage, .arg = s};
	enum store_result r = STORE_OK;

	if (s->count > 0)
		r = box_change(s->p->b, &c);
	for (size_t i = 0; i < s->count; i++) {
		/* With an unknown end the blobs may be named: leave them. */
		if (r == STORE_OK || r == STORE_UNKNOWN)
			s->bodies[i]->kept = true;
		if (r == STORE_OK) {
			s->p->list[s->items[i]].good = true;
			s->p->out->copied_octets += s->bodies[i]->len;
		}
		store_body_free(&s->bodies[i]);
	}
	s->count = 0;
	s->octets = 0;
	return r;
}

static enum store_result stage_add(struct stage *s, size_t item)
{
	struct wanted *w = &s->p->list[item];
	struct store_body *body = store_body_new(s->p->b);
	enum store_result r = fetch(s->p, w, body);

	if (r != STORE_OK) {
		store_body_free(&body);
		if (r != STORE_CORRUPT && r != STORE_GONE)
			return r;
		w->lost = true;
		return STORE_OK;
	}
	s->bodies[s->count] = body;
	s->items[s->count++] = item;
	s->octets += body->fd >= 0 ? 0 : body->len;
	return s->count == STAGE_COUNT || s->octets >= STAGE_OCTETS
	    ? stage_write(s)
	    : STORE_OK;
}

enum store_result restore_copy(struct restore *p)
{
	struct stage *s = NEW(struct stage);
	enum store_result r = STORE_OK, last;

	s->p = p;
	for (size_t i = 0; i < p->count && r == STORE_OK; i++)
		if (p->list[i].head == i && !p->list[i].found &&
		    !p->list[i].lost)
			r = stage_add(s, i);
	if (r != STORE_OK) /* what was read so far is not worth a frame */
		for (size_t i = 0; i < s->count; i++)
			store_body_free(&s->bodies[i]);
	last = r == STORE_OK ? stage_write(s) : r;
	free(s);
	return last;
}
