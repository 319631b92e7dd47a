/* SPDX-License-Identifier: ISC */
/* A view that is closed, kept as a formula and opened by another process of
 * the box shows and tells what it would have told. */
#include "store/testing_base.h"

static struct box *writer;

/* What a view_sync told, as text. */
struct told {
	char text[16384];
	size_t len;
};

static void say(struct told *t, char what, uint32_t seq, uint32_t uid)
{
	int n = snprintf(t->text + t->len, sizeof(t->text) - t->len, "%c%u:%u ",
	    what, seq, uid);

	t->len += (size_t)n;
	assert_true(t->len < sizeof(t->text));
}

static void told_expunged(uint32_t seq, uint32_t uid, void *arg)
{
	say(arg, 'x', seq, uid);
}

static void told_flags(uint32_t seq, const struct message *m, void *arg)
{
	struct told *t = arg;

	say(t, 'f', seq, m->uid);
	say(t, '=', m->flags, (uint32_t)m->keywords);
}

static enum store_result synced(
    struct box *b, struct view *v, bool all, struct told *t)
{
	struct view_events events = {told_expunged, told_flags, t};
	enum store_result r;

	*t = (struct told){.len = 0};
	assert_int_equal(box_refresh(b), STORE_OK);
	r = view_sync(v, all, &events);
	if (r == STORE_OK)
		say(t, '#', view_count(v), 0);
	return r;
}

static void assert_same(const struct view *a, const struct view *b)
{
	assert_int_equal(view_count(a), view_count(b));
	for (uint32_t seq = 1; seq <= view_count(a); seq++)
		assert_int_equal(
		    view_message(a, seq)->uid, view_message(b, seq)->uid);
}

static void add(unsigned n)
{
	static unsigned number;
	char id[20];

	while (n-- > 0) {
		snprintf(id, sizeof(id), "id%u", ++number);
		assert_int_equal(deliver_id(writer, id), STORE_OK);
	}
}

static void remove_uid(uint32_t uid)
{
	struct uid_set set = {&uid, 1};

	assert_int_equal(box_remove(writer, 1, set), STORE_OK);
}

static void flag_uid(uint32_t uid, uint32_t flags)
{
	struct arena arena = arena_new(1 << 20);
	struct uid_set set = {&uid, 1}, modified;
	uint64_t modseq;

	assert_int_equal(box_store(writer, 1, set, FLAGS_SET, flags, NULL, 0, 0,
			     &arena, &modified, &modseq),
	    STORE_OK);
	arena_free(&arena);
}

static void act(void)
{
	uint32_t uidnext = box_find_id(writer, 1)->uidnext;
	uint32_t uid = 1 + below(uidnext);

	switch (below(4)) {
	case 0:
		add(1 + below(3));
		break;
	case 1:
		remove_uid(uid);
		break;
	case 2:
		flag_uid(uid, below(32));
		break;
	default:
		add(1); /* comes and goes between two looks */
		remove_uid(uidnext);
		break;
	}
	if (below(10) == 0)
		assert_int_equal(snapshot_take(writer, false), STORE_OK);
}

static struct box *other_box(void)
{
	struct box *b = NULL;

	assert_int_equal(open_box(&b), STORE_OK);
	return b;
}

/* Kept as a formula, and opened in a box that was never seen. */
static enum store_result park(struct box **b, struct view **v)
{
	struct view_formula f;
	enum store_result r = view_formula(*v, &f);

	if (r != STORE_OK)
		return r;
	view_close(v);
	box_close(b);
	if (below(2) == 0)
		act();
	*b = other_box();
	assert_int_equal(view_reopen(*b, &f, v), STORE_OK);
	return STORE_OK;
}

static void a_formula_tells_what_a_view_tells(void **state)
{
	struct box *plain, *parked;
	struct view *a, *b;
	struct told told_a, told_b;
	unsigned parkings = 0, refusals = 0;

	(void)state;
	begin_chance(4711);
	writer = opened_box();
	add(5);
	plain = other_box();
	parked = other_box();
	assert_int_equal(view_open(plain, 1, &a), STORE_OK);
	assert_int_equal(view_open(parked, 1, &b), STORE_OK);
	for (unsigned i = 0; i < rounds(400, 3000); i++) {
		bool all = below(3) != 0;

		for (uint32_t n = below(3); n > 0; n--)
			act();
		if (park(&parked, &b) == STORE_OK)
			parkings++;
		else
			refusals++; /* an expunge waits that was never seen */
		assert_same(a, b);
		synced(plain, a, all, &told_a);
		synced(parked, b, all, &told_b);
		assert_string_equal(told_a.text, told_b.text);
		assert_same(a, b);
	}
	assert_true(parkings > 5 * refusals && refusals > 0);
	view_close(&a);
	view_close(&b);
	box_close(&plain);
	box_close(&parked);
	box_close(&writer);
}

static struct view_formula formula_of(struct box *b)
{
	struct view_formula f;
	struct view *v;

	assert_int_equal(view_open(b, 1, &v), STORE_OK);
	assert_int_equal(view_formula(v, &f), STORE_OK);
	view_close(&v);
	return f;
}

static enum store_result reopened(const struct view_formula *f)
{
	struct box *b = other_box();
	struct view *v;
	enum store_result r = view_reopen(b, f, &v);

	assert_true((v != NULL) == (r == STORE_OK));
	if (v != NULL)
		view_close(&v);
	box_close(&b);
	return r;
}

/* Each number of it counts. */
static void what_was_not_so_is_refused(void **state)
{
	struct view_formula good, f;

	(void)state;
	writer = opened_box();
	add(5);
	remove_uid(2);
	good = formula_of(writer);
	assert_int_equal(reopened(&good), STORE_OK);
	f = good, f.count++;
	assert_int_equal(reopened(&f), STORE_GONE);
	f = good, f.hash ^= 1;
	assert_int_equal(reopened(&f), STORE_GONE);
	f = good, f.uidnext--;
	assert_int_equal(reopened(&f), STORE_GONE);
	f = good, f.uidvalidity++;
	assert_int_equal(reopened(&f), STORE_GONE);
	f = good, f.flags_at += 1000;
	assert_int_equal(reopened(&f), STORE_GONE);
	f = good, f.expunged_at = f.flags_at + 1;
	assert_int_equal(reopened(&f), STORE_GONE);
	f = good, f.expunged_at = 1;
	assert_int_equal(reopened(&f), STORE_GONE);
	f = good, f.mailbox = 99;
	assert_int_equal(reopened(&f), STORE_GONE);
	box_close(&writer);
}

/* Expunges are remembered for a week (store/doc: QRESYNC). */
static void beyond_the_floor_it_is_refused(void **state)
{
	struct view_formula f;

	(void)state;
	writer = opened_box();
	add(5);
	f = formula_of(writer);
	remove_uid(2);
	assert_int_equal(reopened(&f), STORE_OK);
	clock_step(VANISHED_KEPT + 3600);
	add(1);
	assert_int_equal(snapshot_take(writer, false), STORE_OK);
	assert_int_equal(reopened(&f), STORE_GONE);
	box_close(&writer);
}

/* A mailbox deleted, and another in its place. */
static void a_mailbox_that_is_gone(void **state)
{
	struct view_formula f;
	struct view *v;

	(void)state;
	writer = opened_box();
	assert_int_equal(box_create(writer, STR("m"), USE_NONE), STORE_OK);
	assert_int_equal(
	    view_open(writer, box_find(writer, STR("m"))->id, &v), STORE_OK);
	assert_int_equal(view_formula(v, &f), STORE_OK);
	assert_int_equal(f.count, 0);
	assert_int_equal(reopened(&f), STORE_OK);
	assert_int_equal(box_delete(writer, STR("m")), STORE_OK);
	assert_int_equal(box_create(writer, STR("m"), USE_NONE), STORE_OK);
	assert_int_not_equal(reopened(&f), STORE_OK);
	assert_int_not_equal(view_formula(v, &f), STORE_OK);
	view_close(&v);
	box_close(&writer);
}

/* What was expunged and not told still has its flags. */
static void an_expunge_that_is_not_told(void **state)
{
	struct view_formula f;
	struct box *b;
	struct view *v;
	struct told told;

	(void)state;
	writer = opened_box();
	add(3);
	flag_uid(2, FLAG_FLAGGED);
	f = formula_of(writer);
	remove_uid(2);
	b = other_box();
	assert_int_equal(view_reopen(b, &f, &v), STORE_OK);
	assert_true(view_is_waiting(v));
	assert_int_equal(view_count(v), 3);
	assert_int_equal(view_message(v, 2)->uid, 2);
	assert_int_equal(view_message(v, 2)->flags, FLAG_FLAGGED);
	assert_int_equal(synced(b, v, false, &told), STORE_OK);
	assert_string_equal(told.text, "#3:0 ");
	assert_int_equal(view_formula(v, &f), STORE_OK);
	view_close(&v);
	box_close(&b);
	b = other_box();
	assert_int_equal(view_reopen(b, &f, &v), STORE_OK);
	assert_int_equal(synced(b, v, true, &told), STORE_OK);
	assert_string_equal(told.text, "x2:2 #2:0 ");
	assert_false(view_is_waiting(v));
	view_close(&v);
	box_close(&b);
	box_close(&writer);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup_base, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(a_formula_tells_what_a_view_tells),
	    T(what_was_not_so_is_refused),
	    T(beyond_the_floor_it_is_refused),
	    T(a_mailbox_that_is_gone),
	    T(an_expunge_that_is_not_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
