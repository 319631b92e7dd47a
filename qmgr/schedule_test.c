/* SPDX-License-Identifier: ISC */
#include "qmgr/schedule.h"

/* cmocka wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static const struct schedule_limits limits = {.initial = 5,
    .window = 20,
    .requests = 100,
    .recipients = 2,
    .cohorts = 1,
    .dead_ms = 1000};

struct bed {
	struct schedule *s;
	struct transport *t;
	struct item items[256];
	size_t used;
	char order[512]; /* owners in the order they were taken */
};

static struct bed make(const struct schedule_limits *l)
{
	struct bed b = {.s = schedule_new()};

	b.t = schedule_transport(b.s, STR("smtp"), l);
	return b;
}

/* Owners are one-letter strings. */
static bool add(
    struct bed *b, const char *hop, const char *owner, bool retry, int64_t now)
{
	return schedule_add(schedule_destination(b->t, str_from(hop)),
	    (void *)(uintptr_t)owner, 0, &b->items[b->used++], retry, now);
}

/* Takes all that can be taken; "a2 b1" are owners and counts. */
static void take_all(struct bed *b)
{
	struct work w;
	size_t at = 0;

	b->order[0] = '\0';
	while (schedule_take(b->t, &w))
		at += (size_t)snprintf(b->order + at, sizeof(b->order) - at,
		    "%s%s%zu", at == 0 ? "" : " ", (const char *)w.owner,
		    w.count);
}

static void destinations_take_turns(void **state)
{
	struct bed b = make(&limits);

	(void)state;
	for (int i = 0; i < 3; i++)
		add(&b, "one", i == 0 ? "a" : i == 1 ? "b" : "c", false, 0);
	add(&b, "two", "x", false, 0);
	add(&b, "two", "y", false, 0);
	take_all(&b);
	assert_string_equal(b.order, "a1 x1 b1 y1 c1");
	schedule_free(&b.s);
}

static void recipients_of_a_message_go_together(void **state)
{
	struct bed b = make(&limits);

	(void)state;
	for (int i = 0; i < 5; i++)
		add(&b, "one", "a", false, 0);
	add(&b, "one", "b", false, 0);
	take_all(&b);
	assert_string_equal(b.order, "a2 a2 a1 b1");
	schedule_free(&b.s);
}

/* Each group by itself, whatever the order they come in; "a" to "d" are
 * owners, a capital is group 1. */
static void groups_of_a_message_go_apart(void **state)
{
	static const struct {
		const char *added, *taken;
	} rows[] = {
	    {"aAaA", "a0:2 a1:2"},
	    {"AAa", "a1:2 a0:1"},
	    {"aAb", "a0:1 a1:1 b0:1"},
	    {"aAbBa", "a0:1 a1:1 b0:1 b1:1 a0:1"},
	    {"abA", "a0:1 b0:1 a1:1"},
	};
	static char names[] = "a\0b\0c\0d";

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct schedule_limits wide = limits;
		struct bed b = make(&limits);
		char got[200] = "";
		size_t at = 0;
		struct work w;

		wide.initial = 20;
		b.t = schedule_transport(b.s, STR("wide"), &wide);
		for (const char *c = rows[i].added; *c != '\0'; c++)
			schedule_add(schedule_destination(b.t, STR("one")),
			    names + 2 * (ascii_lower(*c) - 'a'),
			    *c < 'a' ? 1 : 0, &b.items[b.used++], false, 0);
		while (schedule_take(b.t, &w))
			at += (size_t)snprintf(got + at, sizeof(got) - at,
			    "%s%s%u:%zu", at == 0 ? "" : " ",
			    (const char *)w.owner, w.group, w.count);
		assert_string_equal(got, rows[i].taken);
		schedule_free(&b.s);
	}
}

static const struct item *only;

static bool is_only(const struct item *item)
{
	return item == only;
}

/* What is taken out must not be remembered as the job before the last. */
static void groups_survive_what_is_taken_out(void **state)
{
	struct bed b = make(&limits);
	struct destination *d = schedule_destination(b.t, STR("one"));
	struct work w;

	(void)state;
	schedule_add(d, "a", 0, &b.items[0], false, 0);
	schedule_add(d, "a", 1, &b.items[1], false, 0);
	assert_true(schedule_take(b.t, &w));
	schedule_add(d, "a", 0, &b.items[2], false, 0);
	only = &b.items[1];
	assert_ptr_equal(schedule_withdraw(b.s, is_only), only);
	schedule_add(d, "a", 1, &b.items[3], false, 0);
	schedule_add(d, "a", 0, &b.items[4], false, 0);
	assert_true(schedule_take(b.t, &w));
	assert_int_equal(w.group * 10 + w.count, 2);
	assert_true(schedule_take(b.t, &w));
	assert_int_equal(w.group * 10 + w.count, 11);
	assert_false(schedule_take(b.t, &w));
	schedule_free(&b.s);
}

static void new_mail_goes_before_retries(void **state)
{
	struct bed b = make(&limits);

	(void)state;
	b.t = schedule_transport(b.s, STR("wide"),
	    &(struct schedule_limits){20, 20, 100, 1, 1, 1000, 0});
	add(&b, "one", "r", true, 0);
	add(&b, "one", "s", true, 0);
	for (int i = 0; i < 5; i++)
		add(&b, "one", "n", false, 0);
	take_all(&b);
	assert_string_equal(b.order, "n1 n1 n1 r1 n1 n1 s1");
	schedule_free(&b.s);
}

static void the_window_bounds_and_grows(void **state)
{
	struct bed b = make(&limits);
	struct destination *d = schedule_destination(b.t, STR("one"));
	const char *owners[] = {"a", "b", "c", "d", "e", "f", "g", "h"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(owners); i++)
		add(&b, "one", owners[i], false, 0);
	take_all(&b);
	assert_string_equal(b.order, "a1 b1 c1 d1 e1");
	schedule_done(d, SCHEDULE_GOOD, STR_EMPTY, 1);
	assert_int_equal(destination_window(d), 6);
	take_all(&b);
	assert_string_equal(b.order, "f1 g1");
	schedule_done(d, SCHEDULE_HOP_FAILED, STR("refused"), 1);
	assert_int_equal(destination_window(d), 5);
	take_all(&b);
	assert_string_equal(b.order, "");
	schedule_done(d, SCHEDULE_NEUTRAL, STR_EMPTY, 1);
	take_all(&b);
	assert_string_equal(b.order, "h1");
	schedule_free(&b.s);
}

static void the_transport_bounds_all(void **state)
{
	struct schedule_limits l = limits;
	struct bed b;

	(void)state;
	l.requests = 2;
	b = make(&l);
	add(&b, "one", "a", false, 0);
	add(&b, "two", "b", false, 0);
	add(&b, "three", "c", false, 0);
	take_all(&b);
	assert_string_equal(b.order, "a1 b1");
	schedule_done(
	    schedule_destination(b.t, STR("one")), SCHEDULE_GOOD, STR_EMPTY, 0);
	take_all(&b);
	assert_string_equal(b.order, "c1");
	schedule_free(&b.s);
}

/* Failures until it is dead; the rest of its mail comes out, another
 * destination goes on, and after the rest one probe decides. */
static void a_dead_destination_rests_and_is_probed(void **state)
{
	struct bed b = make(&limits);
	struct destination *d = schedule_destination(b.t, STR("dead"));
	const char *owners[] = {"a", "b", "c", "d", "e", "f"};
	void *owner;
	int failures = 0;
	bool dead;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(owners); i++)
		add(&b, "dead", owners[i], false, 0);
	add(&b, "live", "x", false, 0);
	take_all(&b);
	assert_string_equal(b.order, "a1 x1 b1 c1 d1 e1");
	do {
		failures++;
		dead = schedule_done(
		    d, SCHEDULE_HOP_FAILED, STR("refused"), 10);
	} while (!dead && failures < 6);
	assert_int_equal(failures, 4); /* 1/5 + 1/4 + 1/3 + 1/2 */
	assert_true(destination_is_dead(d, 10));
	assert_string_equal(destination_reason(d), "refused");
	assert_non_null(schedule_evict(d, &owner));
	assert_string_equal(owner, "f");
	assert_null(schedule_evict(d, &owner));
	assert_false(add(&b, "dead", "g", false, 20));
	assert_true(add(&b, "live", "y", false, 20));
	/* The rest is over: one goes, the second waits for its outcome. */
	assert_true(add(&b, "dead", "h", false, 1011));
	assert_true(add(&b, "dead", "i", false, 1011));
	schedule_done(d, SCHEDULE_NEUTRAL, STR_EMPTY, 1011);
	take_all(&b);
	assert_string_equal(b.order, "y1 h1");
	assert_true(schedule_done(d, SCHEDULE_HOP_FAILED, STR("no"), 1012));
	assert_non_null(schedule_evict(d, &owner));
	/* Flushed: at once again; and a success makes it well. */
	schedule_revive(b.s);
	assert_true(add(&b, "dead", "j", true, 1013));
	take_all(&b);
	assert_string_equal(b.order, "j1");
	schedule_done(d, SCHEDULE_GOOD, STR_EMPTY, 1014);
	assert_int_equal(destination_window(d), 2);
	assert_string_equal(destination_reason(d), "");
	schedule_free(&b.s);
}

static const struct bed *picky; /* whose odd items nobody wants */

static bool odd(const struct item *item)
{
	return (item - picky->items) % 2 == 1;
}

static bool any(const struct item *item)
{
	return item != NULL;
}

static void what_nobody_wants_is_withdrawn(void **state)
{
	struct bed b = make(&limits);
	struct item *out;
	size_t count = 0;

	(void)state;
	picky = &b;
	add(&b, "one", "a", false, 0);
	add(&b, "one", "a", false, 0);
	add(&b, "one", "a", false, 0);
	add(&b, "one", "b", false, 0);
	add(&b, "two", "c", true, 0);
	add(&b, "two", "c", true, 0);
	assert_int_equal(schedule_waiting(b.t), 6);
	for (out = schedule_withdraw(b.s, odd); out != NULL; out = out->next) {
		assert_true(odd(out));
		count++;
	}
	assert_int_equal(count, 3);
	assert_int_equal(schedule_waiting(b.t), 3);
	add(&b, "one", "d", false, 0); /* behind what was left */
	take_all(&b);
	assert_string_equal(b.order, "a2 c1 d1");
	add(&b, "one", "e", false, 0);
	assert_non_null(schedule_withdraw(b.s, any));
	assert_false(schedule_ready(b.t));
	assert_null(schedule_withdraw(b.s, any));
	take_all(&b);
	assert_string_equal(b.order, "");
	schedule_free(&b.s);
}

static void idle_destinations_are_forgotten(void **state)
{
	struct bed b = make(&limits);
	struct destination *d = schedule_destination(b.t, STR("one"));

	(void)state;
	add(&b, "one", "a", false, 0);
	take_all(&b);
	schedule_done(d, SCHEDULE_HOP_FAILED, STR("no"), 100);
	schedule_tidy(b.s, 150, 100);
	assert_int_equal(
	    destination_window(schedule_destination(b.t, STR("one"))), 4);
	schedule_tidy(b.s, 201, 100);
	assert_int_equal(
	    destination_window(schedule_destination(b.t, STR("one"))), 5);
	schedule_free(&b.s);
}

static void pauses_double_up_to_a_bound(void **state)
{
	static const struct {
		uint64_t attempts;
		uint32_t random;
		int64_t want;
	} rows[] = {
	    {0, 0, 300},
	    {1, 0, 300},
	    {2, 0, 600},
	    {3, 0, 1200},
	    {4, 0, 2400},
	    {5, 0, 4000},
	    {1000000, 0, 4000},
	    {1, 1023, 375},
	    {UINT64_MAX, 1023, 5000},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(schedule_backoff(rows[i].attempts, 300, 4000,
				     rows[i].random),
		    rows[i].want);
	assert_int_equal(schedule_backoff(3, 0, 0, 0), 1);
}

static void a_delay_keeps_requests_apart(void **state)
{
	struct schedule_limits slow = limits;
	struct bed b;
	struct work w;

	(void)state;
	slow.delay_ms = 100;
	b = make(&slow);
	for (int i = 0; i < 3; i++)
		add(&b, "one", i == 0 ? "a" : i == 1 ? "b" : "c", false, 0);
	add(&b, "two", "x", false, 0);
	assert_true(schedule_take(b.t, &w));
	assert_true(schedule_take(b.t, &w));
	assert_string_equal(destination_nexthop(w.destination), "two");
	/* One at a time. */
	assert_false(schedule_ready(b.t));
	assert_int_equal(schedule_wake(b.t, 10), 0);
	schedule_done(
	    schedule_find(b.t, STR("one")), SCHEDULE_GOOD, STR_EMPTY, 10);
	assert_false(schedule_ready(b.t));
	assert_int_equal(
	    destination_view(schedule_find(b.t, STR("one"))).paused_until, 110);
	assert_int_equal(schedule_wake(b.t, 109), 110);
	assert_false(schedule_ready(b.t));
	assert_int_equal(schedule_wake(b.t, 110), 0);
	take_all(&b);
	assert_string_equal(b.order, "b1");
	schedule_free(&b.s);
}

static void places_in_line(void **state)
{
	struct bed b = make(&limits);
	struct destination *d;
	struct destination_view v;

	(void)state;
	add(&b, "one", "a", true, 0);
	for (int i = 0; i < 4; i++)
		add(&b, "one", "b", false, 0);
	d = schedule_find(b.t, STR("one"));
	assert_null(schedule_find(b.t, STR("two")));
	assert_int_equal(destination_place(d, &b.items[0]), 5);
	assert_int_equal(destination_place(d, &b.items[1]), 1);
	assert_int_equal(destination_place(d, &b.items[4]), 4);
	assert_int_equal(destination_place(d, &b.items[5]), 0);
	v = destination_view(d);
	assert_int_equal(v.waiting, 5);
	assert_int_equal(v.window, 5);
	assert_int_equal(v.limit, 20);
	take_all(&b);
	assert_int_equal(destination_place(d, &b.items[1]), 0);
	v = destination_view(d);
	assert_int_equal(v.waiting, 0);
	assert_int_equal(v.under_way, v.transport_under_way);
	schedule_done(d, SCHEDULE_HOP_FAILED, STR("no"), 0);
	assert_int_equal(destination_view(d).shrunk, 1);
	schedule_free(&b.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(destinations_take_turns),
	    cmocka_unit_test(recipients_of_a_message_go_together),
	    cmocka_unit_test(groups_of_a_message_go_apart),
	    cmocka_unit_test(groups_survive_what_is_taken_out),
	    cmocka_unit_test(new_mail_goes_before_retries),
	    cmocka_unit_test(the_window_bounds_and_grows),
	    cmocka_unit_test(the_transport_bounds_all),
	    cmocka_unit_test(a_dead_destination_rests_and_is_probed),
	    cmocka_unit_test(what_nobody_wants_is_withdrawn),
	    cmocka_unit_test(idle_destinations_are_forgotten),
	    cmocka_unit_test(pauses_double_up_to_a_bound),
	    cmocka_unit_test(a_delay_keeps_requests_apart),
	    cmocka_unit_test(places_in_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
