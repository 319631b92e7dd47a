/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sendmail/header.h"

/* ---- recipients ---- */

static const struct {
	const char *header, *want;
} recipients[] = {
    {"", ""},
    {"To: a@x\r\n", "a@x"},
    {"To: a@x, b@y\r\nCc: c\r\nBcc: d@z\r\n", "a@x b@y c@site d@z"},
    {"tO: A <a@x>, \"B, C\" <b@y>\r\n", "a@x b@y"},
    {"To: root (Cron Daemon)\r\n", "root@site"},
    {"To: list:a@x,b@y;, c@z\r\n", "a@x b@y c@z"},
    {"To: undisclosed-recipients:;\r\nBcc: a@x\r\n", "a@x"},
    {"To: a@x,\r\n b@y,\r\n\tc@z\r\n", "a@x b@y c@z"},
    {"To: \"a b\"@x\r\n", "\"a b\"@x"},
    {"To: \"a\\\"b\"@x\r\n", "\"a\\\"b\"@x"},
    {"From: a@x\r\nReply-To: b@x\r\nX-To: c@x\r\n", ""},
    {"To: a@x\r\nResent-To: b@x\r\nResent-Bcc: c@x\r\nCc: d@x\r\n", "b@x c@x"},
    {"To: a@x\r\nResent-From: b@x\r\n", "a@x"},
    {"Subject: To: b@x\r\nTo: a@x\r\n", "a@x"},
    {"To: \xc3\xbc@x\r\n", "\xc3\xbc@x"},
    {"To: ,, ,\r\n", ""},
    {"To: a@x@y\r\n", "\"a@x\"@y"},
    {"To: a@-x-\r\n", "wrong"},
};

static void recipients_are_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(recipients); i++) {
		struct arena arena = arena_new(1u << 20);
		struct addresses a = {NULL, 0, 0, STR_EMPTY, false};
		struct buf out = buf_new(1000);

		header_recipients(
		    str_from(recipients[i].header), "site", &arena, &a);
		for (size_t n = 0; n < a.count; n++)
			buf_printf(&out, "%s%.*s", n > 0 ? " " : "",
			    STR_FMT(a.list[n]));
		if (a.wrong.len > 0)
			assert_string_equal(recipients[i].want, "wrong");
		else
			assert_string_equal(buf_text(&out), recipients[i].want);
		buf_free(&out);
		arena_free(&arena);
	}
}

static void too_many_recipients_are_noticed(void **state)
{
	struct arena arena = arena_new(65536);
	struct addresses a = {NULL, 0, 0, STR_EMPTY, false};
	struct buf header = buf_new(1u << 20);

	(void)state;
	buf_add_text(&header, "To: a@x");
	for (int i = 0; i < 20000; i++)
		buf_add_text(&header, ",a@x");
	buf_add_text(&header, "\r\n");
	header_recipients(buf_str(&header), "site", &arena, &a);
	assert_true(a.full);
	buf_free(&header);
	arena_free(&arena);
}

/* ---- the finished header ---- */

static const struct {
	const char *header, *name, *sender, *want;
} finished[] = {
    {"Subject: s\r\n", "Anna Example", "anna@site",
	"From: Anna Example <anna@site>\r\nSubject: s\r\n"},
    {"Subject: s\r\n", "", "anna@site", "From: anna@site\r\nSubject: s\r\n"},
    {"", "A. Example", "a@x", "From: \"A. Example\" <a@x>\r\n"},
    {"", "J\xc3\xbcrgen", "a@x", "From: =?UTF-8?B?SsO8cmdlbg==?= <a@x>\r\n"},
    {"", "Evil\r\nBcc: b@x", "a@x", "From: \"Evil  Bcc: b@x\" <a@x>\r\n"},
    {"", "\"quo\\ted\"", "a@x", "From: \"\\\"quo\\\\ted\\\"\" <a@x>\r\n"},
    {"From: b@y\r\n", "Anna", "a@x", "From: b@y\r\n"},
    {"from: b@y\r\n", "Anna", "a@x", "from: b@y\r\n"},
    {"From: root (Cron Daemon)\r\nTo: root\r\n", "", "a@x",
	"From: Cron Daemon <root@site>\r\nTo: root@site\r\n"},
    {"From: b@y\r\nTo: a, B <b@y>, \"C, D\" <c>\r\n", "", "a@x",
	"From: b@y\r\nTo: a@site,\r\n\tB <b@y>,\r\n\t\"C, D\" <c@site>\r\n"},
    {"From: b@y\r\nCc: list:a,b;\r\n", "", "a@x",
	"From: b@y\r\nCc: list: a@site,\r\n\tb@site;\r\n"},
    {"From: b@y\r\nTo:  A  <a@x> (odd)\r\n", "", "a@x",
	"From: b@y\r\nTo:  A  <a@x> (odd)\r\n"},
    {"From: b@y\r\nX-To: root\r\nSubject: a\r\n b\r\n", "", "a@x",
	"From: b@y\r\nX-To: root\r\nSubject: a\r\n b\r\n"},
    {"From: b@y\r\nTo: undisclosed-recipients:;\r\n", "", "a@x",
	"From: b@y\r\nTo: undisclosed-recipients:;\r\n"},
    {"Subject: s\r\n", "Anna", "", "Subject: s\r\n"},
};

static void a_header_is_finished(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(finished); i++) {
		struct buf out = buf_new(1000), again = buf_new(1000);

		header_finish(str_from(finished[i].header), "site",
		    finished[i].name, str_from(finished[i].sender), &out);
		assert_string_equal(buf_text(&out), finished[i].want);
		/* What is finished stays as it is. */
		header_finish(buf_str(&out), "other", "Other",
		    str_from(finished[i].sender), &again);
		assert_string_equal(buf_text(&again), buf_text(&out));
		buf_free(&out);
		buf_free(&again);
	}
}

static void a_long_name_is_cut_between_characters(void **state)
{
	struct buf name = buf_new(1000), out = buf_new(10000);

	(void)state;
	for (int i = 0; i < 40; i++)
		buf_add_text(&name, "\xe2\x82\xac");
	header_finish(STR_EMPTY, "site", buf_text(&name), STR("a@x"), &out);
	/* 14 characters in each of the first words, none of them cut. */
	assert_string_equal(buf_text(&out),
	    "From: =?UTF-8?B?"
	    "4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs?=\r\n "
	    "=?UTF-8?B?"
	    "4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs?=\r\n "
	    "=?UTF-8?B?4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs?= "
	    "<a@x>\r\n");
	buf_free(&name);
	buf_free(&out);
}

static void what_cannot_be_sent_is_told(void **state)
{
	(void)state;
	assert_null(header_wrong(STR("From: a@x\r\n")));
	assert_non_null(header_wrong(STR("From: a@x\r\nFrom: b@x\r\n")));
	assert_non_null(header_wrong(STR("From: a@x, b@x\r\n")));
	assert_null(header_wrong(STR("From: a@x, b@x\r\nSender: a@x\r\n")));
	assert_non_null(header_wrong(STR("From: \r\n")));
	assert_non_null(header_wrong(STR("Subject: s\r\n")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(recipients_are_found),
	    cmocka_unit_test(too_many_recipients_are_noticed),
	    cmocka_unit_test(a_header_is_finished),
	    cmocka_unit_test(a_long_name_is_cut_between_characters),
	    cmocka_unit_test(what_cannot_be_sent_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
