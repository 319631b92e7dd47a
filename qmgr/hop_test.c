/* SPDX-License-Identifier: ISC */
#include "qmgr/hop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static void who_waits_is_counted(void **state)
{
	struct messages ms = {0};
	struct id id = id_new();
	struct message *m = messages_add(&ms, &id, STR_EMPTY, 3);
	struct hop *a = hop_get(&ms.hops, STR("smtp"), STR("a.test"), 100);
	struct hop *b = hop_get(&ms.hops, STR("smtp"), STR("b.test"), 100);

	(void)state;
	assert_ptr_equal(hop_find(&ms.hops, STR("smtp"), STR("a.test")), a);
	assert_null(hop_find(&ms.hops, STR("lmtp"), STR("a.test")));
	assert_string_equal(hop_transport(a), "smtp");
	assert_string_equal(hop_nexthop(a), "a.test");
	for (int i = 0; i < 3; i++)
		hop_set(&m->recipients[i], a, 100 + (uint32_t)i);
	assert_int_equal(a->waiting, 3);
	assert_int_equal(a->since, 100);
	m->recipients[0].hold = true;
	hop_recount(&m->recipients[0], 110);
	hop_recount(&m->recipients[0], 110);
	assert_int_equal(a->waiting, 2);
	m->recipients[0].hold = false;
	hop_recount(&m->recipients[0], 111);
	assert_int_equal(a->waiting, 3);
	m->recipients[1].state = QUEUE_DELIVERED;
	hop_succeeded(a, STR("ok"), STR("host"), 120);
	hop_recount(&m->recipients[1], 120);
	assert_int_equal(a->waiting, 2);
	assert_int_equal(a->since, 120);
	hop_set(&m->recipients[2], b, 130);
	assert_int_equal(a->waiting, 1);
	assert_int_equal(b->waiting, 1);
	assert_int_equal(b->since, 130);
	messages_remove(&ms, &m);
	assert_int_equal(a->waiting + b->waiting + a->uses + b->uses, 0);
	assert_int_equal(a->since + b->since, 0);
	messages_free(&ms);
}

static void the_unused_are_forgotten(void **state)
{
	struct messages ms = {0};
	struct id id = id_new();
	struct message *m = messages_add(&ms, &id, STR_EMPTY, 1);
	struct hop *a = hop_get(&ms.hops, STR("smtp"), STR("a"), 100);
	struct hop *b = hop_get(&ms.hops, STR("smtp"), STR("b"), 100);

	(void)state;
	hop_set(&m->recipients[0], a, 100);
	hop_failed(b, STR("no"), STR_EMPTY, false, 1000);
	hops_tidy(&ms.hops, 1500, 600);
	assert_int_equal(ms.hops.count, 2);
	hops_tidy(&ms.hops, 1601, 600);
	assert_int_equal(ms.hops.count, 1);
	assert_non_null(hop_find(&ms.hops, STR("smtp"), STR("a")));
	messages_free(&ms);
}

static void what_is_recent_fades(void **state)
{
	struct table t = table_new();
	struct hop *h = hop_get(&t, STR("smtp"), STR("a"), 1000);

	(void)state;
	for (int i = 0; i < 100; i++)
		hop_succeeded(h, STR("ok"), STR_EMPTY, 1000 + (uint32_t)i);
	assert_int_equal(hop_recent(h, 1100), 100);
	assert_int_equal(hop_recent(h, 1000 + HOP_STRETCH * 3 / 2), 50);
	hop_succeeded(h, STR("ok"), STR_EMPTY, 1000 + HOP_STRETCH * 3 / 2);
	assert_int_equal(hop_recent(h, 1000 + HOP_STRETCH * 3 / 2), 51);
	assert_int_equal(hop_recent(h, 1000 + HOP_STRETCH * 4), 0);
	assert_int_equal(h->delivered, 101);
	hops_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(who_waits_is_counted),
	    cmocka_unit_test(the_unused_are_forgotten),
	    cmocka_unit_test(what_is_recent_fades),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
