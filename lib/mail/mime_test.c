/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>

#include "mail/mime.h"

#define MIXED(b) "Content-Type: multipart/mixed; boundary=" b "\r\n\r\n"

/* "type/subtype[body]" with the children of containers in parentheses. */
static void tree(const struct mime_part *part, struct str in, struct buf *out)
{
	buf_printf(
	    out, "%.*s/%.*s", STR_FMT(part->type), STR_FMT(part->subtype));
	if (part->child == NULL) {
		buf_printf(out, "[%.*s]", (int)part->body_len,
		    in.p + part->body_offset);
		return;
	}
	buf_add_char(out, '(');
	for (const struct mime_part *c = part->child; c != NULL; c = c->next) {
		if (c != part->child)
			buf_add_char(out, ' ');
		tree(c, in, out);
	}
	buf_add_char(out, ')');
}

static void parses_trees(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
	    {"Subject: x\r\n\r\nbody\r\n", "text/plain[body\r\n]"},
	    {"Subject: x", "text/plain[]"},
	    {"", "text/plain[]"},
	    {"Content-Type: nonsense\r\n\r\nx", "text/plain[x]"},
	    {"Content-Type: a/b;\r\n\tc=d\r\n\r\nx", "a/b[x]"},
	    {MIXED(
		 "b") "pre\r\n--b\r\n\r\none\r\n--b\r\n"
		      "Content-Type: text/html\r\n\r\ntwo\r\n--b--\r\npost\r\n",
		"multipart/mixed(text/plain[one] text/html[two])"},
	    /* LF alone, blanks behind the boundary, no closing line */
	    {"Content-Type: multipart/mixed; boundary=\"b b\"\n\n--b b \n\n"
	     "one\n\n--b b\n\ntwo\n",
		"multipart/mixed(text/plain[one\n] text/plain[two\n])"},
	    /* a longer boundary that starts like the outer one */
	    {MIXED("b") "--b\r\n" MIXED("bb") "--bb\r\n\r\nx\r\n--bb--\r\n"
					      "--b\r\n\r\ny\r\n--b--\r\n",
		"multipart/mixed(multipart/mixed(text/plain[x]) "
		"text/plain[y])"},
	    /* the inner one is never closed */
	    {MIXED("o") "--o\r\n" MIXED("i") "--i\r\n\r\nx\r\n--o\r\n\r\ny",
		"multipart/mixed(multipart/mixed(text/plain[x]) "
		"text/plain[y])"},
	    /* a line that is only nearly a boundary */
	    {MIXED("b") "--b\r\n\r\n--bx\r\n --b\r\n--b-\r\n--b--",
		"multipart/mixed(text/plain[--bx\r\n --b\r\n--b-])"},
	    /* after the closing line the rest is no part */
	    {MIXED("b") "--b\r\n\r\nx\r\n--b--\r\n--b\r\n\r\ny\r\n",
		"multipart/mixed(text/plain[x])"},
	    /* header without empty line, cut off by the boundary */
	    {MIXED("b") "--b\r\nX: y\r\n--b\r\n\r\nz\r\n--b--",
		"multipart/mixed(text/plain[] text/plain[z])"},
	    {MIXED("b") "--b\r\n--b\r\n\r\n\r\n--b--",
		"multipart/mixed(text/plain[] text/plain[])"},
	    {"Content-Type: multipart/mixed\r\n\r\nx", "multipart/mixed[x]"},
	    {"Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nx",
		"message/rfc822(text/plain[x])"},
	    {"Content-Type: message/rfc822\r\n"
	     "Content-Transfer-Encoding: base64\r\n\r\neA==",
		"message/rfc822[eA==]"},
	    {"Content-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\n"
	     "Subject: a\r\n\r\nA\r\n--d\r\nContent-Type: text/plain\r\n"
	     "\r\nB\r\n--d--",
		"multipart/digest(message/rfc822(text/plain[A]) "
		"text/plain[B])"},
	    {MIXED("b") "--b\r\nContent-Type: message/rfc822\r\n\r\n" MIXED(
		 "i") "--i\r\n\r\nx\r\n--i--\r\n--b\r\n\r\ny\r\n--b--",
		"multipart/mixed(message/rfc822(multipart/mixed("
		"text/plain[x])) text/plain[y])"},
	};
	struct buf out = buf_new(4000);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct arena arena = arena_new(1 << 20);
		struct str in = str_from(rows[i].in);

		buf_clear(&out);
		tree(mime_parse(in, &arena), in, &out);
		assert_string_equal(buf_text(&out), rows[i].want);
		arena_free(&arena);
	}
	buf_free(&out);
}

static void reads_parameters(void **state)
{
	/* the examples of RFC 2231, and what is sent in their place */
	static const struct {
		const char *in, *want;
	} rows[] = {
	    {"text/plain", "text/plain"},
	    {"text/plain; charset=us-ascii (Plain text)",
		"text/plain charset=us-ascii"},
	    {"x/y; a=\"b \\\"c\\\"; d\"; e=f", "x/y a=b \"c\"; d e=f"},
	    {"x/y; name=my file (1).txt", "x/y name=my file"},
	    {"x/y; name=file(1).txt", "x/y name=file(1).txt"},
	    {"x/y ; a = b ;; ; c", "x/y a=b"},
	    {"x/y; a=\"open; b=c", "x/y a=open; b=c"},
	    {"x/y; a=\"fold\r\n ed\"", "x/y a=fold ed"},
	    {"message/external-body; access-type=URL; URL*0=\"ftp://\";"
	     " URL*1=\"cs.utk.edu/pub/\"",
		"message/external-body access-type=URL "
		"URL=ftp://cs.utk.edu/pub/"},
	    {"application/x-stuff; title*=us-ascii'en-us'This%20is%20%2A%2Af",
		"application/x-stuff title*=This is **f"},
	    {"application/x-stuff; title*0*=us-ascii'en'This%20is%20even%20"
	     "more%20; title*1*=%2A%2A%2Afun%2A%2A%2A%20;"
	     " title*2=\"isn't it!\"",
		"application/x-stuff title*=This is even more ***fun*** "
		"isn't it!"},
	    {"x/y; n*1=b; n*0=a", "x/y n=ab"},
	    {"x/y; f*=iso-8859-1''%E4", "x/y f*=\xc3\xa4"},
	    {"x/y; f*=plain", "x/y f*=plain"},
	    {"x/y; f*=utf-8''%zz%4", "x/y f*=%zz%4"},
	    {"x/y; f*=utf-8''%4", "x/y f*=%4"},
	    {"x/y; f*x=a", "x/y f*x=a"},
	};
	struct buf out = buf_new(4000);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct arena arena = arena_new(1 << 20);
		struct str token;
		const struct mime_param *p = mime_params_parse(
		    str_from(rows[i].in), &arena, 100, &token);

		buf_clear(&out);
		buf_add(&out, token);
		for (; p != NULL; p = p->next)
			buf_printf(&out, " %.*s%s=%.*s", STR_FMT(p->name),
			    p->extended ? "*" : "", STR_FMT(p->value));
		assert_string_equal(buf_text(&out), rows[i].want);
		arena_free(&arena);
	}
	buf_free(&out);
}

/* The tree of RFC 9051 section 6.4.5.1. */
/* clang-format off */
static const char example[] =
    MIXED("a")
    "--a\r\n\r\n1\r\n"
    "--a\r\nContent-Type: application/octet-stream\r\n\r\n2\r\n"
    "--a\r\nContent-Type: message/rfc822\r\n\r\n"
    MIXED("b")
    "--b\r\n\r\n3.1\r\n"
    "--b\r\nContent-Type: application/octet-stream\r\n\r\n3.2\r\n"
    "--b--\r\n"
    "--a\r\n" MIXED("c")
    "--c\r\nContent-Type: image/gif\r\n\r\n4.1\r\n"
    "--c\r\nContent-Type: message/rfc822\r\n\r\n"
    MIXED("d")
    "--d\r\n\r\n4.2.1\r\n"
    "--d\r\nContent-Type: multipart/alternative; boundary=e\r\n\r\n"
    "--e\r\n\r\n4.2.2.1\r\n"
    "--e\r\nContent-Type: text/richtext\r\n\r\n4.2.2.2\r\n"
    "--e--\r\n--d--\r\n--c--\r\n--a--\r\n";
/* clang-format on */

static void finds_sections(void **state)
{
	static const char *const texts[] = {
	    "1", "2", "3.1", "3.2", "4.1", "4.2.1", "4.2.2.1", "4.2.2.2"};
	static const char *const none[] = {"5", "0", "1.1", "3.3", "2.1",
	    "4.2.2.3", "x", "1.", "4.2.2.1.1", "99999999999999999999"};
	struct arena arena = arena_new(1 << 20);
	struct str in = str_from(example);
	struct mime_part *root = mime_parse(in, &arena), *part;

	(void)state;
	assert_ptr_equal(mime_find(root, STR("")), root);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		part = mime_find(root, str_from(texts[i]));
		assert_non_null(part);
		assert_true(
		    str_eq(str_sub(in, part->body_offset, part->body_len),
			str_from(texts[i])));
	}
	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		assert_null(mime_find(root, str_from(none[i])));
	assert_true(mime_find(root, STR("3"))->is_message);
	assert_true(mime_find(root, STR("4.2"))->is_message);
	assert_false(mime_find(root, STR("4"))->is_message);
	arena_clear(&arena);
	root = mime_parse(STR("a: b\r\n\r\ntext"), &arena);
	assert_ptr_equal(mime_find(root, STR("1")), root);
	assert_null(mime_find(root, STR("1.1")));
	assert_null(mime_find(root, STR("2")));
	root = mime_parse(
	    STR("Content-Type: message/rfc822\r\n\r\n\r\nx"), &arena);
	assert_ptr_equal(mime_find(root, STR("1")), root);
	assert_ptr_equal(mime_find(root, STR("1.1")), root->child);
	arena_free(&arena);
}

static void counts_lines(void **state)
{
	struct arena arena = arena_new(1 << 20);
	struct mime_part *root = mime_parse(
	    STR("Content-Type: multipart/mixed; "
		"boundary=b\r\n\r\npre\r\n--b\r\n"
		"X: y\r\n\r\n1\r\n2\r\n--b\r\nContent-Type: message/rfc822\r\n"
		"\r\nSubject: x\r\n\r\na\r\nb\r\n--b--\r\nend"),
	    &arena);

	(void)state;
	assert_int_equal(root->lines, 14);
	assert_int_equal(root->child->lines, 1);
	assert_int_equal(root->child->next->lines, 3);
	assert_int_equal(root->child->next->child->lines, 1);
	arena_free(&arena);
}

/* Deeper and more than the bounds: opaque parts, no error, little time. */
static void keeps_its_bounds(void **state)
{
	struct arena arena = arena_new(8 << 20);
	struct buf in = buf_new(1 << 20);
	struct mime_part *root, *part;
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 200; i++)
		buf_printf(&in,
		    "Content-Type: multipart/mixed; boundary=b%d\r\n"
		    "\r\n--b%d\r\n",
		    i, i);
	root = mime_parse(buf_str(&in), &arena);
	for (part = root; part != NULL; part = part->child)
		n++;
	assert_int_equal(n, MIME_DEPTH_MAX);
	buf_clear(&in);
	arena_clear(&arena);
	for (int i = 0; i < 200; i++)
		buf_add_text(&in, "Content-Type: message/rfc822\r\n\r\n");
	for (n = 0, part = mime_parse(buf_str(&in), &arena); part != NULL;
	     part = part->child)
		n++;
	assert_int_equal(n, MIME_DEPTH_MAX);
	buf_clear(&in);
	arena_clear(&arena);
	buf_add_text(&in, MIXED("b"));
	for (int i = 0; i < 2000; i++)
		buf_add_text(&in, "--b\r\n\r\nx\r\n");
	root = mime_parse(buf_str(&in), &arena);
	for (n = 0, part = root->child; part->next != NULL; part = part->next)
		n++;
	assert_int_equal(n + 2, MIME_PARTS_MAX);
	assert_int_equal(part->body_offset + part->body_len, in.len);
	buf_clear(&in);
	arena_clear(&arena);
	buf_add_text(&in, "Content-Type: a/b");
	for (int i = 0; i < 2000; i++)
		buf_printf(&in, "; p%d=x", i);
	for (n = 0; n < 2; n++)
		buf_add_text(&in, "\r\n\r\nx");
	const struct mime_param *p = mime_parse(buf_str(&in), &arena)->params;
	for (n = 0; p != NULL; p = p->next)
		n++;
	assert_int_equal(n, MIME_PARAMS_MAX);
	buf_free(&in);
	arena_free(&arena);
	arena = arena_new(10);
	assert_null(mime_parse(STR("a: b\r\n\r\n"), &arena));
	arena_free(&arena);
}

static void decodes_bodies(void **state)
{
	static const struct {
		const char *in, *want;
		bool known;
	} rows[] = {
	    {"Content-Transfer-Encoding: base64\r\n\r\nZm9v\r\n", "foo", true},
	    {"Content-Transfer-Encoding: (x) Quoted-Printable (y)\r\n\r\na=3D",
		"a=", true},
	    {"\r\nfoo\r\n", "foo\r\n", true},
	    {"Content-Transfer-Encoding: x-uuencode\r\n\r\nfoo", "foo", false},
	};
	struct arena arena = arena_new(1 << 20);
	struct buf out = buf_new(100);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str in = str_from(rows[i].in);
		const struct mime_part *part = mime_parse(in, &arena);

		buf_clear(&out);
		mime_decode_body(part, in, &out);
		assert_string_equal(buf_text(&out), rows[i].want);
		assert_true(mime_encoding_known(part) == rows[i].known);
	}
	buf_free(&out);
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(parses_trees),
	    cmocka_unit_test(reads_parameters),
	    cmocka_unit_test(finds_sections),
	    cmocka_unit_test(counts_lines),
	    cmocka_unit_test(keeps_its_bounds),
	    cmocka_unit_test(decodes_bodies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
