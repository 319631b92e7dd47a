/* SPDX-License-Identifier: ISC */
/* What happens to messages: flags, expunge, copy, move. */
#include <stdlib.h>

#include "core/clock.h"
#include "core/memory.h"
#include "store/box.h"
#include "store/seeded.h"

#define FLAGS_ALL                                                              \
	(FLAG_SEEN | FLAG_ANSWERED | FLAG_FLAGGED | FLAG_DELETED | FLAG_DRAFT)
#define KIND_ROUNDS 8 /* kinds of flags that are found without sorting */

static enum store_result find(
    struct change *c, uint32_t mailbox, struct folder **out)
{
	struct folder *f = state_folder(&c->b->state, mailbox);

	*out = f;
	if (f == NULL)
		return box_fail(c->b, STORE_GONE, "the mailbox is gone");
	return folder_load(c->b, f);
}

/* Loads before the lock is taken; what is missing is said under it. */
static void warm(struct box *b, uint32_t mailbox)
{
	struct folder *f;

	box_folder(b, mailbox, &f);
}

static size_t *positions(
    const struct folder *f, struct uid_set set, size_t *count);

void box_warm(struct box *b, uint32_t mailbox, const struct uid_set *set)
{
	struct folder *f;

	for (int attempt = 0; attempt < 3; attempt++) {
		size_t *at, count;
		bool all = true;

		if (box_folder(b, mailbox, &f) != STORE_OK)
			return;
		at = set == NULL ? NULL : positions(f, *set, &count);
		if (set == NULL)
			count = f->count;
		for (size_t i = 0; i < count && all; i++)
			all = folder_place(b, f, at == NULL ? i : at[i]) !=
			    NULL;
		free(at);
		if (all || box_reload(b, attempt > 0) != STORE_OK)
			return;
	}
}

/* The positions of those uids of a set that are there; malloc'ed. */
static size_t *positions(
    const struct folder *f, struct uid_set set, size_t *count)
{
	size_t *out = mem_array(set.count, sizeof(*out));
	size_t at = set.count > 0 ? folder_search(f, set.uids[0]) : 0;

	*count = 0;
	for (size_t i = 0; i < set.count; i++) {
		if (at < f->count && f->messages[at].uid < set.uids[i])
			at = folder_search(f, set.uids[i]);
		if (at < f->count && f->messages[at].uid == set.uids[i])
			out[(*count)++] = at++;
	}
	return out;
}

static int arena_uids(struct arena *arena, const uint32_t *uids, size_t count,
    struct uid_set *out)
{
	uint32_t *copy = arena_alloc(arena, count * sizeof(*copy) + 1);

	*out = (struct uid_set){NULL, 0};
	if (copy == NULL)
		return -1;
	if (count > 0)
		memcpy(copy, uids, count * sizeof(*uids));
	*out = (struct uid_set){copy, count};
	return 0;
}

/* ---- STORE ---- */

struct store_change {
	uint32_t mailbox;
	struct uid_set set;
	enum flag_op op;
	uint32_t flags;
	const struct str *keywords;
	size_t keyword_count;
	uint64_t unchanged_since;
	uint32_t *modified; /* malloc'ed */
	size_t modified_count;
	uint64_t modseq;
};

/* One message with the flags that it shall have. */
struct target {
	uint32_t flags;
	uint32_t uid;
	uint64_t keywords;
	const struct message *m;
};

/* Equal flags side by side, so that each kind is one record. */
static int by_flags(const void *a, const void *b)
{
	const struct target *x = a, *y = b;

	if (x->flags != y->flags)
		return x->flags < y->flags ? -1 : 1;
	if (x->keywords != y->keywords)
		return x->keywords < y->keywords ? -1 : 1;
	return x->uid < y->uid ? -1 : x->uid > y->uid;
}

static void put_flags(struct change *c, uint32_t mailbox,
    const struct target *targets, size_t count)
{
	struct record r = {.type = RECORD_FLAGS};
	struct buf ranges = buf_new(count * 8);
	uint32_t *uids = mem_array(count, sizeof(*uids));

	r.flags = (struct record_flags){.mailbox = mailbox,
	    .flags = targets->flags,
	    .keywords = targets->keywords,
	    .modseq = c->modseq};
	for (size_t i = 0; i < count; i++) {
		uint32_t before = targets[i].m->flags;
		uint32_t after = targets[i].flags;

		uids[i] = targets[i].uid;
		r.flags.unseen += !(after & FLAG_SEEN) - !(before & FLAG_SEEN);
		r.flags.deleted += ((after & FLAG_DELETED) != 0) -
		    ((before & FLAG_DELETED) != 0);
	}
	r.flags.count = ranges_put(&ranges, uids, count);
	r.flags.ranges = ranges.p;
	change_put(c, &r);
	buf_free(&ranges);
	free(uids);
}

/* Behind the targets from `at` on that shall have the same flags. */
static size_t kind_end(const struct target *targets, size_t at, size_t count)
{
	size_t end = at + 1;

	while (end < count && targets[end].flags == targets[at].flags &&
	    targets[end].keywords == targets[at].keywords)
		end++;
	return end;
}

/* Moves the targets that shall have the flags of the first one to `same`, in
 * their order. Returns how many; those that are left stand together. */
static size_t take_kind(
    struct target *targets, size_t count, struct target *same)
{
	const struct target first = targets[0];
	size_t taken = 0, left = 0;

	for (size_t i = 0; i < count; i++)
		if (targets[i].flags == first.flags &&
		    targets[i].keywords == first.keywords)
			same[taken++] = targets[i];
		else
			targets[left++] = targets[i];
	return taken;
}

/* Targets come in the order of their uids, and there are few kinds of flags as
 * a rule: only what is left after some rounds is sorted. */
static void put_all_flags(
    struct change *c, uint32_t mailbox, struct target *targets, size_t count)
{
	struct target *same = NULL;

	for (int round = 0; round < KIND_ROUNDS && count > 0; round++) {
		size_t taken = kind_end(targets, 0, count);

		if (taken < count && same == NULL)
			same = mem_array(count, sizeof(*same));
		if (taken < count)
			taken = take_kind(targets, count, same);
		put_flags(c, mailbox, taken < count ? same : targets, taken);
		count -= taken;
	}
	free(same);
	if (count > 0)
		qsort(targets, count, sizeof(*targets), by_flags);
	for (size_t i = 0, end; i < count; i = end) {
		end = kind_end(targets, i, count);
		put_flags(c, mailbox, targets + i, end - i);
	}
}

static uint64_t combine(enum flag_op op, uint64_t old, uint64_t given)
{
	return op == FLAGS_SET ? given
	    : op == FLAGS_ADD  ? old | given
			       : old & ~given;
}

/* Removing a keyword that the mailbox does not know must not define it. */
static enum store_result store_keywords(
    struct change *c, struct folder *f, uint64_t *bits)
{
	const struct store_change *s = c->arg;

	if (s->op != FLAGS_REMOVE)
		return change_keywords(
		    c, f, s->keywords, s->keyword_count, bits);
	*bits = 0;
	for (size_t i = 0; i < s->keyword_count; i++)
		for (size_t k = 0; k < f->info.keyword_count; k++)
			if (str_case_eq(s->keywords[i], f->info.keywords[k]))
				*bits |= UINT64_C(1) << k;
	return STORE_OK;
}

static enum store_result decide_store(struct change *c)
{
	struct store_change *s = c->arg;
	struct folder *f;
	struct target *targets;
	size_t *at, count, changed = 0;
	uint64_t bits;
	enum store_result r = find(c, s->mailbox, &f);

	if (r == STORE_OK)
		r = store_keywords(c, f, &bits);
	if (r != STORE_OK)
		return r;
	at = positions(f, s->set, &count);
	targets = mem_array(count, sizeof(*targets));
	free(s->modified);
	s->modified = mem_array(count, sizeof(*s->modified));
	s->modified_count = 0;
	for (size_t i = 0; i < count; i++) {
		const struct message *m = &f->messages[at[i]];
		struct target t = {.uid = m->uid, .m = m};

		if (s->unchanged_since != 0 && m->modseq > s->unchanged_since) {
			s->modified[s->modified_count++] = m->uid;
			continue;
		}
		t.flags = (uint32_t)combine(s->op, m->flags, s->flags);
		t.keywords = combine(s->op, m->keywords, bits);
		if (t.flags != m->flags || t.keywords != m->keywords)
			targets[changed++] = t;
	}
	put_all_flags(c, s->mailbox, targets, changed);
	s->modseq = c->modseq;
	free(targets);
	free(at);
	return STORE_OK;
}

enum store_result box_store(struct box *b, uint32_t mailbox, struct uid_set set,
    enum flag_op op, uint32_t flags, const struct str *keywords,
    size_t keyword_count, uint64_t unchanged_since, struct arena *arena,
    struct uid_set *modified, uint64_t *modseq)
{
	struct store_change s = {.mailbox = mailbox,
	    .set = set,
	    .op = op,
	    .flags = flags & FLAGS_ALL,
	    .keywords = keywords,
	    .keyword_count = keyword_count,
	    .unchanged_since = unchanged_since};
	struct change c = {.decide = decide_store, .arg = &s};
	enum store_result r;

	if (modified != NULL)
		*modified = (struct uid_set){NULL, 0};
	warm(b, mailbox);
	if (seeded("unchangedsince-before-the-lock") &&
	    box_find_id(b, mailbox)->highest_modseq <= unchanged_since)
		s.unchanged_since = 0;
	r = box_change(b, &c);
	if (r == STORE_OK && modseq != NULL)
		*modseq = c.records > 0 ? s.modseq : b->state.pos.modseq;
	if (r == STORE_OK && modified != NULL &&
	    arena_uids(arena, s.modified, s.modified_count, modified) < 0)
		r = box_fail(b, STORE_ERROR, "out of memory");
	free(s.modified);
	return r;
}

/* ---- EXPUNGE ---- */

struct expunge_change {
	uint32_t mailbox;
	const struct uid_set *set; /* NULL: all */
	bool whatever;             /* \Deleted or not */
	uint32_t *uids;            /* malloc'ed */
	size_t count;
};

void change_expunge(struct change *c, const struct folder *f,
    const uint32_t *uids, size_t count)
{
	struct record r = {.type = RECORD_EXPUNGE};
	struct buf ranges = buf_new(count * 8);

	r.expunge.mailbox = f->info.id;
	r.expunge.modseq = c->modseq;
	r.expunge.time = clock_seconds();
	r.expunge.messages = count;
	for (size_t i = 0; i < count; i++) {
		const struct message *m = folder_message(f, uids[i]);

		r.expunge.octets += m->size;
		r.expunge.unseen += !(m->flags & FLAG_SEEN);
		r.expunge.deleted += (m->flags & FLAG_DELETED) != 0;
	}
	r.expunge.count = ranges_put(&ranges, uids, count);
	r.expunge.ranges = ranges.p;
	change_put(c, &r);
	buf_free(&ranges);
}

static enum store_result decide_expunge(struct change *c)
{
	struct expunge_change *e = c->arg;
	struct folder *f;
	size_t *at = NULL, count;
	enum store_result r = find(c, e->mailbox, &f);

	if (r != STORE_OK)
		return r;
	count = f->count;
	if (e->set != NULL)
		at = positions(f, *e->set, &count);
	free(e->uids);
	e->uids = mem_array(count, sizeof(*e->uids));
	e->count = 0;
	for (size_t i = 0; i < count; i++) {
		const struct message *m = &f->messages[at != NULL ? at[i] : i];

		if (e->whatever || m->flags & FLAG_DELETED)
			e->uids[e->count++] = m->uid;
	}
	free(at);
	if (e->count > 0)
		change_expunge(c, f, e->uids, e->count);
	return STORE_OK;
}

static enum store_result expunge(struct box *b, struct expunge_change *e)
{
	struct change c = {.decide = decide_expunge, .arg = e, .frees = true};

	warm(b, e->mailbox);
	return box_change(b, &c);
}

enum store_result box_expunge(struct box *b, uint32_t mailbox,
    const struct uid_set *set, struct arena *arena, struct uid_set *vanished)
{
	struct expunge_change e = {.mailbox = mailbox, .set = set};
	enum store_result r = expunge(b, &e);

	if (vanished != NULL)
		*vanished = (struct uid_set){NULL, 0};
	if (r == STORE_OK && vanished != NULL &&
	    arena_uids(arena, e.uids, e.count, vanished) < 0)
		r = box_fail(b, STORE_ERROR, "out of memory");
	free(e.uids);
	return r;
}

enum store_result box_remove(
    struct box *b, uint32_t mailbox, struct uid_set set)
{
	struct expunge_change e = {
	    .mailbox = mailbox, .set = &set, .whatever = true};
	enum store_result r = expunge(b, &e);

	free(e.uids);
	return r;
}

/* ---- COPY, MOVE ---- */

struct copy_change {
	uint32_t from;
	struct uid_set set;
	struct str to;
	bool move;
	uint32_t *from_uids, *to_uids; /* malloc'ed */
	size_t count;
	uint32_t uidvalidity;
};

/* The keywords of a message, as bits of another mailbox. */
static enum store_result map_keywords(struct change *c,
    const struct folder *from, struct folder *to, uint64_t used,
    uint64_t map[MAILBOX_KEYWORDS_MAX])
{
	for (size_t i = 0; i < from->info.keyword_count; i++) {
		enum store_result r = STORE_OK;

		map[i] = 0;
		if (used & UINT64_C(1) << i)
			r = change_keywords(
			    c, to, &from->info.keywords[i], 1, &map[i]);
		if (r != STORE_OK)
			return r;
	}
	return STORE_OK;
}

/* Copies the messages at some positions to uids from `uid` on. */
static enum store_result put_copies(struct change *c, struct folder *from,
    struct folder *to, const size_t *at, size_t count)
{
	uint64_t map[MAILBOX_KEYWORDS_MAX] = {0}, used = 0;
	int64_t now = clock_seconds();
	enum store_result result;

	for (size_t i = 0; i < count; i++)
		used |= from->messages[at[i]].keywords;
	result = map_keywords(c, from, to, used, map);
	for (size_t i = 0; i < count && result == STORE_OK; i++) {
		struct record r = {.type = RECORD_MESSAGE};
		const struct message_place *place = folder_place(
		    c->b, from, at[i]);

		if (place == NULL)
			return STORE_CORRUPT;
		r.message.mailbox = to->info.id;
		r.message.m = from->messages[at[i]];
		r.message.m.uid = to->info.uidnext + (uint32_t)i;
		r.message.m.modseq = c->modseq;
		r.message.m.keywords = 0;
		for (size_t k = 0; k < from->info.keyword_count; k++)
			if (from->messages[at[i]].keywords & UINT64_C(1) << k)
				r.message.m.keywords |= map[k];
		r.message.place = *place;
		r.message.place.saved = now;
		change_put(c, &r);
	}
	return result;
}

static uint64_t octets_of(
    const struct folder *f, const size_t *at, size_t count)
{
	uint64_t octets = 0;

	for (size_t i = 0; i < count; i++)
		octets += f->messages[at[i]].size;
	return octets;
}

static enum store_result copy_positions(struct change *c, struct folder *from,
    struct folder *to, const size_t *at, size_t count)
{
	struct copy_change *x = c->arg;
	enum store_result r = STORE_OK;

	if (!x->move)
		r = change_quota(c, octets_of(from, at, count), count);
	if (r == STORE_OK && count >= UINT32_MAX - 1 - to->info.uidnext)
		r = box_fail(c->b, STORE_LIMIT, "the uids are used up");
	if (r == STORE_OK)
		r = put_copies(c, from, to, at, count);
	if (r != STORE_OK)
		return r;
	free(x->from_uids);
	free(x->to_uids);
	x->from_uids = mem_array(count, sizeof(*x->from_uids));
	x->to_uids = mem_array(count, sizeof(*x->to_uids));
	x->count = count;
	x->uidvalidity = to->info.uidvalidity;
	for (size_t i = 0; i < count; i++) {
		x->from_uids[i] = from->messages[at[i]].uid;
		x->to_uids[i] = to->info.uidnext + (uint32_t)i;
	}
	if (x->move && count > 0 && !seeded("move-copies"))
		change_expunge(c, from, x->from_uids, count);
	return STORE_OK;
}

static enum store_result decide_copy(struct change *c)
{
	struct copy_change *x = c->arg;
	char space[MAILBOX_NAME_MAX];
	struct folder *from, *to;
	struct str name;
	size_t *at, count;
	enum store_result r = find(c, x->from, &from);

	if (r != STORE_OK)
		return r;
	if (!name_normalize(x->to, space, &name))
		return box_fail(c->b, STORE_BAD_NAME, "not a mailbox name");
	to = state_folder_named(&c->b->state, name);
	if (to == NULL || !to->info.selectable)
		return box_fail(c->b, STORE_NO_MAILBOX, "no such mailbox");
	at = positions(from, x->set, &count);
	r = copy_positions(c, from, to, at, count);
	free(at);
	return r;
}

enum store_result box_copy(struct box *b, uint32_t from, struct uid_set set,
    struct str to, bool move, struct arena *arena, struct uid_set *from_uids,
    struct uid_set *to_uids, uint32_t *uidvalidity)
{
	struct copy_change x = {
	    .from = from, .set = set, .to = to, .move = move};
	struct change c = {.decide = decide_copy, .arg = &x};
	enum store_result r;

	box_warm(b, from, &set);
	r = box_change(b, &c);
	if (from_uids != NULL)
		*from_uids = (struct uid_set){NULL, 0};
	if (to_uids != NULL)
		*to_uids = (struct uid_set){NULL, 0};
	if (uidvalidity != NULL)
		*uidvalidity = x.uidvalidity;
	if (r == STORE_OK &&
	    ((from_uids != NULL &&
		 arena_uids(arena, x.from_uids, x.count, from_uids) < 0) ||
		(to_uids != NULL &&
		    arena_uids(arena, x.to_uids, x.count, to_uids) < 0)))
		r = box_fail(b, STORE_ERROR, "out of memory");
	free(x.from_uids);
	free(x.to_uids);
	return r;
}

enum store_result change_move_all(
    struct change *c, struct folder *from, uint32_t to)
{
	struct folder *target = NEW(struct folder);
	size_t *at;
	uint32_t *uids;
	enum store_result r = folder_load(c->b, from);

	target->info.id = to;
	target->info.uidnext = 1;
	at = mem_array(from->count, sizeof(*at));
	uids = mem_array(from->count, sizeof(*uids));
	for (size_t i = 0; i < from->count; i++) {
		at[i] = i;
		uids[i] = from->messages[i].uid;
	}
	if (r == STORE_OK)
		r = put_copies(c, from, target, at, from->count);
	if (r == STORE_OK && from->count > 0)
		change_expunge(c, from, uids, from->count);
	free(at);
	free(uids);
	free(target);
	return r;
}
