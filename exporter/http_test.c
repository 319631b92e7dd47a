/* SPDX-License-Identifier: ISC */
#include "exporter/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define HOST "Host: a\r\n"

static const struct {
	const char *in, *want;
} rows[] = {
    {"GET /metrics HTTP/1.1\r\n" HOST "\r\n", "get /metrics"},
    {"GET /metrics HTTP/1.1\n"
     "Host: a\n\n",
	"get /metrics"},
    {"\r\nGET / HTTP/1.1\r\n" HOST "\r\nGET", "get / +3"},
    {"HEAD /metrics?a=b HTTP/1.1\r\n" HOST "\r\n", "head /metrics"},
    {"GET http://h:1/metrics HTTP/1.1\r\n" HOST "\r\n", "get /metrics"},
    {"GET http://h HTTP/1.1\r\n" HOST "\r\n", "get /"},
    {"POST /x HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", "other /x"},
    {"POST /x HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nabcde",
	"other /x last +5"},
    {"GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n",
	"get / last"},
    {"GET / HTTP/1.1\r\n" HOST "Connection: x, Close\r\n\r\n", "get / last"},
    {"GET / HTTP/1.0\r\n\r\n", "get / last"},
    {"GET / HTTP/1.0\r\nconnection: Keep-Alive\r\n\r\n", "get /"},
    /* not all of it */
    {"", "0"},
    {"GET", "0"},
    {"GET / HTTP/1.1\r\n", "0"},
    {"GET / HTTP/1.1\r\n" HOST, "0"},
    /* refused */
    {"GET\r\n", "-400"},
    {"GET /\r\n", "-400"},
    {"GET / HTTP/1.1 \r\n", "-400"},
    {"G(T / HTTP/1.1\r\n", "-400"},
    {" GET / HTTP/1.1\r\n", "-400"},
    {"GET /\x01 HTTP/1.1\r\n", "-400"},
    {"GET ?x HTTP/1.1\r\n" HOST "\r\n", "-400"},
    {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "-400"},
    {"GET / HTTP/2.0\r\n", "-505"},
    {"GET / ICAP/1.1\r\n", "-400"},
    {"GET / HTTP/1.1\r\n\r\n", "-400"},
    {"GET / HTTP/1.1\r\n" HOST HOST "\r\n", "-400"},
    {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", "-400"},
    {"GET / HTTP/1.1\r\n" HOST " folded\r\n\r\n", "-400"},
    {"GET / HTTP/1.1\r\nnothing\r\n\r\n", "-400"},
    {"GET / HTTP/1.1\r\nHost: \x7f\r\n\r\n", "-400"},
    {"\x16\x03\x01\n", "-400"},
};

static void heads_are_read_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct http_request r;
		long n = http_parse(str_from(rows[i].in), 1000, &r);
		char got[100];

		snprintf(got, sizeof(got), "%ld", n);
		if (n > 0)
			snprintf(got, sizeof(got), "%s %.*s%s",
			    r.get        ? "get"
				: r.head ? "head"
					 : "other",
			    STR_FMT(r.path), r.last ? " last" : "");
		if (n > 0 && (size_t)n < strlen(rows[i].in))
			snprintf(got + strlen(got), sizeof(got) - strlen(got),
			    " +%zu", strlen(rows[i].in) - (size_t)n);
		assert_string_equal(got, rows[i].want);
	}
}

static void what_is_too_long_is_said_so(void **state)
{
	struct http_request r;
	char in[6000];
	size_t len = 0;

	(void)state;
	memset(in, 'x', sizeof(in));
	assert_int_equal(http_parse(str_of(in, 99), 100, &r), 0);
	assert_int_equal(http_parse(str_of(in, 100), 100, &r), -431);
	len += (size_t)snprintf(in, sizeof(in), "GET / HTTP/1.1\r\n" HOST);
	for (int i = 0; i < 80; i++)
		len += (size_t)snprintf(
		    in + len, sizeof(in) - len, "X-%d: y\r\n", i);
	assert_int_equal(http_parse(str_of(in, len), 6000, &r), -431);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(heads_are_read_or_refused),
	    cmocka_unit_test(what_is_too_long_is_said_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
