/* SPDX-License-Identifier: ISC */
/*
 * Snapshots: fold(snapshot + later frames) = fold(all frames), also for what
 * is gone; what is written anew and what is pointed at; damage; which files
 * are kept.
 */
#include "store/testing.h"

#include "store/content.h"
#include "store/le.h"

/* Nothing here has to outlive the machine. */
static int no_sync(int fd)
{
	(void)fd;
	return 0;
}

static int setup_fast(void **state)
{
	int result = setup(state);

	test_io.fsync = test_io.fdatasync = no_sync;
	return result;
}

#define DAY 86400

/* Reads of files. */
static unsigned reads;
static uint64_t read_octets;

static ssize_t counted_pread(int fd, void *p, size_t len, off_t at)
{
	reads++;
	read_octets += len;
	return pread(fd, p, len, at);
}

#define F(name) cmocka_unit_test_setup_teardown(name, setup_fast, teardown)

/* ---- the state as text ---- */

static void dump_expunged(void *arg, const struct expunged *e)
{
	struct buf *out = arg;
	unsigned char p[EXPUNGED_OCTETS];

	expunged_encode(e, p);
	buf_add_text(out, "gone");
	for (size_t i = 0; i < sizeof(p); i++)
		buf_printf(out, "%02x", p[i]);
	buf_add_text(out, "\n");
}

static void dump_messages(struct box *b, struct folder *f, struct buf *out)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct message_place *place = folder_place(b, f, i);
		struct expunged e = {.m = f->messages[i]};

		assert_non_null(place);
		e.place = *place;
		dump_expunged(out, &e);
	}
	for (size_t i = 0; i < f->vanished_count; i++)
		if (f->vanished[i].modseq > f->vanish_floor)
			buf_printf(out, "vanished %u %llu\n",
			    f->vanished[i].uid,
			    (unsigned long long)f->vanished[i].modseq);
}

static void dump_folder(struct box *b, struct folder *f, struct buf *out)
{
	const struct mailbox_info *i = &f->info;

	buf_printf(out, "%u %.*s %u %u %llu: %llu %llu %llu %llu dead %llu\n",
	    i->id, STR_FMT(i->name), i->uidvalidity, i->uidnext,
	    (unsigned long long)i->highest_modseq,
	    (unsigned long long)i->messages, (unsigned long long)i->unseen,
	    (unsigned long long)i->deleted, (unsigned long long)i->octets,
	    (unsigned long long)f->dead_modseq);
	for (size_t k = 0; k < i->keyword_count; k++)
		buf_printf(out, "keyword %.*s\n", STR_FMT(i->keywords[k]));
	assert_int_equal(folder_load(b, f), STORE_OK);
	dump_messages(b, f, out);
	assert_int_equal(
	    folder_each_expunged(b, f, dump_expunged, out), STORE_OK);
}

static void dump(struct box *b, struct buf *out)
{
	const struct state *s = &b->state;

	buf_printf(out, "%u %u %llu %llu horizon %llu erased %llu %llu %lld\n",
	    s->next_mailbox, s->last_uidvalidity,
	    (unsigned long long)s->usage.octets,
	    (unsigned long long)s->usage.messages,
	    (unsigned long long)s->horizon, (unsigned long long)s->erased,
	    (unsigned long long)s->gone_last, (long long)s->gone_since);
	for (size_t i = 0; i < s->folder_count; i++)
		dump_folder(b, s->folders[i], out);
	for (size_t i = 0; i < s->dead_count; i++)
		dump_folder(b, s->dead[i], out);
}

/* What the newest snapshot and the frames behind it say is what all frames
 * say. */
static void assert_same_as_log(void)
{
	struct buf with = buf_new(1 << 26), without = buf_new(1 << 26);
	struct box *b;

	assert_int_equal(open_box(&b), STORE_OK);
	dump(b, &with);
	assert_int_equal(box_reload(b, true), STORE_OK);
	assert_int_equal(b->state.base, 0);
	dump(b, &without);
	assert_false(with.overflow);
	assert_string_equal(buf_text(&with), buf_text(&without));
	box_close(&b);
	buf_free(&with);
	buf_free(&without);
}

/* ---- doing things ---- */

static struct box *opened(void)
{
	struct box *b;

	assert_int_equal(open_box(&b), STORE_OK);
	return b;
}

static void fill(struct box *b, unsigned from, unsigned to)
{
	char id[16];

	for (unsigned i = from; i <= to; i++) {
		snprintf(id, sizeof(id), "%u", i);
		assert_int_equal(deliver_id(b, id), STORE_OK);
	}
}

static void expunge(struct box *b, uint32_t mailbox, uint32_t uid)
{
	struct uid_set set = {&uid, 1};

	assert_int_equal(box_remove(b, mailbox, set), STORE_OK);
}

static void flag(struct box *b, uint32_t uid)
{
	struct uid_set set = {&uid, 1};

	assert_int_equal(box_store(b, 1, set, FLAGS_ADD, FLAG_FLAGGED, NULL, 0,
			     0, NULL, NULL, NULL),
	    STORE_OK);
}

static enum store_result decide_record(struct change *c)
{
	change_put(c, c->arg);
	return STORE_OK;
}

/* A frame of one record. */
static void put_record(struct box *b, struct record r)
{
	struct change c = {.decide = decide_record, .arg = &r};

	assert_int_equal(box_change(b, &c), STORE_OK);
}

static void horizon(struct box *b, uint64_t modseq)
{
	struct record r = {.type = RECORD_HORIZON};

	r.horizon.modseq = modseq;
	put_record(b, r);
	r.type = RECORD_ERASED;
	put_record(b, r);
}

static void take(struct box *b, bool clean)
{
	assert_int_equal(snapshot_take(b, clean), STORE_OK);
}

static void count_expunged(void *arg, const struct expunged *e)
{
	(void)e;
	++*(unsigned *)arg;
}

static unsigned expunged_of(struct box *b, struct folder *f)
{
	unsigned count = 0;

	assert_int_equal(
	    folder_each_expunged(b, f, count_expunged, &count), STORE_OK);
	return count;
}

/* ---- what is gone ---- */

static void gone_messages_are_remembered_until_erased(void **state)
{
	struct box *b = opened();
	uint64_t modseq;

	(void)state;
	fill(b, 1, 10);
	expunge(b, 1, 3);
	modseq = b->state.pos.modseq;
	expunge(b, 1, 7);
	assert_int_equal(expunged_of(b, state_folder(&b->state, 1)), 2);
	assert_same_as_log();
	take(b, false);
	assert_int_equal(expunged_of(b, state_folder(&b->state, 1)), 2);
	expunge(b, 1, 8);
	assert_int_equal(expunged_of(b, state_folder(&b->state, 1)), 3);
	assert_same_as_log();
	take(b, false);
	horizon(b, modseq);
	assert_int_equal(expunged_of(b, state_folder(&b->state, 1)), 2);
	assert_same_as_log();
	take(b, false);
	assert_same_as_log();
	horizon(b, b->state.pos.modseq);
	assert_int_equal(expunged_of(b, state_folder(&b->state, 1)), 0);
	take(b, false);
	assert_same_as_log();
	box_close(&b);
}

static void a_deleted_mailbox_stays_dead(void **state)
{
	struct box *b = opened();
	struct uid_set all;
	uint32_t uids[] = {1, 2, 3}, id, uidvalidity;

	(void)state;
	fill(b, 1, 3);
	assert_int_equal(box_create(b, STR("a"), USE_NONE), STORE_OK);
	all = (struct uid_set){uids, 3};
	assert_int_equal(
	    box_copy(b, 1, all, STR("a"), true, NULL, NULL, NULL, &uidvalidity),
	    STORE_OK);
	id = box_find(b, STR("a"))->id;
	expunge(b, id, 1);
	take(b, false);
	assert_int_equal(box_delete(b, STR("a")), STORE_OK);
	assert_null(box_find(b, STR("a")));
	assert_null(box_find_id(b, id));
	assert_int_equal(b->state.dead_count, 1);
	assert_int_equal(b->state.dead[0]->info.messages, 2);
	assert_int_equal(expunged_of(b, b->state.dead[0]), 3);
	assert_int_equal(box_usage(b).messages, 0);
	/* The name is free. */
	assert_int_equal(box_create(b, STR("a"), USE_NONE), STORE_OK);
	assert_same_as_log();
	take(b, false);
	assert_same_as_log();
	assert_int_equal(expunged_of(b, b->state.dead[0]), 3);
	/* One without messages leaves nothing. */
	assert_int_equal(box_delete(b, STR("a")), STORE_OK);
	assert_int_equal(b->state.dead_count, 1);
	horizon(b, b->state.pos.modseq);
	assert_int_equal(b->state.dead_count, 0);
	take(b, false);
	assert_same_as_log();
	box_close(&b);
}

static void too_many_dead_mailboxes_are_refused(void **state)
{
	struct box *b = opened();

	(void)state;
	fill(b, 1, 1);
	assert_int_equal(box_create(b, STR("a"), USE_NONE), STORE_OK);
	assert_int_equal(box_create(b, STR("b"), USE_NONE), STORE_OK);
	b->state.dead_count = MAILBOXES_MAX;
	/* It has nothing that could be undeleted. */
	assert_int_equal(box_delete(b, STR("a")), STORE_OK);
	state_folder_named(&b->state, STR("b"))->info.messages = 1;
	assert_int_equal(box_delete(b, STR("b")), STORE_LIMIT);
	b->state.dead_count = 0;
	box_close(&b);
}

static enum store_result decide_restate(struct change *c)
{
	const struct state *s = &c->b->state;
	struct record r = {.type = RECORD_RESTATE};

	r.restate = (struct record_restate){20, 4000000000u, 5, 3};
	change_put(c, &r);
	r = (struct record){.type = RECORD_MAILBOX};
	r.mailbox = (struct record_mailbox){1,
	    state_folder(s, 1)->info.uidvalidity, USE_NONE, 0, 1, STR("INBOX")};
	change_put(c, &r);
	return STORE_OK;
}

static void a_restated_box_forgets_all(void **state)
{
	struct box *b = opened();
	struct change c = {.decide = decide_restate};
	struct view *v;

	(void)state;
	fill(b, 1, 10);
	expunge(b, 1, 4);
	take(b, false);
	/* Nothing changed since, nor will it in the new one. */
	assert_int_equal(view_open(b, 1, &v), STORE_OK);
	assert_int_equal(view_count(v), 9);
	assert_int_equal(box_change(b, &c), STORE_OK);
	assert_int_equal(b->state.folder_count, 1);
	assert_int_equal(box_usage(b).messages, 0);
	assert_int_equal(b->state.next_mailbox, 20);
	assert_int_equal(b->state.horizon, 5);
	assert_int_equal(b->state.erased, 3);
	/* Its uidvalidity is the same here: the view sees all go. */
	assert_int_equal(view_sync(v, true, NULL), STORE_OK);
	assert_int_equal(view_count(v), 0);
	view_close(&v);
	/* Nor is a delivery id remembered. */
	fill(b, 10, 13);
	assert_same_as_log();
	take(b, false);
	assert_same_as_log();
	box_close(&b);
}

/* ---- segments ---- */

/* The octets of snapshot `number` that are columns of its own. */
struct written {
	uint64_t columns[COLUMNS], all;
	unsigned segments; /* of messages in its summary */
};

static struct written written(struct box *b, uint64_t number)
{
	struct written out = {0};
	struct snapshot_header h;
	struct buf summary;
	struct record r;
	struct str rest;

	assert_int_equal(snapshot_summary(b, number, &h, &summary), STORE_OK);
	rest = buf_str(&summary);
	out.all = h.summary_offset + h.summary_len;
	while (record_next(&rest, &r, NULL) == 1) {
		if (r.type != RECORD_SEGMENT)
			continue;
		out.segments += r.segment.columns[COLUMN_M].snapshot != 0;
		for (size_t i = 0; i < COLUMNS; i++)
			if (r.segment.columns[i].snapshot == number)
				out.columns[i] += r.segment.columns[i].length;
	}
	buf_free(&summary);
	return out;
}

static uint64_t newest(struct box *b)
{
	return b->state.snapshot.number;
}

static void a_thinned_segment_keeps_its_columns(void **state)
{
	struct box *b;
	struct written w;

	(void)state;
	store->segment_rows = 64;
	b = opened();
	fill(b, 1, 64);
	take(b, false);
	w = written(b, newest(b));
	assert_int_equal(w.columns[COLUMN_M], 64 * M_OCTETS);
	assert_int_equal(w.columns[COLUMN_I], 64 * PLACE_OCTETS);
	expunge(b, 1, 5);
	expunge(b, 1, 60);
	take(b, false);
	w = written(b, newest(b));
	assert_int_equal(w.columns[COLUMN_M], 62 * M_OCTETS);
	assert_int_equal(w.columns[COLUMN_R], 62 * 4);
	assert_int_equal(w.columns[COLUMN_D], 0);
	assert_int_equal(w.columns[COLUMN_I], 0);
	assert_int_equal(w.columns[COLUMN_U], 2 * EXPUNGED_OCTETS);
	assert_same_as_log();
	/* A flag costs M, another expunge R too. */
	flag(b, 6);
	take(b, false);
	w = written(b, newest(b));
	assert_int_equal(w.columns[COLUMN_M], 62 * M_OCTETS);
	assert_int_equal(w.columns[COLUMN_R], 0);
	assert_int_equal(w.columns[COLUMN_U], 0);
	assert_same_as_log();
	for (uint32_t uid = 10; uid < 40; uid++)
		expunge(b, 1, uid);
	take(b, false);
	w = written(b, newest(b));
	assert_int_equal(w.columns[COLUMN_R], 32 * 4);
	assert_int_equal(w.columns[COLUMN_I], 0);
	assert_same_as_log();
	/* Less than half is left. */
	expunge(b, 1, 1);
	take(b, false);
	w = written(b, newest(b));
	assert_int_equal(w.columns[COLUMN_R], 0);
	assert_int_equal(w.columns[COLUMN_I], 31 * PLACE_OCTETS);
	assert_same_as_log();
	box_close(&b);
}

static void a_clean_snapshot_has_whole_segments(void **state)
{
	struct box *b;
	struct written w;

	(void)state;
	store->segment_rows = 64;
	b = opened();
	fill(b, 1, 64);
	take(b, false);
	expunge(b, 1, 5);
	take(b, false);
	take(b, true); /* nothing was folded since: R stands in the snapshot */
	w = written(b, newest(b));
	assert_int_equal(w.columns[COLUMN_M], 63 * M_OCTETS);
	assert_int_equal(w.columns[COLUMN_I], 63 * PLACE_OCTETS);
	assert_int_equal(w.columns[COLUMN_R], 0);
	assert_same_as_log();
	expunge(b, 1, 6);
	take(b, true);
	w = written(b, newest(b));
	assert_int_equal(w.columns[COLUMN_I], 62 * PLACE_OCTETS);
	assert_same_as_log();
	/* Whole ones are kept. */
	take(b, true);
	w = written(b, newest(b));
	assert_int_equal(w.columns[COLUMN_M] + w.columns[COLUMN_I], 0);
	box_close(&b);
}

/* Each row is written a few times while a mailbox grows, and there are few
 * segments. */
static void grow(bool seen)
{
	uint64_t rows = 0;
	struct box *b = opened();
	struct view *v = NULL;

	for (unsigned i = 0; i < 120; i++) {
		struct written w;

		fill(b, i * 8 + 1, i * 8 + 8);
		if (seen) {
			assert_int_equal(box_reload(b, false), STORE_OK);
			assert_int_equal(view_open(b, 1, &v), STORE_OK);
		}
		take(b, false);
		view_close(&v);
		w = written(b, newest(b));
		rows += w.columns[COLUMN_I] / PLACE_OCTETS;
		assert_true(w.segments <= 2 + i * 8 / 128 + 6);
	}
	assert_true(rows >= 960);
	assert_true(rows <= 4 * 960);
	assert_same_as_log();
	box_close(&b);
}

static void small_segments_are_joined(void **state)
{
	store->segment_rows = 256;
	grow(false);
	teardown(state);
	setup_fast(state);
	store->segment_rows = 256;
	grow(true); /* with all of the mailbox in memory */
}

/* V and U rows stay where they were written, too. */
static void what_is_gone_is_written_a_few_times(void **state)
{
	uint64_t gone = 0, vanished = 0;
	struct view *v;
	struct box *b;

	(void)state;
	store->segment_rows = 64;
	b = opened();
	fill(b, 1, 320);
	take(b, false);
	for (uint32_t i = 0; i < 75; i++) {
		struct written w;

		for (uint32_t k = 1; k <= 4; k++)
			expunge(b, 1, i * 4 + k);
		take(b, false);
		w = written(b, newest(b));
		gone += w.columns[COLUMN_U] / EXPUNGED_OCTETS;
		vanished += w.columns[COLUMN_V] / V_OCTETS;
	}
	assert_true(gone >= 300 && gone <= 4 * 300);
	assert_true(vanished >= 300 && vanished <= 4 * 300);
	assert_int_equal(expunged_of(b, state_folder(&b->state, 1)), 300);
	assert_same_as_log();
	box_close(&b);
	/* A session and a delivery read nothing of it but V. */
	test_io.pread = counted_pread;
	read_octets = 0;
	b = opened();
	assert_int_equal(view_open(b, 1, &v), STORE_OK);
	fill(b, 321, 321);
	assert_true(read_octets < 300 * EXPUNGED_OCTETS);
	view_close(&v);
	box_close(&b);
}

static void assert_vanished(
    struct box *b, uint64_t modseq, size_t count, bool complete)
{
	struct arena arena = arena_new(1 << 20);
	struct uid_set set;
	struct view *v;
	bool all;

	assert_int_equal(view_open(b, 1, &v), STORE_OK);
	assert_int_equal(
	    view_vanished(v, modseq, &arena, &set, &all), STORE_OK);
	assert_int_equal(all, complete);
	if (complete)
		assert_int_equal(set.count, count);
	view_close(&v);
	arena_free(&arena);
}

/* Uids that vanished more than a week ago are forgotten, and it is said. */
static void the_floor_rises_after_a_week(void **state)
{
	struct box *b = opened();
	uint64_t first, second;

	(void)state;
	fill(b, 1, 20);
	expunge(b, 1, 1);
	first = b->state.pos.modseq;
	take(b, false);
	clock_step(4 * DAY);
	expunge(b, 1, 2);
	second = b->state.pos.modseq;
	take(b, false);
	assert_vanished(b, first - 1, 2, true);
	clock_step(4 * DAY);
	expunge(b, 1, 3);
	take(b, false);
	assert_vanished(b, first - 1, 3, false);
	assert_vanished(b, first, 2, true);
	assert_vanished(b, second, 1, true);
	clock_step(10 * DAY);
	expunge(b, 1, 4);
	take(b, false);
	take(b, false);
	assert_int_equal(written(b, newest(b) - 1).columns[COLUMN_V], V_OCTETS);
	assert_vanished(b, second, 2, false);
	box_close(&b);
	clock_step(-18 * DAY);
}

/* ---- anything, in any order ---- */

/* Some uids of a mailbox. */
static size_t choose(struct box *b, uint32_t mailbox, uint32_t uids[1000])
{
	struct folder *f;
	size_t count = 0;
	uint32_t one_of = 1 + below(30), from;

	assert_int_equal(box_folder(b, mailbox, &f), STORE_OK);
	from = f->count > 0 ? below((uint32_t)f->count) : 0;
	for (size_t i = from; i < f->count && count < 1000; i++)
		if (below(one_of) == 0 || one_of > 25)
			uids[count++] = f->messages[i].uid;
	return count;
}

static void random_delivery(struct box *b, uint32_t mailbox)
{
	static const struct str keyword = STR_INIT("$Junk");
	static const char *const names[] = {"INBOX", "Drafts", "Junk"};
	struct deliver_item item = {.mailbox = str_from(names[mailbox - 1]),
	    .keywords = &keyword,
	    .keyword_count = below(2)};
	static unsigned number;
	char id[32], text[100];

	for (uint32_t i = 1 + below(40); i > 0; i--) {
		struct store_body *body = store_body_new(b);
		int len = snprintf(id, sizeof(id), "%u", number++);

		len = snprintf(text, sizeof(text), "Subject: %s\r\n\r\n", id);
		store_body_add(body, text, (size_t)len);
		assert_int_equal(
		    box_deliver(b, str_from(id), 0, body, 0, &item, 1),
		    STORE_OK);
		store_body_free(&body);
	}
}

static void random_step(struct box *b)
{
	uint32_t mailbox = 1 + below(3), uids[1000], uidvalidity;
	struct uid_set set = {uids, 0};
	char name[16];

	snprintf(name, sizeof(name), "x%u", below(4));
	assert_int_equal(box_refresh(b), STORE_OK);
	set.count = choose(b, mailbox, uids);
	switch (below(9)) {
	case 0:
		assert_int_equal(box_store(b, mailbox, set, FLAGS_ADD,
				     below(32), NULL, 0, 0, NULL, NULL, NULL),
		    STORE_OK);
		break;
	case 1:
	case 2:
		assert_int_equal(box_remove(b, mailbox, set), STORE_OK);
		break;
	case 3:
		box_create(b, str_from(name), USE_NONE);
		box_copy(b, mailbox, set, str_from(name), below(2), NULL, NULL,
		    NULL, &uidvalidity);
		break;
	case 4:
		box_delete(b, str_from(name));
		break;
	case 5:
		if (below(6) == 0 && b->state.pos.modseq > 10)
			horizon(b, b->state.pos.modseq - below(10));
		break;
	default:
		random_delivery(b, mailbox);
		break;
	}
}

static void random_changes_with_snapshots(unsigned steps)
{
	struct box *handles[2] = {opened(), opened()};

	for (unsigned step = 0; step < steps; step++) {
		struct box *b = handles[below(2)];

		random_step(b);
		if (below(4) == 0)
			take(handles[below(2)], below(5) == 0);
		if (below(10) == 0)
			assert_same_as_log();
	}
	assert_same_as_log();
	box_close(&handles[0]);
	box_close(&handles[1]);
}

static void a_snapshot_and_frames_are_all_frames(void **state)
{
	unsigned count = rounds(3, 40);

	for (unsigned i = 0; i < count; i++) {
		if (i > 0) {
			teardown(state);
			setup_fast(state);
		}
		begin_chance(UINT64_C(0x9e3779b97f4a7c15) * (i + 1));
		store->segment_rows = 4u << i % 4 * 2;
		random_changes_with_snapshots(150);
	}
}

/* ---- which are kept ---- */

static bool exists(struct box *b, uint64_t number)
{
	uint64_t found;

	return number != 0 &&
	    engine_snapshot_newest(b->engine, number, &found) == ENGINE_OK &&
	    found == number;
}

static void needs(bool *needed, struct box *b, uint64_t number)
{
	struct snapshot_header h;
	struct buf summary;
	struct record r;
	struct str rest;

	if (number == 0)
		return;
	assert_int_equal(snapshot_summary(b, number, &h, &summary), STORE_OK);
	rest = buf_str(&summary);
	needed[number] = true;
	while (record_next(&rest, &r, NULL) == 1)
		for (size_t i = 0; r.type == RECORD_SEGMENT && i < COLUMNS; i++)
			needed[r.segment.columns[i].snapshot] = true;
	needed[0] = false;
	buf_free(&summary);
}

/* The files are those that the newest says, and what they point into. */
static void assert_kept(struct box *b)
{
	bool needed[200] = {false};
	struct snapshot_header h;

	assert_int_equal(snapshot_header_read(b, newest(b), &h), STORE_OK);
	assert_true(h.number < 200);
	needs(needed, b, h.number);
	needs(needed, b, h.before);
	needs(needed, b, h.base);
	needs(needed, b, h.candidate);
	for (uint64_t i = 1; i <= h.number; i++)
		assert_int_equal(exists(b, i), needed[i]);
}

/* A day: some mail, a flag, an expunge, a snapshot or two. */
static void a_day(struct box *b, unsigned day)
{
	fill(b, day * 10 + 1, day * 10 + 10);
	flag(b, day * 5 + 1);
	expunge(b, 1, day * 10 + 1 + below(10));
	take(b, false);
	clock_step(DAY);
	assert_int_equal(box_refresh(b), STORE_OK);
}

/* A day of flags only: a snapshot that no later one points into. */
static void a_quiet_day(struct box *b)
{
	for (uint32_t i = 0; i < 80; i++) {
		uint32_t uid = 1 + i % 8;
		struct uid_set set = {&uid, 1};

		assert_int_equal(
		    box_store(b, 1, set, below(2) ? FLAGS_ADD : FLAGS_REMOVE,
			1u << below(5), NULL, 0, 0, NULL, NULL, NULL),
		    STORE_OK);
	}
	take(b, false);
	clock_step(DAY);
	assert_int_equal(box_refresh(b), STORE_OK);
}

static void days_pass(bool quiet)
{
	struct box *b;

	store->segment_rows = 16;
	engine_set_seal(store->engine, 8192, 1 << 20);
	store_set_undelete(store, 5 * DAY);
	b = opened();
	fill(b, 501, 516);
	for (unsigned day = 0; day < 30; day++) {
		struct snapshot_header h, base = {0};
		struct engine_pos at;
		int64_t age;

		if (quiet)
			a_quiet_day(b);
		else
			a_day(b, day);
		assert_kept(b);
		assert_int_equal(
		    snapshot_header_read(b, newest(b), &h), STORE_OK);
		assert_int_equal(snapshot_base(b, &at), STORE_OK);
		assert_int_equal(at.generation != 0, h.base != 0);
		/* The second generation comes within three days, then a
		 * candidate. */
		assert_true(day < 3 || h.candidate != 0);
		assert_true(day < 9 || h.base != 0);
		if (h.base == 0)
			continue;
		assert_true(exists(b, h.base) && exists(b, h.candidate));
		assert_int_equal(
		    snapshot_header_read(b, h.base, &base), STORE_OK);
		assert_int_equal(at.length, base.at.length);
		age = clock_seconds() - base.taken;
		assert_true(age >= 5 * DAY && age <= 11 * DAY + 60);
	}
	box_close(&b);
	clock_step(-30 * DAY);
}

static void a_base_covers_the_undelete_window(void **state)
{
	days_pass(false);
	teardown(state);
	setup_fast(state);
	days_pass(true);
}

static void one_generation_keeps_two(void **state)
{
	struct box *b = opened();
	struct snapshot_header h;

	(void)state;
	for (unsigned day = 0; day < 20; day++)
		a_day(b, day);
	assert_kept(b);
	assert_int_equal(snapshot_header_read(b, newest(b), &h), STORE_OK);
	assert_int_equal(h.base, 0);
	assert_int_equal(h.candidate, 0);
	box_close(&b);
	clock_step(-20 * DAY);
}

/* ---- damage ---- */

static int account_fd(struct box *b, const char *name)
{
	int fd = openat(box_directory(b), name, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* Flips a bit of a file of the account. */
static void flip(struct box *b, const char *name, uint64_t at)
{
	int fd = account_fd(b, name);
	unsigned char byte;

	assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
	byte ^= 0x20;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
	close(fd);
}

/* Damages a column of all segments that the newest snapshot points at, in the
 * files from a number on. */
static void damage(struct box *b, enum column_kind kind, uint64_t from)
{
	struct snapshot_header h;
	struct buf summary;
	struct record r;
	struct str rest;
	unsigned found = 0;

	assert_int_equal(
	    snapshot_summary(b, newest(b), &h, &summary), STORE_OK);
	rest = buf_str(&summary);
	while (record_next(&rest, &r, NULL) == 1) {
		const struct column *c = &r.segment.columns[kind];
		char name[32];

		if (r.type != RECORD_SEGMENT || c->snapshot < from)
			continue;
		snprintf(name, sizeof(name), "s.%llu",
		    (unsigned long long)c->snapshot);
		flip(b, name, c->offset + below(c->length));
		found++;
	}
	assert_true(found > 0);
	buf_free(&summary);
}

/* From whatever can be read, all mail is there. */
static void assert_messages(unsigned count)
{
	struct box *b = opened();
	struct view *v;

	assert_int_equal(view_open(b, 1, &v), STORE_OK);
	assert_int_equal(view_count(v), count);
	assert_int_equal(box_find_id(b, 1)->messages, count);
	for (uint32_t i = 1; i <= count; i++) {
		struct buf text = buf_new(1 << 20);

		assert_int_equal(
		    view_read(v, i, 0, UINT64_MAX, &text), STORE_OK);
		assert_true(str_starts(buf_str(&text), STR("Subject: ")));
		buf_free(&text);
	}
	view_close(&v);
	box_close(&b);
}

static void a_damaged_column_costs_no_mail(void **state)
{
	static const enum column_kind kinds[] = {COLUMN_M, COLUMN_D, COLUMN_I,
	    COLUMN_V, COLUMN_U, COLUMN_R, COLUMN_X};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct box *b;

		if (i > 0) {
			teardown(state);
			setup_fast(state);
		}
		store->segment_rows = 16;
		b = opened();
		fill(b, 1, 40);
		take(b, false);
		for (uint32_t uid = 1; uid < 40; uid += 4)
			expunge(b, 1, uid);
		take(b, false);
		damage(b, kinds[i], 1);
		assert_messages(30);
		/* Nor does it stay damaged, with what is gone. */
		box_close(&b);
		b = opened();
		if (folder_each_expunged(b, state_folder(&b->state, 1),
			count_expunged, &(unsigned){0}) != STORE_OK)
			assert_int_equal(box_reload(b, true), STORE_OK);
		assert_int_equal(
		    expunged_of(b, state_folder(&b->state, 1)), 10);
		flag(b, 2);
		fill(b, 41, 41);
		take(b, true);
		if (kinds[i] != COLUMN_X)
			assert_same_as_log();
		box_close(&b);
		assert_messages(31);
	}
}

/* ---- content: C and K ---- */

/* What view_cache and view_sort_keys say of all messages, as text. */
static void contents(struct box *b, struct buf *out)
{
	struct view *v;

	buf_clear(out);
	assert_int_equal(view_open(b, 1, &v), STORE_OK);
	for (uint32_t i = 1; i <= view_count(v); i++) {
		struct arena arena = arena_new(1 << 20);
		struct message_cache c;
		struct str keys;

		assert_int_equal(view_cache(v, i, &arena, &c), STORE_OK);
		assert_int_equal(view_sort_keys(v, i, &arena, &keys), STORE_OK);
		assert_true(c.envelope.len > 0 && keys.len > 0);
		buf_add(out, c.envelope);
		buf_add(out, c.bodystructure);
		buf_add(out, c.body);
		buf_add(out, keys);
		buf_add_text(out, "\n");
		arena_free(&arena);
	}
	view_close(&v);
	assert_false(out->overflow);
}

/* The same as in the generations. */
static void assert_contents(struct box *b)
{
	struct buf with = buf_new(1 << 26), without = buf_new(1 << 26);
	struct box *other = opened();

	assert_int_equal(box_reload(other, true), STORE_OK);
	contents(b, &with);
	contents(other, &without);
	assert_int_equal(with.len, without.len);
	assert_true(with.len > 0);
	assert_memory_equal(with.p, without.p, with.len);
	box_close(&other);
	buf_free(&with);
	buf_free(&without);
}

static void envelopes_come_from_columns(void **state)
{
	struct buf text = buf_new(1 << 26);
	struct written w;
	struct box *b;

	(void)state;
	store->segment_rows = 1000;
	b = opened();
	fill(b, 1, 1300);
	take(b, false);
	w = written(b, newest(b));
	/* Of the first 1,000; the others will be written again. */
	assert_true(w.columns[COLUMN_C] > 0 && w.columns[COLUMN_K] > 0);
	assert_true(w.columns[COLUMN_C] < 1000 * 100);
	assert_contents(b);
	box_close(&b);
	/* A few reads to open, of M and D; C and K; I of the other segment,
	 * and its messages. */
	b = opened();
	test_io.pread = counted_pread;
	reads = 0;
	contents(b, &text);
	assert_true(reads < 700);
	expunge(b, 1, 2);
	expunge(b, 1, 777);
	take(b, false);
	w = written(b, newest(b));
	assert_int_equal(w.columns[COLUMN_C], 0);
	assert_int_equal(w.columns[COLUMN_R], 998 * 4);
	assert_contents(b);
	/* A clean one has nothing of the two. */
	take(b, true);
	w = written(b, newest(b));
	assert_true(w.columns[COLUMN_C] > 0);
	assert_contents(b);
	box_close(&b);
	buf_free(&text);
}

static void a_deleted_mailbox_has_no_content(void **state)
{
	uint32_t uids[16], uidvalidity;
	struct uid_set set = {uids, 16};
	struct snapshot_header h;
	struct buf summary;
	struct record r;
	struct str rest;
	struct box *b;

	(void)state;
	for (uint32_t i = 0; i < 16; i++)
		uids[i] = i + 1;
	store->segment_rows = 16;
	b = opened();
	fill(b, 1, 16);
	assert_int_equal(box_create(b, STR("a"), USE_NONE), STORE_OK);
	assert_int_equal(
	    box_copy(b, 1, set, STR("a"), true, NULL, NULL, NULL, &uidvalidity),
	    STORE_OK);
	take(b, false);
	assert_true(written(b, newest(b)).columns[COLUMN_C] > 0);
	assert_int_equal(box_delete(b, STR("a")), STORE_OK);
	take(b, false);
	assert_int_equal(
	    snapshot_summary(b, newest(b), &h, &summary), STORE_OK);
	rest = buf_str(&summary);
	while (record_next(&rest, &r, NULL) == 1)
		if (r.type == RECORD_SEGMENT)
			assert_int_equal(
			    r.segment.columns[COLUMN_C].snapshot, 0);
	buf_free(&summary);
	assert_same_as_log();
	box_close(&b);
}

static void a_long_envelope_is_left_out(void **state)
{
	struct buf text = buf_new(1 << 20);
	struct str parts[3];
	struct folder *f;
	struct box *b;

	(void)state;
	store->segment_rows = 16;
	b = opened();
	fill(b, 1, 7);
	buf_add_text(&text, "Subject: long\r\nTo: ");
	for (unsigned i = 0; i < 1000; i++)
		buf_printf(&text, "user%u@example.org,\r\n ", i);
	buf_add_text(&text, "a@b\r\n\r\nbody\r\n");
	assert_int_equal(deliver_text(b, "long", text.p, text.len), STORE_OK);
	fill(b, 9, 16);
	take(b, false);
	assert_int_equal(box_folder(b, 1, &f), STORE_OK);
	for (uint32_t i = 0; i < 16; i++)
		assert_int_equal(
		    content_row(b, COLUMN_C, &f->segments[0].columns[COLUMN_C],
			i, parts),
		    i != 7);
	assert_contents(b);
	box_close(&b);
	buf_free(&text);
}

static void damaged_content_is_read_elsewhere(void **state)
{
	struct box *b;
	struct written w;

	(void)state;
	store->segment_rows = 64;
	for (unsigned i = 0; i < 40; i++) {
		b = opened();
		if (i == 0)
			fill(b, 1, 70);
		/* What a segment lacks, the next snapshot writes. */
		flag(b, i + 1);
		take(b, false);
		damage(b, i % 2 ? COLUMN_C : COLUMN_K, 1);
		box_close(&b);
		b = opened();
		assert_contents(b);
		take(b, false);
		assert_contents(b);
		box_close(&b);
	}
	b = opened();
	damage(b, COLUMN_C, 1);
	assert_int_equal(box_folder(b, 1, &(struct folder *){NULL}), STORE_OK);
	b->views++; /* so that the state stays */
	assert_contents(b);
	take(b, false);
	w = written(b, newest(b));
	assert_true(w.columns[COLUMN_C] > 0);
	b->views--;
	/* With rows gone, too. */
	assert_int_equal(box_reload(b, false), STORE_OK);
	expunge(b, 1, 3);
	expunge(b, 1, 30);
	take(b, false);
	damage(b, COLUMN_C, 1);
	b->views++;
	assert_contents(b);
	take(b, false);
	w = written(b, newest(b));
	assert_true(w.columns[COLUMN_C] > 0 && w.columns[COLUMN_I] == 0);
	b->views--;
	assert_int_equal(box_reload(b, false), STORE_OK);
	assert_contents(b);
	box_close(&b);
}

/* Overwrites the caches of all messages in the generations. */
static void damage_caches(struct box *b)
{
	struct folder *f;

	assert_int_equal(box_folder(b, 1, &f), STORE_OK);
	for (size_t i = 0; i < f->count; i++) {
		const struct message_place *p = folder_place(b, f, i);
		char name[32];

		snprintf(name, sizeof(name), "g.%llu",
		    (unsigned long long)p->cache_generation);
		flip(b, name, p->cache_offset + below(p->envelope_len));
	}
}

static void a_lost_cache_is_computed(void **state)
{
	struct buf before = buf_new(1 << 20), after = buf_new(1 << 20);
	struct box *b = opened();
	struct written w;

	(void)state;
	store->segment_rows = 16;
	fill(b, 1, 20);
	contents(b, &before);
	take(b, false);
	damage_caches(b);
	contents(b, &after);
	assert_memory_equal(before.p, after.p, before.len);
	damage(b, COLUMN_C, 1);
	damage(b, COLUMN_K, 1);
	box_close(&b);
	b = opened();
	contents(b, &after);
	assert_int_equal(before.len, after.len);
	assert_memory_equal(before.p, after.p, before.len);
	/* Nor does it keep a snapshot from being taken. */
	expunge(b, 1, 1);
	take(b, true);
	w = written(b, newest(b));
	assert_true(w.columns[COLUMN_I] > 0);
	assert_int_equal(w.columns[COLUMN_K], 0);
	contents(b, &after);
	box_close(&b);
	buf_free(&before);
	buf_free(&after);
}

/* Whether the octets of a text stand in any snapshot: there they would be
 * compressed, so the columns are looked into. */
static bool content_has(struct box *b, uint64_t number, const char *text)
{
	struct snapshot_header h;
	struct buf summary;
	struct record r;
	struct str rest;
	bool found = false;

	if (!exists(b, number))
		return false;
	assert_int_equal(snapshot_summary(b, number, &h, &summary), STORE_OK);
	rest = buf_str(&summary);
	while (record_next(&rest, &r, NULL) == 1) {
		const struct column *c = &r.segment.columns[COLUMN_C];

		if (r.type != RECORD_SEGMENT || c->snapshot == 0)
			continue;
		for (uint32_t row = 0;; row++) {
			struct str parts[3];
			int got = content_row(b, COLUMN_C, c, row, parts);

			if (got < 0)
				break;
			found = found ||
			    (got > 0 &&
				memmem(parts[0].p, parts[0].len, text,
				    strlen(text)) != NULL);
		}
	}
	content_forget(b);
	buf_free(&summary);
	return found;
}

static void older_snapshots_lose_their_content(void **state)
{
	struct box *b;
	struct snapshot_header h;

	(void)state;
	store->segment_rows = 16;
	engine_set_seal(store->engine, 8192, 1 << 20);
	store_set_undelete(store, 2 * DAY);
	b = opened();
	for (unsigned day = 0; day < 6; day++)
		a_day(b, day);
	fill(b, 100, 100);
	assert_int_equal(
	    deliver_text(b, "x", "Subject: xyzzy\r\n\r\n", 18), STORE_OK);
	fill(b, 101, 120);
	take(b, false);
	take(b, false);
	assert_true(content_has(b, newest(b), "xyzzy"));
	expunge(b, 1, 62);
	assert_int_equal(snapshot_scrub(b), STORE_OK);
	assert_true(content_has(b, newest(b), "xyzzy"));
	take(b, true);
	assert_false(content_has(b, newest(b), "xyzzy"));
	assert_true(content_has(b, newest(b) - 1, "xyzzy"));
	assert_int_equal(snapshot_scrub(b), STORE_OK);
	assert_int_equal(snapshot_scrub(b), STORE_OK);
	for (uint64_t i = 1; i <= newest(b); i++)
		assert_false(content_has(b, i, "xyzzy"));
	/* The others are as they were, and the newest has all it had. */
	assert_contents(b);
	assert_same_as_log();
	assert_int_equal(snapshot_header_read(b, newest(b), &h), STORE_OK);
	assert_true(h.base != 0);
	assert_int_equal(snapshot_verify(b, h.base, &h), STORE_OK);
	box_close(&b);
	clock_step(-6 * DAY);
}

static void a_snapshot_without_summary_is_scrubbed(void **state)
{
	struct snapshot_header h;
	struct box *b;
	char name[32];

	(void)state;
	store->segment_rows = 16;
	b = opened();
	fill(b, 1, 16);
	fill(b, 17, 24);
	take(b, false);
	expunge(b, 1, 20);
	take(b, true);
	/* M, D, I and C of the first rows still stand in s.1. */
	assert_int_equal(snapshot_header_read(b, 1, &h), STORE_OK);
	snprintf(name, sizeof(name), "s.1");
	flip(b, name, h.summary_offset);
	assert_int_equal(snapshot_scrub(b), STORE_OK);
	assert_int_equal(snapshot_verify(b, newest(b), &h), STORE_OK);
	assert_contents(b);
	assert_same_as_log();
	box_close(&b);
}

/* Announced by another process first: its own content goes. */
static enum store_result decide_other(struct change *c)
{
	struct record r = {.type = RECORD_SNAPSHOT};

	r.snapshot = (struct record_snapshot){77, c->b->state.pos};
	change_put(c, &r);
	return STORE_OK;
}

static struct box *other_box;

static ssize_t announce_first(int fd, const struct iovec *v, int n, off_t at)
{
	struct change c = {.decide = decide_other};

	test_io.pwritev = pwritev;
	if (n > 1)
		assert_int_equal(box_change(other_box, &c), STORE_OK);
	return pwritev(fd, v, n, at);
}

static void a_lost_race_leaves_no_content(void **state)
{
	struct snapshot_header h;
	struct box *b;

	(void)state;
	store->segment_rows = 16;
	b = opened();
	other_box = opened();
	fill(b, 1, 16);
	assert_int_equal(box_refresh(other_box), STORE_OK);
	test_io.pwritev = announce_first;
	take(b, false);
	assert_int_equal(newest(b), 77);
	assert_int_equal(snapshot_header_read(b, 1, &h), STORE_OK);
	assert_int_equal(snapshot_verify(b, 1, &h), STORE_OK);
	assert_false(content_has(b, 1, "1"));
	box_close(&b);
	box_close(&other_box);
}

/* ---- what it costs ---- */

static void copy_all(struct box *b, uint32_t count)
{
	uint32_t *uids = calloc(count, sizeof(*uids)), uidvalidity;
	struct uid_set set = {uids, count};

	assert_non_null(uids);
	for (uint32_t i = 0; i < count; i++)
		uids[i] = i + 1;
	assert_int_equal(box_copy(b, 1, set, STR("INBOX"), false, NULL, NULL,
			     NULL, &uidvalidity),
	    STORE_OK);
	free(uids);
}

static void maintain(struct box *b, uint64_t *octets, unsigned *snapshots)
{
	uint64_t before = newest(b);

	assert_int_equal(box_maintain(b), STORE_OK);
	if (newest(b) == before)
		return;
	*octets += written(b, newest(b)).all;
	++*snapshots;
}

/* In octets, for a mailbox of 100,000. */
static void a_large_mailbox_costs_little(void **state)
{
	struct box *b = opened();
	uint64_t octets = 0;
	unsigned snapshots = 0;
	struct written w;

	(void)state;
	fill(b, 1, 1000);
	for (uint32_t count = 1000; count < 64000; count *= 2)
		copy_all(b, count);
	copy_all(b, 36000);
	take(b, false);
	w = written(b, newest(b));
	assert_true(w.columns[COLUMN_I] == 100000 * PLACE_OCTETS);
	assert_true(w.all < 100000 * 300);
	/* Opening reads the summary alone, and 10 KiB of it. */
	box_close(&b);
	test_io.pread = counted_pread;
	reads = 0;
	read_octets = 0;
	b = opened();
	assert_true(reads <= 10 && read_octets < 16384);
	assert_false(state_folder(&b->state, 1)->loaded);
	assert_null(state_folder(&b->state, 1)->messages);
	/* M and R of one segment. */
	expunge(b, 1, 50000);
	take(b, false);
	w = written(b, newest(b));
	assert_true(w.all < SEGMENT_ROWS * (M_OCTETS + 4) + 16384);
	flag(b, 50001);
	take(b, false);
	w = written(b, newest(b));
	assert_true(w.all < SEGMENT_ROWS * M_OCTETS + 16384);
	b->snapshot_due = 2 * SNAPSHOT_DUE;
	for (unsigned i = 2001; i <= 6000; i++) {
		fill(b, i, i);
		maintain(b, &octets, &snapshots);
	}
	print_message("%llu octets in %u snapshots for 4,000 deliveries\n",
	    (unsigned long long)octets, snapshots);
	assert_true(snapshots >= 5);
	assert_true(octets / 4 < 600 << 10);
	box_close(&b);
}

/* With the log's start dropped the base is what is begun with. */
static void a_cut_log_needs_the_base(void **state)
{
	struct box *b;
	struct engine_pos at;
	unsigned messages;

	(void)state;
	store->segment_rows = 16;
	engine_set_seal(store->engine, 8192, 1 << 20);
	store_set_undelete(store, 2 * DAY);
	b = opened();
	for (unsigned day = 0; day < 9; day++)
		a_day(b, day);
	assert_int_equal(snapshot_base(b, &at), STORE_OK);
	assert_true(at.generation > 1);
	messages = (unsigned)box_find_id(b, 1)->messages;
	assert_int_equal(unlinkat(box_directory(b), "g.1", 0), 0);
	damage(b, COLUMN_M, snapshot_base_number(b) + 1);
	box_close(&b);
	b = opened();
	assert_int_equal(box_reload(b, true), STORE_OK);
	assert_int_not_equal(b->state.base, 0);
	assert_int_equal(box_find_id(b, 1)->messages, messages);
	/* A new snapshot is taken from there. */
	take(b, false);
	assert_int_equal(folder_load(b, state_folder(&b->state, 1)), STORE_OK);
	assert_int_equal(state_folder(&b->state, 1)->count, messages);
	box_close(&b);
	clock_step(-9 * DAY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    F(gone_messages_are_remembered_until_erased),
	    F(a_deleted_mailbox_stays_dead),
	    F(too_many_dead_mailboxes_are_refused),
	    F(a_restated_box_forgets_all),
	    F(a_thinned_segment_keeps_its_columns),
	    F(a_clean_snapshot_has_whole_segments),
	    F(small_segments_are_joined),
	    F(what_is_gone_is_written_a_few_times),
	    F(the_floor_rises_after_a_week),
	    F(a_snapshot_and_frames_are_all_frames),
	    F(a_base_covers_the_undelete_window),
	    F(one_generation_keeps_two),
	    F(a_damaged_column_costs_no_mail),
	    F(envelopes_come_from_columns),
	    F(a_deleted_mailbox_has_no_content),
	    F(a_long_envelope_is_left_out),
	    F(damaged_content_is_read_elsewhere),
	    F(a_lost_cache_is_computed),
	    F(older_snapshots_lose_their_content),
	    F(a_snapshot_without_summary_is_scrubbed),
	    F(a_lost_race_leaves_no_content),
	    F(a_large_mailbox_costs_little),
	    F(a_cut_log_needs_the_base),
	};

	return RUN_TESTS(tests);
}
