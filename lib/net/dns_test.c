/* SPDX-License-Identifier: ISC */
/* Real questions to a name server of our own, a process on loopback. */
#include "net/dns.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/clock.h"

/* ---- the server ---- */

/* One record of the zone; data by type: an address, a name, "10 name" or
 * strings separated by "|". */
struct zone {
	const char *name;
	int type;
	unsigned ttl;
	const char *data;
};

/* clang-format off */
static const struct zone zone[] = {
	{"a.example",      DNS_A,     300, "192.0.2.1"},
	{"a.example",      DNS_A,     300, "192.0.2.2"},
	{"a.example",      DNS_AAAA,  60,  "2001:db8::1"},
	{"alias.example",  DNS_CNAME, 30,  "second.example"},
	{"second.example", DNS_CNAME, 90,  "A.example"},
	{"loop.example",   DNS_CNAME, 90,  "loop.example"},
	{"mx.example",     DNS_MX,    300, "20 b.example"},
	{"mx.example",     DNS_MX,    300, "10 a.example"},
	{"null.example",   DNS_MX,    300, "0 "},
	{"bad.example",    DNS_MX,    300, "10 not a host"},
	{"txt.example",    DNS_TXT,   300, "v=spf1 |-all"},
	{"1.2.0.192.in-addr.arpa",  DNS_PTR, 300, "liar.example"},
	{"1.2.0.192.in-addr.arpa",  DNS_PTR, 300, "a.example"},
	{"9.2.0.192.in-addr.arpa",  DNS_PTR, 300, "liar.example"},
	{"3.2.0.192.in-addr.arpa",  DNS_CNAME, 30, "3.0/25.2.0.192.in-addr.arpa"},
	{"3.0/25.2.0.192.in-addr.arpa", DNS_CNAME, 60, "3.part.example"},
	{"3.part.example", DNS_PTR,   300, "a.example"},
	{"liar.example",   DNS_A,     300, "192.0.2.77"},
	{"u+a/b\\c@x y.example", DNS_A, 300, "127.0.0.2"},
	{"_25._tcp.a.example", DNS_TLSA, 300, "\003\001\001xyz"},
	{NULL, 0, 0, NULL},
};
/* clang-format on */

static void put_u16(struct buf *out, unsigned v)
{
	buf_add_char(out, (char)(v >> 8));
	buf_add_char(out, (char)v);
}

static void put_name(struct buf *out, struct str name)
{
	while (name.len > 0) {
		struct str label = str_cut(&name, '.');
		buf_add_char(out, (char)label.len);
		buf_add(out, label);
	}
	buf_add_char(out, 0);
}

static void put_data(struct buf *out, const struct zone *z)
{
	struct str data = str_from(z->data);
	struct netaddr a;

	switch (z->type) {
	case DNS_A:
		netaddr_parse(data, 0, &a);
		buf_add_bytes(out, &a.u.in.sin_addr, 4);
		break;
	case DNS_AAAA:
		netaddr_parse(data, 0, &a);
		buf_add_bytes(out, &a.u.in6.sin6_addr, 16);
		break;
	case DNS_MX:
		put_u16(out, (unsigned)strtoul(z->data, NULL, 10));
		str_cut(&data, ' ');
		put_name(out, data);
		break;
	case DNS_TXT:
		while (data.len > 0) {
			struct str s = str_cut(&data, '|');
			buf_add_char(out, (char)s.len);
			buf_add(out, s);
		}
		break;
	case DNS_TLSA:
		buf_add(out, data);
		break;
	default:
		put_name(out, data);
	}
}

static void put_record(struct buf *out, const struct zone *z)
{
	struct buf data = buf_new(1000);

	put_name(out, str_from(z->name));
	put_u16(out, (unsigned)z->type);
	put_u16(out, 1);
	put_u16(out, z->ttl >> 16);
	put_u16(out, z->ttl & 0xffff);
	put_data(&data, z);
	put_u16(out, (unsigned)data.len);
	buf_add(out, buf_str(&data));
	buf_free(&data);
}

/* The question's name and type; its end in the packet. */
static size_t read_question(
    const char *p, size_t len, char name[256], int *type)
{
	size_t at = 12, n = 0;

	while (at < len && p[at] != 0) {
		size_t label = (unsigned char)p[at++];
		if (n > 0)
			name[n++] = '.';
		memcpy(name + n, p + at, label);
		n += label;
		at += label;
	}
	name[n] = '\0';
	*type = (unsigned char)p[at + 1] << 8 | (unsigned char)p[at + 2];
	return at + 5;
}

/* 0 when the server says nothing. */
static int answer(const char *p, size_t len, bool tcp, struct buf *out)
{
	struct buf records = buf_new(100000);
	char name[256];
	int type, count = 0, rcode = 3;
	size_t end = read_question(p, len, name, &type);
	unsigned flags = 0x8180;
	const char *at = name;

	if (strcmp(name, "silent.example") == 0)
		return 0;
	if (strcmp(name, "broken.example") == 0)
		rcode = 2;
	if (((unsigned char)p[3] & 0x20) != 0)
		flags |= 0x20; /* as a validating resolver does when asked */
	for (int hops = 0; hops < 4; hops++) {
		const char *next = NULL;
		for (const struct zone *z = zone; z->name != NULL; z++) {
			if (strcasecmp(z->name, at) != 0)
				continue;
			rcode = 0;
			if (z->type != type && z->type != DNS_CNAME)
				continue;
			put_record(&records, z);
			count++;
			if (z->type == DNS_CNAME)
				next = z->data;
		}
		if (next == NULL)
			break;
		at = next;
	}
	if (strcmp(name, "big.example") == 0) {
		rcode = 0;
		if (!tcp)
			flags |= 0x200;
		for (; tcp && count < 40; count++)
			put_record(&records,
			    &(struct zone){"big.example", DNS_TXT, 1,
				"a text that fills the packet, one of many"});
	}
	buf_add_bytes(out, p, 2);
	put_u16(out, flags | (unsigned)rcode);
	put_u16(out, 1);
	put_u16(out, (unsigned)count);
	put_u16(out, 0);
	put_u16(out, 0);
	buf_add_bytes(out, p + 12, end - 12);
	buf_add(out, buf_str(&records));
	buf_free(&records);
	return 1;
}

static void serve_udp(int fd)
{
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	char in[2000];
	struct buf out = buf_new(100000);
	ssize_t n = recvfrom(
	    fd, in, sizeof(in), 0, (struct sockaddr *)&from, &from_len);

	if (n > 16 && answer(in, (size_t)n, false, &out))
		sendto(
		    fd, out.p, out.len, 0, (struct sockaddr *)&from, from_len);
	buf_free(&out);
}

static void serve_tcp(int listener)
{
	int fd = accept(listener, NULL, NULL);
	char in[2000];
	struct buf out = buf_new(100000), framed = buf_new(100000);
	ssize_t n = read(fd, in, sizeof(in)); /* small: it comes whole */

	if (n > 18 && answer(in + 2, (size_t)n - 2, true, &out)) {
		put_u16(&framed, (unsigned)out.len);
		buf_add(&framed, buf_str(&out));
		if (write(fd, framed.p, framed.len) < 0)
			_exit(1);
	}
	buf_free(&out);
	buf_free(&framed);
	close(fd);
}

static pid_t server;
static char servers[64];

static int start_server(void **state)
{
	struct sockaddr_in in = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(in);
	int udp, tcp;

	(void)state;
	do { /* one free port for both */
		udp = socket(AF_INET, SOCK_DGRAM, 0);
		tcp = socket(AF_INET, SOCK_STREAM, 0);
		in.sin_port = 0;
		assert_int_equal(
		    bind(udp, (struct sockaddr *)&in, sizeof(in)), 0);
		getsockname(udp, (struct sockaddr *)&in, &len);
		if (bind(tcp, (struct sockaddr *)&in, sizeof(in)) == 0)
			break;
		close(udp);
		close(tcp);
	} while (errno == EADDRINUSE);
	listen(tcp, 5);
	snprintf(servers, sizeof(servers), "127.0.0.1:%u", ntohs(in.sin_port));
	server = fork();
	if (server == 0) {
		alarm(200);
		for (;;) {
			struct pollfd p[2] = {
			    {udp, POLLIN, 0}, {tcp, POLLIN, 0}};
			poll(p, 2, -1);
			if (p[0].revents)
				serve_udp(udp);
			if (p[1].revents)
				serve_tcp(tcp);
		}
	}
	close(udp);
	close(tcp);
	return 0;
}

static int stop_server(void **state)
{
	(void)state;
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	return 0;
}

/* ---- the tests ---- */

static const char *status_name(enum dns_status s)
{
	static const char *const names[] = {
	    "ok", "no data", "no name", "temporary", "bad"};

	return names[s];
}

static void reply_text(const struct dns_reply *r, char *out, size_t size)
{
	int n = snprintf(out, size, "%s%s", status_name(r->status),
	    r->authentic ? " ad" : "");

	for (size_t i = 0; i < r->count; i++) {
		const struct dns_record *d = &r->records[i];
		char address[NETADDR_TEXT_MAX] = "";
		if (d->addr.len > 0)
			netaddr_text(&d->addr, address);
		n += snprintf(out + n, size - (size_t)n, "; %u %u %s%.*s%.*s",
		    d->ttl, d->preference, address, STR_FMT(d->name),
		    STR_FMT(d->text));
		if (i == 3)
			return;
	}
}

static void answers(void **state)
{
	/* clang-format off */
	static const struct {
		const char *name;
		enum dns_type type;
		const char *want;
	} rows[] = {
		{"a.example", DNS_A, "ok ad; 300 0 192.0.2.1; 300 0 192.0.2.2"},
		{"A.EXAMPLE.", DNS_AAAA, "ok ad; 60 0 2001:db8::1"},
		{"alias.example", DNS_A,
		    "ok ad; 30 0 192.0.2.1; 30 0 192.0.2.2"},
		{"alias.example", DNS_CNAME, "ok ad; 30 0 second.example"},
		{"alias.example", DNS_MX, "no data ad"},
		{"3.2.0.192.in-addr.arpa", DNS_PTR, "ok ad; 30 0 a.example"},
		{"loop.example", DNS_A, "temporary"},
		{"mx.example", DNS_MX,
		    "ok ad; 300 20 b.example; 300 10 a.example"},
		{"null.example", DNS_MX, "ok ad; 300 0 "},
		{"bad.example", DNS_MX, "bad ad"},
		{"txt.example", DNS_TXT, "ok ad; 300 0 v=spf1 -all"},
		{"a.example", DNS_MX, "no data ad"},
		{"nobody.example", DNS_A, "no name"},
		{"broken.example", DNS_A, "temporary"},
		{"_25._tcp.a.example", DNS_TLSA, "ok ad; 300 0 \003\001\001xyz"},
		{"not a host", DNS_A, "no name"},
		{"u+a/b\\c@x y.example", DNS_A, "ok ad; 300 0 127.0.0.2"},
		{"con\001trol.example", DNS_A, "bad"},
		{"a..example", DNS_A, "bad"},
		{"", DNS_A, "bad"},
	};
	/* clang-format on */
	struct loop *loop = loop_new();
	const char *why = "";
	struct dns *dns = dns_open(loop, servers, 2000, 2, &why);

	(void)state;
	assert_non_null(dns);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char got[600];
		reply_text(dns_wait(dns, str_from(rows[i].name), rows[i].type,
			       deadline_in(5000)),
		    got, sizeof(got));
		assert_string_equal(got, rows[i].want);
	}
	dns_close(&dns);
	loop_free(&loop);
}

static void large_answers_come_by_tcp(void **state)
{
	struct loop *loop = loop_new();
	const char *why = "";
	struct dns *dns = dns_open(loop, servers, 2000, 2, &why);
	const struct dns_reply *r = dns_wait(
	    dns, STR("big.example"), DNS_TXT, deadline_in(5000));

	(void)state;
	assert_int_equal(r->status, DNS_OK);
	assert_int_equal(r->count, 40);
	dns_close(&dns);
	loop_free(&loop);
}

static void silence_has_a_bound(void **state)
{
	struct loop *loop = loop_new();
	const char *why = "";
	struct dns *dns = dns_open(loop, servers, 500, 2, &why);
	int64_t begin = clock_ms();

	(void)state;
	const struct dns_reply *r = dns_wait(
	    dns, STR("silent.example"), DNS_A, deadline_in(60));
	assert_int_equal(r->status, DNS_TEMPORARY);
	assert_true(clock_ms() - begin >= 55);
	r = dns_wait(dns, STR("silent.example"), DNS_A, deadline_in(20000));
	assert_int_equal(r->status, DNS_TEMPORARY);
	assert_string_equal(r->why, "timeout");
	assert_true(clock_ms() - begin < 15000);
	/* the answers to other questions still come */
	r = dns_wait(dns, STR("a.example"), DNS_A, deadline_in(5000));
	assert_int_equal(r->count, 2);
	dns_close(&dns);
	loop_free(&loop);
}

static void count_reply(const struct dns_reply *reply, void *arg)
{
	int *count = arg;

	(void)reply;
	++*count;
}

static void many_at_once_and_cancelled(void **state)
{
	struct loop *loop = loop_new();
	const char *why = "";
	struct dns *dns = dns_open(loop, servers, 5000, 2, &why);
	struct dns_query *q[200];
	int count = 0;

	(void)state;
	for (int i = 0; i < 200; i++)
		q[i] = dns_ask(dns,
		    str_from(i % 10 == 0 ? "not a name" : "a.example"), DNS_A,
		    count_reply, &count);
	assert_int_equal(count, 0);
	for (int i = 0; i < 200; i += 2) /* one of them not a name */
		dns_cancel(&q[i]);
	int64_t end = deadline_in(20000);
	while (count < 100 && deadline_left(end) > 0)
		loop_turn(loop, 100);
	loop_turn(loop, 50);
	assert_int_equal(count, 100);
	/* what is under way at the end is not told */
	dns_ask(dns, STR("silent.example"), DNS_A, count_reply, &count);
	dns_close(&dns);
	assert_int_equal(count, 100);
	loop_free(&loop);
}

static void names_of_clients_are_verified(void **state)
{
	static const struct {
		const char *address, *want;
	} rows[] = {
	    {"192.0.2.1", "a.example"},
	    {"::ffff:192.0.2.1", "a.example"},
	    {"192.0.2.9", "unknown"},
	    {"192.0.2.4", "unknown"},
	};
	static const enum dns_status found[] = {
	    DNS_OK, DNS_OK, DNS_NO_DATA, DNS_NO_NAME};
	struct loop *loop = loop_new();
	const char *why = "";
	struct dns *dns = dns_open(loop, servers, 2000, 2, &why);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct netaddr a;
		char name[256];
		netaddr_parse(str_from(rows[i].address), 0, &a);
		enum dns_status r = dns_client_name(
		    dns, &a, name, deadline_in(5000));
		assert_string_equal(name, rows[i].want);
		assert_int_equal(r, found[i]);
	}
	dns_close(&dns);
	loop_free(&loop);
}

static void servers_are_checked(void **state)
{
	static const char *const bad[] = {
	    "localhost", "127.0.0.1:0", "127.0.0.1:x", "::1:53:", ","};
	struct loop *loop = loop_new();
	const char *why = "";
	struct dns *dns;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_null(dns_open(loop, bad[i], 500, 2, &why));
	dns = dns_open(loop, "127.0.0.1, [::1]:5300 ::1", 500, 2, &why);
	assert_non_null(dns);
	dns_close(&dns);
	dns = dns_open(loop, "", 500, 2, &why);
	assert_non_null(dns);
	dns_close(&dns);
	loop_free(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(answers),
	    cmocka_unit_test(large_answers_come_by_tcp),
	    cmocka_unit_test(silence_has_a_bound),
	    cmocka_unit_test(many_at_once_and_cancelled),
	    cmocka_unit_test(names_of_clients_are_verified),
	    cmocka_unit_test(servers_are_checked),
	};

	signal(SIGPIPE, SIG_IGN);
	alarm(200);
	return cmocka_run_group_tests(tests, start_server, stop_server);
}
