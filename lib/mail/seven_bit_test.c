/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "mail/header.h"
#include "mail/mime.h"
#include "mail/seven_bit.h"

#define MOST (4u << 20)
#define GRUSS                                                                  \
	"gr\xc3\xbc\xc3\x9f"                                                   \
	"e"

static char long_line[3001]; /* of x */

struct result {
	struct buf whole;
	bool changed;
	const char *left;
};

static void keep(struct str octets, void *arg)
{
	buf_add(arg, octets);
}

/* Converts a message, given to it in pieces of so many octets. */
static struct result convert(struct str message, size_t piece)
{
	struct buf body = buf_new(MOST);
	struct result r = {.whole = buf_new(MOST)};
	size_t len = header_length(message);
	struct str header = str_sub(message, 0, len - 2), rest;
	struct seven_bit *s = seven_bit_new(header, 8192, keep, &body);

	for (rest = str_skip(message, len); rest.len > 0;
	     rest = str_skip(rest, piece))
		seven_bit_add(s, str_sub(rest, 0, piece));
	seven_bit_end(s);
	seven_bit_header(s, header, &r.whole);
	buf_add_text(&r.whole, "\r\n");
	buf_add(&r.whole, buf_str(&body));
	r.changed = seven_bit_changed(s);
	r.left = seven_bit_left(s);
	seven_bit_free(&s);
	buf_free(&body);
	assert_false(r.whole.overflow);
	return r;
}

static bool is_seven(struct str s)
{
	size_t column = 0;

	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.p[i] > 127 || s.p[i] == '\0')
			return false;
		column = s.p[i] == '\n' ? 0 : column + 1;
		if (column > SEVEN_BIT_LINE + 1)
			return false;
	}
	return true;
}

/* Every leaf decodes to what it was. */
static void same_parts(const struct mime_part *a, struct str a_text,
    const struct mime_part *b, struct str b_text)
{
	for (; a != NULL && b != NULL; a = a->next, b = b->next) {
		if (a->child != NULL || b->child != NULL) {
			same_parts(a->child, a_text, b->child, b_text);
			continue;
		}
		struct buf x = buf_new(MOST), y = buf_new(MOST);
		mime_decode_body(a, a_text, &x);
		mime_decode_body(b, b_text, &y);
		assert_true(str_eq(buf_str(&x), buf_str(&y)));
		buf_free(&x);
		buf_free(&y);
	}
	assert_true(a == NULL && b == NULL);
}

/* The message in all sizes of pieces; NULL: everything was brought to 7
 * bits. The result, to be freed. */
static struct result check(const char *text, const char *left)
{
	static const size_t pieces[] = {1, 2, 7, 999, 1000, 1001, MOST};
	struct str message = str_from(text);
	struct arena arena = arena_new(64u << 20);
	struct result first = convert(message, MOST);

	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		struct result r = convert(message, pieces[i]);
		assert_true(str_eq(buf_str(&r.whole), buf_str(&first.whole)));
		buf_free(&r.whole);
	}
	struct str now = buf_str(&first.whole);
	if (left == NULL) {
		assert_null(first.left);
		assert_true(is_seven(now));
	} else {
		assert_non_null(first.left);
		assert_string_equal(first.left, left);
	}
	same_parts(
	    mime_parse(message, &arena), message, mime_parse(now, &arena), now);
	arena_free(&arena);
	return first;
}

static void has(struct result *r, const char *text)
{
	assert_non_null(strstr(buf_text(&r->whole), text));
}

static void what_needs_nothing_stays(void **state)
{
	static const char *const messages[] = {
	    "Subject: x\r\n\r\nplain\r\n.dot\r\n\r\n\r\n",
	    "Content-Type: text/plain\r\nMIME-Version: 1.0\r\n"
	    "Content-Transfer-Encoding: 7bit\r\n\r\na\tb  \r\n",
	    "Subject: none\r\n\r\n",
	    "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; "
	    "boundary=b\r\n\r\npre\r\n--b\r\n\r\none\r\n--b \r\n"
	    "Content-Type: text/html\r\n\r\n<p>\r\n\r\n--b--\r\nafter\r\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
		struct result r = check(messages[i], NULL);
		assert_false(r.changed);
		assert_string_equal(buf_text(&r.whole), messages[i]);
		buf_free(&r.whole);
	}
}

/* A bare LF ends the fields of a part before its header's last line does. */
static void nothing_behind_a_bare_line_feed_is_lost(void **state)
{
	struct str message = STR(
	    "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
	    "--b\r\nX-One: 1\n\r\nX-Two: 2\r\n\r\ntext\r\n"
	    "--b--\r\n");

	(void)state;
	for (size_t piece = 1; piece < 4; piece++) {
		struct result r = convert(message, piece);

		assert_true(str_eq(buf_str(&r.whole), message));
		assert_false(r.changed);
		buf_free(&r.whole);
	}
}

static void text_becomes_quoted_printable(void **state)
{
	struct result r = check(
	    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
	    "content-transfer-encoding: 8bit\r\nSubject: s\r\n\r\n" GRUSS
	    " = \r\nFrom here\r\n.\r\nplain text that is long enough to be no "
	    "base64, for it has but few octets of eight bits \t\r\n",
	    NULL);

	(void)state;
	assert_true(r.changed);
	has(&r, "Content-Transfer-Encoding: quoted-printable\r\nSubject");
	has(&r, "gr=C3=BC=C3=9Fe =3D=20\r\n=46rom here\r\n=2E\r\n");
	buf_free(&r.whole);
	/* A claim alone is enough, for relays believe it. */
	r = check("Content-Transfer-Encoding: 8bit\r\n\r\nascii\r\n", NULL);
	has(&r,
	    "quoted-printable\r\nMIME-Version: 1.0\r\nContent-Type: "
	    "text/plain; charset=us-ascii\r\n\r\nascii\r\n");
	buf_free(&r.whole);
}

static void what_says_nothing_gets_a_charset(void **state)
{
	struct result r = check("Subject: s\r\n\r\nplain words and then some "
				"more of them: " GRUSS "\r\n",
	    NULL);

	(void)state;
	has(&r,
	    "MIME-Version: 1.0\r\nContent-Type: text/plain; "
	    "charset=utf-8\r\nContent-Transfer-Encoding: "
	    "quoted-printable\r\n\r\n");
	buf_free(&r.whole);
	r = check("Subject: s\r\n\r\nplain words: \xfc in latin-1\r\n", NULL);
	has(&r, "charset=unknown-8bit");
	buf_free(&r.whole);
}

static void other_parts_become_base64(void **state)
{
	struct result r = check(
	    "MIME-Version: 1.0\r\nContent-Transfer-Encoding: binary\r\n"
	    "Content-Type: multipart/mixed; boundary=\"b b\"\r\n\r\n"
	    "--b b\r\nContent-Type: image/png\r\n"
	    "Content-Transfer-Encoding: binary\r\n\r\n\x89PNG\r\n\x1a\x01\r\n"
	    "--b b\r\nContent-Type: text/plain; charset=koi8-r\r\n"
	    "Content-Transfer-Encoding: 8bit\r\n\r\n"
	    "\xf0\xd2\xc9\xd7\xc5\xd4\r\n--b b--\r\n",
	    NULL);

	(void)state;
	has(&r, "Content-Transfer-Encoding: 7bit\r\nContent-Type: multipart");
	has(&r,
	    "image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	    "iVBORw0KGgE=\r\n--b b\r\n");
	buf_free(&r.whole);
}

static void long_lines_are_wrapped(void **state)
{
	char text[16384];
	struct result r;

	(void)state;
	snprintf(
	    text, sizeof(text), "Subject: s\r\n\r\n%s\r\nshort\r\n", long_line);
	r = check(text, NULL);
	has(&r, "=\r\nx");
	buf_free(&r.whole);
	snprintf(text, sizeof(text),
	    "Content-Transfer-Encoding: base64\r\n\r\n%.2996s\r\nQUJD\r\n",
	    long_line);
	r = check(text, NULL);
	assert_true(r.changed);
	buf_free(&r.whole);
	snprintf(text, sizeof(text),
	    "Content-Transfer-Encoding: quoted-printable\r\n\r\n%.997s=C3=BC"
	    "%s=\r\nshort=20\r\n" GRUSS "\r\n",
	    long_line, long_line);
	r = check(text, NULL);
	has(&r, "gr=C3=BC=C3=9Fe\r\n");
	buf_free(&r.whole);
	/* Exactly as long as it may be. */
	snprintf(text, sizeof(text), "Subject: s\r\n\r\n%.998s\r\n", long_line);
	r = check(text, NULL);
	assert_false(r.changed);
	buf_free(&r.whole);
	snprintf(text, sizeof(text),
	    "X-A: %.600s %.600s\r\nX-B: y\r\n\r\nt\r\n", long_line, long_line);
	r = check(text, NULL);
	assert_true(r.changed);
	has(&r, "xx\r\n xx");
	buf_free(&r.whole);
	snprintf(text, sizeof(text), "X-A: %.2000s\r\n\r\nt\r\n", long_line);
	r = check(text, "a header field is too long to fold");
	buf_free(&r.whole);
}

static void messages_in_messages(void **state)
{
	struct result r = check(
	    "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=o"
	    "\r\n\r\n--o\r\nContent-Type: message/rfc822\r\n"
	    "Content-Transfer-Encoding: 8bit\r\n\r\nSubject: inner\r\n"
	    "MIME-Version: 1.0\r\nContent-Type: multipart/alternative; "
	    "boundary=i\r\n\r\n--i\r\nContent-Type: text/plain; "
	    "charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nsome "
	    "words of ascii and " GRUSS "\r\n--i--\r\n\r\n--o\r\n\r\nlast\r\n"
	    "--o--\r\n",
	    NULL);

	(void)state;
	has(&r,
	    "message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
	    "Subject: inner");
	has(&r, "gr=C3=BC=C3=9Fe\r\n--i--\r\n\r\n--o\r\n\r\nlast\r\n--o--");
	buf_free(&r.whole);
}

static void what_cannot_be_is_left(void **state)
{
	static const struct {
		const char *text, *left;
	} cases[] = {
	    {"Content-Type: multipart/signed; boundary=b\r\nMIME-Version: "
	     "1.0\r\n\r\n--b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" GRUSS
	     "\r\n--b--\r\n",
		"a signed or encrypted part is left as it is"},
	    {"Subject: " GRUSS "\r\n\r\nx\r\n",
		"a header field has 8-bit octets"},
	    {"Content-Type: message/global\r\n\r\nSubject: " GRUSS "\r\n\r\n",
		"a part of type message/ has no form of 7 bits"},
	    {"Content-Transfer-Encoding: x-uuencode\r\n\r\n" GRUSS "\r\n",
		"a part has an unknown encoding"},
	    {"Content-Type: multipart/mixed\r\n\r\n" GRUSS "\r\n",
		"a multipart has no boundary"},
	    {"Content-Type: multipart/mixed; boundary=b\r\n\r\n" GRUSS
	     "\r\n--b\r\n\r\nx\r\n--b--\r\n",
		"text between parts has 8-bit octets or long lines"},
	    {"Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\n"
	     "Subject: x\r\n\r\n" GRUSS "\r\n--b--\r\n",
		"a digest is left as it is"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct result r = check(cases[i].text, cases[i].left);
		assert_false(r.changed);
		assert_string_equal(buf_text(&r.whole), cases[i].text);
		buf_free(&r.whole);
	}
	/* Behind what is looked at. */
	struct buf text = buf_new(MOST);
	buf_add_text(&text, "Subject: s\r\n\r\n");
	for (int i = 0; i < 200; i++)
		buf_printf(&text, "%.80s\r\n", long_line);
	buf_add_text(&text, GRUSS "\r\n");
	struct result r = check(buf_text(&text),
	    "what needs an encoding stands far behind the start of a part "
	    "(dkim_sign_7bit_look)");
	assert_false(r.changed);
	buf_free(&r.whole);
	buf_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_needs_nothing_stays),
	    cmocka_unit_test(nothing_behind_a_bare_line_feed_is_lost),
	    cmocka_unit_test(text_becomes_quoted_printable),
	    cmocka_unit_test(what_says_nothing_gets_a_charset),
	    cmocka_unit_test(other_parts_become_base64),
	    cmocka_unit_test(long_lines_are_wrapped),
	    cmocka_unit_test(messages_in_messages),
	    cmocka_unit_test(what_cannot_be_is_left),
	};

	memset(long_line, 'x', sizeof(long_line) - 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
