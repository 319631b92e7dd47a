/* SPDX-License-Identifier: ISC */
/* Opening a store and a box, bringing it up to date, changing it. */
#include "store/box.h"
#include "store/seeded.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/memory.h"
#include "store/content.h"

static const char *const result_names[] = {"ok", "duplicate", "no mailbox",
    "exists", "bad name", "over quota", "limit", "gone", "busy", "unknown",
    "no space", "corrupt", "error"};

const char *store_result_name(enum store_result r)
{
	return (size_t)r < ARRAY_LEN(result_names) ? result_names[r] : "error";
}

struct store *store_open_with(struct engine *e, const char *notify_dir)
{
	struct store *s = NEW(struct store);

	s->engine = e;
	s->segment_rows = SEGMENT_ROWS;
	s->erase_at_once = ERASE_AT_ONCE;
	s->lock_wait_ms = LOCK_WAIT_MS;
	s->undelete = UNDELETE_DEFAULT;
	store_set_queue_lifetime(s, QUEUE_LIFETIME_MS);
	if (notify_dir != NULL)
		s->notify = notify_open(notify_dir);
	return s;
}

struct store *store_open(
    const char *root, const char *notify_dir, const char **why)
{
	struct engine *e = engine_open(root, why);

	return e == NULL ? NULL : store_open_with(e, notify_dir);
}

void store_set_undelete(struct store *s, int64_t seconds)
{
	s->undelete = seconds;
}

void store_set_compression(struct store *s, uint64_t octets)
{
	s->compress_from = octets;
}

struct engine *store_engine(struct store *s)
{
	return s->engine;
}

void store_close(struct store **s)
{
	if (*s == NULL)
		return;
	notify_close(&(*s)->notify);
	engine_close(&(*s)->engine);
	free(*s);
	*s = NULL;
}

void store_set_queue_lifetime(struct store *s, int64_t ms)
{
	s->delivery_kept = ms / 1000 + DELIVERY_SLACK;
}

const char *store_why(const struct box *b)
{
	return b->why;
}

void box_note(struct box *b, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(b->why, sizeof(b->why), format, args);
	va_end(args);
}

enum store_result box_trouble(struct box *b, enum engine_status s)
{
	static const enum store_result results[] = {
	    [ENGINE_OK] = STORE_OK,
	    [ENGINE_REFUSED] = STORE_ERROR,
	    [ENGINE_BUSY] = STORE_BUSY,
	    [ENGINE_UNKNOWN] = STORE_UNKNOWN,
	    [ENGINE_NO_SPACE] = STORE_NO_SPACE,
	    [ENGINE_CORRUPT] = STORE_CORRUPT,
	    [ENGINE_GONE] = STORE_GONE,
	    [ENGINE_NEWER] = STORE_ERROR,
	    [ENGINE_DOWN] = STORE_ERROR,
	};

	if (s == ENGINE_CORRUPT && b->state.why != NULL) {
		box_note(b, "%s: %s", engine_why(b->engine), b->state.why);
		b->state.why = NULL;
		return STORE_CORRUPT;
	}
	return box_fail(b, results[s], "%s", engine_why(b->engine));
}

/* ---- folding ---- */

uint64_t box_modseq(const struct box *b)
{
	return b->state.pos.modseq;
}

bool box_is_beyond(const struct box *b, uint64_t time_us, uint64_t modseq)
{
	return (b->until_time != 0 && time_us > b->until_time &&
		   !seeded("look-back-too-late")) ||
	    (b->until_modseq != 0 && modseq > b->until_modseq);
}

static int on_frame(
    void *arg, struct str heads, const struct engine_frame_info *info)
{
	struct box *b = arg;
	int result;

	if (box_is_beyond(b, info->time_us, info->after.modseq))
		return 3;
	b->state.incarnation = engine_incarnation(b->engine);
	result = state_fold(&b->state, heads, info);
	b->frames_octets += RECORD_FRAME + heads.len;
	b->held_octets += RECORD_FRAME + heads.len;
	if (b->state.snapshot.number != b->last_snapshot) {
		b->last_snapshot = b->state.snapshot.number;
		b->frames_octets = b->told_octets = 0;
	}
	return result;
}

bool box_is_cut(struct box *b)
{
	uint64_t oldest, first_read, newest;

	return engine_generations(b->engine, &oldest, &first_read, &newest) ==
	    ENGINE_OK &&
	    oldest > first_read;
}

/* Forgets everything and starts from the newest snapshot. */
static enum store_result start(struct box *b)
{
	enum store_result r;

	state_clear(&b->state);
	chunk_free(&b->chunk);
	b->state.deliveries.oldest = clock_seconds() - b->store->delivery_kept;
	b->frames_octets = b->told_octets = b->held_octets = 0;
	b->summary_octets = 0;
	r = b->without_snapshots ? snapshot_load_base(b) : snapshot_load(b);
	b->last_snapshot = b->state.snapshot.number;
	if (r == STORE_OK && b->state.pos.generation == 0)
		state_default(&b->state);
	return r;
}

static enum store_result read_on(struct box *b)
{
	return box_status(
	    b, engine_read(b->engine, &b->state.pos, on_frame, b));
}

enum store_result box_fold_until(
    struct box *b, uint64_t time_us, uint64_t modseq)
{
	enum store_result r;

	b->until_time = time_us;
	b->until_modseq = modseq;
	r = read_on(b);
	if (!b->frozen) /* which stays there, also when it is read again */
		b->until_time = b->until_modseq = 0;
	return r;
}

/* Whether a newer snapshot has what we hold; where messages are looked at they
 * have to be loaded again, which must be worth it. */
static bool outgrown(const struct box *b)
{
	const struct state *s = &b->state;
	uint64_t most = SNAPSHOT_DUE;

	if (b->held_octets <= most || s->snapshot.number == s->base ||
	    s->snapshot.number == b->lightened)
		return false;
	if (b->views > 0)
		most = HELD_VIEWED;
	for (size_t i = 0; i < s->folder_count && b->views > 0; i++)
		most += s->folders[i]->count * sizeof(struct message);
	return b->held_octets > most;
}

enum store_result box_lighten(struct box *b)
{
	if (!outgrown(b) || seeded("box-grows"))
		return STORE_OK;
	b->lightened = b->state.snapshot.number; /* once, should it be bad */
	return box_reload(b, false);
}

enum store_result box_seal(struct box *b)
{
	return box_status(b,
	    engine_seal(b->engine, &b->state.pos, on_frame, b,
		deadline_in(LOCK_WAIT_MS)));
}

enum store_result box_refresh(struct box *b)
{
	enum store_result r;

	if (b->frozen)
		return STORE_OK;
	r = box_lighten(b);
	if (r == STORE_OK)
		r = read_on(b);
	if (r == STORE_GONE) { /* the account was removed; perhaps made anew */
		r = start(b);
		if (r == STORE_OK)
			r = read_on(b);
	}
	if (r == STORE_GONE && !seeded("half-removed-is-trouble")) {
		/* Its removal was begun: the next writer ends it. */
		state_clear(&b->state);
		state_default(&b->state);
		r = STORE_OK;
	}
	return r;
}

enum store_result box_reload(struct box *b, bool without_snapshots)
{
	enum store_result r;

	b->without_snapshots = without_snapshots;
	r = start(b);
	return r == STORE_OK ? read_on(b) : r;
}

enum store_result box_folder(
    struct box *b, uint32_t mailbox, struct folder **out)
{
	enum store_result r = STORE_OK;

	/* As it is; from the newest snapshot; from the log alone. */
	for (int attempt = 0; attempt < 3; attempt++) {
		if (attempt > 0)
			r = box_reload(b, attempt == 2);
		if (r != STORE_OK)
			return r;
		*out = state_folder(&b->state, mailbox);
		if (*out == NULL)
			return box_fail(b, STORE_GONE, "the mailbox is gone");
		r = folder_load(b, *out);
		if (r == STORE_OK)
			return r;
		r = STORE_OK;
	}
	return STORE_CORRUPT;
}

bool box_snapshot_due(const struct box *b, uint64_t octets)
{
	return !b->state.virtual && !b->frozen &&
	    (b->frames_octets >= octets + b->summary_octets ||
		b->without_snapshots);
}

enum store_result box_maintain(struct box *b)
{
	/* A keeper that was told is given time. */
	uint64_t octets = b->told_octets == 0 ? b->snapshot_due
					      : SNAPSHOT_OVERDUE;

	return box_snapshot_due(b, octets) ? snapshot_take(b, false) : STORE_OK;
}

/* Sessions of a change; the keeper once when the box has become due, and again
 * should the hint have been lost. */
static void tell(struct box *b, uint64_t modseq)
{
	struct notify *n = b->store->notify;
	struct str account = str_from(b->account);

	notify_send(n, account, modseq);
	if (!box_snapshot_due(b, b->snapshot_due) ||
	    (b->told_octets != 0 &&
		b->frames_octets < b->told_octets + SNAPSHOT_DUE / 2))
		return;
	if (notify_due(n, account, modseq))
		b->told_octets = b->frames_octets;
}

enum store_result box_new(struct store *s, struct str account, struct box **out)
{
	struct box *b;

	*out = NULL;
	if (account.len == 0 || account.len > NOTIFY_ACCOUNT_MAX ||
	    memchr(account.p, '/', account.len) != NULL ||
	    memchr(account.p, '\0', account.len) != NULL)
		return STORE_BAD_NAME;
	b = NEW(struct box);
	b->store = s;
	b->account = str_dup(account);
	/* Processes that deliver to one account do not all begin at once. */
	b->snapshot_due = SNAPSHOT_DUE + clock_us() % (2 * SNAPSHOT_DUE);
	b->heads = buf_new(HEADS_ROOM);
	state_init(&b->state);
	*out = b;
	return box_status(b, engine_box_open(s->engine, account, &b->engine));
}

enum store_result box_open(
    struct store *s, struct str account, int64_t deadline, struct box **out)
{
	enum store_result r = box_new(s, account, out);

	(void)deadline; /* reading takes no lock */
	if (*out == NULL)
		return r;
	if (r == STORE_OK)
		r = start(*out);
	if (r == STORE_OK)
		r = box_refresh(*out);
	if (r != STORE_OK && r != STORE_CORRUPT && r != STORE_ERROR)
		box_close(out);
	return r;
}

void box_close(struct box **b)
{
	if (*b == NULL)
		return;
	state_clear(&(*b)->state);
	content_forget(*b);
	engine_box_close(&(*b)->engine);
	chunk_free(&(*b)->chunk);
	buf_free(&(*b)->heads);
	free((*b)->account);
	free(*b);
	*b = NULL;
}

enum store_result store_remove_account(struct store *s, struct str account)
{
	switch (
	    engine_remove(s->engine, account, deadline_in(s->lock_wait_ms))) {
	case ENGINE_OK:
		return STORE_OK;
	case ENGINE_BUSY:
		return STORE_BUSY;
	default:
		return STORE_ERROR;
	}
}

enum store_result box_prepare(struct box *b)
{
	return box_status(b, engine_box_prepare(b->engine));
}

int box_directory(struct box *b)
{
	return engine_box_directory(b->engine);
}

/* ---- changing ---- */

void change_put(struct change *c, const struct record *r)
{
	record_put(&c->b->heads, r);
	c->records++;
}

uint64_t change_body(struct change *c, const void *p, size_t len)
{
	uint64_t at = c->at;
	union {
		const void *from;
		void *to;
	} base = {.from = p};

	if (len == 0)
		return at;
	if (c->body_count == c->body_room) {
		c->body_room = c->body_room == 0 ? 8 : c->body_room * 2;
		c->bodies = mem_resize(
		    c->bodies, c->body_room, sizeof(*c->bodies));
	}
	c->bodies[c->body_count++] = (struct iovec){base.to, len};
	c->at += len;
	return at;
}

enum store_result change_quota(
    struct change *c, uint64_t octets, uint64_t messages)
{
	const struct box *b = c->b;
	const struct box_usage *used = &b->state.usage;

	if ((b->quota.octets != 0 &&
		(used->octets > b->quota.octets ||
		    octets > b->quota.octets - used->octets)) ||
	    (b->quota.messages != 0 &&
		(used->messages > b->quota.messages ||
		    messages > b->quota.messages - used->messages)))
		return STORE_OVER_QUOTA;
	return STORE_OK;
}

static const struct new_keyword *defined_now(
    const struct change *c, uint32_t mailbox, struct str name)
{
	for (size_t i = 0; i < c->keyword_count; i++)
		if (c->keywords[i].mailbox == mailbox &&
		    str_case_eq(c->keywords[i].name, name))
			return &c->keywords[i];
	return NULL;
}

static uint32_t keyword_index(
    const struct change *c, const struct folder *f, struct str name)
{
	const struct new_keyword *fresh;

	for (uint32_t i = 0; i < f->info.keyword_count; i++)
		if (str_case_eq(f->info.keywords[i], name))
			return i;
	fresh = defined_now(c, f->info.id, name);
	return fresh == NULL ? UINT32_MAX : fresh->index;
}

static enum store_result define(
    struct change *c, const struct folder *f, struct str name, uint32_t *index)
{
	struct record r = {.type = RECORD_KEYWORD};
	size_t next = f->info.keyword_count;

	for (size_t i = 0; i < c->keyword_count; i++)
		next += c->keywords[i].mailbox == f->info.id;
	if (next >=
	    MAILBOX_KEYWORDS_MAX + (size_t)seeded("sixty-five-keywords"))
		return box_fail(c->b, STORE_LIMIT,
		    "a mailbox has at most %d keywords", MAILBOX_KEYWORDS_MAX);
	*index = (uint32_t)next;
	if (c->keyword_count == c->keyword_room) {
		c->keyword_room = c->keyword_room * 2 + 4;
		c->keywords = mem_resize(
		    c->keywords, c->keyword_room, sizeof(*c->keywords));
	}
	c->keywords[c->keyword_count++] = (struct new_keyword){
	    f->info.id, *index, name};
	r.keyword = (struct record_keyword){f->info.id, *index, name};
	change_put(c, &r);
	return STORE_OK;
}

enum store_result change_keywords(struct change *c, struct folder *f,
    const struct str *names, size_t count, uint64_t *bits)
{
	*bits = 0;
	for (size_t i = 0; i < count; i++) {
		uint32_t index = keyword_index(c, f, names[i]);
		enum store_result r = STORE_OK;

		if (names[i].len == 0 || names[i].len > 255)
			return box_fail(c->b, STORE_LIMIT, "a keyword's name");
		if (index == UINT32_MAX)
			r = define(c, f, names[i], &index);
		if (r != STORE_OK)
			return r;
		*bits |= UINT64_C(1) << index;
	}
	return STORE_OK;
}

static int decide(
    void *arg, const struct engine_pos *end, struct engine_frame *frame)
{
	struct box *b = arg;
	struct change *c = b->change;

	b->state.pos = *end;
	buf_clear(&b->heads);
	c->modseq = end->modseq + (c->new_epoch ? EPOCH_STEP : 1);
	if (seeded("epoch-goes-on"))
		c->modseq = end->modseq + 1;
	if (seeded("modseq-does-not-rise"))
		c->modseq = end->modseq;
	c->generation = frame->generation;
	c->at = frame->body_offset;
	c->body_count = c->keyword_count = c->mailbox_count = 0;
	arena_clear(&c->arena);
	c->records = 0;
	if (b->state.virtual)
		c->records = state_default_put(&b->state, &b->heads, c->modseq);
	c->refused = c->decide(c);
	if (c->refused == STORE_OK && b->heads.overflow)
		c->refused = box_fail(b, STORE_LIMIT, "too much at once");
	if (c->refused != STORE_OK || c->records == 0)
		return -1;
	if (seeded("notified-before-sync") && b->store->notify != NULL)
		notify_send(b->store->notify, str_from(b->account), c->modseq);
	frame->heads = buf_str(&b->heads);
	frame->count = c->records;
	frame->bodies = c->bodies;
	frame->body_count = c->body_count;
	frame->modseq = c->modseq;
	frame->may_use_reserve = c->frees;
	return 0;
}

/* For a restart: what was read of the old log was read otherwise. */
static int ignore_frame(
    void *arg, struct str heads, const struct engine_frame_info *info)
{
	(void)arg, (void)heads, (void)info;
	return 0;
}

static enum store_result change_once(struct box *b, struct change *c)
{
	int64_t deadline = deadline_in(b->store->lock_wait_ms);
	struct engine_pos seen = b->state.pos;
	enum engine_status s;

	b->change = c;
	s = c->restart ? engine_restart(b->engine, &seen, ignore_frame, decide,
			     b, true, deadline)
		       : engine_append(b->engine, &b->state.pos, on_frame,
			     decide, b, deadline);
	b->change = NULL;
	if (b->heads.capacity > 1u << 20)
		buf_free(&b->heads);
	if (s == ENGINE_REFUSED)
		return c->refused;
	return box_status(b, s);
}

enum store_result box_change(struct box *b, struct change *c)
{
	enum store_result r;

	if (b->frozen && !seeded("past-is-changed"))
		return box_fail(
		    b, STORE_ERROR, "a box as it was cannot be changed");
	c->b = b;
	c->refused = STORE_OK;
	c->arena = arena_new((size_t)64 << 20);
	r = change_once(b, c);
	if (r == STORE_GONE && c->refused != STORE_GONE && !c->restart) {
		/* Removed while we waited: the account begins anew. */
		r = start(b);
		if (r == STORE_OK)
			r = change_once(b, c);
	}
	arena_free(&c->arena);
	free(c->bodies);
	free(c->keywords);
	free(c->mailboxes);
	c->bodies = NULL;
	c->keywords = NULL;
	c->mailboxes = NULL;
	c->body_room = c->keyword_room = c->mailbox_room = 0;
	if (r == STORE_OK && c->records > 0 && b->store->notify != NULL)
		tell(b, c->modseq);
	return r;
}

static enum store_result decide_nothing(struct change *c)
{
	(void)c; /* the default mailboxes are there by now */
	return STORE_OK;
}

enum store_result box_materialize(struct box *b)
{
	struct change c = {.decide = decide_nothing};

	return b->state.virtual ? box_change(b, &c) : STORE_OK;
}

/* ---- quota ---- */

struct box_usage box_usage(struct box *b)
{
	return b->state.usage;
}

void box_set_quota(struct box *b, uint64_t octets, uint64_t messages)
{
	b->quota = (struct box_usage){octets, messages};
}

enum store_result box_pop3_lock(struct box *b)
{
	return box_status(b, engine_session_lock(b->engine, true));
}

void box_pop3_unlock(struct box *b)
{
	engine_session_lock(b->engine, false);
}
