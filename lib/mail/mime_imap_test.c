/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "mail/mime.h"

struct row {
	const char *in, *want;
};

static void strings(void **state)
{
	static const struct row rows[] = {
	    {"", "\"\""},
	    {"a b", "\"a b\""},
	    {"a\"\\b", "\"a\\\"\\\\b\""},
	    {"\xc3\xa4", "{2}\r\n\xc3\xa4"},
	    {"a\r\nb", "{4}\r\na\r\nb"},
	    {"\xc3\"", "{2}\r\n\xc3\""},
	};
	struct buf out = buf_new(400);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf_clear(&out);
		mime_nstring(str_from(rows[i].in), true, &out);
		assert_string_equal(buf_text(&out), rows[i].want);
	}
	buf_clear(&out);
	mime_nstring(STR("x"), false, &out);
	mime_nstring(STR("a\0b"), true, &out); /* no string holds a NUL */
	mime_nstring(STR("\xc3\0b"), true, &out);
	assert_string_equal(buf_text(&out),
	    "NIL\"ab\"{2}\r\n\xc3"
	    "b");
	buf_free(&out);
}

static void envelopes(void **state)
{
	static const struct row rows[] = {
	    /* the message of RFC 9051 section 8 */
	    {"Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n"
	     "From: Terry Gray <gray@cac.washington.edu>\r\n"
	     "Subject: IMAP4rev2 WG mtg summary and minutes\r\n"
	     "To: imap@cac.washington.edu\r\n"
	     "cc: minutes@CNRI.Reston.VA.US, John Klensin "
	     "<KLENSIN@MIT.EDU>\r\n"
	     "Message-Id: <B27397-0100000@cac.washington.edu>\r\n"
	     "MIME-Version: 1.0\r\n"
	     "Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\n",
		"(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" "
		"\"IMAP4rev2 WG mtg summary and minutes\" "
		"((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
		"((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
		"((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
		"((NIL NIL \"imap\" \"cac.washington.edu\")) "
		"((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")"
		"(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL "
		"\"<B27397-0100000@cac.washington.edu>\")"},
	    {"", "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"},
	    {"Subject:\r\nTo: \r\nDate: \r\nIn-Reply-To:\r\n",
		"(\"\" \"\" NIL NIL NIL NIL NIL NIL \"\" NIL)"},
	    {"From: a@b\r\nSender: c@d\r\nReply-To:\r\n",
		"(NIL NIL ((NIL NIL \"a\" \"b\")) ((NIL NIL \"c\" \"d\")) "
		"((NIL NIL \"a\" \"b\")) NIL NIL NIL NIL NIL)"},
	    {"To: Group: a@b, \"C, D\" <c@d>;\r\n"
	     "Bcc: undisclosed-recipients:;\r\n",
		"(NIL NIL NIL NIL NIL ((NIL NIL \"Group\" NIL)"
		"(NIL NIL \"a\" \"b\")(\"C, D\" NIL \"c\" \"d\")"
		"(NIL NIL NIL NIL)) NIL ((NIL NIL \"undisclosed-recipients\" "
		"NIL)(NIL NIL NIL NIL)) NIL NIL)"},
	    {"Subject: a\r\n\tb \xc3\xa4\r\n",
		"(NIL {6}\r\na\tb \xc3\xa4 NIL NIL NIL NIL NIL NIL NIL NIL)"},
	    {"Subject: one\r\nSubject: two\r\n",
		"(NIL \"one\" NIL NIL NIL NIL NIL NIL NIL NIL)"},
	    {"From: root\r\n",
		"(NIL NIL ((NIL NIL \"root\" \"\")) ((NIL NIL \"root\" \"\")) "
		"((NIL NIL \"root\" \"\")) NIL NIL NIL NIL NIL)"},
	};
	struct buf out = buf_new(4000);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf_clear(&out);
		mime_envelope(str_from(rows[i].in), &out);
		assert_string_equal(buf_text(&out), rows[i].want);
	}
	buf_free(&out);
}

#define HELLO "From: a@b\r\nSubject: hi\r\n\r\nhello\r\n"

static void structures(void **state)
{
	static const struct {
		const char *in, *body, *extensions;
	} rows[] = {
	    {"\r\n1\r\n2\r\n",
		"(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL "
		"\"7bit\" 6 2)",
		"(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL "
		"\"7bit\" 6 2 NIL NIL NIL NIL)"},
	    {"Content-Type: text/html; charset=utf-8; x=y\r\n"
	     "Content-ID: <a@b>\r\nContent-Description: d\r\n"
	     "Content-Transfer-Encoding: BASE64\r\nContent-MD5: m==\r\n"
	     "Content-Disposition: attachment; filename=\"f.txt\"\r\n"
	     "Content-Language: en, de\r\nContent-Location: http://x/\r\n\r\n",
		"(\"text\" \"html\" (\"charset\" \"utf-8\" \"x\" \"y\") "
		"\"<a@b>\" \"d\" \"BASE64\" 0 0)",
		"(\"text\" \"html\" (\"charset\" \"utf-8\" \"x\" \"y\") "
		"\"<a@b>\" \"d\" \"BASE64\" 0 0 \"m==\" (\"attachment\" "
		"(\"filename\" \"f.txt\")) (\"en\" \"de\") \"http://x/\")"},
	    {"Content-Type: multipart/mixed; boundary=b\r\n"
	     "Content-Disposition: inline\r\nContent-Language: en\r\n\r\n"
	     "--b\r\n\r\nx\r\n--b\r\nContent-Type: image/png; "
	     "name*=utf-8''%C3%A4\r\n\r\ny\r\n--b--\r\n",
		"((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL "
		"\"7bit\" 1 0)(\"image\" \"png\" (\"name*\" {2}\r\n\xc3\xa4) "
		"NIL NIL \"7bit\" 1) \"mixed\")",
		"((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL "
		"\"7bit\" 1 0 NIL NIL NIL NIL)(\"image\" \"png\" (\"name*\" "
		"{2}\r\n\xc3\xa4) NIL NIL \"7bit\" 1 NIL NIL NIL NIL) "
		"\"mixed\" (\"boundary\" \"b\") (\"inline\" NIL) \"en\" "
		"NIL)"},
	    {"Content-Type: message/rfc822\r\n\r\n" HELLO,
		"(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 33 (NIL \"hi\" "
		"((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) "
		"((NIL NIL \"a\" \"b\")) NIL NIL NIL NIL NIL) "
		"(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL "
		"\"7bit\" 7 1) 4)",
		NULL},
	    /* the grammar wants a body in a multipart, an envelope in a
	     * message */
	    {"Content-Type: multipart/mixed\r\n\r\nx",
		"((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL "
		"\"7bit\" 0 0) \"mixed\")",
		NULL},
	    {"Content-Type: message/rfc822\r\n"
	     "Content-Transfer-Encoding: base64\r\n\r\neA==",
		"(\"message\" \"rfc822\" NIL NIL NIL \"base64\" 4 (NIL NIL NIL "
		"NIL NIL NIL NIL NIL NIL NIL) (\"text\" \"plain\" (\"charset\" "
		"\"us-ascii\") NIL NIL \"7bit\" 0 0) 0)",
		NULL},
	};
	struct arena arena = arena_new(1 << 20);
	struct buf out = buf_new(4000);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str in = str_from(rows[i].in);
		struct mime_part *root = mime_parse(in, &arena);

		buf_clear(&out);
		mime_bodystructure(root, in, false, &out);
		assert_string_equal(buf_text(&out), rows[i].body);
		buf_clear(&out);
		mime_bodystructure(root, in, true, &out);
		if (rows[i].extensions != NULL)
			assert_string_equal(buf_text(&out), rows[i].extensions);
	}
	buf_free(&out);
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(strings),
	    cmocka_unit_test(envelopes),
	    cmocka_unit_test(structures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
