/* SPDX-License-Identifier: ISC */
/*
 * Looking back, undeleting, restoring: compared with pictures of the box that
 * were taken at the time.
 */
#include "store/testing.h"

#include <signal.h>
#include <sys/wait.h>

#include "core/checksum.h"
#include "store/picture.h"
#include "store/recovery.h"
#include "store/upkeep.h"

static struct box *box;
static struct arena arena;

static int start(void **state)
{
	int result = setup(state);

	arena = arena_new(64 << 20);
	assert_int_equal(open_box(&box), STORE_OK);
	return result;
}

static int stop(void **state)
{
	box_close(&box);
	arena_free(&arena);
	return teardown(state);
}

/* ---- steps ---- */

static uint32_t append(
    const char *mailbox, const char *text, uint32_t flags, const char *word)
{
	struct str keyword = str_from(word);
	struct store_body *body = store_body_new(box);
	struct append_item item = {.body = body,
	    .flags = flags,
	    .keywords = &keyword,
	    .keyword_count = word != NULL,
	    .internal_date = 1700000000};
	uint32_t uidvalidity;

	store_body_add(body, text, strlen(text));
	assert_int_equal(
	    box_append(box, str_from(mailbox), &item, 1, &uidvalidity),
	    STORE_OK);
	store_body_free(&body);
	return item.uid;
}

static uint32_t id_of(const char *mailbox)
{
	const struct mailbox_info *info = box_find(box, str_from(mailbox));

	assert_non_null(info);
	return info->id;
}

static void remove_uid(const char *mailbox, uint32_t uid)
{
	struct uid_set set = {&uid, 1};

	assert_int_equal(box_remove(box, id_of(mailbox), set), STORE_OK);
}

static void flag(const char *mailbox, uint32_t uid, uint32_t flags)
{
	struct uid_set set = {&uid, 1};

	assert_int_equal(box_store(box, id_of(mailbox), set, FLAGS_SET, flags,
			     NULL, 0, 0, NULL, NULL, NULL),
	    STORE_OK);
}

static void move(const char *from, uint32_t uid, const char *to)
{
	struct uid_set set = {&uid, 1};

	assert_int_equal(box_copy(box, id_of(from), set, str_from(to), true,
			     &arena, NULL, NULL, NULL),
	    STORE_OK);
}

/* "uid:flags:keywords:text" of each message. */
static const char *rows(const char *mailbox)
{
	return picture_rows(box, str_from(mailbox), &arena);
}

static uint64_t undelete(const char *mailbox, int64_t since, uint32_t uid)
{
	struct undelete_choice choice = {.mailbox = str_from(mailbox),
	    .since = since,
	    .uids = uid == 0 ? NULL : &uid,
	    .uid_count = 1};
	uint64_t count;

	assert_int_equal(box_undelete(box, &choice, &count), STORE_OK);
	return count;
}

/* Everything that was read until now comes from a snapshot from now on. */
static void snapshot(void)
{
	assert_int_equal(snapshot_take(box, false), STORE_OK);
}

/* What erasing does to bytes. */
static void overwrite(const struct engine_place *place)
{
	char *zeroes = calloc(1, place->length);
	uint64_t offset;
	int fd;

	assert_int_equal(
	    engine_file(box->engine, place, &fd, &offset), ENGINE_OK);
	assert_int_equal(
	    pwrite(fd, zeroes, place->length, (off_t)offset), place->length);
	free(zeroes);
}

static void on_finding(void *arg, const struct store_finding *f)
{
	unsigned *count = arg;

	if (f->kind == FINDING_LEFTOVER)
		return;
	(*count)++;
	if (getenv("LOUD") != NULL)
		print_message("%s at %llu, mailbox %u, %u: %s\n", f->file,
		    (unsigned long long)f->offset, f->mailbox, f->uid, f->text);
}

/* ---- undelete ---- */

static void expunged_messages_come_back(void **state)
{
	struct expunged_message *list;
	size_t count;

	(void)state;
	append("INBOX", "one", FLAG_SEEN, "word");
	append("INBOX", "two", 0, NULL);
	append("INBOX", "Subject: three\r\n\r\n", FLAG_DELETED, "other");
	remove_uid("INBOX", 1);
	snapshot();
	remove_uid("INBOX", 3);
	assert_int_equal(box_expunged(box, &arena, &list, &count), STORE_OK);
	assert_int_equal(count, 2);
	assert_int_equal(list[0].m.uid, 1);
	assert_int_equal(list[1].m.uid, 3);
	assert_int_equal(list[1].m.flags, FLAG_DELETED);
	assert_true(str_eq(list[1].mailbox_name, STR("INBOX")));
	assert_non_null(
	    memmem(list[1].envelope.p, list[1].envelope.len, "\"three\"", 7));
	assert_int_equal(undelete("INBOX", 0, 3), 1);
	assert_string_equal(
	    rows("INBOX"), "2:0::two 4:0:other:Subject: three\r\n\r\n");
	assert_int_equal(undelete("", 0, 0), 1);
	assert_string_equal(rows("INBOX"),
	    "2:0::two 4:0:other:Subject: three\r\n\r\n 5:1:word:one");
	assert_int_equal(undelete("", 0, 0), 0);
	/* Once more away: it is not doubled by what was there before. */
	flag("INBOX", 5, FLAG_FLAGGED);
	remove_uid("INBOX", 5);
	assert_int_equal(undelete("INBOX", 0, 0), 1);
	assert_string_equal(rows("INBOX"),
	    "2:0::two 4:0:other:Subject: three\r\n\r\n 6:4::one");
}

static void what_moved_comes_back_where_it_was(void **state)
{
	(void)state;
	append("INBOX", "one", 0, "word");
	move("INBOX", 1, "Trash");
	remove_uid("Trash", 1);
	assert_int_equal(undelete("Trash", 0, 0), 1);
	assert_string_equal(rows("Trash"), "2:0:word:one");
	assert_int_equal(undelete("", 0, 0), 1);
	assert_string_equal(rows("INBOX"), "2:0:word:one");
}

static void deleted_mailboxes_come_back(void **state)
{
	uint32_t old;

	(void)state;
	box_create(box, STR("a/b"), USE_ARCHIVE);
	append("a/b", "one", 0, "x");
	append("a/b", "two", FLAG_SEEN, "y");
	append("a/b", "three", 0, NULL);
	remove_uid("a/b", 3);
	old = id_of("a/b");
	box_delete(box, STR("a/b"));
	box_delete(box, STR("a"));
	snapshot();
	assert_int_equal(undelete("a/b", 0, 0), 3);
	assert_string_equal(rows("a/b"), "1:0:x:one 2:1:y:two 3:0::three");
	assert_true(id_of("a/b") != old);
	assert_non_null(box_find(box, STR("a")));
	assert_int_equal(undelete("a/b", 0, 0), 0);
	/* Another one of this name, which has its own keywords. */
	box_delete(box, STR("a/b"));
	box_create(box, STR("a/b"), USE_NONE);
	append("a/b", "four", 0, "z");
	assert_int_equal(undelete("", 0, 0), 3);
	assert_string_equal(
	    rows("a/b"), "1:0:z:four 2:0:x:one 3:1:y:two 4:0::three");
}

static void a_choice_is_kept(void **state)
{
	struct undelete_choice choice = {.mailbox = STR("nowhere")};
	uint64_t count;

	(void)state;
	assert_int_equal(undelete("", 0, 0), 0);
	append("INBOX", "one", 0, NULL);
	append("Junk", "two", 0, NULL);
	assert_int_equal(box_undelete(box, &choice, &count), STORE_NO_MAILBOX);
	remove_uid("INBOX", 1);
	clock_step(100);
	remove_uid("Junk", 1);
	assert_int_equal(undelete("Junk", clock_seconds() + 1, 0), 0);
	assert_int_equal(undelete("", clock_seconds() - 50, 0), 1);
	assert_string_equal(rows("INBOX"), "");
	assert_string_equal(rows("Junk"), "2:0::two");
	box_set_quota(box, 1, 1); /* nobody asks */
	assert_int_equal(undelete("inbox", 0, 1), 1);
	clock_step(-100);
}

static enum store_result decide_horizon(struct change *c)
{
	struct record r = {.type = RECORD_HORIZON};

	r.horizon.modseq = c->modseq - 1;
	change_put(c, &r);
	return STORE_OK;
}

static void beyond_the_horizon_nothing_comes_back(void **state)
{
	struct change c = {.decide = decide_horizon};
	struct expunged_message *list;
	size_t count;

	(void)state;
	append("INBOX", "one", 0, NULL);
	append("INBOX", "two", 0, NULL);
	remove_uid("INBOX", 1);
	assert_int_equal(box_change(box, &c), STORE_OK);
	remove_uid("INBOX", 2);
	assert_int_equal(box_expunged(box, &arena, &list, &count), STORE_OK);
	assert_int_equal(count, 1);
	assert_int_equal(undelete("", 0, 0), 1);
	assert_string_equal(rows("INBOX"), "3:0::two");
}

/* ---- as it was ---- */

static struct box *at_modseq(uint64_t modseq)
{
	struct box *then;

	assert_int_equal(
	    box_open_at(store, ACCOUNT, 0, modseq, &then), STORE_OK);
	return then;
}

static uint64_t now_modseq(void)
{
	return box->state.pos.modseq;
}

static void a_box_as_it_was(void **state)
{
	const char *before;
	struct box *then;
	uint64_t modseq, time_us;
	struct view *v;

	(void)state;
	assert_int_equal(box_open_at(store, ACCOUNT, 0, 1, &then), STORE_GONE);
	append("INBOX", "one", 0, "word");
	append("INBOX", "two", FLAG_SEEN, NULL);
	modseq = now_modseq();
	time_us = clock_us();
	before = picture(box, true, &arena);
	clock_step(10);
	remove_uid("INBOX", 1);
	box_create(box, STR("later"), USE_NONE);
	for (int i = 0; i < 2; i++) {
		then = at_modseq(modseq);
		assert_string_equal(picture(then, true, &arena), before);
		assert_int_equal(then->state.pos.modseq, modseq);
		box_close(&then);
		assert_int_equal(
		    box_open_at(store, ACCOUNT, (int64_t)time_us, 0, &then),
		    STORE_OK);
		assert_int_equal(box_refresh(then), STORE_OK);
		assert_string_equal(picture(then, true, &arena), before);
		assert_int_equal(box_maintain(then), STORE_OK);
		assert_int_equal(
		    box_create(then, STR("x"), USE_NONE), STORE_ERROR);
		assert_int_equal(view_open(then, 1, &v), STORE_OK);
		assert_int_equal(view_sync(v, true, NULL), STORE_OK);
		assert_int_equal(view_count(v), 2);
		view_close(&v);
		box_close(&then);
		snapshot(); /* and from behind it */
	}
	assert_int_equal(
	    box_open_at(store, ACCOUNT, (int64_t)time_us - 60000000, 0, &then),
	    STORE_GONE);
	then = at_modseq(UINT64_MAX);
	assert_string_equal(
	    picture(then, true, &arena), picture(box, true, &arena));
	box_close(&then);
	clock_step(-10);
}

/* A clock that steps back makes nothing come before what it follows. */
static void time_runs_backwards(void **state)
{
	struct box *then;
	int64_t time_us;

	(void)state;
	append("INBOX", "one", 0, NULL);
	clock_step(1000);
	append("INBOX", "two", 0, NULL);
	clock_step(-1000);
	time_us = (int64_t)clock_us() + 1;
	append("INBOX", "three", 0, NULL);
	snapshot();
	assert_int_equal(
	    box_open_at(store, ACCOUNT, time_us + 900000, 0, &then), STORE_OK);
	assert_string_equal(
	    picture_rows(then, STR("INBOX"), &arena), "1:0::one");
	box_close(&then);
}

static void what_was_erased_is_gone(void **state)
{
	struct buf text = buf_new(1000);
	struct engine_place place;
	struct box *then;
	struct view *v;
	uint64_t modseq;

	(void)state;
	append("INBOX", "a message of some length", 0, NULL);
	modseq = now_modseq();
	place = place_of_bytes(folder_place(box, box->state.folders[1], 0),
	    box->state.folders[1]->messages);
	remove_uid("INBOX", 1);
	then = at_modseq(modseq);
	assert_int_equal(view_open(then, 1, &v), STORE_OK);
	assert_int_equal(view_read(v, 1, 2, 3, &text), STORE_OK);
	overwrite(&place);
	for (uint64_t at = 0; at < 10; at += 5) {
		buf_clear(&text);
		assert_int_equal(view_read(v, 1, at, 5, &text), STORE_GONE);
		assert_int_equal(text.len, 0);
	}
	assert_int_equal(view_read(v, 1, 0, 1000, &text), STORE_GONE);
	view_close(&v);
	box_close(&then);
	buf_free(&text);
}

/* ---- restore ---- */

static struct restore_result restore(struct box *from, const char *mailbox)
{
	struct restore_choice choice = {.mailbox = str_from(mailbox)};
	struct restore_result out;
	enum store_result r = box_restore(box, from, &choice, &out);

	if (r != STORE_OK)
		fail_msg("%s: %s", store_result_name(r), store_why(box));
	return out;
}

static void a_mailbox_is_made_anew(void **state)
{
	struct restore_result out;
	uint32_t uidvalidity, id;
	uint64_t modseq, before;
	struct box *then;
	struct view *v;

	(void)state;
	append("INBOX", "one", 0, "first");
	append("INBOX", "two", FLAG_SEEN, "second");
	append("INBOX", "three", 0, NULL);
	remove_uid("INBOX", 2);
	append("Sent", "untouched", 0, NULL);
	modseq = now_modseq();
	id = id_of("INBOX");
	uidvalidity = box_find_id(box, id)->uidvalidity;
	move("INBOX", 1, "Trash");
	flag("INBOX", 3, FLAG_FLAGGED);
	append("INBOX", "four", 0, "third");
	remove_uid("INBOX", 3);
	append("INBOX", "five", FLAG_SEEN, "first");
	assert_int_equal(view_open(box, id, &v), STORE_OK);
	before = now_modseq();
	then = at_modseq(modseq);
	out = restore(then, "INBOX");
	assert_int_equal(out.mailboxes, 1);
	assert_int_equal(out.messages, 2);
	assert_int_equal(out.lost, 0);
	assert_int_equal(out.copied_octets, 0);
	assert_string_equal(rows("INBOX"),
	    "1:0:first:one 3:0::three 4:0:third:four 5:1:first:five");
	assert_string_equal(rows("Trash"), "1:0:first:one");
	assert_true(box_find(box, STR("INBOX"))->uidvalidity > uidvalidity);
	assert_true(id_of("INBOX") != id);
	assert_true(now_modseq() >= before + EPOCH_STEP);
	assert_int_equal(
	    box_find(box, STR("INBOX"))->highest_modseq, now_modseq());
	assert_int_equal(view_sync(v, true, NULL), STORE_GONE);
	view_close(&v);
	/* Nothing differs any more. */
	before = now_modseq();
	out = restore(then, "INBOX");
	assert_int_equal(out.mailboxes, 0);
	out = restore(then, "Sent");
	assert_int_equal(out.mailboxes, 0);
	assert_int_equal(now_modseq(), before);
	/* What the operator did can be undone. */
	assert_int_equal(undelete("INBOX", 0, 0), 1);
	box_close(&then);
}

static void everything_is_restored(void **state)
{
	struct restore_result out;
	uint64_t modseq, later;
	const char *before;
	struct box *then;

	(void)state;
	box_create(box, STR("a/b"), USE_ARCHIVE);
	box_create(box, STR("a-b"), USE_NONE);
	box_subscribe(box, STR("a/b"), true);
	box_subscribe(box, STR("gone"), true);
	append("a/b", "one", 0, NULL);
	append("a-b", "two", 0, NULL);
	append("INBOX", "three", 0, NULL);
	box_delete(box, STR("a")); /* a level from now on */
	modseq = now_modseq();
	before = picture(box, false, &arena);
	box_rename(box, STR("a/b"), STR("c/d"));
	box_delete(box, STR("a"));
	box_delete(box, STR("a-b"));
	box_subscribe(box, STR("gone"), false);
	box_subscribe(box, STR("INBOX"), false);
	box_subscribe(box, STR("late"), true);
	remove_uid("INBOX", 1);
	snapshot();
	box_delete(box, STR("c/d"));
	box_delete(box, STR("c"));
	then = at_modseq(modseq);
	out = restore(then, "");
	assert_int_equal(out.mailboxes, 4);
	assert_int_equal(out.messages, 3);
	assert_string_equal(picture(box, false, &arena), before);
	later = now_modseq();
	out = restore(then, "");
	assert_int_equal(now_modseq(), later);
	/* A mailbox that was not there then stays, and is subscribed. */
	box_create(box, STR("new"), USE_NONE);
	append("new", "four", 0, NULL);
	box_subscribe(box, STR("new"), true);
	out = restore(then, "");
	assert_int_equal(out.mailboxes, 0);
	assert_string_equal(rows("new"), "1:0::four");
	assert_true(box_find(box, STR("new"))->subscribed);
	/* The use is taken. */
	box_delete(box, STR("a/b"));
	box_create(box, STR("other"), USE_ARCHIVE);
	restore(then, "a/b");
	assert_int_equal(box_find(box, STR("a/b"))->use, USE_NONE);
	box_close(&then);
}

/* Of another life of the name: what is in it stays, behind. */
static void another_mailbox_of_that_name(void **state)
{
	uint64_t modseq;
	struct box *then;

	(void)state;
	box_create(box, STR("a"), USE_NONE);
	append("a", "one", 0, NULL);
	append("a", "two", 0, NULL);
	append("a", "three", 0, NULL);
	modseq = now_modseq();
	move("a", 2, "Trash");
	box_delete(box, STR("a"));
	box_create(box, STR("a"), USE_NONE);
	append("a", "four", 0, NULL);
	move("Trash", 1, "a");
	append("a", "five", 0, NULL);
	then = at_modseq(modseq);
	restore(then, "a");
	assert_string_equal(
	    rows("a"), "1:0::one 2:0::two 3:0::three 4:0::four 5:0::five");
	assert_int_equal(restore(then, "a").mailboxes, 0);
	box_close(&then);
}

static void single_messages(void **state)
{
	struct restore_choice choice = {.mailbox = STR("INBOX"), .uid = 2};
	struct restore_result out;
	uint64_t modseq, before;
	struct box *then;

	(void)state;
	append("INBOX", "Message-ID: <a@x>\r\n\r\n", 0, NULL);
	append("INBOX", "two", FLAG_DELETED | FLAG_SEEN, "word");
	append("Junk", "Message-ID: <a@x>\r\nX: y\r\n\r\n", 0, NULL);
	modseq = now_modseq();
	before = box_find(box, STR("INBOX"))->uidvalidity;
	then = at_modseq(modseq);
	assert_int_equal(box_restore(box, then, &choice, &out), STORE_OK);
	assert_int_equal(out.messages, 0);
	remove_uid("INBOX", 1);
	remove_uid("INBOX", 2);
	remove_uid("Junk", 1);
	assert_int_equal(box_restore(box, then, &choice, &out), STORE_OK);
	assert_int_equal(out.messages, 1);
	assert_string_equal(rows("INBOX"), "3:1:word:two");
	choice.uid = 7;
	assert_int_equal(box_restore(box, then, &choice, &out), STORE_GONE);
	choice.mailbox = STR("other");
	assert_int_equal(
	    box_restore(box, then, &choice, &out), STORE_NO_MAILBOX);
	choice = (struct restore_choice){.message_id = STR("<a@x>")};
	assert_int_equal(box_restore(box, then, &choice, &out), STORE_OK);
	assert_int_equal(out.messages, 2);
	assert_string_equal(
	    rows("INBOX"), "3:1:word:two 4:0::Message-ID: <a@x>\r\n\r\n");
	assert_int_equal(box_find(box, STR("Junk"))->messages, 1);
	assert_int_equal(box_find(box, STR("INBOX"))->uidvalidity, before);
	box_close(&then);
}

/* What is about to be erased is not named again. */
static void a_restore_respects_the_horizon(void **state)
{
	struct change c = {.decide = decide_horizon};
	struct restore_result out;
	uint64_t modseq;
	struct box *then;

	(void)state;
	append("INBOX", "one", 0, NULL);
	append("INBOX", "two", 0, NULL);
	append("INBOX", "three", 0, NULL);
	modseq = now_modseq();
	move("INBOX", 2, "Trash");
	remove_uid("INBOX", 1);
	assert_int_equal(box_change(box, &c), STORE_OK);
	remove_uid("INBOX", 3);
	then = at_modseq(modseq);
	out = restore(then, "INBOX");
	assert_int_equal(out.lost, 1);
	assert_int_equal(out.messages, 2);
	assert_string_equal(rows("INBOX"), "2:0::two 3:0::three");
	box_close(&then);
}

/* ---- another store ---- */

static char elsewhere[64];
static struct store *backup;
static struct box *old;

static int copy_one(
    const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	char to[400], piece[65536];
	ssize_t len;
	int in, out;

	(void)ftw;
	snprintf(to, sizeof(to), "%s%s", elsewhere, path + strlen(root));
	if (type == FTW_D)
		return mkdir(to, 0700) < 0 && errno != EEXIST ? -1 : 0;
	in = open(path, O_RDONLY | O_CLOEXEC);
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	while ((len = read(in, piece, sizeof(piece))) > 0)
		assert_int_equal(write(out, piece, (size_t)len), len);
	close(in);
	close(out);
	(void)st;
	return 0;
}

/* The store as it is now, in another place; `old` is the box in it. */
static void make_backup(void)
{
	const char *why;

	snprintf(elsewhere, sizeof(elsewhere), "/tmp/store_backup.XXXXXX");
	assert_non_null(mkdtemp(elsewhere));
	assert_int_equal(nftw(root, copy_one, 16, FTW_PHYS), 0);
	backup = store_open(elsewhere, NULL, &why);
	assert_non_null(backup);
	assert_int_equal(
	    box_open(backup, ACCOUNT, DEADLINE_NEVER, &old), STORE_OK);
}

static void end_backup(void)
{
	box_close(&old);
	store_close(&backup);
	remove_tree(elsewhere);
}

/* What is gone is erased, now. */
static void erase(void)
{
	struct upkeep_policy policy = {.undelete = 0};
	struct upkeep_result out = {0};

	clock_step(100000); /* also what a restore left */
	assert_int_equal(box_upkeep(box, &policy, &out), STORE_OK);
	clock_step(-100000);
}

static void check(void)
{
	struct check_result out;
	unsigned count = 0;

	assert_int_equal(
	    box_check(store, ACCOUNT, true, on_finding, &count, &out),
	    STORE_OK);
	assert_int_equal(count, 0);
}

static const char *text_of(unsigned number, size_t len)
{
	static char text[400000];
	size_t at = (size_t)snprintf(
	    text, sizeof(text), "Subject: %u\r\n\r\n", number);

	while (at + 40 < len)
		at += (size_t)snprintf(text + at, sizeof(text) - at,
		    "A line of the message %u: %zu\r\n", number, at);
	return text;
}

static void what_is_missing_is_copied(void **state)
{
	struct restore_result out;
	const char *before;
	uint64_t missing;

	(void)state;
	append("INBOX", text_of(1, 500), 0, "word");
	append("INBOX", text_of(2, 300000), FLAG_SEEN, NULL);
	store_set_compression(store, 1000);
	append("INBOX", text_of(3, 300000), 0, NULL);
	append("INBOX", text_of(4, 500), 0, NULL);
	append("Sent", text_of(5, 500), 0, "other");
	move("INBOX", 4, "Trash");
	before = picture(box, false, &arena);
	make_backup();
	missing = strlen(text_of(1, 500)) + 2 * strlen(text_of(2, 300000));
	for (uint32_t uid = 1; uid <= 3; uid++)
		remove_uid("INBOX", uid);
	remove_uid("Sent", 1);
	erase();
	append("INBOX", "later", 0, NULL);
	assert_int_equal(undelete("", 0, 0), 0);
	store_set_compression(store, 0);
	out = restore(old, "INBOX");
	assert_int_equal(out.mailboxes, 1);
	assert_int_equal(out.messages, 3);
	assert_int_equal(out.copied_octets, missing);
	assert_int_equal(out.lost, 0);
	remove_uid("INBOX", 5);
	out = restore(old, "");
	assert_int_equal(out.mailboxes, 1);
	assert_string_equal(picture(box, false, &arena), before);
	assert_int_equal(restore(old, "").mailboxes, 0);
	check();
	/* What was copied stays, when the places where it stood go. */
	erase();
	assert_string_equal(picture(box, false, &arena), before);
	check();
	end_backup();
}

/* A restore leaves nothing that somebody would see, or undelete. */
static void staging_is_not_seen(void **state)
{
	struct expunged_message *list;
	size_t count;

	(void)state;
	append("INBOX", text_of(1, 500), 0, NULL);
	make_backup();
	remove_uid("INBOX", 1);
	erase();
	restore(old, "INBOX");
	assert_int_equal(box_expunged(box, &arena, &list, &count), STORE_OK);
	assert_int_equal(count, 0);
	assert_int_equal(undelete("", 0, 0), 0);
	assert_int_equal(box->state.dead_count, 1);
	end_backup();
}

/* Of another life of the account nothing can be shared. */
static void an_account_is_restored(void **state)
{
	struct restore_result out;
	const char *before;

	(void)state;
	box_create(box, STR("a/b"), USE_ARCHIVE);
	append("a/b", text_of(1, 500), 0, "word");
	append("INBOX", text_of(2, 500), 0, NULL);
	snapshot();
	before = picture(box, false, &arena);
	make_backup();
	assert_int_equal(store_remove_account(store, ACCOUNT), STORE_OK);
	box_close(&box);
	assert_int_equal(open_box(&box), STORE_OK);
	append("INBOX", "new life", 0, NULL);
	out = restore(old, "");
	assert_int_equal(out.messages, 2);
	assert_true(out.copied_octets > 0);
	remove_uid("INBOX", 2);
	assert_string_equal(picture(box, false, &arena), before);
	assert_int_equal(restore(old, "").mailboxes, 0);
	check();
	end_backup();
}

/* What is damaged here is better there. */
static void a_damaged_message_is_replaced(void **state)
{
	const struct message_place *place;
	struct restore_result out;
	struct repair_result repaired;
	struct engine_place where;
	struct folder *f;
	uint64_t offset;
	unsigned count = 0;
	char c;
	int fd;

	(void)state;
	append("INBOX", text_of(1, 500), 0, NULL);
	append("INBOX", text_of(2, 500), 0, NULL);
	make_backup();
	for (int again = 0; again < 2; again++) {
		box_folder(box, id_of("INBOX"), &f);
		place = folder_place(box, f, 0);
		where = place_of_bytes(place, f->messages);
		engine_file(box->engine, &where, &fd, &offset);
		assert_int_equal(pread(fd, &c, 1, (off_t)offset + 50), 1);
		c ^= 1;
		assert_int_equal(pwrite(fd, &c, 1, (off_t)offset + 50), 1);
		box_close(&box);
		/* Also when it got a checksum that fits. */
		if (again)
			assert_int_equal(box_repair(store, ACCOUNT, on_finding,
					     &count, &repaired),
			    STORE_OK);
		assert_int_equal(open_box(&box), STORE_OK);
		out = restore(old, "INBOX");
		assert_int_equal(out.mailboxes, 1);
		assert_int_equal(out.copied_octets, strlen(text_of(1, 500)));
		assert_string_equal(
		    rows("INBOX"), picture_rows(old, STR("INBOX"), &arena));
	}
	end_backup();
}

static void a_backup_may_be_damaged(void **state)
{
	struct restore_result out;
	struct engine_place where;
	struct folder *f;
	uint64_t offset;
	int fd;

	(void)state;
	append("INBOX", text_of(1, 500), 0, NULL);
	append("INBOX", text_of(2, 500), 0, NULL);
	make_backup();
	box_folder(old, 1, &f);
	where = place_of_bytes(folder_place(old, f, 0), f->messages);
	engine_file(old->engine, &where, &fd, &offset);
	assert_int_equal(pwrite(fd, "x", 1, (off_t)offset), 1);
	out = restore(old, ""); /* it is here, and good */
	assert_int_equal(out.mailboxes, 0);
	remove_uid("INBOX", 1);
	remove_uid("INBOX", 2);
	erase();
	out = restore(old, "");
	assert_int_equal(out.lost, 1);
	assert_int_equal(out.messages, 1);
	assert_int_equal(box_find(box, STR("INBOX"))->messages, 1);
	end_backup();
}

/* ---- killed in a restore ---- */

static unsigned calls_left;

static void count_call(void)
{
	if (calls_left > 0 && --calls_left == 0)
		_exit(7);
}

static ssize_t dying_pwritev(int fd, const struct iovec *v, int n, off_t at)
{
	count_call();
	return pwritev(fd, v, n, at);
}

static int dying_fdatasync(int fd)
{
	count_call();
	return fdatasync(fd);
}

static int dying_fsync(int fd)
{
	count_call();
	return fsync(fd);
}

static int dying_link(int dir, const char *from, const char *to)
{
	count_call();
	return engine_io_system.link(dir, from, to);
}

static void restore_and_exit(unsigned calls)
{
	struct restore_choice choice = {.mailbox = STR("INBOX")};
	struct restore_result out;

	test_io.pwritev = dying_pwritev;
	test_io.fdatasync = dying_fdatasync;
	test_io.fsync = dying_fsync;
	test_io.link = dying_link;
	calls_left = calls;
	_exit(box_restore(box, old, &choice, &out) == STORE_OK ? 0 : 1);
}

static void killed_while_restoring(void **state)
{
	const char *before, *after;
	int status = -1;

	(void)state;
	engine_set_seal(store_engine(store), 1024, 1 << 20);
	for (unsigned i = 0; i < 12; i++)
		append("INBOX", text_of(i, i == 5 ? 300000 : 800), 0, NULL);
	make_backup();
	for (uint32_t uid = 1; uid <= 12; uid++)
		remove_uid("INBOX", uid);
	erase();
	append("INBOX", "since", 0, NULL);
	before = rows("INBOX");
	box_close(&box);
	for (unsigned calls = 1; status != 0; calls++) {
		pid_t pid;

		assert_true(calls < 500);
		assert_int_equal(open_box(&box), STORE_OK);
		pid = fork();
		if (pid == 0)
			restore_and_exit(calls);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(status == 0 || WEXITSTATUS(status) == 7);
		box_close(&box);
		assert_int_equal(open_box(&box), STORE_OK);
		after = rows("INBOX");
		/* All of it or nothing. */
		if (strcmp(after, before) != 0) {
			assert_int_equal(
			    box_find(box, STR("INBOX"))->messages, 13);
			status = 0;
		}
		if (calls % 8 == 1 || status == 0)
			check();
		box_close(&box);
	}
	assert_int_equal(open_box(&box), STORE_OK);
	assert_int_equal(restore(old, "INBOX").mailboxes, 0);
	erase();
	check();
	assert_int_equal(box_find(box, STR("INBOX"))->messages, 13);
	end_backup();
}

/* ---- a keeper that erases at once ---- */

static bool meddling;

static void erase_at_once(void)
{
	struct upkeep_policy policy = {.undelete = 0};
	struct upkeep_result out = {0};
	struct box *b;

	test_io.lock = engine_io_system.lock;
	clock_step(60);
	if (open_box(&b) != STORE_OK || box_erase(b, &policy, &out) != STORE_OK)
		_exit(1);
	_exit(0);
}

/* Whenever a lock is given back, upkeep comes. */
static int meddled_lock(int fd, off_t byte, bool on)
{
	int result = engine_io_system.lock(fd, byte, on), status = 0;
	pid_t pid;

	if (on || !meddling)
		return result;
	pid = fork();
	if (pid == 0)
		erase_at_once();
	waitpid(pid, &status, 0);
	return status == 0 ? result : -1;
}

static void upkeep_leaves_what_is_being_restored(void **state)
{
	struct restore_result out;

	(void)state;
	test_io.lock = meddled_lock;
	for (unsigned i = 0; i < 300; i++) /* more than one frame */
		append("INBOX", text_of(i, 200), 0, NULL);
	make_backup();
	for (uint32_t uid = 1; uid <= 300; uid++)
		remove_uid("INBOX", uid);
	erase();
	meddling = true;
	out = restore(old, "INBOX");
	meddling = false;
	assert_int_equal(out.messages, 300);
	assert_string_equal(
	    rows("INBOX"), picture_rows(old, STR("INBOX"), &arena));
	check();
	end_backup();
}

/* ---- while mail arrives ---- */

#define ARRIVALS 60

static void deliver_and_exit(void)
{
	struct box *b;
	char id[32];

	if (open_box(&b) != STORE_OK)
		_exit(1);
	for (unsigned i = 0; i < ARRIVALS; i++) {
		snprintf(id, sizeof(id), "%03u", i);
		if (deliver_id(b, id) != STORE_OK)
			_exit(2);
	}
	_exit(0);
}

/* Each message that arrived is there once. */
static void all_arrived(void)
{
	unsigned seen[ARRIVALS] = {0};
	struct buf text = buf_new(4096);
	struct view *v;

	assert_int_equal(view_open(box, id_of("INBOX"), &v), STORE_OK);
	for (uint32_t i = 1; i <= view_count(v); i++) {
		uint64_t number;

		buf_clear(&text);
		assert_int_equal(
		    view_read(v, i, 0, UINT64_MAX, &text), STORE_OK);
		if (subject_number(buf_str(&text), &number))
			seen[number]++;
	}
	for (unsigned i = 0; i < ARRIVALS; i++)
		assert_int_equal(seen[i], 1);
	view_close(&v);
	buf_free(&text);
}

static void mail_arrives_meanwhile(void **state)
{
	uint64_t modseq, highest = 0;
	struct box *then;
	int status = -1;
	pid_t pid;

	(void)state;
	engine_set_seal(store_engine(store), 8192, 1 << 20);
	for (unsigned i = 0; i < 20; i++)
		append("INBOX", "old", 0, NULL);
	modseq = now_modseq();
	then = at_modseq(modseq);
	pid = fork();
	if (pid == 0)
		deliver_and_exit();
	for (unsigned i = 0; waitpid(pid, &status, WNOHANG) == 0; i++) {
		struct restore_choice choice = {.mailbox = STR("INBOX")};
		struct restore_result out;

		assert_int_equal(box_refresh(box), STORE_OK);
		assert_int_equal(
		    box_find(box, STR("INBOX"))->messages >= 18, true);
		flag("INBOX", i % 20 + 1, FLAG_FLAGGED);
		remove_uid("INBOX", i % 20 + 1);
		if (i % 2) {
			assert_int_equal(
			    box_restore(box, then, &choice, &out), STORE_OK);
			assert_int_equal(out.mailboxes, 1);
		} else {
			undelete("INBOX", 0, 0);
		}
		if (i % 8 == 3)
			snapshot();
		assert_true(box->state.pos.modseq > highest);
		highest = box->state.pos.modseq;
	}
	assert_int_equal(status, 0);
	restore(then, "INBOX");
	all_arrived();
	check();
	box_close(&then);
}

#define R(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    R(expunged_messages_come_back),
	    R(what_moved_comes_back_where_it_was),
	    R(deleted_mailboxes_come_back),
	    R(a_choice_is_kept),
	    R(beyond_the_horizon_nothing_comes_back),
	    R(a_box_as_it_was),
	    R(time_runs_backwards),
	    R(what_was_erased_is_gone),
	    R(a_mailbox_is_made_anew),
	    R(everything_is_restored),
	    R(another_mailbox_of_that_name),
	    R(single_messages),
	    R(a_restore_respects_the_horizon),
	    R(what_is_missing_is_copied),
	    R(staging_is_not_seen),
	    R(an_account_is_restored),
	    R(a_damaged_message_is_replaced),
	    R(a_backup_may_be_damaged),
	    R(killed_while_restoring),
	    R(upkeep_leaves_what_is_being_restored),
	    R(mail_arrives_meanwhile),
	};

	return RUN_TESTS(tests);
}
