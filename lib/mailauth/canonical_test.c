/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <stdio.h>

#include "mailauth/canonical.h"
#include "mailauth/tags.h"

static void field_is(const char *in, enum canonical form, const char *expected)
{
	struct buf out = buf_new(1000);

	canonical_field(str_from(in), form, true, &out);
	assert_string_equal(buf_text(&out), expected);
	buf_free(&out);
}

/* The examples of RFC 6376 section 3.4.5. */
static void test_fields(void **state)
{
	(void)state;
	field_is("A: X\r\n", CANONICAL_RELAXED, "a:X\r\n");
	field_is("B : Y\t\r\n\tZ  \r\n", CANONICAL_RELAXED, "b:Y Z\r\n");
	field_is("A: X\r\n", CANONICAL_SIMPLE, "A: X\r\n");
	field_is(
	    "B : Y\t\r\n\tZ  \r\n", CANONICAL_SIMPLE, "B : Y\t\r\n\tZ  \r\n");
	field_is("Empty:\r\n", CANONICAL_RELAXED, "empty:\r\n");
	field_is("Empty: \r\n \r\n", CANONICAL_RELAXED, "empty:\r\n");
	/* A CR alone is neither a blank nor a line end. */
	field_is(
	    "C: \rx\ry\r\n z\r\r\n", CANONICAL_RELAXED, "c:\rx\ry z\r\r\n");
	field_is("C:x\r\r\n", CANONICAL_SIMPLE, "C:x\r\r\n");
}

/* in, given in pieces of each size, has the canonical form. */
static void body_is(const char *in, enum canonical form, const char *canonical)
{
	uint8_t expected[BODY_HASH_LEN];
	struct str whole = str_from(in);
	uint64_t octets;

	EVP_Digest(
	    canonical, strlen(canonical), expected, NULL, EVP_sha256(), NULL);
	for (size_t size = 1; size <= whole.len + 1; size++) {
		struct body_hashes h = {0};
		int n = body_hash_want(&h, form, BODY_WHOLE);
		for (size_t at = 0; at < whole.len; at += size)
			body_hash_add(&h, str_sub(whole, at, size));
		body_hash_end(&h);
		assert_memory_equal(
		    body_hash_digest(&h, n, &octets), expected, BODY_HASH_LEN);
		assert_int_equal(octets, strlen(canonical));
		body_hashes_free(&h);
	}
}

static void test_bodies(void **state)
{
	(void)state;
	body_is(
	    " C \r\nD \t E\r\n\r\n\r\n", CANONICAL_RELAXED, " C\r\nD E\r\n");
	body_is(
	    " C \r\nD \t E\r\n\r\n\r\n", CANONICAL_SIMPLE, " C \r\nD \t E\r\n");
	body_is("", CANONICAL_SIMPLE, "\r\n");
	body_is("", CANONICAL_RELAXED, "");
	body_is("\r\n\r\n", CANONICAL_SIMPLE, "\r\n");
	body_is("\r\n \t\r\n\r\n", CANONICAL_RELAXED, "");
	body_is("\r\n \t\r\nx\r\n", CANONICAL_RELAXED, "\r\n\r\nx\r\n");
	body_is("no end", CANONICAL_SIMPLE, "no end\r\n");
	body_is("no end \t", CANONICAL_RELAXED, "no end\r\n");
	body_is("a\rb \r\r\nc\n\r\n", CANONICAL_SIMPLE, "a\rb \r\r\nc\n\r\n");
	body_is("a\rb \r\r\nc\n\r\n", CANONICAL_RELAXED, "a\rb \r\r\nc\n\r\n");
	body_is("a\r", CANONICAL_RELAXED, "a\r\r\n");
	body_is("a b  c\r\nd \r\n e\tf\r\n\r\ng \r h\r\n", CANONICAL_RELAXED,
	    "a b c\r\nd\r\n e f\r\n\r\ng \r h\r\n");
	body_is("a b  c\r\nd \r\n e\r\n\r\n\r\n", CANONICAL_SIMPLE,
	    "a b  c\r\nd \r\n e\r\n");
}

/* A limit cuts the digest, not the count. */
static void test_limits(void **state)
{
	uint8_t expected[BODY_HASH_LEN];
	struct body_hashes h = {0};
	uint64_t octets;

	(void)state;
	int part = body_hash_want(&h, CANONICAL_SIMPLE, 4);
	int whole = body_hash_want(&h, CANONICAL_SIMPLE, BODY_WHOLE);
	assert_int_equal(body_hash_want(&h, CANONICAL_SIMPLE, 4), part);
	assert_int_not_equal(part, whole);
	body_hash_add(&h, STR("abcdef\r\n"));
	body_hash_end(&h);
	EVP_Digest("abcd", 4, expected, NULL, EVP_sha256(), NULL);
	assert_memory_equal(
	    body_hash_digest(&h, part, &octets), expected, BODY_HASH_LEN);
	assert_int_equal(octets, 8);
	body_hashes_free(&h);
	for (uint64_t i = 0; i < BODY_FORMS_MOST; i++)
		assert_int_equal(
		    body_hash_want(&h, CANONICAL_RELAXED, i), (int)i);
	assert_int_equal(body_hash_want(&h, CANONICAL_RELAXED, 99), -1);
	body_hashes_free(&h);
}

static void test_tags(void **state)
{
	static const char *const wrong[] = {"", " ", ";", ";;", "a", "=x",
	    "a=1;a=2", "1a=b", "a=1;;b=2", "a=1;;", "a=1; ;", ";a=1", "a=\001",
	    "a=\177", "a b=c", "a=b\rc", "a=b\r c", "a=b\r\nc", "a=b\nc"};
	struct tags t;

	(void)state;
	assert_int_equal(
	    tags_parse(STR(" v=1; a = rsa \r\n\t; Z=a=b ; e=\r\n"), &t), 0);
	assert_int_equal(t.count, 4);
	assert_true(str_eq(tags_value(&t, "a", STR("?")), STR("rsa")));
	assert_true(str_eq(tags_value(&t, "Z", STR("?")), STR("a=b")));
	assert_true(str_eq(tags_value(&t, "z", STR("?")), STR("?")));
	assert_int_equal(tags_value(&t, "e", STR("?")).len, 0);
	assert_int_equal(tags_parse(STR("a=b\r\n c;d=\xc3\xa9; "), &t), 0);
	assert_true(str_eq(tags_value(&t, "a", STR("?")), STR("b\r\n c")));
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_int_equal(tags_parse(str_from(wrong[i]), &t), -1);
	assert_true(tags_list_has(STR("From : to"), STR("TO")));
	assert_false(tags_list_has(STR("From : to"), STR("t")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fields),
	    cmocka_unit_test(test_bodies),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_tags),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
