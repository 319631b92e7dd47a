/* SPDX-License-Identifier: ISC */
/*
 * Snapshots: what they are made of, and that they say what the log says.
 *
 * Each is compared when the log has come to its position, so that the log is
 * folded only once.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/checksum.h"
#include "core/clock.h"
#include "core/memory.h"
#include "store/check.h"
#include "store/snapshot.h"

/* ---- columns ---- */

struct columns {
	struct column_of {
		struct column column;
		bool content; /* may have been overwritten */
		uint32_t mailbox;
		uint64_t number; /* of the snapshot that needs it */
	} * list;
	size_t count, room;
};

static void add_column(struct columns *all, const struct column *column,
    bool content, uint32_t mailbox, uint64_t number)
{
	if (all->count == all->room) {
		all->room = all->room * 2 + 256;
		all->list = mem_resize(
		    all->list, all->room, sizeof(*all->list));
	}
	all->list[all->count++] = (struct column_of){
	    *column, content, mailbox, number};
}

static bool zeroes(const unsigned char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != 0)
			return false;
	return true;
}

/* NULL when its octets are what the manifest says. */
static const char *column_trouble(struct box *b, const struct column_of *one)
{
	const struct column *column = &one->column;
	const char *why = NULL;
	enum engine_status s = ENGINE_OK;
	unsigned char last, *p;

	/* No room is made for what is not there. */
	if (column->offset > (uint64_t)INT64_MAX - column->length)
		return "no place in a file";
	if (column->length > 0)
		s = engine_snapshot_get(b->engine, column->snapshot,
		    column->offset + column->length - 1, &last, 1);
	if (s != ENGINE_OK)
		return engine_why(b->engine);
	p = mem_resize(NULL, column->length + 1u, 1);
	s = engine_snapshot_get(
	    b->engine, column->snapshot, column->offset, p, column->length);
	if (s != ENGINE_OK)
		why = engine_why(b->engine);
	else if (one->content && zeroes(p, column->length))
		why = NULL;
	else if (crc32c(0, p, column->length) != column->crc)
		why = "checksum";
	else if (hash64(0, p, column->length) != column->hash)
		why = "hash";
	free(p);
	return why;
}

static int by_place(const void *a, const void *b)
{
	const struct column *x = &((const struct column_of *)a)->column;
	const struct column *y = &((const struct column_of *)b)->column;

	if (x->snapshot != y->snapshot)
		return x->snapshot < y->snapshot ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static bool same_column(const struct column *a, const struct column *b)
{
	return a->snapshot == b->snapshot && a->offset == b->offset &&
	    a->length == b->length && a->crc == b->crc && a->hash == b->hash;
}

static struct check_snapshot *find(struct check *c, uint64_t number)
{
	for (size_t i = 0; i < c->snapshot_count; i++)
		if (c->snapshots[i].h.number == number)
			return &c->snapshots[i];
	return NULL;
}

/* Each is read once, however many snapshots point at it. */
static void check_columns(struct check *c, struct columns *all)
{
	const char *why = NULL;

	if (all->count > 0)
		qsort(all->list, all->count, sizeof(*all->list), by_place);
	for (size_t i = 0; i < all->count; i++) {
		const struct column_of *one = &all->list[i];
		struct check_snapshot *s = find(c, one->number);
		bool again = i > 0 &&
		    same_column(&one->column, &all->list[i - 1].column);
		struct check_at at;

		if (!again)
			why = column_trouble(c->other, one);
		if (why == NULL || s == NULL)
			continue;
		s->usable = false;
		if (again || !check_still_kept(c, one->number))
			continue;
		at = at_snapshot(one->column.snapshot, one->column.offset);
		at.mailbox = one->mailbox;
		check_found(c, FINDING_DERIVED, &at,
		    "a column of snapshot %llu: %s",
		    (unsigned long long)one->number, why);
	}
}

/* ---- the list ---- */

bool check_kept(struct box *b, uint64_t number)
{
	uint64_t newest = UINT64_MAX;
	struct snapshot_header h;

	/* The newest that has a header says which ones. */
	for (;;) {
		if (engine_snapshot_newest(b->engine, newest, &newest) !=
			ENGINE_OK ||
		    newest <= number)
			return true;
		if (snapshot_header_read(b, newest, &h) == STORE_OK)
			break;
		newest--;
	}
	return number == h.before || number == h.base || number == h.candidate;
}

/* Its columns, all of them. */
static void collect(struct check *c, const struct check_snapshot *s,
    struct str summary, struct columns *all)
{
	struct record r;

	(void)c;
	while (record_next(&summary, &r, NULL) == 1)
		for (size_t i = 0; r.type == RECORD_SEGMENT && i < COLUMNS; i++)
			if (r.segment.columns[i].snapshot != 0)
				add_column(all, &r.segment.columns[i],
				    i == COLUMN_C || i == COLUMN_K,
				    r.segment.mailbox, s->h.number);
}

static void look_at(struct check *c, uint64_t number, struct columns *all)
{
	struct check_snapshot *s = &c->snapshots[c->snapshot_count];
	struct check_at at = at_snapshot(number, 0);
	struct buf summary;

	*s = (struct check_snapshot){.usable = true};
	s->kept = check_kept(c->other, number);
	if (snapshot_summary(c->other, number, &s->h, &summary) != STORE_OK) {
		s->usable = false;
		if (check_still_kept(c, number))
			check_found(
			    c, FINDING_DERIVED, &at, "%s", store_why(c->other));
	} else if (s->h.incarnation != engine_incarnation(c->other->engine)) {
		s->usable = false;
		check_found(c, FINDING_DERIVED, &at,
		    "a snapshot of another life of the account");
	} else if (s->kept) {
		collect(c, s, buf_str(&summary), all);
	} else {
		s->usable = false;
	}
	s->h.number = number;
	c->snapshot_count++;
	buf_free(&summary);
}

static int by_position(const void *a, const void *b)
{
	const struct snapshot_header *x =
	    &((const struct check_snapshot *)a)->h;
	const struct snapshot_header *y =
	    &((const struct check_snapshot *)b)->h;

	if (x->at.generation != y->at.generation)
		return x->at.generation < y->at.generation ? -1 : 1;
	if (x->at.length != y->at.length)
		return x->at.length < y->at.length ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

enum store_result check_snapshots(struct check *c)
{
	struct engine_box *e = c->other->engine;
	struct columns all = {0};
	uint64_t number = UINT64_MAX;
	enum engine_status s;

	for (;;) {
		s = engine_snapshot_newest(e, number, &number);
		if (s != ENGINE_OK || number == 0)
			break;
		c->snapshots = mem_resize(
		    c->snapshots, c->snapshot_count + 1, sizeof(*c->snapshots));
		look_at(c, number--, &all);
	}
	if (s != ENGINE_OK)
		return check_fail(c, box_status(c->other, s), engine_why(e));
	c->out.snapshots = c->snapshot_count;
	check_columns(c, &all);
	free(all.list);
	if (c->snapshot_count > 0)
		qsort(c->snapshots, c->snapshot_count, sizeof(*c->snapshots),
		    by_position);
	return STORE_OK;
}

/* ---- loading ---- */

enum store_result check_load_all(struct box *b)
{
	struct folder *f;
	enum store_result r = STORE_OK;

	for (size_t i = 0;
	     r == STORE_OK && (f = check_folder(&b->state, i)) != NULL; i++)
		r = folder_load(b, f);
	return r;
}

enum store_result check_load(struct check *c, struct box *b, uint64_t number)
{
	struct check_at at = at_snapshot(number, 0);
	enum store_result r;

	state_clear(&b->state);
	r = snapshot_load_one(b, number);
	if (r == STORE_OK)
		r = check_load_all(b);
	if (r != STORE_OK && check_still_kept(c, number))
		check_found(c, FINDING_DERIVED, &at, "%s", store_why(b));
	return r;
}

/* ---- comparing ---- */

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

static void compare(struct check *c, uint64_t number, const char *what)
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

/* ---- on the way through the log ---- */

/* Both follow the same frame, and stand where it ends or where a later
 * generation begins. */
static bool same_pos(const struct check *c, const struct engine_pos *a,
    const struct engine_pos *log)
{
	bool here = a->generation == log->generation;

	return a->chain == log->chain &&
	    (here || a->generation > log->generation) &&
	    (here ? a->length == log->length && a->bodies == log->bodies
		  : c->frames_at == 0 ||
			(a->length == c->frames_at &&
			    a->bodies == c->bodies_at));
}

static void arrive_at(
    struct check *c, struct check_snapshot *s, const struct engine_pos *pos)
{
	struct check_at at = at_snapshot(s->h.number, 0);

	s->met = true;
	if (!same_pos(c, &s->h.at, pos)) {
		s->usable = false;
		if (check_still_kept(c, s->h.number))
			check_found(c, FINDING_DERIVED, &at,
			    "a snapshot of another log than this one");
		return;
	}
	if (!c->folding) {
		c->folding = check_load(c, c->log, s->h.number) == STORE_OK;
		return;
	}
	s->usable = check_load(c, c->other, s->h.number) == STORE_OK;
	if (s->usable)
		compare(c, s->h.number, "");
	state_clear(&c->other->state);
}

void check_arrive(struct check *c, const struct engine_pos *at)
{
	for (size_t i = 0; i < c->snapshot_count; i++) {
		struct check_snapshot *s = &c->snapshots[i];

		if (s->usable && !s->met && s->h.at.modseq == at->modseq)
			arrive_at(c, s, at);
	}
}

/* ---- with the log read ---- */

static bool beyond(const struct engine_pos *a, const struct engine_pos *b)
{
	return a->generation != b->generation ? a->generation > b->generation
					      : a->length > b->length;
}

/* A position that the log did not come to, where the log is whole. */
static void check_unmet(struct check *c, const struct check_snapshot *s)
{
	struct check_at at = at_snapshot(s->h.number, 0);
	struct engine_end end;

	if (beyond(&s->h.at, &c->seen)) {
		/* Unless frames wait behind the mark to be completed. */
		if (engine_end(c->other->engine, &c->seen, &end) == ENGINE_OK &&
		    !end.more)
			check_found(c, FINDING_DAMAGE, &at,
			    "the snapshot knows frames that the log has lost");
	} else if (!c->damaged && s->h.at.generation >= c->first &&
	    s->h.at.generation >= c->oldest) {
		check_found(c, FINDING_DERIVED, &at,
		    "the snapshot's position is none of the log's");
	}
}

/* A box that is opened with the snapshot and then reads the frames behind
 * it, some mailboxes loaded before and some after. */
static void check_newest(struct check *c, const struct check_snapshot *s)
{
	struct folder *f;
	enum store_result r;

	state_clear(&c->other->state);
	r = snapshot_load_one(c->other, s->h.number);
	for (size_t i = 0;
	     r == STORE_OK && (f = check_folder(&c->other->state, i)) != NULL;
	     i += 2)
		r = folder_load(c->other, f);
	if (r == STORE_OK)
		r = box_fold_until(c->other, 0, c->seen.modseq);
	if (r == STORE_OK)
		r = check_load_all(c->other);
	if (r == STORE_OK)
		compare(c, s->h.number, "with the frames behind it, ");
	else if (check_still_kept(c, s->h.number))
		check_load(c, c->other, s->h.number);
	state_clear(&c->other->state);
}

bool check_exists(struct check *c, uint64_t number)
{
	uint64_t there;

	return engine_snapshot_newest(c->other->engine, number, &there) !=
	    ENGINE_OK ||
	    there == number;
}

void check_snapshots_end(struct check *c)
{
	const struct check_snapshot *newest = NULL;
	const struct record_snapshot *announced = &c->log->state.snapshot;
	struct check_at at = at_snapshot(announced->number, 0);

	for (size_t i = 0; i < c->snapshot_count; i++) {
		const struct check_snapshot *s = &c->snapshots[i];

		if (s->usable && !s->met)
			check_unmet(c, s);
		else if (s->usable &&
		    (newest == NULL || s->h.number > newest->h.number))
			newest = s;
	}
	if (c->no_state)
		return;
	if (announced->number != 0 && !check_exists(c, announced->number) &&
	    check_still_announced(c, announced->number))
		check_found(c, FINDING_DERIVED, &at,
		    "the announced snapshot is missing");
	if (newest != NULL && !c->damaged)
		check_newest(c, newest);
}
