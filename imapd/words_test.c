/* SPDX-License-Identifier: ISC */
/* The pure parts: words, patterns, what FETCH asks for, what SEARCH finds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mail/charset.h"

#include "imapd/fetch.h"
#include "imapd/list_match.h"
#include "imapd/search.h"
#include "imapd/write.h"

// clang-format off
static const struct {
	const char *in, *want;
} strings[] = {
	{"abc",           "<abc>"},
	{"a]c d",         "<a]c>"},
	{"\"a b\"",       "<a b>"},
	{"\"a\\\"\\\\b\"", "<a\"\\b>"},
	{"\"\"",          "<>"},
	{"{3}\r\na\r\nb", "<a\r\n>"},
	{"{3}\r\na\r\n",  "<a\r\n>"},
	{"{3+}\r\na\"b",  "<a\"b>"},
	{"",              "error: a string is missing"},
	{"(a",            "error: a string is missing"},
	{"\"a",           "error: a quoted string does not end"},
	{"\"a\\b\"",      "error: a backslash before what needs none"},
	{"\"a\rb\"",      "error: a control octet in quotes"},
	{"{4}\r\nab",     "error: a literal is cut short"},
	{"{x}\r\nab",     "error: a literal is malformed"},
	{"{",             "error: a literal is malformed"},
	{"{3",            "error: a literal is malformed"},
	{"{3}",           "error: a literal is malformed"},
};
// clang-format on

static void reads_strings(void **state)
{
	struct arena arena = arena_new(1 << 20);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(strings); i++) {
		struct parser in = parser_new(str_from(strings[i].in), &arena);
		struct buf out = buf_new(1000);
		struct str s;

		if (parser_astring(&in, &s))
			buf_printf(&out, "<%.*s>", STR_FMT(s));
		else
			buf_printf(&out, "error: %s", in.why);
		assert_string_equal(buf_text(&out), strings[i].want);
		buf_free(&out);
	}
	arena_free(&arena);
}

// clang-format off
static const struct {
	const char *pattern, *name;
	bool match;
} patterns[] = {
	{"*",       "a/b",     true},
	{"%",       "a/b",     false},
	{"%",       "a",       true},
	{"%/%",     "a/b",     true},
	{"a/*",     "a/b/c",   true},
	{"a/%",     "a/b/c",   false},
	{"a*c",     "a/b/c",   true},
	{"a%c",     "abc",     true},
	{"a%c",     "a/c",     false},
	{"",        "a",       false},
	{"",        "",        true},
	{"inbox",   "INBOX",   true},
	{"inbox/x", "INBOX/x", true},
	{"INBOX/X", "INBOX/x", false},
	{"inboxes", "INBOXES", false},
	{"a",       "A",       false},
	{"**%*",    "",        true},
	{"*a*a*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
};
// clang-format on

static void matches_patterns(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(patterns); i++)
		assert_int_equal(list_match(str_from(patterns[i].pattern),
				     str_from(patterns[i].name)),
		    patterns[i].match);
}

// clang-format off
static const struct {
	const char *in, *want; /* items, \Seen, labels */
} fetches[] = {
	{"FLAGS",                 "2"},
	{"ALL",                   "46"},
	{"FULL",                  "110"},
	{"FAST",                  "14"},
	{"(UID MODSEQ BODY)",     "81"},
	{"body[]",                "0 sees BODY[]"},
	{"BODY.PEEK[1.2]<3.4>",   "0 BODY[1.2]<3>"},
	{"BODY.PEEK[1.MIME]",     "0 BODY[1.MIME]"},
	{"BODY[1.header.fields (a \"b c\")]",
	    "0 sees BODY[1.HEADER.FIELDS (a \"b c\")]"},
	{"BODY.PEEK[HEADER.FIELDS.NOT (x)]",
	    "0 BODY[HEADER.FIELDS.NOT (x)]"},
	{"(BINARY[1] BINARY.SIZE[2] BINARY.PEEK[])",
	    "0 sees BINARY[1] BINARY.SIZE[2] BINARY[]"},
	{"(RFC822 RFC822.HEADER RFC822.TEXT RFC822.SIZE)",
	    "8 sees RFC822 RFC822.HEADER RFC822.TEXT"},
	{"BODY[MIME]",            "error: an unknown section"},
	{"BODY[1.]",              "error: an unknown section"},
	{"BODY[01]",              "error: a part number is malformed"},
	{"BODY[0]",               "error: a part number is malformed"},
	{"BODY[1.2",              "error: a section does not end"},
	{"BODY[]<1>",             "error: a partial range is malformed"},
	{"BODY[]<1.0>",           "error: a partial range is empty"},
	{"BODY[HEADER.FIELDS]",   "error: a space is missing"},
	{"BODY[HEADER.FIELDS ()]", "error: a string is missing"},
	{"BINARY[1.MIME]",        "error: a part number is malformed"},
	{"BINARY[TEXT]",          "error: a section does not end"},
	{"(FLAGS  UID)",          "error: an unknown item"},
	{"(FLAGS",                "error: a list does not end"},
	{"()",                    "error: an unknown item"},
	{"FLAGSX",                "error: an unknown item"},
};
// clang-format on

static void reads_fetches(void **state)
{
	struct arena arena = arena_new(1 << 20);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fetches); i++) {
		struct parser in = parser_new(str_from(fetches[i].in), &arena);
		struct buf out = buf_new(1000);
		struct fetch f;

		if (!fetch_parse(&in, &f)) {
			buf_printf(&out, "error: %s", in.why);
		} else {
			buf_printf(
			    &out, "%u%s", f.items, f.sees ? " sees" : "");
			for (size_t k = 0; k < f.section_count; k++)
				buf_printf(&out, " %.*s",
				    STR_FMT(f.sections[k].label));
		}
		assert_string_equal(buf_text(&out), fetches[i].want);
		buf_free(&out);
	}
	arena_free(&arena);
}

static const char letter[] =
    "Subject: =?iso-8859-1?q?K=E4se?= =?utf-8?b?IHVuZA==?= Brot\r\n"
    "From: \"A B\" <a@example.org>\r\n"
    "Date: Mon, 2 Feb 2026 00:30:00 +0100\r\n"
    "X-Folded: one\r\n two\r\n"
    "\r\n"
    "The quick brown fox\r\n";

// clang-format off
static const struct {
	const char *field, *text;
	bool found;
} fields[] = {
	{"Subject",  "k\xc3\xa4se und brot", true},
	{"subject",  "brot",                 true},
	{"Subject",  "butter",               false},
	{"From",     "a@example",            true},
	{"X-Folded", "one two",              true},
	{"X-Folded", "",                     true},
	{"X-None",   "",                     false},
};
// clang-format on

static void finds_header_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		struct buf folded = buf_new(100);

		text_casefold(str_from(fields[i].text), &folded);
		assert_int_equal(
		    search_header(str_from(letter), str_from(fields[i].field),
			buf_str(&folded)),
		    fields[i].found);
		buf_free(&folded);
	}
}

static void finds_the_day_in_its_own_zone(void **state)
{
	int64_t day = 0;

	(void)state;
	/* 23:30 on the first in UTC */
	assert_true(search_sent_day(str_from(letter), &day));
	assert_int_equal(day, 20486);
	assert_false(search_sent_day(STR("Date: never\r\n\r\n"), &day));
	assert_false(search_sent_day(STR("\r\n"), &day));
}

static void finds_body_text(void **state)
{
	struct arena arena = arena_new(1 << 20);
	struct str all = str_from(letter);
	struct mime_part *root = mime_parse(all, &arena);

	(void)state;
	assert_true(search_text(root, all, false, STR("quick brown")));
	assert_false(search_text(root, all, false, STR("example.org")));
	assert_true(search_text(root, all, true, STR("example.org")));
	assert_false(search_text(root, all, true, STR("slow")));
	arena_free(&arena);
}

// clang-format off
static const struct {
	int64_t seconds;
	const char *want;
} dates[] = {
	{0,             "\" 1-Jan-1970 00:00:00 +0000\""},
	{1795289400,    "\"21-Nov-2026 19:30:00 +0000\""},
	{951782400,     "\"29-Feb-2000 00:00:00 +0000\""},
	{951868799,     "\"29-Feb-2000 23:59:59 +0000\""},
	{4107542400,    "\" 1-Mar-2100 00:00:00 +0000\""},
	{-1,            "\"31-Dec-1969 23:59:59 +0000\""},
	{INT64_MAX,     "\"31-Dec-9999 23:59:59 +0000\""},
	{INT64_MIN,     "\" 1-Jan-0001 00:00:00 +0000\""},
};
// clang-format on

static void writes_dates(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(dates); i++) {
		char text[WRITE_DATE_MAX + 1];

		*write_date(text, dates[i].seconds) = '\0';
		assert_string_equal(text, dates[i].want);
	}
}

static void writes_strings_and_sets(void **state)
{
	static const uint32_t uids[] = {1, 2, 3, 5, 9, 8, 10, 11};
	struct buf out = buf_new(1000);

	(void)state;
	put_uids(&out, uids, ARRAY_LEN(uids));
	buf_add_char(&out, '|');
	put_astring(&out, STR("a]b"), false);
	buf_add_char(&out, '|');
	put_astring(&out, STR("nil"), false);
	buf_add_char(&out, '|');
	put_astring(&out, STR("a \"\\"), false);
	buf_add_char(&out, '|');
	put_astring(&out, STR("\xc3\xa4"), true);
	buf_add_char(&out, '|');
	put_astring(&out, STR("\xc3\xa4"), false);
	buf_add_char(&out, '|');
	put_astring(&out, STR("\xff"), true);
	assert_string_equal(buf_text(&out),
	    "1:3,5,9,8,10:11|a]b|\"nil\"|\"a \\\"\\\\\"|\"\xc3\xa4\"|"
	    "{2}\r\n\xc3\xa4|{1}\r\n\xff");
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_strings),
	    cmocka_unit_test(matches_patterns),
	    cmocka_unit_test(reads_fetches),
	    cmocka_unit_test(finds_header_text),
	    cmocka_unit_test(finds_the_day_in_its_own_zone),
	    cmocka_unit_test(finds_body_text),
	    cmocka_unit_test(writes_dates),
	    cmocka_unit_test(writes_strings_and_sets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
