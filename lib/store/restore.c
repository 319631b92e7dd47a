/* SPDX-License-Identifier: ISC */
/*
 * Making mailboxes what they were.
 *
 * What is chosen is read from the older box; its bytes are looked for in this
 * one, and copied when they are not here (restore_bytes.c); then one frame
 * says all of it, decided on the newest state. Quota is not asked for: an
 * operator does this.
 */
#include "store/restore.h"
#include "store/seeded.h"

#include <stdlib.h>

#include "core/checksum.h"
#include "core/clock.h"
#include "core/memory.h"
#include "mail/header.h"

#define TRIES 4 /* as often may the box change so that bytes are lost */

/* ---- choosing ---- */

static bool is_whole(const struct restore_choice *choice)
{
	return choice->uid == 0 && choice->message_id.len == 0;
}

/* As body.c hashes it. */
static uint64_t hash_of(struct str message_id)
{
	struct str inner = header_message_id(message_id);

	if (inner.len > 0)
		message_id = inner;
	return hash64(0, message_id.p, message_id.len);
}

static enum store_result choose_messages(struct restore *p, struct folder *f)
{
	const struct restore_choice *choice = p->choice;
	uint64_t id = hash_of(choice->message_id);
	enum store_result r = folder_load(p->from, f);

	for (size_t i = 0; i < f->count && r == STORE_OK; i++) {
		const struct message *m = &f->messages[i];
		const struct message_place *place;

		if (choice->uid != 0 && m->uid != choice->uid)
			continue;
		place = folder_place(p->from, f, i);
		if (place == NULL)
			return STORE_CORRUPT;
		if (choice->message_id.len == 0 || place->message_id == id)
			restore_want(p, m, place);
	}
	return r;
}

static enum store_result choose(struct restore *p, struct str mailbox)
{
	const struct state *s = &p->from->state;
	enum store_result r = STORE_OK;

	p->folders = mem_array(s->folder_count, sizeof(*p->folders));
	for (size_t i = 0; i < s->folder_count && r == STORE_OK; i++) {
		struct wanted_folder *w = &p->folders[p->folder_count];

		if (mailbox.len > 0 &&
		    !str_eq(s->folders[i]->info.name, mailbox))
			continue;
		p->folder_count++;
		w->f = s->folders[i];
		w->first = p->count;
		r = choose_messages(p, w->f);
		w->count = p->count - w->first;
	}
	if (r == STORE_CORRUPT)
		box_note(p->b, "%s", store_why(p->from));
	if (r == STORE_OK && p->folder_count == 0)
		r = box_fail(p->b, STORE_NO_MAILBOX, "no such mailbox there");
	if (r == STORE_OK && !is_whole(p->choice) && p->count == 0)
		r = box_fail(p->b, STORE_GONE, "no such message there");
	return r;
}

/* ---- single messages ---- */

/* The head of a wanted message if its bytes are here, else NULL. */
static const struct wanted *source(struct restore *p, size_t i)
{
	struct wanted *head = &p->list[p->list[i].head];

	if (head->found)
		return head;
	/* Of ours nobody has them; those of others may be copied once more. */
	if (!p->ours && !head->lost)
		p->again = true;
	p->out->lost++;
	return NULL;
}

static enum store_result put_messages(
    struct change *c, struct targets *all, const struct wanted_folder *w)
{
	struct restore *p = c->arg;
	const struct mailbox_info *info = &w->f->info;
	bool same_life = engine_incarnation(p->b->engine) ==
	    engine_incarnation(p->from->engine);
	enum store_result r = STORE_OK;
	struct target *t;

	for (size_t i = 0; i < w->count && r == STORE_OK; i++) {
		const struct wanted *head = source(p, w->first + i);

		if (head == NULL)
			continue;
		r = target_find(
		    c, all, same_life ? info->id : 0, info->name, &t);
		if (r == STORE_OK)
			r = target_put(c, t, info, &p->list[w->first + i].m,
			    &head->now, place_identity(&head->now),
			    &p->out->messages);
	}
	return r;
}

static enum store_result decide_messages(struct change *c)
{
	struct restore *p = c->arg;
	struct targets all = {0};
	enum store_result r = restore_find(p, false);

	p->out->messages = p->out->lost = 0;
	p->again = false;
	for (size_t i = 0; i < p->folder_count && r == STORE_OK; i++)
		r = put_messages(c, &all, &p->folders[i]);
	targets_free(&all);
	return p->again ? STORE_BUSY : r;
}

/* ---- whole mailboxes ---- */

/* What a mailbox will be. */
struct row {
	struct message m;
	struct message_place place;
	bool since; /* it came later: keywords are those of the live one */
};

struct rebuilt {
	const struct folder *then;
	struct folder *live; /* of the same name, or NULL */
	struct row *rows;
	size_t count, restored;
};

static enum store_result add_restored(
    struct restore *p, const struct wanted_folder *w, struct rebuilt *out)
{
	for (size_t i = 0; i < w->count; i++) {
		const struct wanted *head = source(p, w->first + i);

		if (head != NULL)
			out->rows[out->count++] = (struct row){
			    p->list[w->first + i].m, head->now, false};
	}
	out->restored = out->count;
	return p->again ? STORE_BUSY : STORE_OK;
}

/* Whatever else is in the live mailbox stays, behind what is restored: with
 * the uids that it has, where these are high enough. */
static enum store_result add_since(struct restore *p, struct rebuilt *out)
{
	struct folder *live = out->live;
	struct identities restored = {0};
	uint32_t next = out->then->info.uidnext;
	enum store_result r = STORE_OK;

	for (size_t i = 0; i < out->count; i++)
		identities_add(
		    &restored, message_identity(&out->rows[i].place));
	for (size_t i = 0; i < live->count && r == STORE_OK; i++) {
		struct row *row = &out->rows[out->count];
		const struct message_place *place = folder_place(p->b, live, i);

		if (place == NULL) {
			r = STORE_CORRUPT;
			break;
		}
		if (identities_has(&restored, message_identity(place)) &&
		    !seeded("restore-doubles"))
			continue;
		*row = (struct row){live->messages[i], *place, true};
		if (row->m.uid < next)
			row->m.uid = next;
		if (row->m.uid >= UINT32_MAX - 1)
			r = box_fail(p->b, STORE_LIMIT, "the uids are used up");
		next = row->m.uid + 1;
		out->count++;
	}
	identities_free(&restored);
	return r;
}

/* One mailbox's bits with the names of another; a bit without a name there
 * makes it differ. */
static bool same_keywords(const struct mailbox_info *a, uint64_t bits,
    const struct mailbox_info *b, uint64_t other)
{
	uint64_t mapped = 0;

	for (size_t i = 0; i < a->keyword_count; i++) {
		size_t k = 0;

		if (!(bits & UINT64_C(1) << i))
			continue;
		while (k < b->keyword_count &&
		    !str_case_eq(a->keywords[i], b->keywords[k]))
			k++;
		if (k == b->keyword_count)
			return false;
		mapped |= UINT64_C(1) << k;
	}
	return mapped == other;
}

static bool differs(struct restore *p, const struct rebuilt *new)
{
	struct folder *live = new->live;

	if (live == NULL || !live->info.selectable || live->count != new->count)
		return true;
	for (size_t i = 0; i < new->count; i++) {
		const struct row *row = &new->rows[i];
		const struct message *m = &live->messages[i];
		const struct message_place *place = folder_place(p->b, live, i);

		if (place == NULL ||
		    place_identity(place) != place_identity(&row->place) ||
		    m->uid != row->m.uid || m->flags != row->m.flags ||
		    m->internal_date != row->m.internal_date ||
		    (!row->since &&
			!same_keywords(&new->then->info, row->m.keywords,
			    &live->info, m->keywords)))
			return true;
	}
	return false;
}

/* The use that it has, or had, if nobody else has it now. */
static enum special_use use_of(const struct state *s, const struct rebuilt *new)
{
	int use = new->then->info.use;

	if (new->live != NULL)
		return (enum special_use) new->live->info.use;
	for (size_t i = 0; i < s->folder_count; i++)
		if (s->folders[i]->info.use == use)
			return USE_NONE;
	return (enum special_use)use;
}

/* A mailbox of this name, the live one being deleted; *made becomes it. */
static enum store_result make(
    struct change *c, const struct rebuilt *new, struct folder *made)
{
	const struct mailbox_info *then = &new->then->info;
	enum special_use use = use_of(&c->b->state, new);
	struct record r = {.type = RECORD_DELETE};
	enum store_result result;

	if (new->live == NULL && then->selectable) {
		result = change_create(c, then->name, use, &made->info.id,
		    &made->info.uidvalidity);
	} else {
		if (new->live != NULL) {
			r.delete = (struct record_delete){new->live->info.id,
			    c->modseq, new->live->info.messages,
			    new->live->info.octets, clock_seconds()};
			change_put(c, &r);
		}
		result = change_create_one(c, then->name, use, then->selectable,
		    &made->info.id, &made->info.uidvalidity);
	}
	for (uint32_t i = 0; i < then->keyword_count && result == STORE_OK;
	     i++) {
		r = (struct record){.type = RECORD_KEYWORD};
		r.keyword = (struct record_keyword){
		    made->info.id, i, then->keywords[i]};
		change_put(c, &r);
		made->info.keywords[i] = then->keywords[i];
		made->info.keyword_count++;
	}
	return result;
}

static void put_rows(
    struct change *c, const struct rebuilt *new, struct folder *made)
{
	int64_t now = clock_seconds();

	for (size_t i = 0; i < new->count; i++) {
		const struct row *row = &new->rows[i];
		struct record r = {.type = RECORD_MESSAGE};

		r.message = (struct record_message){
		    made->info.id, row->m, row->place};
		r.message.m.modseq = c->modseq;
		if (row->since)
			r.message.m.keywords = change_carry_keywords(
			    c, &new->live->info, made, row->m.keywords);
		else
			r.message.place.saved = now;
		change_put(c, &r);
	}
}

static enum store_result rebuild(struct change *c, const struct rebuilt *new)
{
	struct restore *p = c->arg;
	struct folder *made;
	enum store_result r;

	if (!differs(p, new) && !seeded("restore-what-is-the-same"))
		return STORE_OK;
	made = NEW(struct folder);
	r = make(c, new, made);
	if (r == STORE_OK)
		put_rows(c, new, made);
	p->out->mailboxes++;
	p->out->messages += new->restored;
	free(made);
	return r;
}

static enum store_result restore_mailbox(
    struct change *c, const struct wanted_folder *w)
{
	struct restore *p = c->arg;
	struct rebuilt new = {.then = w->f,
	    .live = state_folder_named(&c->b->state, w->f->info.name)};
	size_t most = w->count;
	enum store_result r = STORE_OK;

	/* A level stays one, or what became of it. */
	if (!w->f->info.selectable && new.live != NULL)
		return STORE_OK;
	if (new.live != NULL)
		r = folder_load(c->b, new.live);
	if (new.live != NULL)
		most += new.live->count;
	new.rows = mem_array(most, sizeof(*new.rows));
	if (r == STORE_OK)
		r = add_restored(p, w, &new);
	if (r == STORE_OK && new.live != NULL &&
	    !seeded("restore-forgets-what-came"))
		r = add_since(p, &new);
	if (r == STORE_OK)
		r = rebuild(c, &new);
	free(new.rows);
	return r;
}

static void put_subscription(struct change *c, struct str name, bool on)
{
	struct record r = {.type = RECORD_SUBSCRIBE};

	r.subscribe = (struct record_subscribe){on, name};
	change_put(c, &r);
}

/* As they were; those of mailboxes that were not there then stay. */
static void restore_subscriptions(struct change *c)
{
	const struct restore *p = c->arg;
	const struct state *then = &p->from->state, *now = &c->b->state;
	struct str name;
	size_t at = 0;
	void *value;

	while (table_next(&then->subscriptions, &at, &name, &value))
		if (table_get(&now->subscriptions, name) == NULL)
			put_subscription(c, name, true);
	at = 0;
	while (table_next(&now->subscriptions, &at, &name, &value))
		if (table_get(&then->subscriptions, name) == NULL &&
		    (state_folder_named(now, name) == NULL ||
			state_folder_named(then, name) != NULL))
			put_subscription(c, name, false);
}

static enum store_result decide_mailboxes(struct change *c)
{
	struct restore *p = c->arg;
	enum store_result r = restore_find(p, false);

	p->out->mailboxes = p->out->messages = p->out->lost = 0;
	p->again = false;
	for (size_t i = 0; i < p->folder_count && r == STORE_OK; i++)
		r = restore_mailbox(c, &p->folders[i]);
	if (r == STORE_OK && p->choice->mailbox.len == 0)
		restore_subscriptions(c);
	return r;
}

/* ---- all of it ---- */

static enum store_result attempt(struct restore *p)
{
	struct change c = {.decide = decide_messages, .arg = p};
	enum store_result r = box_refresh(p->b);

	if (is_whole(p->choice)) {
		c.decide = decide_mailboxes;
		c.new_epoch = true;
	}
	if (r == STORE_OK)
		r = box_load_all(p->b);
	if (r == STORE_OK && !p->ours)
		r = restore_find(p, true);
	if (r == STORE_OK && !p->ours)
		r = restore_copy(p);
	return r == STORE_OK ? box_change(p->b, &c) : r;
}

enum store_result box_restore(struct box *b, struct box *from,
    const struct restore_choice *choice, struct restore_result *out)
{
	struct restore p = {.b = b, .from = from, .choice = choice, .out = out};
	char space[MAILBOX_NAME_MAX];
	struct str mailbox = STR_EMPTY;
	enum store_result r;

	*out = (struct restore_result){0};
	if (choice->mailbox.len > 0 &&
	    !name_normalize(choice->mailbox, space, &mailbox))
		return box_fail(b, STORE_BAD_NAME, "not a mailbox name");
	if (choice->uid != 0 && mailbox.len == 0)
		return box_fail(
		    b, STORE_NO_MAILBOX, "a uid is one of a mailbox");
	p.ours = b->store == from->store &&
	    str_eq(str_from(b->account), str_from(from->account));
	r = box_load_all(from);
	if (r != STORE_OK)
		box_note(b, "%s", store_why(from));
	if (r == STORE_OK)
		r = choose(&p, mailbox);
	for (int i = 0; i < TRIES && r == STORE_OK; i++) {
		r = attempt(&p);
		/* Corrupt: another process took a snapshot, and dropped the
		 * one that we read from. */
		if ((r != STORE_BUSY || !p.again) && r != STORE_CORRUPT)
			break;
		r = i + 1 < TRIES ? STORE_OK : r;
	}
	free(p.list);
	free(p.hash);
	free(p.folders);
	return r;
}
