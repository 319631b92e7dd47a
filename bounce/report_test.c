/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "bounce/report.h"
#include "mail/header.h"
#include "mail/mime.h"

static const struct bounce_for unknown = {
    .address = STR_INIT("bob@example.org"),
    .original = STR_INIT("rfc822;info@example.org"),
    .dsn = STR_INIT("5.1.1"),
    .code = 550,
    .text = STR_INIT("5.1.1 <bob@example.org>: no such user"),
    .remote = STR_INIT("mx.example.org[192.0.2.1]:25"),
    .last = 1795288938};

static const struct bounce_for local = {
    .address = STR_INIT("carol@example.com"),
    .original = STR_INIT(""),
    .dsn = STR_INIT("5.2.2"),
    .code = 0,
    .text = STR_INIT("mailbox\r\nis full"),
    .remote = STR_INIT(""),
    .last = 0};

static struct bounce failed(void)
{
	return (struct bounce){.queue_id = STR_INIT("0123456789ABCDEFGHJKMN"),
	    .session = STR_EMPTY,
	    .round = 1,
	    .kind = BOUNCE_FAILED,
	    .sender = STR_INIT("alice@example.net"),
	    .arrived = 1795288000,
	    .envid = STR_INIT("QQ314159"),
	    .ret = STR_EMPTY};
}

static struct report plain(
    const struct bounce *what, const struct bounce_for *to, size_t count)
{
	return (struct report){.what = what,
	    .to = to,
	    .count = count,
	    .myhostname = "mail.example.net",
	    .myorigin = "example.net",
	    .mail_name = "Posthouse",
	    .id = {"ABCDEFGHJKMNPQRSTVWXYZ"},
	    .now = 1795288938,
	    .give_up = 1795720000,
	    .zone = 60,
	    .has_original = true,
	    .header = STR_INIT("Subject: hi\r\n\r\n"),
	    .whole = true,
	    .body = STR_INIT("hello\r\n")};
}

static void writes_a_non_delivery_notification(void **state)
{
	static const char want[] =
	    "From: MAILER-DAEMON@example.net (Mail Delivery System)\r\n"
	    "To: alice@example.net\r\n"
	    "Subject: Undelivered Mail Returned to Sender\r\n"
	    "Date: Sat, 21 Nov 2026 20:22:18 +0100\r\n"
	    "Message-ID: <ABCDEFGHJKMNPQRSTVWXYZ@mail.example.net>\r\n"
	    "Auto-Submitted: auto-replied\r\n"
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: multipart/report; report-type=delivery-status;\r\n"
	    "\tboundary=\"=_ABCDEFGHJKMNPQRSTVWXYZ\"\r\n"
	    "Content-Transfer-Encoding: 7bit\r\n"
	    "\r\n"
	    "This is a MIME message; its first part is for people.\r\n"
	    "\r\n"
	    "--=_ABCDEFGHJKMNPQRSTVWXYZ\r\n"
	    "Content-Description: Notification\r\n"
	    "Content-Type: text/plain; charset=us-ascii\r\n"
	    "Content-Transfer-Encoding: 7bit\r\n"
	    "\r\n"
	    "This is the mail system at host mail.example.net.\r\n"
	    "\r\n"
	    "I am sorry to have to tell you that your message could not be "
	    "delivered to\r\n"
	    "the recipients named below. It will not be tried again.\r\n"
	    "Your message is attached.\r\n"
	    "\r\n"
	    "<bob@example.org> (for <info@example.org>):\r\n"
	    "    mx.example.org[192.0.2.1]:25 said: 550 5.1.1 "
	    "<bob@example.org>: no such\r\n"
	    "    user\r\n"
	    "\r\n"
	    "<carol@example.com>:\r\n"
	    "    mailbox is full\r\n"
	    "\r\n"
	    "For help, please write to <postmaster> of your mail service and "
	    "include this\r\n"
	    "message.\r\n"
	    "\r\n"
	    "--=_ABCDEFGHJKMNPQRSTVWXYZ\r\n"
	    "Content-Description: Delivery report\r\n"
	    "Content-Type: message/delivery-status\r\n"
	    "Content-Transfer-Encoding: 7bit\r\n"
	    "\r\n"
	    "Reporting-MTA: dns; mail.example.net\r\n"
	    "X-Posthouse-Queue-ID: 0123456789ABCDEFGHJKMN\r\n"
	    "Original-Envelope-Id: QQ314159\r\n"
	    "Arrival-Date: Sat, 21 Nov 2026 20:06:40 +0100\r\n"
	    "\r\n"
	    "Original-Recipient: rfc822; info@example.org\r\n"
	    "Final-Recipient: rfc822; bob@example.org\r\n"
	    "Action: failed\r\n"
	    "Status: 5.1.1\r\n"
	    "Remote-MTA: dns; mx.example.org\r\n"
	    "Diagnostic-Code: smtp; 550 5.1.1 <bob@example.org>: no such "
	    "user\r\n"
	    "Last-Attempt-Date: Sat, 21 Nov 2026 20:22:18 +0100\r\n"
	    "\r\n"
	    "Final-Recipient: rfc822; carol@example.com\r\n"
	    "Action: failed\r\n"
	    "Status: 5.2.2\r\n"
	    "Diagnostic-Code: X-Posthouse; mailbox  is full\r\n"
	    "\r\n"
	    "--=_ABCDEFGHJKMNPQRSTVWXYZ\r\n"
	    "Content-Description: Undelivered message\r\n"
	    "Content-Type: message/rfc822\r\n"
	    "Content-Transfer-Encoding: 7bit\r\n"
	    "\r\n"
	    "Subject: hi\r\n"
	    "\r\n"
	    "hello\r\n"
	    "\r\n"
	    "--=_ABCDEFGHJKMNPQRSTVWXYZ--\r\n";
	struct bounce what = failed();
	struct bounce_for to[] = {unknown, local};
	struct report r = plain(&what, to, 2);
	struct buf out = buf_new(100000);
	bool eight, utf8;

	(void)state;
	assert_int_equal(report_build(&r, &out, &eight, &utf8), 0);
	assert_string_equal(buf_text(&out), want);
	assert_false(eight || utf8);
	buf_free(&out);
}

/* The types of all parts, as an independent reader sees them. */
static void list_types(struct str message, char *out, size_t size)
{
	struct arena arena = arena_new(1 << 20);
	struct mime_part *root = mime_parse(message, &arena);
	size_t n = 0;

	assert_non_null(root);
	out[0] = '\0';
	for (struct mime_part *p = root->child; p != NULL; p = p->next)
		n += (size_t)snprintf(out + n, size - n, "%.*s/%.*s ",
		    STR_FMT(p->type), STR_FMT(p->subtype));
	arena_free(&arena);
}

struct row {
	int kind;
	bool whole, has_original, smtputf8;
	const char *sender, *address, *text, *header;
	const char *types;
	bool eight, utf8;
	const char *has, *has_not; /* substrings */
};

static const struct row rows[] = {
    {BOUNCE_FAILED, true, true, false, "a@b", "c@d", "no", "S: x\r\n\r\n",
	"text/plain message/delivery-status message/rfc822 ", false, false,
	"Action: failed\r\n", "Will-Retry-Until"},
    {BOUNCE_FAILED, false, true, false, "a@b", "c@d", "no", "S: x\r\n\r\n",
	"text/plain message/delivery-status text/rfc822-headers ", false, false,
	"The header of your message is attached", "hello"},
    {BOUNCE_FAILED, false, false, false, "a@b", "c@d", "no", "",
	"text/plain message/delivery-status ", false, false, "Status: 5.0.0",
	"attached"},
    {BOUNCE_DELAYED, false, true, false, "a@b", "c@d", "busy", "S: x\r\n\r\n",
	"text/plain message/delivery-status text/rfc822-headers ", false, false,
	"Will-Retry-Until: Thu, 26 Nov 2026 20:06:40 +0100\r\n",
	"Action: failed"},
    {BOUNCE_DELIVERED, false, true, false, "a@b", "c@d", "ok", "S: x\r\n\r\n",
	"text/plain message/delivery-status text/rfc822-headers ", false, false,
	"Action: delivered\r\n", "sorry"},
    /* Raw 8-bit headers are returned as they are. */
    {BOUNCE_FAILED, true, true, false, "a@b", "c@d", "no", "S: \xe4\r\n\r\n",
	"text/plain message/delivery-status message/rfc822 ", true, false,
	"S: \xe4\r\n", "charset=utf-8"},
    /* A remote that answers in UTF-8: readable in the text, not in fields. */
    {BOUNCE_FAILED, true, true, false, "a@b", "c@d", "n\xc3\xb6",
	"S: x\r\n\r\n", "text/plain message/delivery-status message/rfc822 ",
	true, false, "charset=utf-8", "smtp; 550 5.0.0 n\xc3\xb6"},
    /* Invalid UTF-8 nowhere. */
    {BOUNCE_FAILED, true, true, false, "a@b", "c@d", "n\xf6", "S: x\r\n\r\n",
	"text/plain message/delivery-status message/rfc822 ", true, false, "n?",
	"n\xf6"},
    /* Internationalised mail (RFC 6533). */
    {BOUNCE_FAILED, true, true, true, "\xc3\xa4@b", "\xc3\xb6@d", "no",
	"S: \xc3\xa4\r\n\r\n",
	"text/plain message/global-delivery-status message/global ", true, true,
	"Final-Recipient: utf-8; \xc3\xb6@d\r\n", "rfc822; \xc3"},
    {BOUNCE_FAILED, false, true, true, "a@b", "\xc3\xb6@d", "no",
	"S: \xc3\xa4\r\n\r\n",
	"text/plain message/global-delivery-status message/global-headers ",
	true, true, "To: a@b\r\n", "text/rfc822-headers"},
    {BOUNCE_FAILED, true, true, true, "a@b", "c@d", "no", "S: x\r\n\r\n",
	"text/plain message/delivery-status message/rfc822 ", false, false,
	"Final-Recipient: rfc822; c@d\r\n", "utf-8"},
    /* Nobody breaks out of a field. */
    {BOUNCE_FAILED, true, true, false, "a@b\r\nX: y", "c@d\r\nX: z",
	"no\r\n\r\nX: w", "S: x\r\n\r\n",
	"text/plain message/delivery-status message/rfc822 ", false, false,
	"To: a@b  X: y\r\n", "\r\nX: "},
};

static void fits_the_occasion(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];
		struct bounce what = failed();
		struct bounce_for to = unknown;
		struct report r = plain(&what, &to, 1);
		struct buf out = buf_new(100000);
		char types[200];
		bool eight, utf8;

		what.kind = row->kind;
		what.sender = str_from(row->sender);
		what.smtputf8 = row->smtputf8;
		to.address = str_from(row->address);
		to.original = STR_EMPTY;
		to.text = str_from(row->text);
		to.dsn = STR("5.0.0");
		r.whole = row->whole;
		r.has_original = row->has_original;
		r.header = str_from(row->header);
		assert_int_equal(report_build(&r, &out, &eight, &utf8), 0);
		if (strstr(buf_text(&out), row->has) == NULL)
			fail_msg("row %zu has no \"%s\"", i, row->has);
		if (strstr(buf_text(&out), row->has_not) != NULL)
			fail_msg("row %zu has \"%s\"", i, row->has_not);
		assert_int_equal(eight, row->eight);
		assert_int_equal(utf8, row->utf8);
		list_types(buf_str(&out), types, sizeof(types));
		assert_string_equal(types, row->types);
		buf_free(&out);
	}
}

static void the_original_is_exact(void **state)
{
	static const struct str original = STR_INIT(
	    "Subject: x\r\n\r\nlast line without end");
	struct bounce what = failed();
	struct report r = plain(&what, &unknown, 1);
	struct arena arena = arena_new(1 << 20);
	struct buf out = buf_new(100000);
	bool eight, utf8;

	(void)state;
	r.header = str_sub(original, 0, 14);
	r.body = str_skip(original, 14);
	assert_int_equal(report_build(&r, &out, &eight, &utf8), 0);
	struct mime_part *p = mime_parse(buf_str(&out), &arena);
	p = p->child->next->next;
	assert_int_equal(p->body_len, original.len);
	assert_memory_equal(out.p + p->body_offset, original.p, original.len);
	arena_free(&arena);
	buf_free(&out);
}

static void a_full_buffer_is_a_result(void **state)
{
	struct bounce what = failed();
	struct report r = plain(&what, &unknown, 1);
	struct buf out = buf_new(500);
	bool eight, utf8;

	(void)state;
	assert_int_equal(report_build(&r, &out, &eight, &utf8), -1);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(writes_a_non_delivery_notification),
	    cmocka_unit_test(fits_the_occasion),
	    cmocka_unit_test(the_original_is_exact),
	    cmocka_unit_test(a_full_buffer_is_a_result),
	};

	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
