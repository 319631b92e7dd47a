/* SPDX-License-Identifier: ISC */
#include "qmgr/select.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static const struct facts facts = {.address = STR_INIT("Bob@Example.org"),
    .transport = STR_INIT("smtp"),
    .nexthop = STR_INIT("[relay.example.net]:26"),
    .state = "deferred",
    .reason = STR_INIT("4.7.1 host a said: 451 Greylisted, later")};

static void recipients(void **state)
{
	static const struct {
		struct queue_ask ask;
		bool want;
	} rows[] = {
	    {{.verb = 0}, true},
	    {{.recipient = STR_INIT("bob@example.ORG")}, true},
	    {{.recipient = STR_INIT("ob@example.org")}, false},
	    {{.recipient = STR_INIT("@example.org")}, true},
	    {{.recipient = STR_INIT("@ample.org")}, false},
	    {{.domain = STR_INIT("EXAMPLE.org")}, true},
	    {{.domain = STR_INIT("org")}, false},
	    {{.nexthop = STR_INIT("[relay.example.net]:26")}, true},
	    {{.nexthop = STR_INIT("relay.example.net")}, true},
	    {{.nexthop = STR_INIT("example.net")}, false},
	    {{.site = STR_INIT("example.org")}, true},
	    {{.site = STR_INIT("relay.example.net")}, true},
	    {{.site = STR_INIT("example.com")}, false},
	    {{.transport = STR_INIT("smtp")}, true},
	    {{.transport = STR_INIT("relay")}, false},
	    {{.state = STR_INIT("deferred")}, true},
	    {{.state = STR_INIT("hold")}, false},
	    {{.reason = STR_INIT("GREYlisted")}, true},
	    {{.reason = STR_INIT("later")}, true},
	    {{.reason = STR_INIT("laterx")}, false},
	    /* All must hold. */
	    {{.domain = STR_INIT("example.org"), .state = STR_INIT("hold")},
		false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(
		    select_recipient(&rows[i].ask, &facts), rows[i].want);
	assert_true(select_is_all(&rows[0].ask));
	assert_false(select_is_all(&rows[1].ask));
}

static void odd_next_hops(void **state)
{
	static const char *const odd[] = {"", "[", "]", "[]", ":", "[a", "a:"};
	struct queue_ask ask = {.nexthop = STR("x")};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(odd); i++)
		assert_false(select_hop(&ask, STR("smtp"), str_from(odd[i])));
	ask.nexthop = STR("a");
	assert_true(select_hop(&ask, STR("smtp"), STR("a:")));
	assert_true(select_hop(&ask, STR("smtp"), STR("[a")));
}

static void messages(void **state)
{
	struct messages ms = {0};
	struct id id = id_new(), other = id_new();
	struct message *m = messages_add(&ms, &id, STR("a@b.test"), 1);
	struct message *null = messages_add(&ms, &other, STR_EMPTY, 1);
	static const struct {
		struct queue_ask ask;
		bool want, want_null;
	} rows[] = {
	    {{.verb = 0}, true, true},
	    {{.sender = STR_INIT("A@b.test")}, true, false},
	    {{.sender = STR_INIT("@b.test")}, true, false},
	    {{.sender = STR_INIT("<>")}, false, true},
	    {{.since = 1000}, true, false},
	    {{.since = 1001}, false, false},
	    {{.before = 1000}, true, true},
	    {{.before = 999}, false, true},
	    {{.size_least = 50}, true, false},
	    {{.size_least = 51}, false, false},
	    {{.size_most = 50}, true, true},
	    {{.size_most = 49}, false, true},
	    {{.owner = 8}, true, false},
	    {{.owner = 1}, false, false},
	    {{.owner = (uint64_t)UINT32_MAX + 1}, false, true},
	};

	(void)state;
	m->arrived = 1000;
	m->size = 50;
	m->owner = 7;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(select_message(&rows[i].ask, m), rows[i].want);
		assert_int_equal(
		    select_message(&rows[i].ask, null), rows[i].want_null);
	}
	messages_free(&ms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(recipients),
	    cmocka_unit_test(odd_next_hops),
	    cmocka_unit_test(messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
