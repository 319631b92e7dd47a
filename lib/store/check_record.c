/* SPDX-License-Identifier: ISC */
/* Records, held against the state that they follow; and what that state adds
 * up to. */
#include <stdlib.h>

#include "core/memory.h"
#include "store/check.h"

#define FLAGS_ALL                                                              \
	(FLAG_SEEN | FLAG_ANSWERED | FLAG_FLAGGED | FLAG_DELETED | FLAG_DRAFT)

struct check_at check_here(const struct check *c)
{
	return at_generation(c->frame->at.generation, c->frame->at.length);
}

/* ---- what was given before ---- */

static struct str key_of(const uint32_t *id)
{
	return str_of(id, sizeof(*id));
}

static bool given(const struct table *t, uint32_t floor, uint32_t id)
{
	return id < floor || table_get(t, key_of(&id)) != NULL;
}

void check_forget_given(struct check *c)
{
	const struct state *s = &c->log->state;

	table_free(&c->ids);
	table_free(&c->validities);
	c->ids_floor = s->next_mailbox;
	c->validities_floor = s->last_uidvalidity + 1;
}

void check_remember_delivery(struct check *c, const struct delivery *d)
{
	if (c->delivery_count == c->delivery_room) {
		c->delivery_room = c->delivery_room * 2 + 64;
		c->deliveries = mem_resize(
		    c->deliveries, c->delivery_room, sizeof(*c->deliveries));
	}
	c->deliveries[c->delivery_count++] = (struct check_delivery){
	    *d, c->frame->at.generation, c->frame->at.length};
}

/* ---- each record, before it is folded ---- */

static void check_modseq(struct check *c, uint32_t mailbox, uint64_t modseq)
{
	if (c->restated ? modseq > c->frame->after.modseq
			: modseq != c->frame->after.modseq)
		record_found(c, mailbox, 0,
		    "a record's modification sequence is not its frame's");
}

static void check_keywords(struct check *c, const struct folder *f,
    uint32_t uid, uint32_t flags, uint64_t keywords)
{
	size_t defined = f->info.keyword_count;

	if (flags & ~FLAGS_ALL)
		record_found(c, f->info.id, uid, "%s: flags that do not exist",
		    check_folder_name(f).text);
	if (defined < 64 && keywords >> defined != 0)
		record_found(c, f->info.id, uid,
		    "%s: a keyword that was never defined",
		    check_folder_name(f).text);
}

static void check_mailbox(struct check *c, const struct record_mailbox *r)
{
	const struct state *s = &c->log->state;
	char space[MAILBOX_NAME_MAX];
	struct str name;

	check_modseq(c, r->id, r->modseq);
	if (c->restated ? r->id >= s->next_mailbox
			: given(&c->ids, c->ids_floor, r->id))
		record_found(c, r->id, 0, "the id of mailbox %u was given %s",
		    r->id, c->restated ? "to none before" : "before");
	if (r->uidvalidity == 0 ||
	    (c->restated ? r->uidvalidity > s->last_uidvalidity
			 : given(&c->validities, c->validities_floor,
			       r->uidvalidity)))
		record_found(c, r->id, 0,
		    "UIDVALIDITY %u of mailbox %u is not a new one",
		    r->uidvalidity, r->id);
	if (!name_normalize(r->name, space, &name) || !str_eq(name, r->name))
		record_found(c, r->id, 0, "the name of mailbox %u", r->id);
	table_put(&c->ids, key_of(&r->id), c);
	table_put(&c->validities, key_of(&r->uidvalidity), c);
}

static void check_rename(struct check *c, const struct record_rename *r)
{
	char space[MAILBOX_NAME_MAX];
	struct str name;

	check_modseq(c, r->id, r->modseq);
	if (!name_normalize(r->name, space, &name) || !str_eq(name, r->name))
		record_found(c, r->id, 0, "the new name of mailbox %u", r->id);
}

static void check_delete(
    struct check *c, const struct folder *f, const struct record_delete *r)
{
	check_modseq(c, r->id, r->modseq);
	if (r->messages != f->info.messages || r->octets != f->info.octets)
		record_found(c, r->id, 0,
		    "%s is deleted with other counts than it has",
		    check_folder_name(f).text);
}

static void check_message(
    struct check *c, const struct folder *f, const struct record_message *r)
{
	check_modseq(c, r->mailbox, r->m.modseq);
	check_keywords(c, f, r->m.uid, r->m.flags, r->m.keywords);
}

/* What the messages of some ranges add up to. */
struct sums {
	uint64_t named, messages, octets, unseen, deleted;
};

static struct sums sum_up(
    const struct folder *f, const char *ranges, uint32_t count)
{
	struct sums sums = {0};

	for (uint32_t i = 0; i < count; i++) {
		uint32_t first, last;

		range_get(ranges, i, &first, &last);
		sums.named += (uint64_t)last - first + 1;
		for (size_t at = folder_search(f, first);
		     at < f->count && f->messages[at].uid <= last; at++) {
			const struct message *m = &f->messages[at];

			sums.messages++;
			sums.octets += m->size;
			sums.unseen += !(m->flags & FLAG_SEEN);
			sums.deleted += (m->flags & FLAG_DELETED) != 0;
		}
	}
	return sums;
}

/* One range: every uid. */
static const char all_uids[8] = {
    1, 0, 0, 0, (char)0xff, (char)0xff, (char)0xff, (char)0xff};

static void check_flags(
    struct check *c, const struct folder *f, const struct record_flags *r)
{
	struct sums sums = sum_up(f, r->ranges, r->count);
	uint64_t unseen = r->flags & FLAG_SEEN ? 0 : sums.messages;
	uint64_t deleted = r->flags & FLAG_DELETED ? sums.messages : 0;

	check_modseq(c, r->mailbox, r->modseq);
	check_keywords(c, f, 0, r->flags, r->keywords);
	if (sums.named != sums.messages)
		record_found(c, r->mailbox, 0,
		    "%s: flags of messages that are not there",
		    check_folder_name(f).text);
	if (unseen - sums.unseen != (uint64_t)r->unseen ||
	    deleted - sums.deleted != (uint64_t)r->deleted)
		record_found(c, r->mailbox, 0,
		    "%s: flags that count other messages than they change",
		    check_folder_name(f).text);
}

static void check_expunge(
    struct check *c, const struct folder *f, const struct record_expunge *r)
{
	struct sums sums = sum_up(f, r->ranges, r->count);

	check_modseq(c, r->mailbox, r->modseq);
	if (sums.named != sums.messages)
		record_found(c, r->mailbox, 0,
		    "%s: messages are expunged that are not there",
		    check_folder_name(f).text);
	if (sums.messages != r->messages || sums.octets != r->octets ||
	    sums.unseen != r->unseen || sums.deleted != r->deleted)
		record_found(c, r->mailbox, 0,
		    "%s: an expunge counts other messages than it removes",
		    check_folder_name(f).text);
}

static void check_keyword(
    struct check *c, const struct folder *f, const struct record_keyword *r)
{
	for (size_t i = 0; i < f->info.keyword_count; i++)
		if (str_case_eq(f->info.keywords[i], r->name))
			record_found(c, r->mailbox, 0,
			    "%s: a keyword is defined twice",
			    check_folder_name(f).text);
}

static bool before(const struct engine_pos *a, const struct engine_pos *b)
{
	return a->generation != b->generation ? a->generation < b->generation
					      : a->length < b->length;
}

static void check_announced(struct check *c, const struct record_snapshot *r)
{
	if (r->number <= c->announced)
		record_found(c, 0, 0,
		    "snapshot %llu is announced after snapshot %llu",
		    (unsigned long long)r->number,
		    (unsigned long long)c->announced);
	c->announced = r->number;
	if (before(&c->frame->at, &r->at))
		record_found(c, 0, 0,
		    "snapshot %llu is announced before its position",
		    (unsigned long long)r->number);
}

static void check_horizon(struct check *c, const struct record *r)
{
	const struct state *s = &c->log->state;
	uint64_t modseq = r->horizon.modseq;

	if (modseq > c->frame->at.modseq)
		record_found(c, 0, 0, "a horizon that lies in the future");
	if (r->type == RECORD_ERASED && modseq > s->horizon)
		record_found(c, 0, 0, "erased beyond the horizon");
	else if (r->type == RECORD_ERASED)
		check_erase(c, modseq);
}

/* The mailbox of a record; NULL when it has none, or there is none. */
static struct folder *folder_of(const struct check *c, const struct record *r)
{
	const struct state *s = &c->log->state;

	switch (r->type) {
	case RECORD_DELETE:
		return state_folder(s, r->delete.id);
	case RECORD_MESSAGE:
		return state_folder(s, r->message.mailbox);
	case RECORD_FLAGS:
		return state_folder(s, r->flags.mailbox);
	case RECORD_EXPUNGE:
		return state_folder(s, r->expunge.mailbox);
	case RECORD_KEYWORD:
		return state_folder(s, r->keyword.mailbox);
	default:
		return NULL;
	}
}

void check_record(struct check *c, const struct record *r)
{
	const struct folder *f = folder_of(c, r);
	struct delivery d;

	switch (r->type) {
	case RECORD_MAILBOX:
		check_mailbox(c, &r->mailbox);
		return;
	case RECORD_RENAME:
		check_rename(c, &r->rename);
		return;
	case RECORD_SNAPSHOT:
		check_announced(c, &r->snapshot);
		return;
	case RECORD_HORIZON:
	case RECORD_ERASED:
		check_horizon(c, r);
		return;
	case RECORD_DELIVERY:
		memcpy(d.id, r->delivery.id, sizeof(d.id));
		d.time = r->delivery.time;
		check_remember_delivery(c, &d);
		return;
	default:
		break;
	}
	if (f == NULL) /* folding will say so, where there should be one */
		return;
	if (r->type == RECORD_DELETE)
		check_delete(c, f, &r->delete);
	else if (r->type == RECORD_MESSAGE)
		check_message(c, f, &r->message);
	else if (r->type == RECORD_FLAGS)
		check_flags(c, f, &r->flags);
	else if (r->type == RECORD_EXPUNGE)
		check_expunge(c, f, &r->expunge);
	else
		check_keyword(c, f, &r->keyword);
}

void check_refused(struct check *c, const struct record *r)
{
	const struct state *s = &c->log->state;
	const struct folder *f = folder_of(c, r);
	uint32_t mailbox = f == NULL ? 0 : f->info.id;

	if (r->type == RECORD_MESSAGE && f == NULL)
		record_found(c, r->message.mailbox, r->message.m.uid,
		    "message %u is put into mailbox %u, which is not there",
		    r->message.m.uid, r->message.mailbox);
	else if (r->type == RECORD_MESSAGE &&
	    r->message.m.uid < f->info.uidnext)
		record_found(c, mailbox, r->message.m.uid,
		    "%s: its uid was given before",
		    check_message_name(s, mailbox, r->message.m.uid).text);
	else
		record_found(c, mailbox, 0, "a record makes no sense: %s",
		    s->why == NULL ? "its counts" : s->why);
}

/* ---- sums ---- */

static void check_rows(
    struct check *c, const struct folder *f, const struct check_at *where)
{
	struct check_at at = *where;
	uint32_t before_uid = 0;

	at.mailbox = f->info.id;
	for (size_t i = 0; i < f->count; i++) {
		const struct message *m = &f->messages[i];

		at.uid = m->uid;
		if (m->uid <= before_uid || m->uid >= f->info.uidnext)
			check_found(c, FINDING_DAMAGE, &at,
			    "message %u of %s: its uid is not between its "
			    "neighbours'",
			    m->uid, check_folder_name(f).text);
		if (m->modseq > f->info.highest_modseq)
			check_found(c, FINDING_DAMAGE, &at,
			    "message %u of %s: its modification sequence is "
			    "above its mailbox's",
			    m->uid, check_folder_name(f).text);
		before_uid = m->uid;
	}
}

void check_counts(
    struct check *c, const struct state *s, const struct check_at *where)
{
	struct box_usage usage = {0};

	for (size_t i = 0; i < s->folder_count; i++) {
		const struct folder *f = s->folders[i];
		struct check_at at = *where;
		struct sums sums;

		sums = sum_up(f, all_uids, 1);
		at.mailbox = f->info.id;
		if (sums.messages != f->info.messages ||
		    sums.octets != f->info.octets ||
		    sums.unseen != f->info.unseen ||
		    sums.deleted != f->info.deleted)
			check_found(c, FINDING_DAMAGE, &at,
			    "%s: its counts are not the sum of its messages",
			    check_folder_name(f).text);
		usage.messages += sums.messages;
		usage.octets += sums.octets;
		check_rows(c, f, where);
	}
	if (usage.messages != s->usage.messages ||
	    usage.octets != s->usage.octets)
		check_found(c, FINDING_DAMAGE, where,
		    "the quota's usage is not the sum of all mailboxes");
}
