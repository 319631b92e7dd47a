/* SPDX-License-Identifier: ISC */
/*
 * Random operations against a small model, through two handles that take
 * turns and lag behind each other, with low limits so that generations seal
 * and snapshots are taken all the time. Knows no engine: box.h alone.
 */
#include "store/testing_base.h"

#include "core/memory.h"
#include "store/recovery.h"
#include "store/upkeep.h"

#define MAILBOXES     8
#define MESSAGES      400
#define VANISHED      4000
#define KEYWORDS      8
#define TEXT_MAX      400
#define STEPS         1500
#define STEPS_TORTURE 6000
#define FRAMES_END    8192
#define BODIES_END    (512u << 10)
#define SEGMENT       16
#define DAY           86400
#define UNDELETE      (3 * DAY)
#define IDS_KEPT      (12 * DAY - 60) /* queue lifetime and a week */
#define APPENDED      100000u         /* texts that were no deliveries */

struct model_message {
	uint32_t uid, flags;
	uint32_t keywords; /* bits: their numbers */
	unsigned text;     /* its number */
	uint64_t modseq;
};

struct model_mailbox {
	char name[32]; /* "": there is none */
	uint32_t id, uidvalidity, uidnext;
	uint64_t born, highest; /* modseqs */
	struct model_message messages[MESSAGES];
	size_t count;
	struct model_gone {
		struct model_message was;
		uint64_t modseq;
		bool erased;
	} vanished[VANISHED];
	size_t vanished_count;
};

static struct model_mailbox *model;
static unsigned texts, appended;
static int64_t delivered_at[STEPS_TORTURE]; /* by text */
static bool time_passed;                    /* vanished uids may be forgotten */
static uint64_t octets, last_modseq;
static uint32_t last_uidvalidity;

static int text_of(unsigned number, char out[TEXT_MAX])
{
	return snprintf(out, TEXT_MAX, "Subject: %u\r\n\r\n%*s\r\n", number,
	    (int)(number * 7 % 300), "x");
}

static uint64_t text_len(unsigned number)
{
	char space[TEXT_MAX];

	return (uint64_t)text_of(number, space);
}

static struct store_body *body_of(struct box *b, unsigned number)
{
	struct store_body *body = store_body_new(b);
	char text[TEXT_MAX];
	int len = text_of(number, text);

	assert_int_equal(store_body_add(body, text, (size_t)len), 0);
	return body;
}

/* Names of the keywords in bits; how many. */
static size_t keyword_names(uint32_t bits, struct str out[KEYWORDS])
{
	static const char *const names[KEYWORDS] = {
	    "k0", "$k1", "K2", "k3", "k4", "k5", "k6", "k7"};
	size_t count = 0;

	for (size_t i = 0; i < KEYWORDS; i++)
		if (bits & 1u << i)
			out[count++] = str_from(names[i]);
	return count;
}

static struct model_mailbox *find(const char *name)
{
	for (size_t i = 0; i < MAILBOXES; i++)
		if (strcmp(model[i].name, name) == 0)
			return &model[i];
	return NULL;
}

/* One that exists. */
static struct model_mailbox *any_mailbox(void)
{
	struct model_mailbox *m;

	do
		m = &model[below(MAILBOXES)];
	while (m->name[0] == '\0');
	return m;
}

/* What the change that was just made must have done to MODSEQ. */
static uint64_t risen(struct box *b, struct model_mailbox *m)
{
	const struct mailbox_info *info = box_find(b, str_from(m->name));

	assert_non_null(info);
	if (info->highest_modseq <= last_modseq)
		fail_msg("modseq %llu after %llu",
		    (unsigned long long)info->highest_modseq,
		    (unsigned long long)last_modseq);
	m->highest = info->highest_modseq;
	return m->highest;
}

static void model_add(struct model_mailbox *m, const struct model_message *x)
{
	m->messages[m->count] = *x;
	m->messages[m->count++].uid = m->uidnext++;
	octets += text_len(x->text);
}

static void model_remove(
    struct model_mailbox *m, const bool *gone, uint64_t modseq)
{
	size_t kept = 0;

	for (size_t i = 0; i < m->count; i++) {
		if (!gone[i]) {
			m->messages[kept++] = m->messages[i];
			continue;
		}
		octets -= text_len(m->messages[i].text);
		assert_true(m->vanished_count < VANISHED);
		m->vanished[m->vanished_count++] = (struct model_gone){
		    .was = m->messages[i], .modseq = modseq};
	}
	m->count = kept;
}

/* ---- steps ---- */

static void step_deliver(struct box *b)
{
	struct model_mailbox *m[3];
	struct deliver_item items[3];
	struct str names[3][KEYWORDS];
	struct model_message x[3];
	size_t count = 1 + below(10) / 8 * below(3);
	struct store_body *body = body_of(b, texts);
	uint64_t modseq = 0;
	char id[32];

	for (size_t i = 0; i < count; i++) {
		m[i] = any_mailbox();
		if (m[i]->count + count > MESSAGES)
			goto out;
		x[i] = (struct model_message){.flags = below(32),
		    .keywords = below(4) ? 0 : below(1u << KEYWORDS),
		    .text = texts};
		items[i] = (struct deliver_item){
		    .mailbox = str_from(m[i]->name),
		    .flags = x[i].flags,
		    .keywords = names[i],
		    .keyword_count = keyword_names(x[i].keywords, names[i])};
	}
	snprintf(id, sizeof(id), "id%u", texts);
	assert_int_equal(
	    box_deliver(b, str_from(id), 0, body, 0, items, count), STORE_OK);
	for (size_t i = 0; i < count; i++) {
		modseq = risen(b, m[i]);
		assert_int_equal(items[i].uid, m[i]->uidnext);
		x[i].modseq = modseq;
		model_add(m[i], &x[i]);
	}
	last_modseq = modseq;
	delivered_at[texts++] = clock_seconds();
out:
	store_body_free(&body);
}

/* One that was stored before, whatever became of it. */
static void step_again(struct box *b)
{
	unsigned number = texts > 0 ? below(texts) : 0;
	struct store_body *body = body_of(b, number);
	struct deliver_item item = {.mailbox = STR("INBOX")};
	char id[32];

	snprintf(id, sizeof(id), "id%u", number);
	if (texts > 0 && clock_seconds() - delivered_at[number] < IDS_KEPT)
		assert_int_equal(
		    box_deliver(b, str_from(id), 0, body, 0, &item, 1),
		    STORE_DUPLICATE);
	store_body_free(&body);
}

static void step_append(struct box *b)
{
	struct model_mailbox *m = any_mailbox();
	struct append_item items[4] = {{0}};
	size_t count = 1 + below(4);
	unsigned first = APPENDED + appended;
	uint64_t more = 0, room = 0;
	enum store_result want = STORE_OK, r;
	uint32_t uidvalidity;

	if (m->count + count > MESSAGES)
		return;
	for (size_t i = 0; i < count; i++) {
		items[i].body = body_of(b, first + (unsigned)i);
		items[i].flags = (uint32_t)i;
		more += text_len(first + (unsigned)i);
	}
	if (below(4) == 0) { /* one octet decides */
		room = octets + more - below(2);
		want = room < octets + more ? STORE_OVER_QUOTA : STORE_OK;
	}
	box_set_quota(b, room, 0);
	r = box_append(b, str_from(m->name), items, count, &uidvalidity);
	assert_int_equal(r, want);
	box_set_quota(b, 0, 0);
	for (size_t i = 0; i < count; i++) {
		struct model_message x = {
		    .flags = (uint32_t)i, .text = first + (unsigned)i};

		store_body_free(&items[i].body);
		if (want != STORE_OK)
			continue;
		assert_int_equal(items[i].uid, m->uidnext);
		x.modseq = risen(b, m);
		model_add(m, &x);
	}
	appended += (unsigned)count;
	if (want == STORE_OK) {
		assert_int_equal(uidvalidity, m->uidvalidity);
		last_modseq = m->highest;
	}
}

/* A random subset of the mailbox, as uids; positions in at. */
static size_t choose(const struct model_mailbox *m, uint32_t *uids, size_t *at)
{
	size_t count = 0;
	uint32_t one_of = 1 + below(8);

	for (size_t i = 0; i < m->count; i++)
		if (below(one_of) == 0) {
			at[count] = i;
			uids[count++] = m->messages[i].uid;
		}
	return count;
}

static uint32_t combined(enum flag_op op, uint32_t old, uint32_t given)
{
	return op == FLAGS_SET ? given
	    : op == FLAGS_ADD  ? old | given
			       : old & ~given;
}

static void step_store(struct box *b)
{
	struct model_mailbox *m = any_mailbox();
	uint32_t uids[MESSAGES], flags = below(32);
	uint32_t words = below(3) ? 0 : below(1u << KEYWORDS);
	size_t at[MESSAGES], count = choose(m, uids, at), refused = 0;
	uint64_t since = below(3) ? 0 : 1 + below((uint32_t)last_modseq);
	enum flag_op op = (enum flag_op)below(3);
	struct uid_set set = {uids, count}, modified;
	struct arena arena = arena_new(1 << 20);
	struct str names[KEYWORDS];
	bool changed = false;
	uint64_t modseq;

	assert_int_equal(
	    box_store(b, m->id, set, op, flags, names,
		keyword_names(words, names), since, &arena, &modified, &modseq),
	    STORE_OK);
	for (size_t i = 0; i < count; i++) {
		struct model_message *x = &m->messages[at[i]];
		uint32_t f = combined(op, x->flags, flags);
		uint32_t k = combined(op, x->keywords, words);

		if (since != 0 && x->modseq > since) {
			assert_true(refused < modified.count);
			assert_int_equal(modified.uids[refused++], x->uid);
			continue;
		}
		if (f == x->flags && k == x->keywords)
			continue;
		x->flags = f;
		x->keywords = k;
		x->modseq = modseq;
		changed = true;
	}
	assert_int_equal(modified.count, refused);
	if (changed) {
		assert_int_equal(risen(b, m), modseq);
		last_modseq = modseq;
	}
	arena_free(&arena);
}

static void step_expunge(struct box *b)
{
	struct model_mailbox *m = any_mailbox();
	uint32_t uids[MESSAGES];
	size_t at[MESSAGES], count = choose(m, uids, at), expected = 0;
	bool gone[MESSAGES] = {false}, whatever = below(4) == 0;
	struct uid_set set = {uids, count}, vanished = {NULL, 0};
	struct arena arena = arena_new(1 << 20);

	for (size_t i = 0; i < count; i++)
		if (whatever || m->messages[at[i]].flags & FLAG_DELETED) {
			gone[at[i]] = true;
			expected++;
		}
	if (whatever)
		assert_int_equal(box_remove(b, m->id, set), STORE_OK);
	else
		assert_int_equal(
		    box_expunge(b, m->id, &set, &arena, &vanished), STORE_OK);
	assert_int_equal(vanished.count, whatever ? 0 : expected);
	if (expected > 0) {
		last_modseq = risen(b, m);
		model_remove(m, gone, last_modseq);
	}
	arena_free(&arena);
}

static void step_copy(struct box *b)
{
	struct model_mailbox *from = any_mailbox(), *to = any_mailbox();
	uint32_t uids[MESSAGES], uidvalidity;
	size_t at[MESSAGES], count = choose(from, uids, at);
	bool gone[MESSAGES] = {false}, move = below(2);
	struct uid_set set = {uids, count}, a, c;
	struct arena arena = arena_new(1 << 20);

	if (to->count + count > MESSAGES || (from == to && move))
		count = 0;
	if (count > 0) {
		assert_int_equal(box_copy(b, from->id, set, str_from(to->name),
				     move, &arena, &a, &c, &uidvalidity),
		    STORE_OK);
		assert_int_equal(uidvalidity, to->uidvalidity);
		assert_int_equal(c.count, count);
		last_modseq = risen(b, to);
	}
	for (size_t i = 0; i < count; i++) {
		struct model_message x = from->messages[at[i]];

		assert_int_equal(a.uids[i], x.uid);
		assert_int_equal(c.uids[i], to->uidnext);
		x.modseq = last_modseq;
		model_add(to, &x);
		gone[at[i]] = move;
	}
	if (move && count > 0) {
		from->highest = last_modseq;
		model_remove(from, gone, last_modseq);
	}
	arena_free(&arena);
}

/* ---- mailboxes ---- */

/* A name that is not in use, beside the fixed ones. */
static bool fresh_name(char out[32])
{
	snprintf(out, 32, "box%u", below(12));
	return find(out) == NULL;
}

/* What the box now says of a mailbox that was just made. */
static void model_made(struct box *b, struct model_mailbox *m, const char *name)
{
	const struct mailbox_info *info = box_find(b, str_from(name));

	assert_non_null(info);
	memset(m, 0, sizeof(*m));
	snprintf(m->name, sizeof(m->name), "%s", name);
	m->id = info->id;
	m->uidvalidity = info->uidvalidity;
	m->uidnext = 1;
	m->born = m->highest = info->highest_modseq;
	assert_int_equal(info->uidnext, 1);
	assert_true(m->uidvalidity > last_uidvalidity);
	last_uidvalidity = m->uidvalidity;
}

static void step_create(struct box *b)
{
	struct model_mailbox *m = find("");
	char name[32];

	if (m == NULL || !fresh_name(name))
		return;
	assert_int_equal(box_create(b, str_from(name), USE_NONE), STORE_OK);
	assert_int_equal(box_create(b, str_from(name), USE_NONE), STORE_EXISTS);
	model_made(b, m, name);
	assert_true(m->born > last_modseq);
	last_modseq = m->born;
}

static void step_delete(struct box *b)
{
	struct model_mailbox *m = any_mailbox();

	if (strncmp(m->name, "box", 3) != 0)
		return;
	assert_int_equal(box_delete(b, str_from(m->name)), STORE_OK);
	for (size_t i = 0; i < m->count; i++)
		octets -= text_len(m->messages[i].text);
	assert_null(box_find(b, str_from(m->name)));
	memset(m, 0, sizeof(*m));
}

static void step_rename(struct box *b)
{
	struct model_mailbox *m = any_mailbox();
	char name[32];

	if (strncmp(m->name, "box", 3) != 0 || !fresh_name(name))
		return;
	assert_int_equal(
	    box_rename(b, str_from(m->name), str_from(name)), STORE_OK);
	snprintf(m->name, sizeof(m->name), "%s", name);
}

static void step_snapshot(struct box *b)
{
	assert_int_equal(snapshot_take(b, below(3) == 0), STORE_OK);
}

/* ---- what is gone, and upkeep ---- */

static void step_seal(struct box *b)
{
	assert_int_equal(box_seal(b), STORE_OK);
}

/* Some days later. */
static void step_upkeep(struct box *b)
{
	static const struct upkeep_policy policy = {
	    .undelete = UNDELETE, .orphan_age = DAY};
	struct upkeep_result result = {0};

	clock_step(1 + below(3 * DAY));
	time_passed = true;
	assert_int_equal(box_upkeep(b, &policy, &result), STORE_OK);
	for (size_t i = 0; i < MAILBOXES; i++)
		for (size_t k = 0; k < model[i].vanished_count; k++)
			if (model[i].vanished[k].modseq <= b->state.horizon)
				model[i].vanished[k].erased = true;
}

static bool lives(const struct model_mailbox *m, unsigned text)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->messages[i].text == text)
			return true;
	return false;
}

/* Nobody expunged the same message later (or a copy with a higher uid at the
 * same time). */
static bool last_of_its_text(const struct model_mailbox *m, size_t i)
{
	const struct model_gone *x = &m->vanished[i];

	for (size_t k = 0; k < m->vanished_count; k++) {
		const struct model_gone *y = &m->vanished[k];

		if (!y->erased && y->was.text == x->was.text &&
		    y->modseq > x->modseq)
			return false;
	}
	return true;
}

static int gone_by_uid(const void *a, const void *b)
{
	const struct model_gone *x = a, *y = b;

	return x->was.uid < y->was.uid ? -1 : x->was.uid > y->was.uid;
}

/* What will come back, once for each text, by uid; a copy in out. False: a
 * message and its copy went at once, and either may come back. */
static bool to_come_back(
    const struct model_mailbox *m, struct model_gone *out, size_t *count)
{
	*count = 0;
	for (size_t i = 0; i < m->vanished_count; i++) {
		const struct model_gone *x = &m->vanished[i];

		if (x->erased || lives(m, x->was.text) ||
		    !last_of_its_text(m, i))
			continue;
		for (size_t k = 0; k < *count; k++)
			if (out[k].was.text == x->was.text)
				return false;
		if (m->count + *count >= MESSAGES)
			return false;
		out[(*count)++] = *x;
	}
	qsort(out, *count, sizeof(*out), gone_by_uid);
	return true;
}

/* Of a mailbox that is never deleted. */
static void step_undelete(struct box *b)
{
	struct model_mailbox *m = &model[below(5)];
	struct undelete_choice choice = {.mailbox = str_from(m->name)};
	struct model_gone *back = mem_array(VANISHED, sizeof(*back));
	size_t count;
	uint64_t got;

	if (to_come_back(m, back, &count)) {
		assert_int_equal(box_undelete(b, &choice, &got), STORE_OK);
		assert_int_equal(got, count);
		if (count > 0)
			last_modseq = risen(b, m);
		for (size_t i = 0; i < count; i++) {
			struct model_message x = back[i].was;

			x.flags &= ~FLAG_DELETED;
			x.modseq = last_modseq;
			model_add(m, &x);
		}
	}
	free(back);
}

static const struct {
	void (*step)(struct box *b);
	unsigned weight;
} steps[] = {
    {step_deliver, 30},
    {step_again, 5},
    {step_append, 8},
    {step_store, 10},
    {step_expunge, 5},
    {step_copy, 5},
    {step_create, 2},
    {step_delete, 1},
    {step_rename, 1},
    {step_snapshot, 2},
    {step_seal, 1},
    {step_upkeep, 1},
    {step_undelete, 1},
};

static void random_step(struct box *b)
{
	unsigned all = 0, chosen;

	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		all += steps[i].weight;
	chosen = below(all);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		if (chosen < steps[i].weight) {
			steps[i].step(b);
			return;
		}
		chosen -= steps[i].weight;
	}
}

/* ---- comparing ---- */

/* The model's numbers of the keywords that a message has. */
static uint32_t words_of(const struct mailbox_info *info, uint64_t bits)
{
	struct str names[KEYWORDS];
	uint32_t words = 0;

	keyword_names((1u << KEYWORDS) - 1, names);
	for (uint32_t i = 0; i < KEYWORDS; i++)
		for (size_t k = 0; k < info->keyword_count; k++)
			if (bits & UINT64_C(1) << k &&
			    str_case_eq(info->keywords[k], names[i]))
				words |= 1u << i;
	return words;
}

static void compare_message(struct view *v, uint32_t seq,
    const struct mailbox_info *info, const struct model_message *want)
{
	const struct message *got = view_message(v, seq);

	assert_int_equal(got->uid, want->uid);
	assert_int_equal(got->flags, want->flags);
	assert_int_equal(words_of(info, got->keywords), want->keywords);
	assert_int_equal(got->modseq, want->modseq);
	assert_int_equal(got->size, text_len(want->text));
}

static void compare_bytes(
    struct view *v, uint32_t seq, const struct model_message *want)
{
	struct buf text = buf_new(1 << 20);
	char expected[TEXT_MAX];

	assert_int_equal(view_read(v, seq, 0, UINT64_MAX, &text), STORE_OK);
	text_of(want->text, expected);
	assert_string_equal(buf_text(&text), expected);
	buf_free(&text);
}

static int by_uid(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void compare_vanished(struct view *v, const struct model_mailbox *m)
{
	uint64_t since = m->born + below((uint32_t)(m->highest - m->born) + 1);
	struct arena arena = arena_new(1 << 20);
	uint32_t *want = mem_array(VANISHED, sizeof(*want));
	struct uid_set got;
	size_t count = 0;
	bool complete;

	for (size_t i = 0; i < m->vanished_count; i++)
		if (m->vanished[i].modseq > since)
			want[count++] = m->vanished[i].was.uid;
	qsort(want, count, sizeof(*want), by_uid);
	assert_int_equal(
	    view_vanished(v, since, &arena, &got, &complete), STORE_OK);
	assert_true(complete || time_passed);
	if (complete)
		assert_int_equal(got.count, count);
	if (complete && count > 0)
		assert_memory_equal(got.uids, want, count * sizeof(*want));
	free(want);
	arena_free(&arena);
}

static void compare_mailbox(struct box *b, const struct model_mailbox *m)
{
	const struct mailbox_info *info = box_find(b, str_from(m->name));
	uint64_t unseen = 0, deleted = 0, size = 0;
	struct view *v;

	assert_non_null(info);
	assert_int_equal(info->id, m->id);
	assert_int_equal(info->uidvalidity, m->uidvalidity);
	assert_int_equal(info->uidnext, m->uidnext);
	assert_int_equal(info->highest_modseq, m->highest);
	assert_int_equal(view_open(b, m->id, &v), STORE_OK);
	info = box_find_id(b, m->id);
	assert_int_equal(view_count(v), m->count);
	for (uint32_t i = 0; i < m->count; i++) {
		compare_message(v, i + 1, info, &m->messages[i]);
		unseen += !(m->messages[i].flags & FLAG_SEEN);
		deleted += (m->messages[i].flags & FLAG_DELETED) != 0;
		size += text_len(m->messages[i].text);
	}
	assert_int_equal(info->messages, m->count);
	assert_int_equal(info->unseen, unseen);
	assert_int_equal(info->deleted, deleted);
	assert_int_equal(info->octets, size);
	compare_vanished(v, m);
	for (uint32_t i = 0; i < m->count; i++)
		if (below(20) == 0)
			compare_bytes(v, i + 1, &m->messages[i]);
	view_close(&v);
}

static void compare(struct box *b)
{
	const struct mailbox_info *const *list;
	size_t count = 0, mailboxes = 0;

	assert_int_equal(box_refresh(b), STORE_OK);
	for (size_t i = 0; i < MAILBOXES; i++) {
		if (model[i].name[0] == '\0')
			continue;
		compare_mailbox(b, &model[i]);
		count += model[i].count;
		mailboxes++;
	}
	assert_int_equal(box_mailboxes(b, &list), mailboxes);
	assert_int_equal(box_usage(b).messages, count);
	assert_int_equal(box_usage(b).octets, octets);
}

/* ---- a session that looks now and then ---- */

struct session {
	struct view *view;
	uint32_t uids[MESSAGES * 2];
	uint32_t count;
};

static void session_expunged(uint32_t seq, uint32_t uid, void *arg)
{
	struct session *s = arg;

	assert_in_range(seq, 1, s->count);
	assert_int_equal(s->uids[seq - 1], uid);
	memmove(s->uids + seq - 1, s->uids + seq,
	    (s->count - seq) * sizeof(*s->uids));
	s->count--;
}

static void session_flags(uint32_t seq, const struct message *m, void *arg)
{
	const struct session *s = arg;

	assert_in_range(seq, 1, s->count);
	assert_int_equal(s->uids[seq - 1], m->uid);
}

/* Only what it was told may have changed; INBOX is its mailbox. */
static void session_looks(struct session *s, struct box *b)
{
	const struct model_mailbox *m = find("INBOX");
	struct view_events events = {session_expunged, session_flags, s};
	bool expunge = below(2);

	assert_int_equal(box_refresh(b), STORE_OK);
	assert_int_equal(view_sync(s->view, expunge, &events), STORE_OK);
	assert_true(view_count(s->view) >= s->count);
	for (uint32_t i = 1; i <= view_count(s->view); i++) {
		uint32_t uid = view_message(s->view, i)->uid;

		if (i <= s->count)
			assert_int_equal(s->uids[i - 1], uid);
		assert_in_range(i, 1, MESSAGES * 2);
		s->uids[i - 1] = uid;
	}
	s->count = view_count(s->view);
	if (!expunge)
		return;
	assert_int_equal(s->count, m->count);
	for (uint32_t i = 0; i < m->count; i++)
		compare_message(
		    s->view, i + 1, box_find_id(b, m->id), &m->messages[i]);
}

static void session_begin(struct session *s, struct box *b)
{
	assert_int_equal(view_open(b, find("INBOX")->id, &s->view), STORE_OK);
	s->count = view_count(s->view);
	for (uint32_t i = 1; i <= s->count; i++)
		s->uids[i - 1] = view_message(s->view, i)->uid;
}

/* ---- all of it ---- */

static void model_begin(struct box *b)
{
	static const char *const names[] = {
	    "INBOX", "Drafts", "Junk", "Sent", "Trash"};

	model = mem_array(MAILBOXES, sizeof(*model));
	texts = appended = 0;
	octets = 0;
	time_passed = false;
	last_uidvalidity = 0;
	assert_int_equal(box_create(b, STR("first"), USE_NONE), STORE_OK);
	assert_int_equal(box_delete(b, STR("first")), STORE_OK);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		model_made(b, &model[i], names[i]);
	last_modseq = b->state.pos.modseq;
}

static void found(void *arg, const struct store_finding *f)
{
	(void)arg;
	if (f->kind == FINDING_DAMAGE || f->kind == FINDING_READABLE)
		fail_msg("%s: %s", f->file, f->text);
}

static void run_model(unsigned count)
{
	struct session session;
	struct check_result checked;
	struct box *b[2], *watching, *fresh;

	engine_set_seal(store_engine(store), FRAMES_END, BODIES_END);
	store->segment_rows = SEGMENT;
	store_set_undelete(store, UNDELETE);
	b[0] = opened_box();
	model_begin(b[0]);
	b[1] = opened_box();
	watching = opened_box();
	session_begin(&session, watching);
	for (unsigned i = 0; i < count; i++) {
		struct box **one = &b[below(2)];

		random_step(*one);
		if (below(10) == 0)
			session_looks(&session, watching);
		if (below(20) == 0)
			compare(b[below(2)]);
		if (below(50) == 0) {
			box_close(one);
			*one = opened_box();
		}
	}
	compare(b[0]);
	compare(b[1]);
	fresh = opened_box();
	compare(fresh);
	/* fold(last snapshot + later frames) = fold(all frames) */
	assert_int_equal(box_reload(fresh, true), STORE_OK);
	compare(fresh);
	assert_int_equal(
	    box_check(store, ACCOUNT, true, found, NULL, &checked), STORE_OK);
	view_close(&session.view);
	box_close(&watching);
	box_close(&fresh);
	box_close(&b[0]);
	box_close(&b[1]);
	free(model);
}

static void random_operations(void **state)
{
	begin_chance(88172645463325252u);
	run_model(rounds(STEPS, STEPS_TORTURE));
	while (torture() && time_left()) {
		teardown(state);
		setup_base(state);
		begin_chance(0);
		run_model(STEPS_TORTURE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		random_operations, setup_base, teardown),
	};

	return RUN_TESTS(tests);
}
