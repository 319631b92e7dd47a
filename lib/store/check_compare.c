/* SPDX-License-Identifier: ISC */
/* Whether a snapshot says what the log says. */
#include <stdlib.h>

#include "core/clock.h"
#include "core/memory.h"
#include "store/check.h"

/* A snapshot and what the log says at its position. */
struct comparison {
	struct check *c;
	struct box *log, *other;
	struct check_at at;
	const char *what; /* "", or of what it is a part */
	unsigned differences;
};

#define differs(x, mailbox_id, uid_, ...)                                      \
	do {                                                                   \
		(x)->at.mailbox = (mailbox_id);                                \
		(x)->at.uid = (uid_);                                          \
		if ((x)->differences++ < SAME_MOST)                            \
			check_found(                                           \
			    (x)->c, FINDING_DERIVED, &(x)->at, __VA_ARGS__);   \
	} while (0)

static bool same_keywords(const struct folder *a, const struct folder *b)
{
	if (a->info.keyword_count != b->info.keyword_count)
		return false;
	for (size_t i = 0; i < a->info.keyword_count; i++)
		if (!str_eq(a->info.keywords[i], b->info.keywords[i]))
			return false;
	return true;
}

static void compare_info(
    struct comparison *x, const struct folder *f, const struct folder *g)
{
	const struct mailbox_info *a = &f->info, *b = &g->info;
	const char *what = NULL;

	if (!str_eq(a->name, b->name))
		what = "name";
	else if (a->uidvalidity != b->uidvalidity)
		what = "UIDVALIDITY";
	else if (a->uidnext != b->uidnext)
		what = "next uid";
	else if (a->highest_modseq != b->highest_modseq)
		what = "modification sequence";
	else if (a->messages != b->messages || a->unseen != b->unseen ||
	    a->deleted != b->deleted || a->octets != b->octets)
		what = "counts";
	else if (a->use != b->use || a->selectable != b->selectable ||
	    (f->dead_modseq == 0 && a->subscribed != b->subscribed))
		what = "attributes";
	else if (!same_keywords(f, g))
		what = "keywords";
	else if (f->dead_modseq != g->dead_modseq ||
	    f->dead_time != g->dead_time)
		what = "deletion";
	if (what != NULL)
		differs(x, a->id, 0, "%s%s: another %s than the log says",
		    x->what, check_folder_name(f).text, what);
}

static const char *compare_message(
    const struct message *a, const struct message *b)
{
	if (a->flags != b->flags || a->keywords != b->keywords)
		return "other flags";
	if (a->modseq != b->modseq)
		return "another modification sequence";
	if (a->size != b->size || a->internal_date != b->internal_date)
		return "another size or date";
	return NULL;
}

static bool same_place(
    const struct message_place *a, const struct message_place *b)
{
	unsigned char p[PLACE_OCTETS], q[PLACE_OCTETS];

	place_encode(a, p);
	place_encode(b, q);
	return memcmp(p, q, sizeof(p)) == 0;
}

static void compare_messages(
    struct comparison *x, struct folder *f, struct folder *g)
{
	size_t i = 0, k = 0;

	while (i < f->count || k < g->count) {
		uint32_t a = i < f->count ? f->messages[i].uid : UINT32_MAX;
		uint32_t b = k < g->count ? g->messages[k].uid : UINT32_MAX;
		const struct message_place *p, *q;
		const char *why;

		if (a != b) {
			differs(x, f->info.id, a < b ? a : b,
			    "%smessage %u of %s: %s", x->what, a < b ? a : b,
			    check_folder_name(f).text,
			    a < b ? "it is missing" : "the log has none");
			i += a < b;
			k += b < a;
			continue;
		}
		why = compare_message(&f->messages[i], &g->messages[k]);
		p = folder_place(x->log, f, i++);
		q = folder_place(x->other, g, k++);
		if (why == NULL &&
		    (p == NULL || q == NULL || !same_place(p, q)))
			why = "another place";
		if (why != NULL)
			differs(x, f->info.id, a,
			    "%smessage %u of %s: %s than the log says", x->what,
			    a, check_folder_name(f).text, why);
	}
}

/* Those at or below the snapshot's floor it may have forgotten. */
static size_t above(const struct folder *f, uint64_t floor)
{
	size_t i = 0;

	while (i < f->vanished_count && f->vanished[i].modseq <= floor)
		i++;
	return i;
}

static void compare_vanished(
    struct comparison *x, const struct folder *f, const struct folder *g)
{
	uint64_t floor = g->vanish_floor > f->vanish_floor ? g->vanish_floor
							   : f->vanish_floor;
	size_t i = above(f, floor), k = above(g, floor);
	bool same = f->vanished_count - i == g->vanished_count - k &&
	    g->vanish_floor >= f->vanish_floor;

	for (; same && i < f->vanished_count; i++, k++)
		same = f->vanished[i].uid == g->vanished[k].uid &&
		    f->vanished[i].modseq == g->vanished[k].modseq &&
		    f->vanished[i].time == g->vanished[k].time;
	if (!same)
		differs(x, f->info.id, 0,
		    "%s%s: other uids have vanished than the log says", x->what,
		    check_folder_name(f).text);
}

struct rows {
	struct expunged *list;
	size_t count, room;
};

static void add_row(void *arg, const struct expunged *e)
{
	struct rows *rows = arg;

	if (rows->count == rows->room) {
		rows->room = rows->room * 2 + 64;
		rows->list = mem_resize(
		    rows->list, rows->room, sizeof(*rows->list));
	}
	rows->list[rows->count++] = *e;
}

static int by_modseq(const void *a, const void *b)
{
	const struct expunged *x = a, *y = b;

	if (x->modseq != y->modseq)
		return x->modseq < y->modseq ? -1 : 1;
	return x->m.uid < y->m.uid ? -1 : x->m.uid > y->m.uid;
}

static void sort_rows(struct rows *rows)
{
	if (rows->count > 0)
		qsort(rows->list, rows->count, sizeof(*rows->list), by_modseq);
}

static bool same_row(const struct expunged *a, const struct expunged *b)
{
	return a->m.uid == b->m.uid && a->modseq == b->modseq &&
	    a->time == b->time && compare_message(&a->m, &b->m) == NULL &&
	    same_place(&a->place, &b->place);
}

static void compare_expunged(
    struct comparison *x, struct folder *f, struct folder *g)
{
	struct rows a = {0}, b = {0};
	size_t same = 0;

	if (folder_each_expunged(x->log, f, add_row, &a) != STORE_OK ||
	    folder_each_expunged(x->other, g, add_row, &b) != STORE_OK)
		differs(x, f->info.id, 0, "%s%s: %s", x->what,
		    check_folder_name(f).text, store_why(x->other));
	sort_rows(&a);
	sort_rows(&b);
	while (same < a.count && same < b.count &&
	    same_row(&a.list[same], &b.list[same]))
		same++;
	if (same < a.count || same < b.count) {
		uint32_t uid = same < a.count ? a.list[same].m.uid
					      : b.list[same].m.uid;

		differs(x, f->info.id, uid,
		    "%smessage %u of %s, expunged: not what the log says",
		    x->what, uid, check_folder_name(f).text);
	}
	free(a.list);
	free(b.list);
}

static void compare_folder(
    struct comparison *x, struct folder *f, struct folder *g)
{
	compare_info(x, f, g);
	compare_messages(x, f, g);
	compare_vanished(x, f, g);
	compare_expunged(x, f, g);
}

static void compare_folders(struct comparison *x)
{
	const struct state *a = &x->log->state, *b = &x->other->state;
	struct folder *f, *g;

	for (size_t i = 0; (f = check_folder(a, i)) != NULL; i++) {
		g = f->dead_modseq == 0 ? state_folder(b, f->info.id)
					: state_dead(b, f->info.id);
		if (g != NULL)
			compare_folder(x, f, g);
		else
			differs(x, f->info.id, 0, "%s%s: it is missing",
			    x->what, check_folder_name(f).text);
	}
	for (size_t i = 0; (g = check_folder(b, i)) != NULL; i++) {
		f = g->dead_modseq == 0 ? state_folder(a, g->info.id)
					: state_dead(a, g->info.id);
		if (f == NULL)
			differs(x, g->info.id, 0, "%s%s: the log has none",
			    x->what, check_folder_name(g).text);
	}
}

static void compare_subscriptions(struct comparison *x)
{
	const struct table *a = &x->log->state.subscriptions;
	const struct table *b = &x->other->state.subscriptions;
	bool same = a->count == b->count;
	struct str name;
	size_t at = 0;
	void *value;

	while (same && table_next(a, &at, &name, &value))
		same = table_get(b, name) != NULL;
	if (!same)
		differs(x, 0, 0, "%sother subscriptions than the log says",
		    x->what);
}

struct ids {
	struct delivery *list;
	size_t count, room;
};

static int by_delivery(const void *a, const void *b)
{
	const struct delivery *x = a, *y = b;
	int order = memcmp(x->id, y->id, sizeof(x->id));

	return order != 0 ? order : x->time < y->time ? -1 : x->time > y->time;
}

static enum store_result add_delivery(void *arg, const struct delivery *d)
{
	struct ids *ids = arg;

	if (ids->count == ids->room) {
		ids->room = ids->room * 2 + 64;
		ids->list = mem_resize(
		    ids->list, ids->room, sizeof(*ids->list));
	}
	ids->list[ids->count++] = *d;
	return STORE_OK;
}

/* Old ids may be forgotten; others are what the log says. */
static bool same_ids(const struct ids *a, const struct ids *b, int64_t oldest)
{
	size_t k = 0;

	for (size_t i = 0; i < a->count; i++) {
		bool there = k < b->count &&
		    by_delivery(&a->list[i], &b->list[k]) == 0;

		if (!there && a->list[i].time >= oldest)
			return false;
		k += there;
	}
	return k == b->count;
}

static void compare_deliveries(struct comparison *x)
{
	struct ids a = {0}, b = {0};
	int64_t oldest = clock_seconds() - x->c->store->delivery_kept;

	if (deliveries_each(x->log, add_delivery, &a) != STORE_OK ||
	    deliveries_each(x->other, add_delivery, &b) != STORE_OK)
		differs(x, 0, 0, "%sdelivery ids: %s", x->what,
		    store_why(x->other));
	if (a.count > 0)
		qsort(a.list, a.count, sizeof(*a.list), by_delivery);
	if (b.count > 0)
		qsort(b.list, b.count, sizeof(*b.list), by_delivery);
	if (!same_ids(&a, &b, oldest))
		differs(
		    x, 0, 0, "%sother delivery ids than the log says", x->what);
	free(a.list);
	free(b.list);
}

void check_compare(struct check *c, uint64_t number, const char *what)
{
	struct comparison x = {.c = c,
	    .log = c->log,
	    .other = c->other,
	    .at = at_snapshot(number, 0),
	    .what = what};
	const struct state *a = &c->log->state, *b = &c->other->state;
	size_t kept = c->finding_count;
	uint64_t counted = c->out.findings;

	if (a->next_mailbox != b->next_mailbox ||
	    a->last_uidvalidity != b->last_uidvalidity)
		differs(&x, 0, 0,
		    "%sother ids to be given next than the log says", what);
	if (a->usage.octets != b->usage.octets ||
	    a->usage.messages != b->usage.messages)
		differs(&x, 0, 0, "%sanother usage than the log says", what);
	if (a->horizon != b->horizon || a->erased != b->erased ||
	    a->gone_last != b->gone_last)
		differs(&x, 0, 0,
		    "%sanother horizon of what is gone than the log says",
		    what);
	compare_folders(&x);
	compare_subscriptions(&x);
	compare_deliveries(&x);
	/* What was dropped while it was read is not judged. */
	if (x.differences > 0 && !check_still_kept(c, number)) {
		c->finding_count = kept;
		c->out.findings = counted;
	}
}
