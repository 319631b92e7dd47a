/* SPDX-License-Identifier: ISC */
#include "qmgr/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

/* As in DESIGN section 6; what a record costs is what a full queue costs. */
static void records_are_small(void **state)
{
	(void)state;
	assert_in_range(sizeof(struct message), 1, 136);
	assert_in_range(sizeof(struct recipient), 1, 64);
}

static void senders_are_kept_once(void **state)
{
	struct messages ms = {0};
	struct id a = id_new(), b = id_new();
	struct message *one, *two;

	(void)state;
	one = messages_add(&ms, &a, STR("x@example.org"), 1);
	two = messages_add(&ms, &b, STR("x@example.org"), 2);
	assert_ptr_equal(one->sender, two->sender);
	assert_ptr_equal(messages_find(&ms, id_str(&b)), two);
	assert_int_equal(recipient_index(&two->recipients[1]), 1);
	messages_remove(&ms, &one);
	assert_int_equal(two->sender->uses, 1);
	messages_remove(&ms, &two);
	assert_int_equal(ms.senders.count, 0);
	messages_free(&ms);
}

static void sleepers_wake_in_order(void **state)
{
	enum { COUNT = 500 };
	struct messages ms = {0};
	struct message *all[COUNT];
	uint32_t last = 0;

	(void)state;
	srand(1);
	for (int i = 0; i < COUNT; i++) {
		struct id id = id_new();

		all[i] = messages_add(&ms, &id, STR_EMPTY, 1);
		messages_place(
		    &ms, all[i], PLACE_HEAP, (uint32_t)rand() % 1000);
	}
	for (int i = 0; i < COUNT; i += 3)
		messages_place(&ms, all[i], PLACE_HELD, 0);
	for (int i = 0; i < COUNT; i += 6)
		messages_place(
		    &ms, all[i], PLACE_HEAP, (uint32_t)rand() % 1000);
	for (size_t left = ms.heap_count; left > 0; left--) {
		struct message *m = messages_first_due(&ms);

		assert_true(m->due >= last);
		last = m->due;
		messages_remove(&ms, &m);
	}
	assert_null(messages_first_due(&ms));
	messages_free(&ms);
}

static void new_ones_go_first_and_retries_get_on(void **state)
{
	struct messages ms = {0};
	char order[8] = "";

	(void)state;
	for (int i = 0; i < 7; i++) {
		struct id id = id_new();
		struct message *m = messages_add(&ms, &id, STR_EMPTY, 1);

		messages_place(&ms, m, i < 2 ? PLACE_RETRY : PLACE_NEW, 0);
	}
	for (int i = 0; i < 7; i++) {
		struct message *m = messages_next(&ms);

		order[i] = m->place == PLACE_NEW ? 'n' : 'r';
		messages_place(&ms, m, PLACE_ACTIVE, 0);
	}
	assert_string_equal(order, "nnnnrnr");
	assert_int_equal(ms.active, 7);
	assert_null(messages_next(&ms));
	messages_free(&ms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(records_are_small),
	    cmocka_unit_test(senders_are_kept_once),
	    cmocka_unit_test(sleepers_wake_in_order),
	    cmocka_unit_test(new_ones_go_first_and_retries_get_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
