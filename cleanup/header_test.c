/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "cleanup/header.h"

/* ---- splitter ---- */

static const struct {
	const char *in, *header, *body;
} splits[] = {
    {"A: b\r\n\r\nbody\r\n", "A: b\r\n", "body\r\n"},
    {"A: b\r\n c\r\nD: e\r\n\r\n", "A: b\r\n c\r\nD: e\r\n", ""},
    {"A: b\r\n", "A: b\r\n", ""},
    {"A: b", "A: b\r\n", ""},
    {"", "", ""},
    {"\r\nbody\r\n", "", "body\r\n"},
    {"\r\n", "", ""},
    /* No empty line: the first line that is no field begins the body. */
    {"hello\r\nworld\r\n", "", "hello\r\nworld\r\n"},
    {"A: b\r\nhello world\r\nC: d\r\n", "A: b\r\n", "hello world\r\nC: d\r\n"},
    {" starts with a blank\r\nA: b\r\n", "",
	" starts with a blank\r\nA: b\r\n"},
    {"A: b\r\nno line end", "A: b\r\n", "no line end"},
    {"A : b\r\n\r\nx", "A : b\r\n", "x"},
    {"A: b\r\n\r\n\r\nx\r\n", "A: b\r\n", "\r\nx\r\n"},
    {"A: b\r\n \r\n\r\nx\r\n", "A: b\r\n \r\n", "x\r\n"},
};

/* Feeds in pieces of `step` octets. */
static void split(
    struct str in, size_t step, struct buf *header, struct buf *body)
{
	struct splitter s = splitter_new(100000);
	struct str rest;

	while (in.len > 0) {
		struct str piece = str_sub(in, 0, step);
		size_t taken = 0;

		if (!s.in_body) {
			taken = splitter_feed(&s, piece.p, piece.len, &rest);
			buf_add(body, rest);
		}
		buf_add(body, str_skip(piece, taken));
		in = str_skip(in, piece.len);
	}
	splitter_end(&s, &rest);
	buf_add(body, rest);
	buf_add(header, buf_str(&s.header));
	buf_free(&s.header);
}

static void splits_header_from_body(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(splits); i++)
		for (size_t step = 1; step < 40; step++) {
			struct buf header = buf_new(1000), body = buf_new(1000);

			split(str_from(splits[i].in), step, &header, &body);
			assert_string_equal(
			    buf_text(&header), splits[i].header);
			assert_string_equal(buf_text(&body), splits[i].body);
			buf_free(&header);
			buf_free(&body);
		}
}

static void bounds_the_header(void **state)
{
	struct splitter s = splitter_new(100);
	struct str rest;
	char line[64];

	(void)state;
	memset(line, 'x', sizeof(line));
	line[1] = ':';
	assert_int_equal(splitter_feed(&s, line, sizeof(line), &rest), 64);
	assert_false(s.header.overflow);
	assert_int_equal(splitter_feed(&s, line, sizeof(line), &rest), 64);
	assert_true(s.header.overflow);
	splitter_end(&s, &rest);
	assert_int_equal(rest.len, 0);
	buf_free(&s.header);
}

/* ---- author ---- */

static const struct {
	const char *header, *want;
} authors[] = {
    {"From: a@b.example\r\n", "ok"},
    {"FROM: A <a@b.example>\r\n", "ok"},
    {"From: =?utf-8?q?=C3=A4?=\r\n <a@b.example>\r\n", "ok"},
    {"Subject: x\r\n", "the message has no From field"},
    {"From: a@b.example\r\nFrom: c@d.example\r\n",
	"the message has more than one From field"},
    {"From:\r\n", "the From field names no mailbox"},
    {"From: nobody\r\n", "the From field names no mailbox"},
    {"From: undisclosed:;\r\n", "the From field names no mailbox"},
    {"From: a@b.example, c@d.example\r\n",
	"several mailboxes in From and no Sender field"},
    {"From: a@b.example, c@d.example\r\nSender: a@b.example\r\n", "ok"},
    {"From: a@b.example\r\nSender: a@b.example, c@d.example\r\n",
	"the Sender field does not name one mailbox"},
    {"From: a@b.example\r\nSender: x@y.example\r\nSender: x@y.example\r\n",
	"the message has more than one Sender field"},
};

static void checks_the_author(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(authors); i++) {
		struct header_facts facts;
		const char *why;

		header_look(str_from(authors[i].header), &facts);
		why = header_check_author(&facts);
		if (why == NULL)
			why = "ok";
		assert_string_equal(why, authors[i].want);
	}
}

static void looks_at_what_matters(void **state)
{
	struct header_facts facts;

	(void)state;
	header_look(STR("Received: a\r\nreceived: b\r\n\tc\r\nDate: d\r\n"
			"Message-Id:\r\n <x@y>\r\nResent-Date: z\r\n"
			"Xreceived: no\r\n"),
	    &facts);
	assert_int_equal(facts.received, 2);
	assert_int_equal(facts.date, 1);
	assert_int_equal(facts.message_id, 1);
	assert_int_equal(facts.from, 0);
	assert_true(facts.resent && facts.resent_date);
	assert_memory_equal(facts.message_id_value.p, "<x@y>", 5);
}

/* ---- completion ---- */

static struct cleanup_message client(void)
{
	return (struct cleanup_message){.origin = ORIGIN_MX,
	    .helo = STR_INIT("mx.example.net"),
	    .client_name = STR_INIT("out.example.net"),
	    .client_address = STR_INIT("192.0.2.1"),
	    .protocol = STR_INIT("ESMTP"),
	    .tls = STR_EMPTY,
	    .login = STR_EMPTY};
}

static void complete(
    const struct header_completion *c, const char *in, const char *want)
{
	struct buf out = buf_new(10000);
	struct header_facts facts;

	header_look(str_from(in), &facts);
	header_complete(c, str_from(in), &facts, &out);
	assert_string_equal(buf_text(&out), want);
	buf_free(&out);
}

static struct header_completion completion(const struct cleanup_message *m)
{
	return (struct header_completion){.from = m,
	    .only_recipient = STR_INIT("bob@example.org"),
	    .myhostname = "mail.example.org",
	    .mail_name = "Posthouse",
	    .id = "ID",
	    .date = "Sat, 21 Nov 2026 19:22:18 +0000"};
}

static void completes_mail_from_other_hosts(void **state)
{
	struct cleanup_message m = client();
	struct header_completion c = completion(&m);

	(void)state;
	complete(&c, "Return-Path: <x@y>\r\nSubject: a\r\n b\r\nBcc: c@d\r\n",
	    "Received: from mx.example.net (out.example.net [192.0.2.1])\r\n"
	    "\tby mail.example.org (Posthouse) with ESMTP id ID\r\n"
	    "\tfor <bob@example.org>; Sat, 21 Nov 2026 19:22:18 +0000\r\n"
	    "Subject: a\r\n b\r\nBcc: c@d\r\n\r\n");
	m.tls = STR("TLSv1.3 with cipher X (256/256 bits)");
	m.client_address = STR("2001:db8::1");
	m.helo = STR("a b\r\n(x)\xc3\xa4");
	c.only_recipient = STR_EMPTY;
	complete(&c, "",
	    "Received: from a?b???x??? (out.example.net [IPv6:2001:db8::1])\r\n"
	    "\t(using TLSv1.3 with cipher X (256/256 bits))\r\n"
	    "\tby mail.example.org (Posthouse) with ESMTP id ID; "
	    "Sat, 21 Nov 2026 19:22:18 +0000\r\n\r\n");
	/* An address that would break out of the field is left away. */
	c.only_recipient = STR("\"a>;\r\nX: y\"@example.org");
	m = client();
	complete(&c, "",
	    "Received: from mx.example.net (out.example.net [192.0.2.1])\r\n"
	    "\tby mail.example.org (Posthouse) with ESMTP id ID; "
	    "Sat, 21 Nov 2026 19:22:18 +0000\r\n\r\n");
}

static void completes_submissions(void **state)
{
	struct cleanup_message m = client();
	struct header_completion c = completion(&m);

	(void)state;
	m.origin = ORIGIN_SUBMISSION;
	m.protocol = STR("ESMTPSA");
	m.login = STR("alice@example.org");
	c.add_missing = c.drop_bcc = c.name_login = true;
	complete(&c,
	    "From: a@b\r\nbcc: secret@d,\r\n\tmore@d\r\nResent-Bcc: e@f\r\n"
	    "To: x@y\r\n",
	    "Received: from mx.example.net (out.example.net [192.0.2.1])\r\n"
	    "\t(Authenticated sender: alice@example.org)\r\n"
	    "\tby mail.example.org (Posthouse) with ESMTPSA id ID\r\n"
	    "\tfor <bob@example.org>; Sat, 21 Nov 2026 19:22:18 +0000\r\n"
	    "Resent-Date: Sat, 21 Nov 2026 19:22:18 +0000\r\n"
	    "From: a@b\r\nTo: x@y\r\n"
	    "Date: Sat, 21 Nov 2026 19:22:18 +0000\r\n"
	    "Message-ID: <ID@mail.example.org>\r\n\r\n");
	c.name_login = false;
	c.only_recipient = STR_EMPTY;
	complete(&c, "Date: d\r\nMessage-ID: <m@n>\r\n",
	    "Received: from mx.example.net (out.example.net [192.0.2.1])\r\n"
	    "\tby mail.example.org (Posthouse) with ESMTPSA id ID; "
	    "Sat, 21 Nov 2026 19:22:18 +0000\r\n"
	    "Date: d\r\nMessage-ID: <m@n>\r\n\r\n");
}

static void completes_what_the_house_sends(void **state)
{
	struct cleanup_message m = {.origin = ORIGIN_BOUNCE};
	struct header_completion c = completion(&m);

	(void)state;
	complete(&c, "From: a@b\r\n",
	    "Received: by mail.example.org (Posthouse) id ID;\r\n"
	    "\tSat, 21 Nov 2026 19:22:18 +0000\r\nFrom: a@b\r\n\r\n");
}

static void puts_findings_on_top(void **state)
{
	struct cleanup_message m = {.origin = ORIGIN_BOUNCE};
	struct header_completion c = completion(&m);

	(void)state;
	c.results = STR("mx.example.org;\r\n\tspf=pass smtp.helo=a");
	c.received_spf = STR("pass");
	c.forged_results = STR("mx.example.org");
	complete(&c,
	    "Authentication-Results: (a) MX.example.org (b); dmarc=pass\r\n"
	    "From: a@b\r\n"
	    "authentication-results:\r\n \"mx.example.org\" 1;\r\n none\r\n"
	    "Authentication-Results : mx.example.org.; spf=pass\r\n"
	    "Authentication-Results: mx.example.net 2; spf=pass\r\n"
	    "Received-SPF: pass receiver=mx.example.org\r\n"
	    "received-spf: pass receiver=MAIL.example.org; helo=x\r\n"
	    "Received-SPF: pass (mx.example.net: domain of a@b)\r\n"
	    "Received-SPF: fail receiver=mx.example.net\r\n"
	    "Authentication-Results: mx.example.net; spf=pass\r\n"
	    "ARC-Authentication-Results: i=1; mx.example.org; spf=pass\r\n",
	    "Authentication-Results: mx.example.org;\r\n"
	    "\tspf=pass smtp.helo=a\r\n"
	    "Received-SPF: pass\r\n"
	    "Received: by mail.example.org (Posthouse) id ID;\r\n"
	    "\tSat, 21 Nov 2026 19:22:18 +0000\r\n"
	    "From: a@b\r\n"
	    "Received-SPF: fail receiver=mx.example.net\r\n"
	    "Authentication-Results: mx.example.net; spf=pass\r\n"
	    "ARC-Authentication-Results: i=1; mx.example.org; spf=pass\r\n"
	    "\r\n");
	c.results = c.received_spf = c.forged_results = STR_EMPTY;
	complete(&c,
	    "Authentication-Results: mx.example.org; spf=pass\r\n"
	    "Received-SPF: pass\r\n",
	    "Received: by mail.example.org (Posthouse) id ID;\r\n"
	    "\tSat, 21 Nov 2026 19:22:18 +0000\r\n"
	    "Authentication-Results: mx.example.org; spf=pass\r\n"
	    "Received-SPF: pass\r\n\r\n");
}

static void knows_what_breaks_out_of_a_field(void **state)
{
	static const char *const bad[] = {"a\r\nb", "a\r\n", "a\r\n\r\n b",
	    "a\nb", "a\rb", "a\r\n\rb", "\x01", "\x7f"};

	(void)state;
	assert_true(header_is_folded(STR("")));
	assert_true(header_is_folded(STR("a;\r\n\tb=c\r\n d")));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(header_is_folded(str_from(bad[i])));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(splits_header_from_body),
	    cmocka_unit_test(bounds_the_header),
	    cmocka_unit_test(checks_the_author),
	    cmocka_unit_test(looks_at_what_matters),
	    cmocka_unit_test(completes_mail_from_other_hosts),
	    cmocka_unit_test(completes_submissions),
	    cmocka_unit_test(completes_what_the_house_sends),
	    cmocka_unit_test(puts_findings_on_top),
	    cmocka_unit_test(knows_what_breaks_out_of_a_field),
	};

	return cmocka_run_group_tests_name("header", tests, NULL, NULL);
}
