/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/clock.h"
#include "net/proxy_protocol.h"

/* "from:port to:port len", "local len", "more" or "error: why" */
static const char *tell_result(
    enum proxy_result r, const struct proxy_header *h, const char *why)
{
	static char out[300];
	char from[NETADDR_TEXT_MAX], to[NETADDR_TEXT_MAX];

	if (r == PROXY_MORE)
		return "more";
	if (r == PROXY_GONE)
		return "gone";
	if (r == PROXY_BAD) {
		snprintf(out, sizeof(out), "error: %s", why);
		return out;
	}
	if (h->local) {
		snprintf(out, sizeof(out), "local %zu", h->len);
		return out;
	}
	netaddr_text(&h->from, from);
	netaddr_text(&h->to, to);
	snprintf(out, sizeof(out), "%s %u %s %u %zu", from,
	    netaddr_port(&h->from), to, netaddr_port(&h->to), h->len);
	return out;
}

static const char *tell(struct str input)
{
	struct proxy_header h;
	const char *why;
	enum proxy_result r = proxy_parse(input, &h, &why);

	return tell_result(r, &h, why);
}

static void reads_version_1(void **state)
{
	(void)state;
#define ADDRESS  "error: an address is wrong"
#define PORT     "error: a port is wrong"
#define PROTOCOL "error: the protocol is none of TCP4, TCP6 and UNKNOWN"
	/* clang-format off */
	static const char *const rows[][2] = {
		{"", "more"},
		{"P", "more"},
		{"PROXY", "more"},
		{"PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r", "more"},
		{"PROXY TCP4 192.0.2.1 192.0.2.2 40001 25\r\nEHLO",
		    "192.0.2.1 40001 192.0.2.2 25 41"},
		{"PROXY TCP6 2001:db8::1 ::1 65535 0\r\n",
		    "2001:db8::1 65535 ::1 0 36"},
		{"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n",
		    "192.0.2.1 1 ::1 2 37"},
		{"PROXY UNKNOWN\r\n", "local 15"},
		{"PROXY UNKNOWN ff ff 1 2 and more\r\n", "local 34"},
		{"PROXY \r\n", PROTOCOL},
		{"PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n", PROTOCOL},
		{"PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n", PROTOCOL},
		{"PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n", PROTOCOL},
		{"PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n", ADDRESS},
		{"PROXY TCP4 1.2.3.4\r\n", ADDRESS},
		{"PROXY TCP4 1.2.3.456 1.2.3.4 1 2\r\n", ADDRESS},
		{"PROXY TCP4 [1.2.3.4] 1.2.3.4 1 2\r\n", ADDRESS},
		{"PROXY TCP4 ::1 ::1 1 2\r\n", ADDRESS},
		{"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", ADDRESS},
		{"PROXY TCP6 IPv6:::1 ::1 1 2\r\n", ADDRESS},
		{"PROXY TCP6 ::1%lo ::1 1 2\r\n", ADDRESS},
		{"PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n", PORT},
		{"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", PORT},
		{"PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n", PORT},
		{"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", PORT},
		{"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", PORT},
		{"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", PORT},
		{"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
		    "error: the line does not end in CRLF"},
		{"EHLO a\r\n", "error: there is none"},
		{"proxy TCP4", "error: there is none"},
	};
	/* clang-format on */
	char line[300];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(tell(str_from(rows[i][0])), rows[i][1]);
	memset(line, 'x', sizeof(line));
	memcpy(line, "PROXY UNKNOWN ", 14);
	assert_string_equal(tell(str_of(line, PROXY_V1_MAX - 1)), "more");
	assert_string_equal(
	    tell(str_of(line, PROXY_V1_MAX)), "error: the line is too long");
	memcpy(line + PROXY_V1_MAX - 2, "\r\n", 2);
	assert_string_equal(tell(str_of(line, sizeof(line))), "local 107");
}

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4        "\xc0\x00\x02\x01\xc0\x00\x02\x02\x9c\x41\x00\x19"
#define V6                                                                     \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"                           \
	"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x9c\x41\x00\x19"

static void reads_version_2(void **state)
{
	(void)state;
	/* clang-format off */
	static const struct {
		struct str input;
		const char *want;
	} rows[] = {
		{STR_INIT("\r\n\r\n"), "more"},
		{STR_INIT(SIGNATURE), "more"},
		{STR_INIT(SIGNATURE "\x21\x11\0"), "more"},
		{STR_INIT(SIGNATURE "\x21\x11\0\x0c" "\xc0"), "more"},
		{STR_INIT(SIGNATURE "\x21\x11\0\x0c" V4 "EHLO"),
		    "192.0.2.1 40001 192.0.2.2 25 28"},
		{STR_INIT(SIGNATURE "\x21\x21\0\x24" V6),
		    "2001:db8::1 40001 ::1 25 52"},
		/* with a TLV */
		{STR_INIT(SIGNATURE "\x21\x11\0\x10" V4 "\x04\0\x01\0" "Q"),
		    "192.0.2.1 40001 192.0.2.2 25 32"},
		{STR_INIT(SIGNATURE "\x20\0\0\0"), "local 16"},
		{STR_INIT(SIGNATURE "\x20\x11\0\x02" "xy"), "local 18"},
		{STR_INIT(SIGNATURE "\x21\0\0\0"), "local 16"},
		{STR_INIT(SIGNATURE "\x21\x31\0\0"), "local 16"},
		{STR_INIT(SIGNATURE "\x21\x11\0\x0b" V4),
		    "error: the addresses are cut off"},
		{STR_INIT(SIGNATURE "\x21\x21\0\x0c" V4),
		    "error: the addresses are cut off"},
		{STR_INIT(SIGNATURE "\x21\x12\0\x0c" V4),
		    "error: the family is none of TCP over IPv4 and IPv6"},
		{STR_INIT(SIGNATURE "\x11\x11\0\x0c" V4),
		    "error: the version is unknown"},
		{STR_INIT(SIGNATURE "\x22\x11\0\x0c" V4),
		    "error: the command is none of LOCAL and PROXY"},
		{STR_INIT(SIGNATURE "\x21\x11\x10\x00"),
		    "error: the header is too long"},
		{STR_INIT("\r\n\r\n\0\r\nQUIT\r"), "error: there is none"},
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(tell(rows[i].input), rows[i].want);
}

static void takes_not_an_octet_more(void **state)
{
	(void)state;
	static const char text[] =
	    "PROXY TCP4 192.0.2.1 192.0.2.2 40001 25\r\nEHLO a\r\n";
	struct proxy_header h;
	const char *why;
	enum proxy_result r;
	size_t seen = 0;
	char rest[20];
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(proxy_take(fds[0], &seen, &h, &why), PROXY_MORE);
	for (size_t i = 0; i < 40; i++) {
		assert_int_equal(write(fds[1], text + i, 1), 1);
		assert_int_equal(
		    proxy_take(fds[0], &seen, &h, &why), PROXY_MORE);
	}
	assert_int_equal(write(fds[1], text + 40, 9), 9);
	r = proxy_take(fds[0], &seen, &h, &why);
	assert_string_equal(
	    tell_result(r, &h, why), "192.0.2.1 40001 192.0.2.2 25 41");
	assert_int_equal(read(fds[0], rest, sizeof(rest)), 8);
	assert_memory_equal(rest, "EHLO a\r\n", 8);
	/* Waiting: late, then gone. */
	assert_int_equal(write(fds[1], "PRO", 3), 3);
	assert_int_equal(
	    proxy_wait(fds[0], deadline_in(50), &h, &why), PROXY_GONE);
	close(fds[1]);
	assert_int_equal(
	    proxy_wait(fds[0], deadline_in(5000), &h, &why), PROXY_GONE);
	close(fds[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_version_1),
	    cmocka_unit_test(reads_version_2),
	    cmocka_unit_test(takes_not_an_octet_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
