/* SPDX-License-Identifier: ISC */
/* Views that look their messages up late: they tell what others tell. */
#include "store/testing.h"

#include "store/snapshot.h"

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

static void set_flags(
    struct box *b, uint32_t first, uint32_t last, uint32_t flags)
{
	uint32_t uids[1000];
	struct uid_set set = {uids, 0};

	for (; first <= last; first++)
		uids[set.count++] = first;
	assert_int_equal(box_store(b, 1, set, FLAGS_SET, flags, NULL, 0, 0,
			     NULL, NULL, NULL),
	    STORE_OK);
}

static void remove_uid(struct box *b, uint32_t uid)
{
	struct uid_set set = {&uid, 1};

	assert_int_equal(box_remove(b, 1, set), STORE_OK);
}

static struct view *late_view(struct box *b)
{
	struct view *v;

	assert_int_equal(view_open_late(b, 1, &v), STORE_OK);
	return v;
}

static void a_late_view_has_counts_and_no_messages(void **state)
{
	struct box *b = opened(), *reader;
	struct view *v;

	(void)state;
	fill(b, 1, 20);
	assert_int_equal(snapshot_take(b, false), STORE_OK);
	reader = opened();
	v = late_view(reader);
	assert_int_equal(view_count(v), 20);
	assert_null(view_message(v, 1));
	assert_int_equal(view_seq(v, 3), 0);
	assert_int_equal(view_seq_from(v, 3), 21);
	assert_int_equal(view_sync(v, true, NULL), STORE_OK);
	assert_null(view_message(v, 1)); /* nothing had happened */
	assert_false(state_folder(&reader->state, 1)->loaded);
	assert_int_equal(view_rows(v), STORE_OK);
	assert_int_equal(view_message(v, 20)->uid, 20);
	assert_int_equal(view_seq(v, 3), 3);
	view_close(&v);
	/* Another one looks nothing up, and is closed so. */
	v = late_view(reader);
	view_close(&v);
	assert_int_equal(view_open_late(reader, 99, &v), STORE_GONE);
	box_close(&reader);
	box_close(&b);
}

static uint32_t first_unseen(struct box *b)
{
	struct view *v = late_view(b);
	uint32_t seq = 77;

	assert_int_equal(view_first_unseen(v, &seq), STORE_OK);
	view_close(&v);
	return seq;
}

static void the_first_unseen_costs_no_more_than_it_must(void **state)
{
	struct box *b, *reader;

	(void)state;
	store->segment_rows = 16;
	b = opened();
	fill(b, 1, 100);
	set_flags(b, 1, 40, FLAG_SEEN);
	assert_int_equal(snapshot_take(b, false), STORE_OK);
	reader = opened();
	assert_int_equal(first_unseen(reader), 41);
	assert_false(state_folder(&reader->state, 1)->loaded);
	/* Behind the snapshot. */
	set_flags(b, 41, 60, FLAG_SEEN);
	assert_int_equal(box_refresh(reader), STORE_OK);
	assert_int_equal(first_unseen(reader), 61);
	assert_int_equal(first_unseen(reader), 61);
	remove_uid(b, 7);
	assert_int_equal(box_refresh(reader), STORE_OK);
	assert_int_equal(first_unseen(reader), 60);
	set_flags(b, 61, 100, FLAG_SEEN);
	fill(b, 101, 103);
	set_flags(b, 101, 101, FLAG_SEEN);
	remove_uid(b, 102);
	assert_int_equal(box_refresh(reader), STORE_OK);
	assert_int_equal(first_unseen(reader), 101);
	assert_false(state_folder(&reader->state, 1)->loaded);
	box_close(&reader);
	set_flags(b, 103, 103, FLAG_SEEN);
	assert_int_equal(snapshot_take(b, false), STORE_OK);
	reader = opened();
	assert_int_equal(first_unseen(reader), 0);
	box_close(&reader);
	box_close(&b);
}

/* ---- the same is told ---- */

struct told {
	char text[1 << 16];
	size_t len;
};

static void tell(struct told *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void tell(struct told *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	t->len += (size_t)vsnprintf(
	    t->text + t->len, sizeof(t->text) - t->len, format, args);
	va_end(args);
	assert_true(t->len < sizeof(t->text));
}

static void on_expunged(uint32_t seq, uint32_t uid, void *arg)
{
	tell(arg, "-%u/%u ", seq, uid);
}

static void on_flags(uint32_t seq, const struct message *m, void *arg)
{
	tell(arg, "%u=%u:%x ", seq, m->uid, m->flags);
}

static void sync_view(struct view *v, bool allow_expunge, struct told *t)
{
	struct view_events events = {on_expunged, on_flags, t};

	t->len = 0;
	t->text[0] = '\0';
	assert_int_equal(view_sync(v, allow_expunge, &events), STORE_OK);
	tell(t, "%u", view_count(v));
}

static void random_change(struct box *b)
{
	const struct mailbox_info *info = box_find(b, STR("INBOX"));
	uint32_t uid = 1 + below(info->uidnext);
	struct uid_set set = {&uid, 1};
	static unsigned number = 1000;

	switch (below(4)) {
	case 0:
		number++;
		fill(b, number, number);
		break;
	case 1:
		assert_int_equal(box_remove(b, 1, set), STORE_OK);
		break;
	case 2:
		assert_int_equal(snapshot_take(b, below(5) == 0), STORE_OK);
		break;
	default:
		set_flags(b, uid, uid + below(4), below(32));
	}
}

static void a_late_view_tells_what_an_early_one_tells(void **state)
{
	static struct told late, early;
	struct box *b = opened(), *one = opened(), *other;

	(void)state;
	fill(b, 1, 60);
	for (int round = 0; round < 200; round++) {
		struct view *v, *w;
		bool allow = below(3) > 0;

		if (below(2) == 0) {
			assert_int_equal(box_reload(one, false), STORE_OK);
		}
		other = opened();
		box_refresh(one);
		assert_int_equal(view_open(one, 1, &v), STORE_OK);
		w = late_view(other);
		for (uint32_t i = below(12); i > 0; i--)
			random_change(b);
		box_refresh(one);
		box_refresh(other);
		/* Rows are those of before, or newer where they are there. */
		if (below(2) == 0) {
			assert_int_equal(view_rows(w), STORE_OK);
			assert_int_equal(view_count(w), view_count(v));
			for (uint32_t i = 1; i <= view_count(v); i++)
				assert_int_equal(view_message(w, i)->uid,
				    view_message(v, i)->uid);
		}
		sync_view(v, allow, &early);
		sync_view(w, allow, &late);
		assert_string_equal(late.text, early.text);
		sync_view(v, true, &early);
		sync_view(w, true, &late);
		assert_string_equal(late.text, early.text);
		view_close(&v);
		view_close(&w);
		box_close(&other);
	}
	box_close(&one);
	box_close(&b);
}

static void a_late_view_of_a_mailbox_that_went_is_gone(void **state)
{
	struct box *b = opened(), *reader;
	const struct mailbox_info *info;
	struct view *v;

	(void)state;
	assert_int_equal(box_create(b, STR("x"), USE_NONE), STORE_OK);
	info = box_find(b, STR("x"));
	reader = opened();
	assert_int_equal(view_open_late(reader, info->id, &v), STORE_OK);
	assert_int_equal(box_delete(b, STR("x")), STORE_OK);
	box_refresh(reader);
	assert_int_equal(view_sync(v, true, NULL), STORE_GONE);
	assert_int_equal(view_rows(v), STORE_GONE);
	view_close(&v);
	box_close(&reader);
	box_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(a_late_view_has_counts_and_no_messages),
	    T(the_first_unseen_costs_no_more_than_it_must),
	    T(a_late_view_tells_what_an_early_one_tells),
	    T(a_late_view_of_a_mailbox_that_went_is_gone),
	};

	return RUN_TESTS(tests);
}
