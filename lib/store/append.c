/* SPDX-License-Identifier: ISC */
/* What comes in: APPEND and delivery. */
#include <stdlib.h>

#include "core/checksum.h"
#include "core/clock.h"
#include "core/memory.h"
#include "store/box.h"
#include "store/seeded.h"

#define DELIVER_RETRIES 3

struct append {
	struct str mailbox;
	struct append_item *items;
	size_t count;
	uint32_t uidvalidity;
};

struct deliver {
	uint64_t id[2];
	struct store_body *body;
	int64_t date;
	struct deliver_item *items;
	size_t count;
	uint64_t looked; /* the state in whose snapshot we looked for the id */
	bool again;      /* the state is another now */
};

/* A message's record; everything it says is decided here. */
static void put_message(struct change *c, uint32_t mailbox, uint32_t uid,
    const struct store_body *body, uint32_t flags, uint64_t keywords,
    int64_t date, uint64_t delivery)
{
	struct record r = {.type = RECORD_MESSAGE};

	r.message.mailbox = mailbox;
	r.message.m = (struct message){
	    .uid = uid,
	    .flags = flags &
		(FLAG_SEEN | FLAG_ANSWERED | FLAG_FLAGGED | FLAG_DELETED |
		    FLAG_DRAFT),
	    .keywords = keywords,
	    .modseq = c->modseq,
	    .size = body->len,
	    .internal_date = date != 0 ? date : clock_seconds(),
	};
	r.message.place = body->place;
	r.message.place.delivery = delivery;
	change_put(c, &r);
}

static enum store_result find(
    struct box *b, struct str name, struct folder **out)
{
	char space[MAILBOX_NAME_MAX];
	struct str whole;

	if (!name_normalize(name, space, &whole))
		return box_fail(b, STORE_BAD_NAME, "not a mailbox name");
	*out = state_folder_named(&b->state, whole);
	return *out == NULL || !(*out)->info.selectable
	    ? box_fail(b, STORE_NO_MAILBOX, "no such mailbox")
	    : STORE_OK;
}

static bool uids_left(const struct folder *f, size_t count)
{
	return count < UINT32_MAX - 1 - f->info.uidnext;
}

static enum store_result decide_append(struct change *c)
{
	struct append *a = c->arg;
	struct folder *f;
	uint64_t octets = 0;
	enum store_result r = find(c->b, a->mailbox, &f);

	if (r != STORE_OK)
		return r;
	for (size_t i = 0; i < a->count; i++)
		octets += a->items[i].body->len;
	r = change_quota(c, octets, a->count);
	if (r != STORE_OK)
		return r;
	if (!uids_left(f, a->count))
		return box_fail(c->b, STORE_LIMIT, "the uids are used up");
	for (size_t i = 0; i < a->count; i++) {
		struct append_item *item = &a->items[i];
		uint64_t keywords;

		r = change_keywords(
		    c, f, item->keywords, item->keyword_count, &keywords);
		if (r != STORE_OK)
			return r;
		r = body_place(item->body, c);
		if (r != STORE_OK)
			return r;
		item->uid = f->info.uidnext + (uint32_t)i;
		put_message(c, f->info.id, item->uid, item->body, item->flags,
		    keywords, item->internal_date, 0);
	}
	a->uidvalidity = f->info.uidvalidity;
	return STORE_OK;
}

/* What is refused anyway should not cost the sync of a blob. */
static enum store_result likely(struct box *b, uint64_t octets, size_t count)
{
	struct change c = {.b = b};

	return change_quota(&c, octets, count);
}

enum store_result box_append(struct box *b, struct str mailbox,
    struct append_item *items, size_t count, uint32_t *uidvalidity)
{
	struct append a = {mailbox, items, count, 0};
	struct change c = {.decide = decide_append, .arg = &a};
	struct folder *f;
	enum store_result r = find(b, mailbox, &f);

	if (r != STORE_OK && box_refresh(b) == STORE_OK)
		r = find(b, mailbox, &f);
	for (size_t i = 0; i < count && r == STORE_OK; i++) {
		if (items[i].body->fd >= 0)
			r = likely(b, items[i].body->len, 1);
		if (r == STORE_OK)
			r = body_ready(items[i].body);
	}
	if (r != STORE_OK || count == 0)
		return r;
	r = box_change(b, &c);
	*uidvalidity = a.uidvalidity;
	/* With an unknown end the blobs may be named: leave them. */
	for (size_t i = 0; i < count; i++)
		if (r == STORE_OK || r == STORE_UNKNOWN)
			items[i].body->kept = true;
	return r;
}

/* ---- delivery ---- */

/* The one mailbox of this use, whatever its owner has named it. */
static enum store_result find_use(
    struct box *b, enum special_use use, struct folder **out)
{
	for (size_t i = 0; use != USE_NONE && i < b->state.folder_count; i++) {
		struct folder *f = b->state.folders[i];

		if (f->info.use == (int)use && f->info.selectable) {
			*out = f;
			return STORE_OK;
		}
	}
	return STORE_NO_MAILBOX;
}

/* Where an item goes: a mailbox that is there, one that this very frame
 * makes, or INBOX. */
static enum store_result target(struct change *c,
    const struct deliver_item *item, struct folder *made, struct folder **out)
{
	struct box *b = c->b;
	enum store_result r = find_use(b, item->use, out);

	if (r != STORE_OK)
		r = find(b, item->mailbox, out);

	if (r == STORE_OK)
		return r;
	if (item->create && r != STORE_BAD_NAME &&
	    change_create(c, item->mailbox, item->use, &made->info.id,
		&made->info.uidvalidity) == STORE_OK) {
		made->info.uidnext = 1;
		*out = made;
		return STORE_OK;
	}
	return find(b, STR("INBOX"), out);
}

static enum store_result deliver_one(
    struct change *c, struct deliver *d, size_t i, uint32_t *mailboxes)
{
	struct deliver_item *item = &d->items[i];
	struct folder *f, *made = NEW(struct folder);
	uint64_t keywords;
	enum store_result r = target(c, item, made, &f);

	if (r == STORE_OK)
		r = change_keywords(
		    c, f, item->keywords, item->keyword_count, &keywords);
	if (r == STORE_OK && !uids_left(f, d->count))
		r = box_fail(c->b, STORE_LIMIT, "the uids are used up");
	if (r == STORE_OK) {
		mailboxes[i] = f->info.id;
		item->uid = f->info.uidnext;
		for (size_t k = 0; k < i; k++) /* the same one twice */
			item->uid += mailboxes[k] == f->info.id;
		put_message(c, f->info.id, item->uid, d->body, item->flags,
		    keywords, d->date, d->id[0]);
	}
	free(made);
	return r;
}

static enum store_result decide_deliver(struct change *c)
{
	struct deliver *d = c->arg;
	struct record id = {.type = RECORD_DELIVERY};
	uint32_t *mailboxes;
	struct state *s = &c->b->state;
	enum store_result r;

	/* Nobody else waits while we read a snapshot. */
	d->again = s->epoch != d->looked && !seeded("delivery-looked-once");
	if (d->again)
		return STORE_BUSY;
	if (!seeded("delivery-id-ignored") &&
	    deliveries_fresh(&s->deliveries, d->id))
		return STORE_DUPLICATE;
	r = change_quota(c, d->body->len * d->count, d->count);
	if (r != STORE_OK && !seeded("quota-before-the-lock"))
		return r;
	r = body_place(d->body, c);
	mailboxes = mem_array(d->count, sizeof(*mailboxes));
	for (size_t i = 0; i < d->count && r == STORE_OK; i++)
		r = deliver_one(c, d, i, mailboxes);
	free(mailboxes);
	id.delivery.id[0] = d->id[0];
	id.delivery.id[1] = d->id[1];
	id.delivery.time = clock_seconds();
	change_put(c, &id);
	return r;
}

/* Looks for the id, makes the body durable when it is new, decides. */
static enum store_result deliver_once(
    struct box *b, struct change *c, int64_t since)
{
	struct deliver *d = c->arg;
	bool found;
	enum store_result r = deliveries_find(b, d->id, since, &found);

	d->again = false;
	d->looked = b->state.epoch;
	if (r == STORE_OK && found && !seeded("delivery-id-ignored"))
		return STORE_DUPLICATE;
	if (r == STORE_OK &&
	    (d->body->fd >= 0 || seeded("quota-before-the-lock")))
		r = likely(b, d->body->len * d->count, d->count);
	if (r == STORE_OK)
		r = body_ready(d->body);
	return r == STORE_OK ? box_change(b, c) : r;
}

enum store_result box_deliver(struct box *b, struct str delivery_id,
    int64_t since, struct store_body *body, int64_t internal_date,
    struct deliver_item *items, size_t count)
{
	struct deliver d = {.body = body,
	    .date = internal_date,
	    .items = items,
	    .count = count};
	struct change c = {.decide = decide_deliver, .arg = &d};
	enum store_result r = box_lighten(b);

	d.id[0] = hash64(1, delivery_id.p, delivery_id.len);
	d.id[1] = hash64(2, delivery_id.p, delivery_id.len);
	if (r == STORE_OK)
		r = deliver_once(b, &c, since);
	/* The state turned out to be another one under the lock. */
	for (int i = 0; i < DELIVER_RETRIES && d.again; i++)
		r = deliver_once(b, &c, since);
	if (r == STORE_OK ||
	    (r == STORE_UNKNOWN && !seeded("blob-dropped-in-doubt")))
		body->kept = true;
	return r;
}
