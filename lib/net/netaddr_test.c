/* SPDX-License-Identifier: ISC */
#include "net/netaddr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void reads_and_writes(void **state)
{
	/* clang-format off */
	static const struct {
		const char *in, *text, *reverse;
		bool loopback;
	} rows[] = {
		{"192.0.2.1",        "192.0.2.1", "1.2.0.192", false},
		{"[127.9.9.9]",      "127.9.9.9", "9.9.9.127", true},
		{"[IPv6:::1]",       "::1",
		    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
		    "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0", true},
		{"2001:DB8::ab",     "2001:db8::ab",
		    "b.a.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
		    "0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2", false},
		{"::ffff:127.0.0.1", "127.0.0.1", "1.0.0.127", true},
		{"192.0.2.256",      NULL, NULL, false},
		{"[IPv6:192.0.2.1]", NULL, NULL, false},
		{"localhost",        NULL, NULL, false},
		{"1.2.3",            NULL, NULL, false},
		{"",                 NULL, NULL, false},
		{"[]",               NULL, NULL, false},
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct netaddr a;
		char text[NETADDR_TEXT_MAX], reverse[80];
		int r = netaddr_parse(str_from(rows[i].in), 25, &a);
		assert_int_equal(r, rows[i].text != NULL ? 0 : -1);
		if (r < 0)
			continue;
		netaddr_text(&a, text);
		netaddr_reverse(&a, reverse);
		assert_string_equal(text, rows[i].text);
		assert_string_equal(reverse, rows[i].reverse);
		assert_int_equal(netaddr_is_loopback(&a), rows[i].loopback);
		assert_int_equal(netaddr_port(&a), 25);
	}
}

static void no_address_is_unknown(void **state)
{
	struct netaddr none = {.len = 0};
	char text[NETADDR_TEXT_MAX], reverse[80];

	(void)state;
	netaddr_text(&none, text);
	netaddr_reverse(&none, reverse);
	assert_string_equal(text, "unknown");
	assert_string_equal(reverse, "");
	assert_false(netaddr_is_loopback(&none));
	assert_int_equal(netaddr_client_key(&none), 0);
	assert_int_equal(
	    netaddr_in_list(&none, STR("0.0.0.0/0 ::/0"), NULL), 0);
}

static uint64_t key_of(const char *text)
{
	struct netaddr a;

	assert_int_equal(netaddr_parse(str_from(text), 25, &a), 0);
	return netaddr_client_key(&a);
}

static void clients_have_keys(void **state)
{
	(void)state;
	assert_int_equal(key_of("192.0.2.1"), key_of("::ffff:192.0.2.1"));
	assert_int_not_equal(key_of("192.0.2.1"), key_of("192.0.2.2"));
	assert_int_not_equal(key_of("0.0.0.0"), 0);
	assert_int_equal(key_of("2001:db8::1"), key_of("2001:db8::2"));
	assert_int_not_equal(key_of("2001:db8::1"), key_of("2001:db8:0:1::1"));
}

static void finds_in_lists(void **state)
{
	/* clang-format off */
	static const struct {
		const char *address, *list;
		int want;
	} rows[] = {
		{"127.0.0.1",    "127.0.0.0/8 [::1]/128",      1},
		{"::1",          "127.0.0.0/8 [::1]/128",      1},
		{"::2",          "127.0.0.0/8 [::1]/128",      0},
		{"128.0.0.1",    "127.0.0.0/8",                0},
		{"10.1.2.3",     "!10.1.0.0/16, 10.0.0.0/8",   0},
		{"10.2.2.3",     "!10.1.0.0/16,10.0.0.0/8",    1},
		{"192.0.2.129",  "192.0.2.128/25",             1},
		{"192.0.2.127",  "192.0.2.128/25",             0},
		{"192.0.2.1",    "192.0.2.1",                  1},
		{"192.0.2.2",    "192.0.2.1",                  0},
		{"1.2.3.4",      "0.0.0.0/0",                  1},
		{"::1",          "0.0.0.0/0",                  0},
		{"2001:db8:7fff::1", "2001:db8::/33",          1},
		{"2001:db8:8000::1", "2001:db8::/33",          0},
		{"::ffff:10.1.1.1", "10.0.0.0/8",              1},
		{"10.1.1.1",     "::ffff:10.0.0.0/104",        1},
		{"11.1.1.1",     "::ffff:10.0.0.0/104",        0},
		{"10.1.1.1",     "",                           0},
		{"10.1.1.1",     "x",                         -1},
		{"10.1.1.1",     "10.0.0.0/33",               -1},
		{"10.1.1.1",     "10.0.0.0/",                 -1},
		{"10.1.1.1",     "10.0.0.0/-1",               -1},
		{"10.1.1.1",     "10.0.0.0/8/8",              -1},
		{"10.1.1.1",     "!",                         -1},
		{"10.1.1.1",     "::ffff:10.0.0.0/8",         -1},
		/* the first match decides before a bad entry is read */
		{"10.1.1.1",     "10.0.0.0/8 x",               1},
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct netaddr a;
		struct str bad;
		assert_int_equal(
		    netaddr_parse(str_from(rows[i].address), 0, &a), 0);
		int got = netaddr_in_list(&a, str_from(rows[i].list), &bad);
		if (got != rows[i].want)
			fail_msg(
			    "%s in %s: %d", rows[i].address, rows[i].list, got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_and_writes),
	    cmocka_unit_test(no_address_is_unknown),
	    cmocka_unit_test(clients_have_keys),
	    cmocka_unit_test(finds_in_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
