/* SPDX-License-Identifier: ISC */
#include "store/fold.h"
#include "store/seeded.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/checksum.h"
#include "core/clock.h"
#include "core/memory.h"

#define RESERVE_MAX 16777216u /* messages: a wrong count costs no more */
#define PENDING_MAX ((size_t)1 << 30)

/* clang-format off */
static const struct {
	struct str name;
	enum special_use use;
} defaults[] = {
	{STR_INIT("INBOX"),  USE_NONE},
	{STR_INIT("Drafts"), USE_DRAFTS},
	{STR_INIT("Junk"),   USE_JUNK},
	{STR_INIT("Sent"),   USE_SENT},
	{STR_INIT("Trash"),  USE_TRASH},
};
/* clang-format on */

/* Room for one more element: doubles. */
#define GROW(array, count, room)                                               \
	do {                                                                   \
		if ((count) == (room)) {                                       \
			(room) = (room) == 0 ? 16 : (room)*2;                  \
			(array) = mem_resize(                                  \
			    (array), (room), sizeof(*(array)));                \
		}                                                              \
	} while (0)

/* ---- folders ---- */

static void segments_free(struct segment *segments, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(segments[i].places);
	free(segments);
}

/* Before the messages change: views keep what they have. */
static void own_messages(struct folder *f)
{
	f->messages = rows_own(&f->lent, f->messages, f->count, f->room);
}

void folder_unload(struct folder *f)
{
	rows_release(&f->lent, f->messages);
	free(f->where);
	free(f->fresh);
	free(f->vanished);
	free(f->gone);
	segments_free(f->segments, f->segment_count);
	f->messages = NULL;
	f->where = NULL;
	f->fresh = NULL;
	f->vanished = NULL;
	f->gone = NULL;
	f->segments = NULL;
	f->count = f->room = f->fresh_count = f->fresh_room = 0;
	f->vanished_count = f->vanished_room = f->segment_count = 0;
	f->gone_count = f->gone_room = 0;
	buf_free(&f->pending);
	f->loaded = false;
}

static void folder_free(struct folder *f)
{
	union {
		const char *text;
		void *memory;
	} u;

	folder_unload(f);
	u.text = f->info.name.p;
	free(u.memory);
	for (size_t i = 0; i < f->info.keyword_count; i++) {
		u.text = f->info.keywords[i].p;
		free(u.memory);
	}
	free(f);
}

static size_t place_of_name(const struct state *s, struct str name)
{
	size_t low = 0, high = s->folder_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (str_cmp(s->folders[middle]->info.name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct folder *state_folder_named(const struct state *s, struct str name)
{
	size_t at = place_of_name(s, name);

	return at < s->folder_count && str_eq(s->folders[at]->info.name, name)
	    ? s->folders[at]
	    : NULL;
}

/* Where the folder stands, or the free place where it would. */
static size_t place_of_id(const struct state *s, uint32_t id)
{
	size_t at = id * (size_t)2654435761u;

	while (s->by_id[at & (s->by_id_room - 1)] != NULL &&
	    s->by_id[at & (s->by_id_room - 1)]->info.id != id)
		at++;
	return at & (s->by_id_room - 1);
}

struct folder *state_folder(const struct state *s, uint32_t id)
{
	return s->by_id_room == 0 ? NULL : s->by_id[place_of_id(s, id)];
}

static void by_id_add(struct state *s, struct folder *f)
{
	if (s->folder_count * 2 >= s->by_id_room) {
		s->by_id_room = s->by_id_room == 0 ? 32 : s->by_id_room * 2;
		free(s->by_id);
		s->by_id = mem_array(s->by_id_room, sizeof(*s->by_id));
		for (size_t i = 0; i < s->folder_count; i++)
			s->by_id[place_of_id(s, s->folders[i]->info.id)] =
			    s->folders[i];
	}
	s->by_id[place_of_id(s, f->info.id)] = f;
}

/* Those that stand behind it may have wanted its place. */
static void by_id_remove(struct state *s, const struct folder *f)
{
	size_t at = place_of_id(s, f->info.id);
	struct folder *other;

	s->by_id[at] = NULL;
	for (;;) {
		at = (at + 1) & (s->by_id_room - 1);
		other = s->by_id[at];
		if (other == NULL)
			return;
		s->by_id[at] = NULL;
		s->by_id[place_of_id(s, other->info.id)] = other;
	}
}

struct folder *state_dead(const struct state *s, uint32_t id)
{
	for (size_t i = 0; i < s->dead_count; i++)
		if (s->dead[i]->info.id == id)
			return s->dead[i];
	return NULL;
}

const struct mailbox_info **state_list(struct state *s)
{
	if (s->list_stale || s->list == NULL) {
		s->list = mem_resize(
		    s->list, s->folder_count + 1, sizeof(*s->list));
		for (size_t i = 0; i < s->folder_count; i++)
			s->list[i] = &s->folders[i]->info;
		s->list_stale = false;
	}
	return s->list;
}

static void folder_insert(struct state *s, struct folder *f)
{
	size_t at = place_of_name(s, f->info.name);

	by_id_add(s, f);
	GROW(s->folders, s->folder_count, s->folder_room);
	memmove(s->folders + at + 1, s->folders + at,
	    (s->folder_count - at) * sizeof(*s->folders));
	s->folders[at] = f;
	s->folder_count++;
	s->list_stale = true;
}

static void folder_take_out(struct state *s, const struct folder *f)
{
	size_t at = place_of_name(s, f->info.name);

	s->folder_count--;
	memmove(s->folders + at, s->folders + at + 1,
	    (s->folder_count - at) * sizeof(*s->folders));
	by_id_remove(s, f);
	s->list_stale = true;
}

/* By modseq; those of one frame in its order. */
static void dead_insert(struct state *s, struct folder *f)
{
	size_t at = s->dead_count;

	GROW(s->dead, s->dead_count, s->dead_room);
	while (at > 0 && s->dead[at - 1]->dead_modseq > f->dead_modseq)
		at--;
	memmove(s->dead + at + 1, s->dead + at,
	    (s->dead_count - at) * sizeof(*s->dead));
	s->dead[at] = f;
	s->dead_count++;
}

/* In no list yet. */
static struct folder *folder_make(
    struct state *s, uint32_t id, struct str name, const char **why)
{
	struct folder *f;
	uint64_t unique;

	if (id == 0 || state_folder(s, id) != NULL ||
	    state_dead(s, id) != NULL) {
		*why = "a mailbox that exists is created";
		return NULL;
	}
	if (name.len == 0 || name.len > MAILBOX_NAME_MAX ||
	    s->folder_count + s->dead_count >= MAILBOXES_MAX * 2) {
		*why = "a mailbox's name";
		return NULL;
	}
	f = NEW(struct folder);
	f->info.id = id;
	f->info.name = str_of(str_dup(name), name.len);
	f->info.uidnext = 1;
	f->info.selectable = true;
	f->loaded = true;
	f->version = s->epoch << 32;
	f->pending = buf_new(PENDING_MAX);
	unique = hash64(s->incarnation, &f->info.id, sizeof(f->info.id));
	snprintf(f->info.mailbox_id, sizeof(f->info.mailbox_id), "M%016llx",
	    (unsigned long long)unique);
	return f;
}

struct folder *folder_new(
    struct state *s, uint32_t id, struct str name, const char **why)
{
	struct folder *f;

	if (state_folder_named(s, name) != NULL) {
		*why = "a mailbox that exists is created";
		return NULL;
	}
	f = folder_make(s, id, name, why);
	if (f != NULL)
		folder_insert(s, f);
	return f;
}

struct folder *folder_new_dead(struct state *s, uint32_t id, struct str name,
    uint64_t modseq, int64_t time, const char **why)
{
	struct folder *f = folder_make(s, id, name, why);

	if (f == NULL)
		return NULL;
	f->dead_modseq = modseq;
	f->dead_time = time;
	dead_insert(s, f);
	return f;
}

int folder_keyword(struct folder *f, uint32_t index, struct str name)
{
	if (index != f->info.keyword_count || index >= MAILBOX_KEYWORDS_MAX)
		return -1;
	f->info.keywords[index] = str_of(str_dup(name), name.len);
	f->info.keyword_count++;
	return 0;
}

/* ---- messages of a folder ---- */

size_t folder_search(const struct folder *f, uint32_t uid)
{
	size_t low = 0, high = f->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (f->messages[middle].uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct message *folder_message(const struct folder *f, uint32_t uid)
{
	size_t at = folder_search(f, uid);

	return at < f->count && f->messages[at].uid == uid ? &f->messages[at]
							   : NULL;
}

void folder_reserve(struct folder *f, uint64_t count)
{
	if (count <= f->room || f->count > 0 || count > RESERVE_MAX)
		return;
	rows_release(&f->lent, f->messages);
	free(f->where);
	f->room = (size_t)count;
	f->messages = mem_large(f->room, sizeof(*f->messages));
	f->where = mem_large(f->room, sizeof(*f->where));
}

void folder_push(struct folder *f, const struct message *m, uint32_t where)
{
	if (f->count == f->room) {
		f->room = f->room == 0 ? 16 : f->room * 2;
		f->messages = mem_resize(
		    f->messages, f->room, sizeof(*f->messages));
		f->where = mem_resize(f->where, f->room, sizeof(*f->where));
	}
	f->messages[f->count] = *m;
	f->where[f->count++] = where;
}

void folder_vanish(struct folder *f, const struct vanished *v)
{
	GROW(f->vanished, f->vanished_count, f->vanished_room);
	f->vanished[f->vanished_count++] = *v;
}

static void push_gone(
    struct folder *f, size_t at, const struct record_expunge *r)
{
	GROW(f->gone, f->gone_count, f->gone_room);
	f->gone[f->gone_count++] = (struct gone){
	    f->messages[at], f->where[at], r->modseq, r->time};
}

void folder_forget_erased(struct folder *f, uint64_t erased)
{
	size_t kept = 0;

	for (size_t i = 0; i < f->gone_count; i++)
		if (f->gone[i].modseq > erased)
			f->gone[kept++] = f->gone[i];
	f->gone_count = kept;
}

static int apply_message(struct folder *f, const struct record_message *r)
{
	if (f->count > 0 && f->messages[f->count - 1].uid >= r->m.uid)
		return -1;
	GROW(f->fresh, f->fresh_count, f->fresh_room);
	f->fresh[f->fresh_count] = r->place;
	folder_push(f, &r->m, WHERE_FRESH | (uint32_t)f->fresh_count);
	f->fresh_count++;
	return 0;
}

static struct segment *segment_of(struct folder *f, size_t at)
{
	uint32_t where = f->where[at];

	return where & WHERE_FRESH ? NULL : &f->segments[where / SEGMENT_ROWS];
}

static int apply_flags(struct folder *f, const struct record_flags *r)
{
	for (uint32_t i = 0; i < r->count; i++) {
		uint32_t first, last;

		range_get(r->ranges, i, &first, &last);
		for (size_t at = folder_search(f, first);
		     at < f->count && f->messages[at].uid <= last; at++) {
			struct segment *segment = segment_of(f, at);

			f->messages[at].flags = r->flags;
			f->messages[at].keywords = r->keywords;
			f->messages[at].modseq = r->modseq;
			if (segment != NULL)
				segment->flagged = true;
		}
	}
	return 0;
}

static int apply_expunge(struct folder *f, const struct record_expunge *r)
{
	size_t from = 0, to = 0;

	if (f->count == 0) /* repair meets such */
		return 0;
	for (uint32_t i = 0; i < r->count; i++) {
		uint32_t first, last;
		size_t start, end;

		range_get(r->ranges, i, &first, &last);
		start = folder_search(f, first);
		end = last == UINT32_MAX ? f->count
					 : folder_search(f, last + 1);
		if (i == 0)
			from = to = start;
		/* What stands between two ranges moves down. */
		memmove(f->messages + to, f->messages + from,
		    (start - from) * sizeof(*f->messages));
		memmove(f->where + to, f->where + from,
		    (start - from) * sizeof(*f->where));
		to += start - from;
		from = end;
		for (size_t at = start; at < end; at++) {
			struct vanished v = {
			    f->messages[at].uid, r->modseq, r->time};

			folder_vanish(f, &v);
			push_gone(f, at, r);
		}
	}
	if (r->count == 0)
		return 0;
	memmove(f->messages + to, f->messages + from,
	    (f->count - from) * sizeof(*f->messages));
	memmove(f->where + to, f->where + from,
	    (f->count - from) * sizeof(*f->where));
	f->count = to + (f->count - from);
	return 0;
}

int folder_apply(struct folder *f, const struct record *r)
{
	f->version++;
	own_messages(f);
	switch (r->type) {
	case RECORD_MESSAGE:
		return apply_message(f, &r->message);
	case RECORD_FLAGS:
		return apply_flags(f, &r->flags);
	case RECORD_EXPUNGE:
		return apply_expunge(f, &r->expunge);
	default:
		return -1;
	}
}

/* Now, or when the messages are loaded. */
static int messages_change(
    struct state *s, struct folder *f, const struct record *r, struct str whole)
{
	if (f->loaded)
		return folder_apply(f, r);
	f->version++;
	s->pending_octets += whole.len;
	return buf_add(&f->pending, whole);
}

/* ---- the box ---- */

/* The epoch goes on, and how long deliveries are kept stays. */
void state_init(struct state *s)
{
	uint64_t epoch = s->epoch + 1;
	int64_t oldest = s->deliveries.oldest;

	memset(s, 0, sizeof(*s));
	s->epoch = epoch;
	s->deliveries.oldest = oldest;
	s->next_mailbox = 1;
}

static void folders_clear(struct state *s)
{
	for (size_t i = 0; i < s->folder_count; i++)
		folder_free(s->folders[i]);
	s->folder_count = s->by_id_room = 0;
	free(s->by_id);
	s->by_id = NULL;
	s->list_stale = true;
	for (size_t i = 0; i < s->dead_count; i++)
		folder_free(s->dead[i]);
	s->dead_count = 0;
	s->pending_octets = 0;
	table_free(&s->subscriptions);
	s->subscriptions = table_new();
}

void state_clear(struct state *s)
{
	folders_clear(s);
	free(s->folders);
	free(s->list);
	free(s->dead);
	deliveries_clear(&s->deliveries);
	state_init(s);
}

void state_default(struct state *s)
{
	uint32_t uidvalidity = (uint32_t)clock_seconds();

	s->virtual = true;
	for (size_t i = 0; i < ARRAY_LEN(defaults); i++) {
		const char *why;
		struct folder *f = folder_new(
		    s, (uint32_t)i + 1, defaults[i].name, &why);

		f->info.use = (int)defaults[i].use;
		f->info.uidvalidity = uidvalidity + (uint32_t)i;
		f->info.highest_modseq = 1;
		f->info.subscribed = true;
		table_put(&s->subscriptions, defaults[i].name, f);
	}
	s->next_mailbox = ARRAY_LEN(defaults) + 1;
	s->last_uidvalidity = uidvalidity + ARRAY_LEN(defaults) - 1;
}

uint32_t state_default_put(
    const struct state *s, struct buf *out, uint64_t modseq)
{
	uint32_t count = 0;

	for (size_t i = 0; i < s->folder_count; i++) {
		const struct mailbox_info *info = &s->folders[i]->info;
		struct record r = {.type = RECORD_MAILBOX};

		r.mailbox = (struct record_mailbox){info->id, info->uidvalidity,
		    (uint32_t)info->use, 0, modseq, info->name};
		record_put(out, &r);
		r = (struct record){.type = RECORD_SUBSCRIBE};
		r.subscribe = (struct record_subscribe){true, info->name};
		record_put(out, &r);
		count += 2;
	}
	return count;
}

static int bad(struct state *s, const char *why)
{
	s->why = why;
	return -1;
}

static int fold_mailbox(struct state *s, const struct record_mailbox *r)
{
	struct folder *f = folder_new(s, r->id, r->name, &s->why);

	if (f == NULL)
		return -1;
	f->info.uidvalidity = r->uidvalidity;
	f->info.use = r->use <= USE_TRASH ? (int)r->use : USE_NONE;
	f->info.selectable = !(r->options & MAILBOX_UNSELECTABLE);
	f->info.highest_modseq = r->modseq;
	f->info.subscribed = table_get(&s->subscriptions, r->name) != NULL;
	f->vanish_floor = r->modseq;
	if (r->id >= s->next_mailbox)
		s->next_mailbox = r->id + 1;
	if (r->uidvalidity > s->last_uidvalidity)
		s->last_uidvalidity = r->uidvalidity;
	return 0;
}

static int fold_rename(struct state *s, const struct record_rename *r)
{
	struct folder *f = state_folder(s, r->id);
	union {
		const char *text;
		void *memory;
	} old;

	if (f == NULL || r->name.len == 0 || r->name.len > MAILBOX_NAME_MAX ||
	    state_folder_named(s, r->name) != NULL)
		return bad(s, "rename");
	folder_take_out(s, f);
	old.text = f->info.name.p;
	free(old.memory);
	f->info.name = str_of(str_dup(r->name), r->name.len);
	f->info.subscribed = table_get(&s->subscriptions, r->name) != NULL;
	folder_insert(s, f);
	return 0;
}

/* Something is gone that is not erased. */
static void gone_now(struct state *s, uint64_t modseq, int64_t when)
{
	if (modseq <= s->erased)
		return;
	if (s->gone_last <= s->erased || when < s->gone_since)
		s->gone_since = when;
	if (modseq > s->gone_last)
		s->gone_last = modseq;
}

/* Expunges that wait in f->pending. */
static bool pending_expunge(const struct folder *f, uint64_t erased)
{
	struct str rest = buf_str(&f->pending);
	struct record r;

	while (record_next(&rest, &r, NULL) == 1)
		if (r.type == RECORD_EXPUNGE && r.expunge.modseq > erased)
			return true;
	return false;
}

bool folder_remains(const struct state *s, const struct folder *f)
{
	if (f->info.messages > 0)
		return true;
	for (size_t i = 0; i < f->segment_count; i++)
		if (f->segments[i].columns[COLUMN_U].snapshot != 0 &&
		    f->segments[i].last_modseq > s->erased)
			return true;
	for (size_t i = 0; i < f->gone_count; i++)
		if (f->gone[i].modseq > s->erased)
			return true;
	return pending_expunge(f, s->erased);
}

static int fold_delete(struct state *s, const struct record_delete *r)
{
	struct folder *f = state_folder(s, r->id);

	if (f == NULL || r->octets > s->usage.octets ||
	    r->messages > s->usage.messages)
		return bad(s, "delete of a mailbox");
	s->usage.octets -= r->octets;
	s->usage.messages -= r->messages;
	folder_take_out(s, f);
	if (r->modseq > s->erased && folder_remains(s, f)) {
		f->dead_modseq = r->modseq;
		f->dead_time = r->time;
		dead_insert(s, f);
		gone_now(s, r->modseq, r->time);
		return 0;
	}
	s->pending_octets -= f->pending.len;
	folder_free(f);
	return 0;
}

static int fold_subscribe(struct state *s, const struct record_subscribe *r)
{
	struct folder *f = state_folder_named(s, r->name);

	if (r->name.len == 0 || r->name.len > MAILBOX_NAME_MAX)
		return bad(s, "subscription");
	if (r->on)
		table_put(&s->subscriptions, r->name, s);
	else
		table_remove(&s->subscriptions, r->name);
	if (f != NULL)
		f->info.subscribed = r->on;
	return 0;
}

/* A log begun anew states messages by uid, not by modseq. */
static void changed_at(struct folder *f, uint64_t modseq)
{
	if (modseq > f->info.highest_modseq)
		f->info.highest_modseq = modseq;
}

static int fold_message(
    struct state *s, const struct record *r, struct str whole)
{
	const struct message *m = &r->message.m;
	struct folder *f = state_folder(s, r->message.mailbox);

	if (f == NULL || m->uid < f->info.uidnext || m->uid == UINT32_MAX ||
	    m->size > INT64_MAX - s->usage.octets)
		return bad(s, "message");
	f->info.uidnext = m->uid + 1;
	changed_at(f, m->modseq);
	f->info.messages++;
	f->info.octets += m->size;
	f->info.unseen += !(m->flags & FLAG_SEEN);
	f->info.deleted += (m->flags & FLAG_DELETED) != 0;
	s->usage.messages++;
	s->usage.octets += m->size;
	return messages_change(s, f, r, whole);
}

static int fold_flags(struct state *s, const struct record *r, struct str whole)
{
	const struct record_flags *c = &r->flags;
	struct folder *f = state_folder(s, c->mailbox);

	if (f == NULL)
		return bad(s, "flags");
	uint64_t unseen = f->info.unseen + (uint64_t)c->unseen;
	uint64_t deleted = f->info.deleted + (uint64_t)c->deleted;
	if (unseen > f->info.messages || deleted > f->info.messages)
		return bad(s, "flags: counts");
	if (!seeded("unseen-forgotten"))
		f->info.unseen = unseen;
	f->info.deleted = deleted;
	changed_at(f, c->modseq);
	return messages_change(s, f, r, whole);
}

static int fold_expunge(
    struct state *s, const struct record *r, struct str whole)
{
	const struct record_expunge *c = &r->expunge;
	struct folder *f = state_folder(s, c->mailbox);

	if (f == NULL || c->messages > f->info.messages ||
	    c->octets > f->info.octets || c->unseen > f->info.unseen ||
	    c->deleted > f->info.deleted || c->octets > s->usage.octets ||
	    c->messages > s->usage.messages)
		return bad(s, "expunge");
	f->info.messages -= c->messages;
	f->info.octets -= c->octets;
	f->info.unseen -= c->unseen;
	f->info.deleted -= c->deleted;
	changed_at(f, c->modseq);
	s->usage.messages -= c->messages;
	if (!seeded("quota-delta-forgotten"))
		s->usage.octets -= c->octets;
	gone_now(s, c->modseq, c->time);
	return messages_change(s, f, r, whole);
}

static int fold_erased(struct state *s, const struct record_horizon *r)
{
	size_t kept = 0;

	if (r->modseq > s->horizon)
		return bad(s, "erased beyond the horizon");
	if (r->modseq <= s->erased)
		return 0;
	s->erased = r->modseq;
	s->gone_since = r->gone_since;
	for (size_t i = 0; i < s->folder_count; i++)
		folder_forget_erased(s->folders[i], s->erased);
	for (size_t i = 0; i < s->dead_count; i++) {
		struct folder *f = s->dead[i];

		folder_forget_erased(f, s->erased);
		if (f->dead_modseq > s->erased) {
			s->dead[kept++] = f;
			continue;
		}
		s->pending_octets -= f->pending.len;
		folder_free(f);
	}
	s->dead_count = kept;
	return 0;
}

/* What follows in the frame says all. Views find their mailbox gone, or
 * compare all of it: no version of before comes again. */
static int fold_restate(struct state *s, const struct record_restate *r)
{
	folders_clear(s);
	deliveries_clear(&s->deliveries);
	s->epoch++;
	s->usage = (struct box_usage){0, 0};
	s->next_mailbox = r->next_mailbox;
	s->last_uidvalidity = r->last_uidvalidity;
	s->horizon = r->horizon;
	s->erased = r->erased;
	s->gone_last = 0;
	s->gone_since = 0;
	return 0;
}

static int fold_keyword(struct state *s, const struct record_keyword *r)
{
	struct folder *f = state_folder(s, r->mailbox);

	if (f == NULL || r->name.len == 0 ||
	    folder_keyword(f, r->index, r->name) < 0)
		return bad(s, "keyword");
	return 0;
}

static int fold_uidnext(struct state *s, const struct record_uidnext *r)
{
	struct folder *f = state_folder(s, r->mailbox);

	if (f == NULL || r->uidnext < f->info.uidnext)
		return bad(s, "next uid");
	f->info.uidnext = r->uidnext;
	return 0;
}

int state_fold_one(struct state *s, const struct record *r, struct str whole)
{
	switch (r->type) {
	case RECORD_MAILBOX:
		return fold_mailbox(s, &r->mailbox);
	case RECORD_RENAME:
		return fold_rename(s, &r->rename);
	case RECORD_DELETE:
		return fold_delete(s, &r->delete);
	case RECORD_SUBSCRIBE:
		return fold_subscribe(s, &r->subscribe);
	case RECORD_MESSAGE:
		return fold_message(s, r, whole);
	case RECORD_FLAGS:
		return fold_flags(s, r, whole);
	case RECORD_EXPUNGE:
		return fold_expunge(s, r, whole);
	case RECORD_KEYWORD:
		return fold_keyword(s, &r->keyword);
	case RECORD_DELIVERY:
		deliveries_add(&s->deliveries,
		    &(struct delivery){{r->delivery.id[0], r->delivery.id[1]},
			r->delivery.time});
		return 0;
	case RECORD_SNAPSHOT:
		s->snapshot = r->snapshot;
		return 0;
	case RECORD_HORIZON:
		if (r->horizon.modseq > s->horizon)
			s->horizon = r->horizon.modseq;
		return 0;
	case RECORD_ERASED:
		return fold_erased(s, &r->horizon);
	case RECORD_RESTATE:
		return fold_restate(s, &r->restate);
	case RECORD_UIDNEXT:
		return fold_uidnext(s, &r->uidnext);
	default:
		return bad(s, "a snapshot's record in a frame");
	}
}

int state_fold(
    struct state *s, struct str heads, const struct engine_frame_info *info)
{
	struct record r;
	struct str whole;
	uint32_t count = 0;
	int next;

	if (s->base != 0 && seeded("frames-after-snapshot-skipped"))
		return 0;
	if (s->virtual) { /* the first frame says all of it itself */
		folders_clear(s);
		s->virtual = false;
		s->next_mailbox = 1;
		s->last_uidvalidity = 0;
	}
	while ((next = record_next(&heads, &r, &whole)) == 1) {
		if (r.type == RECORD_RESTATE && count > 0) {
			s->why = "the log is begun anew within a frame";
			return 1;
		}
		if (state_fold_one(s, &r, whole) < 0)
			return 1;
		count++;
	}
	if (next == -1 || count > info->count) {
		s->why = "a malformed record";
		return 1;
	}
	if (next == -2) {
		s->why = "a record of a newer version";
		return 2;
	}
	if (info->time_us > s->time_us)
		s->time_us = info->time_us;
	return 0;
}
