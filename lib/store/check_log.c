/* SPDX-License-Identifier: ISC */
/*
 * The log: every frame is read, every record is held against the state that
 * it follows and then folded.
 *
 * Behind damage the state is not known. Frames are then proven only for
 * themselves, until the log comes to the position of a snapshot that holds.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/memory.h"
#include "store/check.h"
#include "store/le.h"

#define FLAGS_ALL                                                              \
	(FLAG_SEEN | FLAG_ANSWERED | FLAG_FLAGGED | FLAG_DELETED | FLAG_DRAFT)

static struct check_at here(const struct check *c)
{
	return at_generation(c->frame->at.generation, c->frame->at.length);
}

/* What is wrong with the record being looked at. */
#define record_found(c, mailbox_id, uid_, ...)                                 \
	do {                                                                   \
		struct check_at at_ = here(c);                                 \
		at_.mailbox = (mailbox_id);                                    \
		at_.uid = (uid_);                                              \
		check_found((c), FINDING_DAMAGE, &at_, __VA_ARGS__);           \
	} while (0)

/* ---- what was given before ---- */

static struct str key_of(const uint32_t *id)
{
	return str_of(id, sizeof(*id));
}

static bool given(const struct table *t, uint32_t floor, uint32_t id)
{
	return id < floor || table_get(t, key_of(&id)) != NULL;
}

/* Everything up to the state's counters counts as given. */
static void forget_given(struct check *c, const struct state *s)
{
	table_free(&c->ids);
	table_free(&c->validities);
	c->ids_floor = s->next_mailbox;
	c->validities_floor = s->last_uidvalidity + 1;
}

static void remember_delivery(struct check *c, const struct delivery *d)
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

static void check_record(struct check *c, const struct record *r)
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
		remember_delivery(c, &d);
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

/* Why folding refuses the record, in words that name the message. */
static void refused(struct check *c, const struct record *r)
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

/* ---- frames ---- */

/* Records of any type. A malformed one ends it. */
static uint32_t count_records(struct str heads)
{
	uint32_t count = 0;

	while (heads.len >= 8 && get_u32(heads.p + 4) >= 8 &&
	    get_u32(heads.p + 4) <= heads.len) {
		heads = str_skip(heads, get_u32(heads.p + 4));
		count++;
	}
	return count;
}

/* 0; 1 when folding refuses it; 2 when a newer version wrote it. */
static int fold_record(
    struct check *c, const struct record *r, struct str whole, uint32_t number)
{
	struct state *s = &c->log->state;
	int result;

	if (r->type == RECORD_RESTATE && number > 0) {
		s->why = "the log is begun anew within a frame";
		refused(c, r);
		return 1;
	}
	c->restated = c->restated || r->type == RECORD_RESTATE;
	if (c->folding)
		check_record(c, r);
	s->why = NULL;
	result = c->folding ? state_fold(s, whole, c->frame) : 0;
	if (result == 1)
		refused(c, r);
	return result;
}

static int fold_frame(
    struct check *c, struct str heads, const struct engine_frame_info *info)
{
	uint32_t number = 0, count = count_records(heads);
	struct record r;
	struct str whole;
	int next, result = 0;

	c->restated = false;
	while (result == 0 && (next = record_next(&heads, &r, &whole)) == 1)
		result = fold_record(c, &r, whole, number++);
	if (result != 0)
		return result;
	if (next == -2)
		return 2;
	c->out.records += count;
	if (next == -1 || count != info->count) {
		record_found(c, 0, 0, "%s",
		    next == -1 ? "a malformed record"
			       : "a frame with more or fewer records than it "
				 "says");
		return next == -1;
	}
	if (c->restated)
		forget_given(c, &c->log->state);
	return 0;
}

static int on_frame(
    void *arg, struct str heads, const struct engine_frame_info *info)
{
	struct check *c = arg;
	/* Where the log was cut, the first one may stand anywhere. */
	bool begins = c->out.frames == 0
	    ? info->at.chain == 0
	    : info->at.generation != c->behind.generation;
	int result;

	c->frame = info;
	c->out.frames++;
	if (begins) {
		c->bodies_at = info->at.bodies;
		c->frames_at = info->at.length;
	}
	c->log->state.incarnation = engine_incarnation(c->log->engine);
	result = fold_frame(c, heads, info);
	c->senseless = result == 1;
	c->behind = info->after;
	if (result == 0)
		check_arrive(c, &info->after);
	c->frame = NULL;
	return result;
}

/* ---- damage ---- */

/* The log cannot be read on from c->seen: what is wrong there? */
static void name_damage(struct check *c, const char *why)
{
	struct engine_box *e = c->other->engine;
	uint64_t generation = c->seen.generation;
	struct check_at at = at_generation(generation, c->seen.length);
	struct engine_pos end;
	enum engine_status s = engine_previous(e, generation, &end);

	if (s != ENGINE_OK) {
		at.offset = 0;
	} else if (generation < c->newest) {
		s = engine_previous(e, generation + 1, &end);
		if (s != ENGINE_OK || c->seen.length >= end.length)
			at = at_generation(generation + 1, 0);
	}
	if (s == ENGINE_GONE)
		why = "a generation is missing";
	else if (s != ENGINE_OK)
		why = engine_why(e);
	check_found(c, FINDING_DAMAGE, &at, "%s", why);
	c->named = at;
}

/* A snapshot behind the damage, in the same generation. */
static bool resume_at_snapshot(struct check *c)
{
	for (size_t i = 0; i < c->snapshot_count; i++) {
		struct check_snapshot *s = &c->snapshots[i];

		if (!s->usable || s->met ||
		    s->h.at.generation != c->seen.generation ||
		    s->h.at.length <= c->seen.length)
			continue;
		s->met = true;
		if (check_load(c, c->log, s->h.number) != STORE_OK)
			continue;
		c->seen = s->h.at;
		c->folding = true;
		return true;
	}
	return false;
}

/* The end of generation n - 1, as the header of n says: reading goes on from
 * there. */
static bool resume_with(struct check *c, uint64_t n)
{
	struct check_at at = at_generation(n, 0);
	struct engine_pos end;
	enum engine_status s = engine_previous(c->other->engine, n, &end);
	const char *why = engine_why(c->other->engine);

	if (s == ENGINE_OK && end.generation == n - 1) {
		c->seen = end;
		check_arrive(c, &end);
		return true;
	}
	if (s == ENGINE_OK)
		why = "header: previous";
	if (strcmp(at.file, c->named.file) != 0 || c->named.offset != 0)
		check_found(c, FINDING_DAMAGE, &at, "%s", why);
	return false;
}

/* Where reading can go on, ever further. False: nowhere. */
static bool resume(struct check *c)
{
	c->folding = false;
	if (c->senseless) { /* the frame as such is a good one */
		c->seen = c->behind;
		check_arrive(c, &c->seen);
		return true;
	}
	if (resume_at_snapshot(c))
		return true;
	if (c->resumed < c->seen.generation)
		c->resumed = c->seen.generation;
	while (c->resumed < c->newest)
		if (resume_with(c, ++c->resumed))
			return true;
	return false;
}

/* ---- the whole log ---- */

static enum store_result remember_old(void *arg, const struct delivery *d)
{
	remember_delivery(arg, d);
	return STORE_OK;
}

/* The oldest snapshot that holds, where the first frame was dropped. */
static bool begin_with_base(struct check *c)
{
	struct engine_frame_info none = {0};

	for (size_t i = 0; i < c->snapshot_count; i++) {
		struct check_snapshot *s = &c->snapshots[i];

		if (!s->usable || s->h.at.generation + 1 < c->oldest)
			continue;
		s->met = true;
		if (check_load(c, c->log, s->h.number) != STORE_OK)
			continue;
		c->seen = s->h.at;
		c->frame = &none;
		forget_given(c, &c->log->state);
		deliveries_each(c->log, remember_old, c);
		c->frame = NULL;
		return true;
	}
	return false;
}

static bool dropped_meanwhile(struct check *c)
{
	uint64_t oldest, first, newest;

	return engine_generations(c->other->engine, &oldest, &first, &newest) ==
	    ENGINE_OK &&
	    (oldest != c->oldest || first != c->first);
}

/* Those that were listed may have been dropped before they were read. */
static bool snapshots_changed(struct check *c)
{
	uint64_t newest, listed = 0;

	for (size_t i = 0; i < c->snapshot_count; i++)
		if (c->snapshots[i].h.number > listed)
			listed = c->snapshots[i].h.number;
	return engine_snapshot_newest(c->other->engine, UINT64_MAX, &newest) ==
	    ENGINE_OK &&
	    newest != listed;
}

static void begin(struct check *c)
{
	struct check_at at = at_box();

	c->folding = c->first >= c->oldest || begin_with_base(c);
	c->resumed = c->oldest;
	c->again = !c->folding && snapshots_changed(c);
	if (c->folding || c->again)
		return;
	c->damaged = true;
	check_found(c, FINDING_DAMAGE, &at,
	    "the log's beginning was dropped, and no snapshot says what it "
	    "said");
	if (!resume_with(c, c->oldest))
		c->seen = (struct engine_pos){.generation = c->oldest};
}

/* The end of a log behind which nothing folded: the newest snapshot is the
 * best that is known. */
static void end_without_state(struct check *c)
{
	for (size_t i = c->snapshot_count; i > 0 && !c->folding; i--)
		c->folding = c->snapshots[i - 1].usable &&
		    check_load(c, c->log, c->snapshots[i - 1].h.number) ==
			STORE_OK;
	c->no_state = !c->folding;
}

static int by_id(const void *a, const void *b)
{
	const struct check_delivery *x = a, *y = b;
	int order = memcmp(x->d.id, y->d.id, sizeof(x->d.id));

	return order != 0            ? order
	    : x->d.time != y->d.time ? (x->d.time < y->d.time ? -1 : 1)
				     : 0;
}

/* No delivery was stored twice while its id was kept. */
static void check_deliveries(struct check *c)
{
	struct check_delivery *d = c->deliveries;

	if (c->delivery_count > 0)
		qsort(d, c->delivery_count, sizeof(*d), by_id);
	for (size_t i = 1; i < c->delivery_count; i++) {
		struct check_at at = at_generation(
		    d[i].generation, d[i].offset);

		if (memcmp(d[i - 1].d.id, d[i].d.id, sizeof(d->d.id)) == 0 &&
		    d[i].d.time - d[i - 1].d.time < c->store->delivery_kept)
			check_found(c, FINDING_DAMAGE, &at,
			    "a delivery was stored twice");
	}
}

static void check_end(struct check *c)
{
	struct check_at at;
	struct engine_end end;

	if (engine_end(c->log->engine, &c->seen, &end) != ENGINE_OK)
		return;
	at = at_generation(c->seen.generation, end.mark);
	if (end.lost)
		check_found(c, FINDING_DERIVED, &at,
		    "the mark that says where the log ends is damaged");
}

enum store_result check_log(struct check *c)
{
	enum engine_status s;
	bool more = true;

	begin(c);
	while (more && !c->again) {
		s = engine_read(c->log->engine, &c->seen, on_frame, c);
		more = s == ENGINE_CORRUPT;
		if ((more || s == ENGINE_GONE) && dropped_meanwhile(c)) {
			c->again = true;
			return STORE_OK;
		}
		if (s != ENGINE_OK && !more)
			return check_fail(c, box_status(c->log, s),
			    engine_why(c->log->engine));
		if (more) {
			c->damaged = true;
			if (!c->senseless)
				name_damage(c, engine_why(c->log->engine));
			more = resume(c);
		}
		c->senseless = false;
	}
	if (c->again)
		return STORE_OK;
	check_arrive(c, &c->seen);
	if (!c->folding)
		end_without_state(c);
	check_deliveries(c);
	check_end(c);
	return STORE_OK;
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

void check_log_clear(struct check *c)
{
	table_free(&c->ids);
	table_free(&c->validities);
	free(c->deliveries);
	c->deliveries = NULL;
	c->delivery_count = c->delivery_room = 0;
}
