/* SPDX-License-Identifier: ISC */
/*
 * Random histories, with pictures taken on the way: any point of them can be
 * looked at again, and mailboxes made what they were; uids are never given
 * twice within a UIDVALIDITY, MODSEQ only rises, whatever is undeleted and
 * restored.
 */
#include "store/testing.h"

#include "core/table.h"
#include "store/picture.h"
#include "store/recovery.h"
#include "store/upkeep.h"

#define POINTS 400
#define WINDOW 600 /* seconds that can be undone */

static const char *const names[] = {"INBOX", "Sent", "a", "a/b", "c d"};

static struct point {
	uint64_t modseq;
	int64_t time_us;
	char *picture;
} points[POINTS];
static size_t point_count;

static struct box *box;
static struct table contents; /* (uidvalidity, uid): hash of the text */
static struct table highest;  /* mailbox: modseq */
static unsigned texts;
static uint64_t modseq_before;

static struct str any_name(void)
{
	return str_from(names[below(ARRAY_LEN(names))]);
}

static const struct mailbox_info *any_mailbox(void)
{
	const struct mailbox_info *info = box_find(box, any_name());

	return info != NULL && info->selectable ? info
						: box_find(box, STR("INBOX"));
}

/* ---- what must hold at any time ---- */

/* A table's value that is a number; 0: there was none. */
static uint64_t remember(struct table *t, uint64_t key, uint64_t value)
{
	union {
		uint64_t number;
		void *pointer;
	} now = {.number = value}, before;

	before.pointer = table_put(t, str_of(&key, sizeof(key)), now.pointer);
	return before.pointer == NULL ? 0 : before.number;
}

static void uids_mean_what_they_did(const struct mailbox_info *info)
{
	uint64_t validity = (uint64_t)info->uidvalidity << 32;
	struct buf text = buf_new(1 << 20);
	struct view *v;

	assert_int_equal(view_open(box, info->id, &v), STORE_OK);
	for (uint32_t i = 1; i <= view_count(v); i++) {
		const struct message *m = view_message(v, i);
		uint64_t hash, before;

		buf_clear(&text);
		assert_int_equal(
		    view_read(v, i, 0, UINT64_MAX, &text), STORE_OK);
		hash = hash64(0, text.p, text.len) | 1;
		before = remember(&contents, validity | m->uid, hash);
		assert_true(before == 0 || before == hash);
	}
	view_close(&v);
	buf_free(&text);
}

static void invariants(void)
{
	const struct mailbox_info *const *list;
	size_t count = box_mailboxes(box, &list);

	assert_true(box->state.pos.modseq >= modseq_before);
	modseq_before = box->state.pos.modseq;
	for (size_t i = 0; i < count; i++) {
		const struct mailbox_info *info = list[i];
		uint64_t before = remember(
		    &highest, info->id, info->highest_modseq);

		assert_true(info->highest_modseq >= before);
		if (info->selectable && below(4) == 0)
			uids_mean_what_they_did(info);
		count = box_mailboxes(box, &list);
	}
}

/* ---- steps ---- */

static void step_append(void)
{
	char text[600];
	int len = snprintf(text, sizeof(text), "Subject: %u\r\n\r\n%*s\r\n",
	    texts, (int)(texts * 7 % 500), "x");
	struct str words[] = {STR("one"), STR("two"), STR("three")};
	struct store_body *body = store_body_new(box);
	struct append_item item = {.body = body,
	    .flags = below(32),
	    .keywords = &words[below(3)],
	    .keyword_count = below(2),
	    .internal_date = 1700000000 + texts};
	uint32_t uidvalidity;

	store_body_add(body, text, (size_t)len);
	assert_int_equal(
	    box_append(box, any_mailbox()->name, &item, 1, &uidvalidity),
	    STORE_OK);
	store_body_free(&body);
	texts++;
}

/* Some uids of a mailbox. */
static struct uid_set some(const struct mailbox_info *info, uint32_t uids[64])
{
	struct uid_set set = {uids, 0};
	uint32_t uid = 1 + below(4);

	for (; uid < info->uidnext && set.count < 64; uid += 1 + below(6))
		uids[set.count++] = uid;
	return set;
}

static void step_flags(void)
{
	const struct mailbox_info *info = any_mailbox();
	struct str word = below(2) ? STR("one") : STR("four");
	uint32_t uids[64];
	struct uid_set set = some(info, uids);

	assert_int_equal(box_store(box, info->id, set, (enum flag_op)below(3),
			     below(32), &word, below(2), 0, NULL, NULL, NULL),
	    STORE_OK);
}

static void step_remove(void)
{
	const struct mailbox_info *info = any_mailbox();
	uint32_t uids[64];
	struct uid_set set = some(info, uids);

	assert_int_equal(box_remove(box, info->id, set), STORE_OK);
}

static void step_copy(void)
{
	const struct mailbox_info *info = any_mailbox(), *to = any_mailbox();
	uint32_t uids[64];
	struct uid_set set = some(info, uids);

	if (info != to)
		assert_int_equal(box_copy(box, info->id, set, to->name,
				     below(2), NULL, NULL, NULL, NULL),
		    STORE_OK);
}

static void step_mailboxes(void)
{
	switch (below(5)) {
	case 0:
		box_delete(box, any_name());
		break;
	case 1:
		box_rename(box, any_name(), any_name());
		break;
	case 2:
		box_subscribe(box, any_name(), below(2));
		break;
	default:
		box_create(box, any_name(), USE_NONE);
	}
}

static void step_undelete(void)
{
	struct undelete_choice choice = {
	    .mailbox = below(2) ? any_name() : STR_EMPTY};
	uint64_t count, again;
	enum store_result r = box_undelete(box, &choice, &count);

	assert_true(r == STORE_OK || r == STORE_NO_MAILBOX);
	if (r == STORE_OK) {
		assert_int_equal(box_undelete(box, &choice, &again), STORE_OK);
		assert_int_equal(again, 0);
	}
}

/* ---- points ---- */

static void take_point(void)
{
	struct arena arena = arena_new(64 << 20);

	if (point_count == POINTS || box->state.virtual)
		return;
	points[point_count++] = (struct point){box->state.pos.modseq,
	    (int64_t)clock_us(), strdup(picture(box, true, &arena))};
	arena_free(&arena);
}

static bool in_window(const struct point *p)
{
	return p->time_us / 1000000 > clock_seconds() - WINDOW;
}

static struct box *open_point(const struct point *p)
{
	bool by_time = below(2);
	struct box *then;
	enum store_result r = box_open_at(store, ACCOUNT,
	    by_time ? p->time_us : 0, by_time ? 0 : p->modseq, &then);

	if (r == STORE_OK)
		return then;
	if (r != STORE_GONE || in_window(p))
		fail_msg("%llu of %llu: %s", (unsigned long long)p->modseq,
		    (unsigned long long)box->state.pos.modseq,
		    store_result_name(r));
	box_close(&then);
	return NULL;
}

static void look_back(const struct point *p)
{
	struct arena arena = arena_new(64 << 20);
	struct box *then = open_point(p);

	if (then != NULL && in_window(p))
		same_picture(picture(then, true, &arena), p->picture);
	box_close(&then);
	arena_free(&arena);
}

/* What was there then is there now, at the beginning. */
static void is_restored(struct box *then, struct str name)
{
	struct arena arena = arena_new(64 << 20);
	const char *was, *is;

	if (box_find(then, name)->selectable) {
		was = picture_rows(then, name, &arena);
		is = picture_rows(box, name, &arena);
		if (strncmp(was, is, strlen(was)) != 0)
			fail_msg(
			    "%.*s was\n%s\nand is\n%s", STR_FMT(name), was, is);
	}
	arena_free(&arena);
}

static void all_is_restored(struct box *then, struct str chosen)
{
	if (chosen.len > 0 && box_find(then, chosen) != NULL)
		is_restored(then, chosen);
	for (size_t i = 0; i < ARRAY_LEN(names) && chosen.len == 0; i++)
		if (box_find(then, str_from(names[i])) != NULL)
			is_restored(then, str_from(names[i]));
}

static void step_restore(void)
{
	const struct point *p = &points[below((uint32_t)point_count)];
	struct restore_choice choice = {
	    .mailbox = below(2) ? any_name() : STR_EMPTY};
	struct restore_result out;
	struct box *then = open_point(p);
	enum store_result r;
	uint64_t before;

	if (then == NULL)
		return;
	r = box_restore(box, then, &choice, &out);
	assert_true(r == STORE_OK || r == STORE_NO_MAILBOX);
	if (r == STORE_OK && in_window(p))
		all_is_restored(then, choice.mailbox);
	if (r == STORE_OK) {
		assert_true(!in_window(p) || out.lost == 0);
		before = box->state.pos.modseq;
		assert_int_equal(
		    box_restore(box, then, &choice, &out), STORE_OK);
		assert_int_equal(out.mailboxes, 0);
		assert_int_equal(box->state.pos.modseq, before);
	}
	box_close(&then);
}

static void step(void)
{
	switch (below(24)) {
	case 0:
	case 1:
	case 2:
		step_flags();
		break;
	case 3:
	case 4:
		step_remove();
		break;
	case 5:
	case 6:
		step_copy();
		break;
	case 7:
		step_mailboxes();
		break;
	case 8:
		if (below(3) == 0)
			step_undelete();
		break;
	case 9:
		if (point_count > 0 && below(4) == 0)
			step_restore();
		break;
	case 10:
		assert_int_equal(snapshot_take(box, below(2)), STORE_OK);
		break;
	case 11:
		if (point_count > 0)
			look_back(&points[below((uint32_t)point_count)]);
		break;
	default:
		step_append();
	}
}

static void on_finding(void *arg, const struct store_finding *f)
{
	unsigned *count = arg;

	if (f->kind == FINDING_LEFTOVER)
		return;
	(*count)++;
	print_message("%s at %llu, mailbox %u, %u: %s\n", f->file,
	    (unsigned long long)f->offset, f->mailbox, f->uid, f->text);
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

static void forget(void)
{
	for (size_t i = 0; i < point_count; i++)
		free(points[i].picture);
	point_count = 0;
	texts = 0;
	modseq_before = 0;
	table_free(&contents);
	table_free(&highest);
	contents = highest = table_new();
}

/* with upkeep: what lies behind the window is erased as it goes. */
static void history(unsigned steps, bool upkeep)
{
	struct upkeep_policy policy = {.undelete = WINDOW};
	struct upkeep_result out;
	int64_t stepped = 0;

	store_set_undelete(store, WINDOW);
	engine_set_seal(store_engine(store), 8192, 1 << 20);
	store->segment_rows = 16;
	assert_int_equal(open_box(&box), STORE_OK);
	for (unsigned i = 0; i < steps; i++) {
		step();
		clock_step(1);
		stepped++;
		if (below(10) == 0)
			take_point();
		if (below(10) == 0)
			invariants();
		if (below(40) == 0) {
			box_close(&box);
			assert_int_equal(open_box(&box), STORE_OK);
		}
		if (upkeep && below(30) == 0) {
			memset(&out, 0, sizeof(out));
			assert_int_equal(
			    box_upkeep(box, &policy, &out), STORE_OK);
		}
	}
	for (size_t i = 0; i < point_count; i++)
		look_back(&points[i]);
	check();
	box_close(&box);
	clock_step(-stepped);
	forget();
}

static void any_point_can_be_seen(void **state)
{
	(void)state;
	begin_chance(88172645463325252u);
	history(rounds(500, 3000), false);
}

static void and_within_the_window(void **state)
{
	(void)state;
	begin_chance(88172645463325253u);
	history(rounds(900, 4000), true);
}

#define R(name) cmocka_unit_test_setup_teardown(name, start, teardown)

static int no_sync(int fd)
{
	(void)fd;
	return 0;
}

/* Nothing here is about power loss. */
static int start(void **state)
{
	int result = setup(state);

	test_io.fdatasync = test_io.fsync = no_sync;
	return result;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    R(any_point_can_be_seen),
	    R(and_within_the_window),
	};

	return RUN_TESTS(tests);
}
