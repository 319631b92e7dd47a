/* SPDX-License-Identifier: ISC */
/* What a box promises: mailboxes, messages, quota, views, exactly once. */
#include "store/testing_base.h"

static struct box *box;
static struct arena arena;

static int setup(void **state)
{
	arena = arena_new(1 << 20);
	setup_base(state);
	box = opened_box();
	return 0;
}

static int clear(void **state)
{
	box_close(&box);
	arena_free(&arena);
	return teardown(state);
}

static struct box *another(void)
{
	return opened_box();
}

static uint32_t append(struct box *b, const char *mailbox, const char *text,
    uint32_t flags, const char *keyword)
{
	struct str word = str_from(keyword);
	struct append_item item = {.body = store_body_new(b),
	    .flags = flags,
	    .keywords = &word,
	    .keyword_count = keyword != NULL};
	uint32_t uidvalidity;

	assert_int_equal(store_body_add(item.body, text, strlen(text)), 0);
	assert_int_equal(
	    box_append(b, str_from(mailbox), &item, 1, &uidvalidity), STORE_OK);
	store_body_free(&item.body);
	return item.uid;
}

static enum store_result deliver(struct box *b, const char *id,
    const char *text, const char *mailbox, bool create)
{
	struct deliver_item item = {
	    .mailbox = str_from(mailbox), .create = create};
	struct store_body *body = store_body_new(b);
	enum store_result r;

	store_body_add(body, text, strlen(text));
	r = box_deliver(b, str_from(id), 0, body, 0, &item, 1);
	store_body_free(&body);
	return r;
}

/* "uid:flags uid:flags ..." of a mailbox as the box has it now. */
static const char *rows(struct box *b, const char *mailbox)
{
	static char out[400];
	struct view *v;
	size_t len = 0;

	out[0] = '\0';
	assert_int_equal(
	    view_open(b, box_find(b, str_from(mailbox))->id, &v), STORE_OK);
	for (uint32_t i = 1; i <= view_count(v); i++)
		len += (size_t)snprintf(out + len, sizeof(out) - len, "%s%u:%x",
		    i > 1 ? " " : "", view_message(v, i)->uid,
		    view_message(v, i)->flags);
	view_close(&v);
	return out;
}

static struct buf content(struct box *b, const char *mailbox, uint32_t seq)
{
	struct buf out = buf_new(64 << 20);
	struct view *v;

	assert_int_equal(
	    view_open(b, box_find(b, str_from(mailbox))->id, &v), STORE_OK);
	assert_int_equal(view_read(v, seq, 0, UINT64_MAX, &out), STORE_OK);
	view_close(&v);
	return out;
}

static void a_new_account_has_nothing_on_disk(void **state)
{
	const struct mailbox_info *const *list;

	(void)state;
	assert_int_equal(box_mailboxes(box, &list), 5);
	assert_non_null(box_find(box, STR("inbox")));
	assert_int_equal(box_find(box, STR("Sent"))->use, USE_SENT);
	assert_int_equal(engine_incarnation(box->engine), 0);
	append(box, "INBOX", "Subject: a\r\n\r\nb\r\n", 0, NULL);
	assert_int_not_equal(engine_incarnation(box->engine), 0);
	assert_int_equal(box_mailboxes(box, &list), 5);
	assert_int_equal(box_find(box, STR("INBOX"))->messages, 1);
	assert_string_equal(rows(box, "INBOX"), "1:0");
}

static void another_handle_sees_it(void **state)
{
	struct box *b = another();
	struct buf text;

	(void)state;
	append(box, "INBOX", "Subject: a\r\n\r\nb\r\n", FLAG_SEEN, "$Label");
	assert_int_equal(box_refresh(b), STORE_OK);
	assert_string_equal(rows(b, "INBOX"), "1:1");
	assert_int_equal(box_find(b, STR("INBOX"))->keyword_count, 1);
	assert_string_equal(box_find(b, STR("INBOX"))->mailbox_id,
	    box_find(box, STR("INBOX"))->mailbox_id);
	assert_int_equal(box_find(b, STR("INBOX"))->uidvalidity,
	    box_find(box, STR("INBOX"))->uidvalidity);
	text = content(b, "INBOX", 1);
	assert_string_equal(buf_text(&text), "Subject: a\r\n\r\nb\r\n");
	buf_free(&text);
	append(b, "INBOX", "x", 0, NULL);
	assert_int_equal(box_refresh(box), STORE_OK);
	assert_string_equal(rows(box, "INBOX"), "1:1 2:0");
	box_close(&b);
}

static void the_cache_is_there(void **state)
{
	struct message_cache cache;
	struct view *v;
	uint64_t len;

	(void)state;
	append(
	    box, "INBOX", "Subject: a b\r\nFrom: x@y\r\n\r\nbody\r\n", 0, NULL);
	view_open(box, 1, &v);
	assert_int_equal(view_cache(v, 1, &arena, &cache), STORE_OK);
	assert_true(
	    memmem(cache.envelope.p, cache.envelope.len, "\"a b\"", 5) != NULL);
	assert_true(cache.bodystructure.len > cache.body.len);
	assert_int_equal(view_header_len(v, 1, &len), STORE_OK);
	assert_int_equal(len, 14 + 11 + 2);
	view_close(&v);
}

static void a_delivery_is_stored_once(void **state)
{
	struct box *b = another();

	(void)state;
	assert_int_equal(deliver(box, "Q1/a", "x", "INBOX", false), STORE_OK);
	assert_int_equal(
	    deliver(box, "Q1/a", "x", "INBOX", false), STORE_DUPLICATE);
	assert_int_equal(
	    deliver(b, "Q1/a", "x", "INBOX", false), STORE_DUPLICATE);
	assert_int_equal(deliver(b, "Q1/b", "x", "INBOX", false), STORE_OK);
	box_refresh(box);
	assert_string_equal(rows(box, "INBOX"), "1:0 2:0");
	assert_int_equal(deliver(b, "Q2", "x", "Lists/c", true), STORE_OK);
	assert_int_equal(deliver(b, "Q3", "x", "None", false), STORE_OK);
	assert_int_equal(box_find(b, STR("Lists/c"))->messages, 1);
	assert_int_equal(box_find(b, STR("INBOX"))->messages, 3);
	assert_non_null(box_find(b, STR("Lists")));
	box_close(&b);
}

static void a_large_body_is_a_blob(void **state)
{
	size_t len = 3 << 20;
	char *text = malloc(len + 1);
	struct buf got;
	struct box *b;

	(void)state;
	for (size_t i = 0; i < len; i++)
		text[i] = (char)('a' + i % 23);
	text[len] = '\0';
	memcpy(text, "A: b\r\n\r\n", 8);
	append(box, "INBOX", text, 0, NULL);
	b = another();
	got = content(b, "INBOX", 1);
	assert_int_equal(got.len, len);
	assert_memory_equal(got.p, text, len);
	assert_int_equal(box_usage(b).octets, len);
	buf_free(&got);
	box_close(&b);
	free(text);
}

static void quota_is_exact(void **state)
{
	struct box_usage used;

	(void)state;
	box_set_quota(box, 10, 3);
	assert_int_equal(deliver(box, "1", "12345", "INBOX", 0), STORE_OK);
	assert_int_equal(
	    deliver(box, "2", "123456", "INBOX", 0), STORE_OVER_QUOTA);
	assert_int_equal(deliver(box, "2", "12345", "INBOX", 0), STORE_OK);
	assert_int_equal(deliver(box, "3", "", "INBOX", 0), STORE_OK);
	assert_int_equal(deliver(box, "4", "", "INBOX", 0), STORE_OVER_QUOTA);
	used = box_usage(box);
	assert_int_equal(used.octets, 10);
	assert_int_equal(used.messages, 3);
}

static void flags_change_and_tell_the_view(void **state);

struct told {
	char text[400];
	size_t len;
};

static void told_expunged(uint32_t seq, uint32_t uid, void *arg)
{
	struct told *t = arg;

	t->len += (size_t)snprintf(
	    t->text + t->len, sizeof(t->text) - t->len, "-%u/%u ", seq, uid);
}

static void told_flags(uint32_t seq, const struct message *m, void *arg)
{
	struct told *t = arg;

	t->len += (size_t)snprintf(t->text + t->len, sizeof(t->text) - t->len,
	    "%u=%x ", seq, m->flags);
}

static void flags_change_and_tell_the_view(void **state)
{
	struct box *b = another();
	struct told told = {"", 0};
	struct view_events events = {told_expunged, told_flags, &told};
	uint32_t uids[] = {1, 3, 9};
	struct uid_set set = {uids, 3}, modified;
	uint64_t modseq, first;
	struct str word = STR("Work");
	struct view *v;

	(void)state;
	for (int i = 0; i < 4; i++)
		append(box, "INBOX", "x", 0, NULL);
	box_refresh(b);
	first = box_find(b, STR("INBOX"))->highest_modseq;
	view_open(b, 1, &v);
	assert_int_equal(box_store(box, 1, set, FLAGS_ADD, FLAG_DELETED, &word,
			     1, 0, &arena, &modified, &modseq),
	    STORE_OK);
	assert_int_equal(modseq, first + 1);
	box_refresh(b);
	view_sync(v, true, &events);
	assert_string_equal(told.text, "1=8 3=8 ");
	assert_int_equal(box_find(b, STR("INBOX"))->deleted, 2);
	/* UNCHANGEDSINCE */
	uids[1] = 2;
	set.count = 2;
	assert_int_equal(box_store(b, 1, set, FLAGS_SET, FLAG_SEEN, NULL, 0,
			     first, &arena, &modified, &modseq),
	    STORE_OK);
	assert_int_equal(modified.count, 1);
	assert_int_equal(modified.uids[0], 1);
	assert_int_equal(box_find(b, STR("INBOX"))->unseen, 3);
	told.len = 0;
	assert_int_equal(box_expunge(box, 1, NULL, &arena, &set), STORE_OK);
	assert_int_equal(set.count, 2);
	assert_int_equal(set.uids[1], 3);
	append(box, "INBOX", "new", 0, NULL);
	box_refresh(b);
	view_sync(v, false, &events);
	assert_string_equal(told.text, "2=1 ");
	assert_int_equal(view_count(v), 5);
	told.len = 0;
	view_sync(v, true, &events);
	assert_string_equal(told.text, "-3/3 -1/1 ");
	assert_int_equal(view_count(v), 3);
	assert_int_equal(view_seq(v, 5), 3);
	assert_int_equal(view_seq(v, 3), 0);
	bool complete;
	assert_int_equal(
	    view_vanished(v, first, &arena, &set, &complete), STORE_OK);
	assert_true(complete);
	assert_int_equal(set.count, 2);
	view_close(&v);
	box_close(&b);
}

/* Messages of many kinds change at once, and each keeps its own. */
static void many_kinds_of_flags_change_at_once(void **state)
{
	enum { MESSAGES = 96, KINDS = 24 };
	struct box *b = another();
	uint32_t uids[MESSAGES];
	struct uid_set all = {uids, MESSAGES};
	struct view *v;

	(void)state;
	for (uint32_t i = 0; i < MESSAGES; i++) {
		uids[i] = i + 1;
		append(box, "INBOX", "x", 0, NULL);
	}
	for (uint32_t i = 0; i < MESSAGES; i++) {
		char text[8];
		struct str word = str_from(text);
		struct uid_set one = {&uids[i], 1};

		snprintf(text, sizeof(text), "k%u", i % KINDS);
		word.len = strlen(text);
		assert_int_equal(
		    box_store(box, 1, one, FLAGS_SET, i % 2 ? FLAG_SEEN : 0,
			&word, 1, 0, &arena, NULL, NULL),
		    STORE_OK);
	}
	assert_int_equal(box_store(box, 1, all, FLAGS_ADD, FLAG_FLAGGED, NULL,
			     0, 0, &arena, NULL, NULL),
	    STORE_OK);
	box_refresh(b);
	assert_int_equal(view_open(b, 1, &v), STORE_OK);
	for (uint32_t i = 0; i < MESSAGES; i++) {
		const struct message *m = view_message(v, i + 1);

		assert_int_equal(
		    m->flags, FLAG_FLAGGED | (i % 2 ? FLAG_SEEN : 0));
		assert_int_equal(m->keywords, UINT64_C(1) << i % KINDS);
	}
	assert_int_equal(box_find(b, STR("INBOX"))->unseen, MESSAGES / 2);
	view_close(&v);
	box_close(&b);
}

static void copy_and_move(void **state)
{
	uint32_t uids[] = {1, 2}, uidvalidity;
	struct uid_set set = {uids, 2}, from, to;
	struct buf text;

	(void)state;
	append(box, "INBOX", "one", FLAG_SEEN, "k1");
	append(box, "INBOX", "two", 0, "k2");
	append(box, "Trash", "old", 0, "k3");
	assert_int_equal(box_copy(box, 1, set, STR("Trash"), false, &arena,
			     &from, &to, &uidvalidity),
	    STORE_OK);
	assert_int_equal(uidvalidity, box_find(box, STR("Trash"))->uidvalidity);
	assert_int_equal(to.count, 2);
	assert_int_equal(to.uids[0], 2);
	assert_string_equal(rows(box, "Trash"), "1:0 2:1 3:0");
	assert_int_equal(box_find(box, STR("Trash"))->keyword_count, 3);
	set.count = 1;
	assert_int_equal(box_copy(box, 1, set, STR("Sent"), true, &arena, &from,
			     &to, &uidvalidity),
	    STORE_OK);
	assert_string_equal(rows(box, "INBOX"), "2:0");
	assert_string_equal(rows(box, "Sent"), "1:1");
	text = content(box, "Sent", 1);
	assert_string_equal(buf_text(&text), "one");
	buf_free(&text);
	assert_int_equal(box_usage(box).messages, 5);
	assert_int_equal(box_copy(box, 1, set, STR("Nowhere"), true, &arena,
			     &from, &to, &uidvalidity),
	    STORE_NO_MAILBOX);
}

/* clang-format off */
static const struct {
	const char *op, *name, *to;
	enum store_result want;
} names[] = {
	{"create", "a/b/c",     NULL,    STORE_OK},
	{"create", "a/b",       NULL,    STORE_EXISTS},
	{"create", "inbox",     NULL,    STORE_EXISTS},
	{"create", "",          NULL,    STORE_BAD_NAME},
	{"create", "/a",        NULL,    STORE_BAD_NAME},
	{"create", "a//b",      NULL,    STORE_BAD_NAME},
	{"create", "a/",        NULL,    STORE_BAD_NAME},
	{"create", "\xff",      NULL,    STORE_BAD_NAME},
	{"create", "x\ny",      NULL,    STORE_BAD_NAME},
	{"create", "J\xc3\xa4n", NULL,   STORE_OK},
	{"rename", "a/b",       "z/y",   STORE_OK},
	{"find",   "z/y/c",     NULL,    STORE_OK},
	{"find",   "a/b/c",     NULL,    STORE_NO_MAILBOX},
	{"rename", "z",         "z/q",   STORE_BAD_NAME},
	{"rename", "nope",      "q",     STORE_NO_MAILBOX},
	{"rename", "z",         "Sent",  STORE_EXISTS},
	{"delete", "INBOX",     NULL,    STORE_BAD_NAME},
	{"delete", "z/y",       NULL,    STORE_OK},
	{"delete", "z/y",       NULL,    STORE_LIMIT},
	{"create", "z/y",       NULL,    STORE_OK},
	{"delete", "z/y/c",     NULL,    STORE_OK},
	{"delete", "z/y",       NULL,    STORE_OK},
	{"find",   "z/y",       NULL,    STORE_NO_MAILBOX},
	{"sub",    "not/there", NULL,    STORE_OK},
};
/* clang-format on */

static void mailboxes_come_and_go(void **state)
{
	struct str *subscribed;
	size_t count;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct str name = str_from(names[i].name);
		enum store_result r;

		if (names[i].op[0] == 'c')
			r = box_create(box, name, USE_NONE);
		else if (names[i].op[0] == 'r')
			r = box_rename(box, name, str_from(names[i].to));
		else if (names[i].op[0] == 'd')
			r = box_delete(box, name);
		else if (names[i].op[0] == 's')
			r = box_subscribe(box, name, true);
		else
			r = box_find(box, name) ? STORE_OK : STORE_NO_MAILBOX;
		if (r != names[i].want)
			fail_msg("%s %s: %s, not %s", names[i].op,
			    names[i].name, store_result_name(r),
			    store_result_name(names[i].want));
	}
	count = box_subscriptions(box, &arena, &subscribed);
	assert_int_equal(count, 6);
	assert_true(str_eq(subscribed[5], STR("not/there")));
}

/* By name and by id, however many came and went. */
static void assert_found(struct box *b, unsigned from, unsigned to)
{
	const struct mailbox_info *const *list;
	size_t count = box_mailboxes(b, &list);

	for (unsigned i = from; i < to; i++) {
		const struct mailbox_info *info;
		char name[32];

		snprintf(name, sizeof(name), "Many/%u", i);
		info = box_find(b, str_from(name));
		assert_int_equal(info != NULL, i % 3 != 0);
	}
	for (size_t i = 0; i < count; i++)
		assert_ptr_equal(box_find_id(b, list[i]->id), list[i]);
}

static void many_mailboxes_come_and_go(void **state)
{
	uint32_t last = 0;
	char name[32];

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "Many/%u", i);
		assert_int_equal(
		    box_create(box, str_from(name), USE_NONE), STORE_OK);
		last = box_find(box, str_from(name))->id;
		if (i % 3 != 0)
			continue;
		assert_int_equal(box_delete(box, str_from(name)), STORE_OK);
		assert_null(box_find_id(box, last));
		assert_found(box, 0, i);
	}
	snprintf(name, sizeof(name), "Many/%u", 100);
	assert_int_equal(
	    box_rename(box, str_from(name), STR("Many/200")), STORE_OK);
	assert_int_equal(
	    box_rename(box, STR("Many/200"), str_from(name)), STORE_OK);
	assert_found(box, 0, 200);
	assert_int_equal(box_reload(box, true), STORE_OK);
	assert_found(box, 0, 200);
}

static void renaming_inbox_moves_its_messages(void **state)
{
	struct view *v;

	(void)state;
	append(box, "INBOX", "one", FLAG_SEEN, "k1");
	append(box, "INBOX", "two", 0, NULL);
	view_open(box, 1, &v);
	assert_int_equal(
	    box_rename(box, STR("INBOX"), STR("old/mail")), STORE_OK);
	assert_string_equal(rows(box, "INBOX"), "");
	assert_string_equal(rows(box, "old/mail"), "1:1 2:0");
	assert_int_equal(view_sync(v, true, NULL), STORE_OK);
	assert_int_equal(view_count(v), 0);
	view_close(&v);
}

static void uidvalidity_rises(void **state)
{
	uint32_t first;
	struct view *v;

	(void)state;
	box_create(box, STR("a"), USE_NONE);
	first = box_find(box, STR("a"))->uidvalidity;
	assert_int_equal(
	    view_open(box, box_find(box, STR("a"))->id, &v), STORE_OK);
	box_delete(box, STR("a"));
	box_create(box, STR("a"), USE_NONE);
	assert_true(box_find(box, STR("a"))->uidvalidity > first);
	assert_int_equal(view_sync(v, true, NULL), STORE_GONE);
	view_close(&v);
}

static void sixty_four_keywords(void **state)
{
	char word[16];
	struct str name;
	uint32_t uid = append(box, "INBOX", "x", 0, NULL);
	struct uid_set set = {&uid, 1};

	(void)state;
	for (int i = 0; i < 65; i++) {
		snprintf(word, sizeof(word), "k%d", i);
		name = str_from(word);
		assert_int_equal(box_store(box, 1, set, FLAGS_ADD, 0, &name, 1,
				     0, NULL, NULL, NULL),
		    i < 64 ? STORE_OK : STORE_LIMIT);
	}
	assert_int_equal(box_find_id(box, 1)->keyword_count, 64);
}

static void pop3_has_one_session(void **state)
{
	struct box *b = another();

	(void)state;
	assert_int_equal(box_pop3_lock(box), STORE_OK);
	assert_int_equal(box_pop3_lock(b), STORE_BUSY);
	append(b, "INBOX", "delivery goes on", 0, NULL);
	box_pop3_unlock(box);
	assert_int_equal(box_pop3_lock(b), STORE_OK);
	box_close(&b);
	assert_int_equal(box_pop3_lock(box), STORE_OK);
}

static void a_removed_account_begins_anew(void **state)
{
	struct box *b = another();

	(void)state;
	append(box, "INBOX", "x", 0, NULL);
	append(b, "INBOX", "y", 0, NULL);
	assert_int_equal(
	    store_remove_account(store, STR("user@example.org")), STORE_OK);
	assert_int_equal(box_refresh(b), STORE_OK);
	assert_int_equal(box_find(b, STR("INBOX"))->messages, 0);
	append(box, "INBOX", "z", 0, NULL);
	assert_int_equal(box_find(box, STR("INBOX"))->messages, 1);
	assert_int_equal(box_refresh(b), STORE_OK);
	assert_int_equal(box_find(b, STR("INBOX"))->messages, 1);
	box_close(&b);
}

static void a_snapshot_keeps_everything(void **state)
{
	uint32_t uids[] = {2, 3}, first;
	struct uid_set set = {uids, 2}, gone;
	struct str word = STR("later"), *subscribed;
	struct message_cache cache;
	uint64_t before;
	bool complete;
	struct view *v;
	struct box *b;

	(void)state;
	for (int i = 0; i < 5; i++)
		append(box, "INBOX", "Subject: s\r\n\r\nx", 0, "now");
	before = box_find_id(box, 1)->highest_modseq;
	box_remove(box, 1, set);
	box_create(box, STR("a/b"), USE_ARCHIVE);
	box_subscribe(box, STR("a/b"), true);
	box_delete(box, STR("a"));
	deliver(box, "D1", "x", "Junk", false);
	first = box_find(box, STR("a/b"))->uidvalidity;
	assert_int_equal(snapshot_take(box, false), STORE_OK);
	uids[0] = 4;
	set.count = 1;
	box_store(
	    box, 1, set, FLAGS_ADD, FLAG_SEEN, &word, 1, 0, NULL, NULL, NULL);
	b = another();
	assert_int_equal(b->state.base, 1);
	assert_int_equal(deliver(b, "D1", "x", "Junk", false), STORE_DUPLICATE);
	assert_string_equal(rows(b, "INBOX"), "1:0 4:1 5:0");
	assert_int_equal(box_find_id(b, 1)->keyword_count, 2);
	assert_int_equal(box_find_id(b, 1)->uidnext, 6);
	assert_int_equal(box_find_id(b, 1)->unseen, 2);
	assert_int_equal(box_find(b, STR("a/b"))->uidvalidity, first);
	assert_int_equal(box_find(b, STR("a/b"))->use, USE_ARCHIVE);
	assert_false(box_find(b, STR("a"))->selectable);
	assert_true(box_find(b, STR("a/b"))->subscribed);
	assert_int_equal(box_subscriptions(b, &arena, &subscribed), 6);
	assert_string_equal(box_find(b, STR("a/b"))->mailbox_id,
	    box_find(box, STR("a/b"))->mailbox_id);
	view_open(b, 1, &v);
	assert_int_equal(
	    view_vanished(v, before, &arena, &gone, &complete), STORE_OK);
	assert_true(complete);
	assert_int_equal(gone.count, 2);
	assert_int_equal(gone.uids[1], 3);
	assert_int_equal(view_cache(v, 2, &arena, &cache), STORE_OK);
	assert_non_null(
	    memmem(cache.envelope.p, cache.envelope.len, "\"s\"", 3));
	/* With a view open the state stays, also over another snapshot. */
	assert_int_equal(snapshot_take(b, false), STORE_OK);
	assert_int_equal(snapshot_take(box, false), STORE_OK);
	assert_int_equal(view_sync(v, true, NULL), STORE_OK);
	assert_int_equal(view_cache(v, 3, &arena, &cache), STORE_OK);
	view_close(&v);
	box_close(&b);
}

static void writers_wake_listeners(void **state)
{
	char space[NOTIFY_ACCOUNT_MAX + 32];
	struct store *telling;
	struct str account;
	const char *why;
	uint64_t modseq;
	struct box *b;
	int fd, other;

	(void)state;
	telling = store_open(root, root, &why);
	box_open(telling, STR("user@example.org"), DEADLINE_NEVER, &b);
	append(b, "INBOX", "nobody listens", 0, NULL);
	fd = notify_listen(root, "login", NULL);
	assert_true(fd >= 0);
	assert_int_equal(notify_receive(fd, space, &account, &modseq), 0);
	append(b, "INBOX", "x", 0, NULL);
	assert_int_equal(notify_receive(fd, space, &account, &modseq), 1);
	assert_true(str_eq(account, STR("user@example.org")));
	assert_int_equal(modseq, box_find_id(b, 1)->highest_modseq);
	other = notify_listen(root, "other", NULL);
	append(b, "INBOX", "x", 0, NULL);
	assert_int_equal(notify_receive(fd, space, &account, &modseq), 1);
	assert_int_equal(notify_receive(other, space, &account, &modseq), 1);
	/* A listener's name is taken over by the next one. */
	close(fd);
	append(b, "INBOX", "x", 0, NULL);
	fd = notify_listen(root, "login", NULL);
	assert_true(fd >= 0);
	append(b, "INBOX", "x", 0, NULL);
	assert_int_equal(notify_receive(fd, space, &account, &modseq), 1);
	assert_int_equal(notify_receive(fd, space, &account, &modseq), 0);
	close(fd);
	close(other);
	box_close(&b);
	store_close(&telling);
}

/* ---- decided under the lock, whatever the handle knew ---- */

static void an_old_view_decides_nothing(void **state)
{
	uint32_t uid = append(box, "INBOX", "12345", 0, NULL);
	struct uid_set set = {&uid, 1}, modified;
	struct box *late = another();
	uint64_t known = box_find_id(late, 1)->highest_modseq;

	(void)state;
	/* STORE with UNCHANGEDSINCE: somebody was faster. */
	assert_int_equal(box_store(box, 1, set, FLAGS_ADD, FLAG_SEEN, NULL, 0,
			     0, NULL, NULL, NULL),
	    STORE_OK);
	assert_int_equal(box_store(late, 1, set, FLAGS_SET, FLAG_DRAFT, NULL, 0,
			     known, &arena, &modified, NULL),
	    STORE_OK);
	assert_int_equal(modified.count, 1);
	assert_string_equal(rows(late, "INBOX"), "1:1");
	/* Quota: somebody else used it up. */
	box_set_quota(late, 14, 0);
	append(box, "INBOX", "67890", 0, NULL);
	assert_int_equal(
	    deliver(late, "q", "12345", "INBOX", false), STORE_OVER_QUOTA);
	assert_int_equal(deliver(late, "q", "1234", "INBOX", false), STORE_OK);
	/* A mailbox that is gone. */
	assert_int_equal(box_create(box, STR("m"), USE_NONE), STORE_OK);
	assert_int_equal(box_refresh(late), STORE_OK);
	assert_int_equal(box_delete(box, STR("m")), STORE_OK);
	assert_int_equal(box_store(late, box_find(late, STR("m"))->id, set,
			     FLAGS_SET, 0, NULL, 0, 0, NULL, NULL, NULL),
	    STORE_GONE);
	assert_int_equal(box_create(late, STR("m"), USE_NONE), STORE_OK);
	assert_int_equal(box_create(box, STR("m"), USE_NONE), STORE_EXISTS);
	box_close(&late);
}

/* A refusal leaves everything as it was. */
static void what_is_refused_changes_nothing(void **state)
{
	struct buf before = buf_new(1 << 20), after = buf_new(1 << 20);
	struct deliver_item items[2] = {
	    {.mailbox = STR("INBOX")}, {.mailbox = STR("Sent")}};
	uint32_t uids[] = {1, 2}, uidvalidity;
	struct uid_set set = {uids, 2}, from, to;
	struct store_body *body = store_body_new(box);

	(void)state;
	append(box, "INBOX", "12345", FLAG_DELETED, "k");
	append(box, "INBOX", "12345", 0, NULL);
	store_body_add(body, "123456", 6);
	dump_box(box, &before);
	box_set_quota(box, 20, 0);
	assert_int_equal(
	    box_deliver(box, STR("d"), 0, body, 0, items, 2), STORE_OVER_QUOTA);
	box_set_quota(box, 0, 3);
	assert_int_equal(box_copy(box, 1, set, STR("Sent"), false, &arena,
			     &from, &to, &uidvalidity),
	    STORE_OVER_QUOTA);
	assert_int_equal(box_copy(box, 1, set, STR("None"), true, &arena, &from,
			     &to, &uidvalidity),
	    STORE_NO_MAILBOX);
	box_set_quota(box, 0, 0);
	assert_int_equal(
	    box_rename(box, STR("Sent"), STR("Trash")), STORE_EXISTS);
	assert_int_equal(box_delete(box, STR("None")), STORE_NO_MAILBOX);
	dump_box(box, &after);
	assert_string_equal(buf_text(&after), buf_text(&before));
	/* It was no success: the same id is stored later. */
	assert_int_equal(
	    box_deliver(box, STR("d"), 0, body, 0, items, 2), STORE_OK);
	assert_int_equal(
	    box_deliver(box, STR("d"), 0, body, 0, items, 2), STORE_DUPLICATE);
	store_body_free(&body);
	buf_free(&before);
	buf_free(&after);
}

static void reopen(bool with_snapshot)
{
	if (with_snapshot)
		assert_int_equal(snapshot_take(box, false), STORE_OK);
	box_close(&box);
	box = another();
}

static void uids_are_never_given_twice(void **state)
{
	uint32_t uid;
	uint64_t modseq = 0;

	(void)state;
	for (uint32_t i = 1; i <= 8; i++) {
		struct uid_set set = {&uid, 1};

		uid = append(box, "INBOX", "x", 0, NULL);
		assert_int_equal(uid, i);
		assert_int_equal(box_remove(box, 1, set), STORE_OK);
		reopen(i % 2);
		assert_true(box_find_id(box, 1)->highest_modseq > modseq);
		modseq = box_find_id(box, 1)->highest_modseq;
	}
}

static void ids_of_mailboxes_are_never_given_twice(void **state)
{
	uint32_t id = 0, uidvalidity = 0;

	(void)state;
	for (int i = 0; i < 6; i++) {
		const struct mailbox_info *info;

		assert_int_equal(box_create(box, STR("m"), USE_NONE), STORE_OK);
		info = box_find(box, STR("m"));
		assert_true(info->id > id);
		assert_true(info->uidvalidity > uidvalidity);
		id = info->id;
		uidvalidity = info->uidvalidity;
		assert_int_equal(box_delete(box, STR("m")), STORE_OK);
		reopen(i % 2);
	}
}

/* Exact for a week; below that floor it is said to be incomplete. */
static void vanished_uids_have_a_floor(void **state)
{
	uint32_t uid[3];
	uint64_t first, second;
	struct uid_set set = {uid, 1}, gone;
	struct view *v;
	bool complete;

	(void)state;
	for (int i = 0; i < 3; i++)
		uid[i] = append(box, "INBOX", "x", 0, NULL);
	first = box_find_id(box, 1)->highest_modseq;
	box_remove(box, 1, set);
	second = box_find_id(box, 1)->highest_modseq;
	clock_step(VANISHED_KEPT - 3600);
	set.uids = uid + 1;
	box_remove(box, 1, set);
	reopen(true);
	view_open(box, 1, &v);
	assert_int_equal(
	    view_vanished(v, first, &arena, &gone, &complete), STORE_OK);
	assert_true(complete);
	assert_int_equal(gone.count, 2);
	view_close(&v);
	clock_step(2 * 3600);
	append(box, "INBOX", "x", 0, NULL);
	reopen(true);
	view_open(box, 1, &v);
	assert_int_equal(
	    view_vanished(v, first, &arena, &gone, &complete), STORE_OK);
	assert_false(complete);
	assert_int_equal(
	    view_vanished(v, second, &arena, &gone, &complete), STORE_OK);
	assert_true(complete);
	assert_int_equal(gone.count, 1);
	assert_int_equal(gone.uids[0], uid[1]);
	view_close(&v);
}

/* Bytes that are gone are a message that was expunged. */
static void what_another_expunged_is_gone(void **state)
{
	uint32_t uid = append(box, "INBOX", "Subject: a\r\n\r\nb", 0, NULL);
	struct uid_set set = {&uid, 1};
	struct box *b = another();
	struct buf text = buf_new(1 << 20);
	struct message_cache cache;
	struct view *v;

	(void)state;
	view_open(b, 1, &v);
	assert_int_equal(box_remove(box, 1, set), STORE_OK);
	/* Not noticed yet: as it was. */
	assert_int_equal(view_read(v, 1, 0, UINT64_MAX, &text), STORE_OK);
	assert_string_equal(buf_text(&text), "Subject: a\r\n\r\nb");
	assert_int_equal(box_refresh(b), STORE_OK);
	assert_int_equal(view_read(v, 1, 0, UINT64_MAX, &text), STORE_GONE);
	assert_int_equal(view_cache(v, 1, &arena, &cache), STORE_GONE);
	assert_int_equal(view_count(v), 1); /* until the session looks */
	assert_int_equal(view_sync(v, true, NULL), STORE_OK);
	assert_int_equal(view_count(v), 0);
	view_close(&v);
	buf_free(&text);
	box_close(&b);
}

/* More than any socket holds, and nobody reads. */
#define UNHEARD 600

static void all_notifications_may_be_lost(void **state)
{
	struct store *telling;
	struct box *b, *session = another();
	const char *why;
	struct view *v;
	char id[16];
	int fd;

	(void)state;
	telling = store_open(root, root, &why);
	assert_non_null(telling);
	assert_int_equal(
	    box_open(telling, ACCOUNT, DEADLINE_NEVER, &b), STORE_OK);
	fd = notify_listen(root, "login", NULL);
	assert_true(fd >= 0);
	append(b, "INBOX", "x", 0, NULL);
	box_refresh(session);
	view_open(session, 1, &v);
	for (int i = 0; i < UNHEARD; i++) {
		snprintf(id, sizeof(id), "%d", i);
		assert_int_equal(deliver_id(b, id), STORE_OK);
	}
	/* Who looks sees everything. */
	assert_int_equal(box_refresh(session), STORE_OK);
	assert_int_equal(view_sync(v, true, NULL), STORE_OK);
	assert_int_equal(view_count(v), UNHEARD + 1);
	view_close(&v);
	close(fd);
	box_close(&session);
	box_close(&b);
	store_close(&telling);
}

static void accounts_keep_apart(void **state)
{
	static const char *const accounts[] = {
	    "..", "a%b", "%61", "a", "A", ".hidden", "x y@\xc3\xa4", "a@b"};
	struct box *b;
	char text[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(accounts); i++) {
		assert_int_equal(
		    box_open(store, str_from(accounts[i]), DEADLINE_NEVER, &b),
		    STORE_OK);
		assert_int_equal(box_find(b, STR("INBOX"))->messages, 0);
		snprintf(text, sizeof(text), "%zu", i);
		append(b, "INBOX", text, 0, NULL);
		box_close(&b);
	}
	assert_int_equal(
	    box_open(store, STR("a/b"), DEADLINE_NEVER, &b), STORE_BAD_NAME);
	assert_null(b);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, clear)
	const struct CMUnitTest tests[] = {
	    T(a_new_account_has_nothing_on_disk),
	    T(another_handle_sees_it),
	    T(the_cache_is_there),
	    T(a_delivery_is_stored_once),
	    T(a_large_body_is_a_blob),
	    T(quota_is_exact),
	    T(flags_change_and_tell_the_view),
	    T(many_kinds_of_flags_change_at_once),
	    T(copy_and_move),
	    T(mailboxes_come_and_go),
	    T(many_mailboxes_come_and_go),
	    T(renaming_inbox_moves_its_messages),
	    T(uidvalidity_rises),
	    T(sixty_four_keywords),
	    T(pop3_has_one_session),
	    T(a_removed_account_begins_anew),
	    T(a_snapshot_keeps_everything),
	    T(writers_wake_listeners),
	    T(an_old_view_decides_nothing),
	    T(what_is_refused_changes_nothing),
	    T(uids_are_never_given_twice),
	    T(ids_of_mailboxes_are_never_given_twice),
	    T(vanished_uids_have_a_floor),
	    T(what_another_expunged_is_gone),
	    T(all_notifications_may_be_lost),
	    T(accounts_keep_apart),
	};

	return RUN_TESTS(tests);
}
