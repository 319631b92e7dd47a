/* SPDX-License-Identifier: ISC */
#include "smtp/nexthop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static const struct {
	const char *in, *want;
} rows[] = {
    {"example.org", "domain example.org 0"},
    {"[mail.example.org]", "host mail.example.org 0"},
    {"[mail.example.org]:2525", "host mail.example.org 2525"},
    {"[192.0.2.1]:25", "host 192.0.2.1 25"},
    {"[2001:db8::1]:25", "host 2001:db8::1 25"},
    {"[IPv6:2001:db8::1]", "host IPv6:2001:db8::1 0"},
    {"mail.example.org:587", "host mail.example.org 587"},
    {"inet:127.0.0.1:24", "host 127.0.0.1 24"},
    {"inet:[::1]:24", "host ::1 24"},
    {"inet:localhost", "host localhost 0"},
    {"unix:/run/lmtp", "unix /run/lmtp 0"},
    {"unix:", "none"},
    {"", "none"},
    {"[", "none"},
    {"[]", "none"},
    {"[x", "none"},
    {"[x]25", "none"},
    {"[x]:", "none"},
    {"[x]:0", "none"},
    {"[x]:65536", "none"},
    {"x:", "none"},
    {"x:smtp", "none"},
    {":25", "none"},
};

static void reads_next_hops(void **state)
{
	static const char *const kinds[] = {"domain", "host", "unix"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct nexthop n;
		char got[100] = "none";

		if (nexthop_parse(str_from(rows[i].in), &n) == 0)
			snprintf(got, sizeof(got), "%s %.*s %u", kinds[n.kind],
			    STR_FMT(n.host), (unsigned)n.port);
		assert_string_equal(got, rows[i].want);
	}
}

/* A letter is a host, the digit behind it its preference; # is ourselves, a
 * dot the root. */
static void choose(const char *in, const char *want)
{
	struct mx list[20];
	size_t count = 0;
	char got[100];
	static const char *const names[] = {"OK", "NULL", "LOOP"};
	enum mx_verdict v;

	for (const char *p = in; *p != '\0'; p += 2)
		list[count++] = (struct mx){.name = *p == '#'
			? STR("Me.Example.ORG.")
			: *p == '.' ? STR("")
				    : str_of(p, 1),
		    .preference = (uint16_t)(p[1] - '0'),
		    .random = (uint32_t)(1000 - *p)};
	mx_sort(list, count);
	v = mx_choose(list, &count, STR("me.example.org"));
	snprintf(got, sizeof(got), "%s", names[v]);
	for (size_t i = 0; v == MX_OK && i < count; i++)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), " %.*s",
		    STR_FMT(list[i].name));
	assert_string_equal(got, want);
}

static void chooses_exchangers(void **state)
{
	(void)state;
	choose("a5", "OK a");
	choose("a5b1c9", "OK b a c");
	choose("a1b1c1", "OK c b a"); /* equal: by the random number */
	choose("a1#2b3", "OK a");
	choose("a2#2b3", "LOOP");
	choose("a1b2#2c2", "OK a");
	choose("#1", "LOOP");
	choose("#1a2", "LOOP");
	choose(".0", "NULL");
	choose(".0a1", "OK a");
	choose(".0.1", "NULL");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_next_hops),
	    cmocka_unit_test(chooses_exchangers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
