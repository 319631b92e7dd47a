/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mailauth/key_cache.h"

#define KEYS 4

static char records[KEYS][256];

static int make_records(void **state)
{
	(void)state;
	for (size_t i = 0; i < KEYS; i++) {
		struct dkim_key *key = dkim_key_new(DKIM_ED25519_SHA256, 0);
		struct buf text = buf_new(256);
		assert_non_null(key);
		assert_int_equal(dkim_key_record(key, &text), 0);
		str_copy(records[i], sizeof(records[i]), buf_str(&text));
		dkim_key_free(&key);
		buf_free(&text);
	}
	return 0;
}

static const struct dkim_key *get(struct key_cache *cache, const char *record,
    struct dkim_key_flags *flags, const char **why)
{
	return key_cache_parse(
	    cache, str_from(record), DKIM_ED25519_SHA256, flags, why);
}

static void test_a_key_is_read_once(void **state)
{
	struct key_cache *cache = key_cache_new(2);
	struct dkim_key_flags flags;
	const char *why;

	(void)state;
	const struct dkim_key *first = get(cache, records[0], &flags, &why);
	assert_non_null(first);
	assert_ptr_equal(get(cache, records[0], &flags, &why), first);
	assert_int_equal(key_cache_count(cache), 1);
	key_cache_free(&cache);
	assert_null(cache);
}

/* t=y of one record is not that of another with the same key. */
static void test_flags_are_those_of_the_record(void **state)
{
	struct key_cache *cache = key_cache_new(4);
	struct buf testing = buf_new(512);
	struct dkim_key_flags flags;
	const char *why;

	(void)state;
	buf_printf(&testing, "%s; t=y:s", records[0]);
	for (int round = 0; round < 2; round++) {
		assert_non_null(get(cache, buf_text(&testing), &flags, &why));
		assert_true(flags.testing);
		assert_true(flags.exact_domain);
		assert_non_null(get(cache, records[0], &flags, &why));
		assert_false(flags.testing);
	}
	buf_free(&testing);
	key_cache_free(&cache);
}

static void test_the_oldest_leaves(void **state)
{
	struct key_cache *cache = key_cache_new(2);
	struct dkim_key_flags flags;
	const char *why;
	uint8_t digest[32] = {0};

	(void)state;
	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < KEYS; i++) {
			const struct dkim_key *key = get(
			    cache, records[i], &flags, &why);
			assert_non_null(key);
			assert_int_equal(dkim_key_bits(key), 256);
			assert_false(
			    dkim_key_verify(key, digest, STR("no signature")));
			assert_in_range(key_cache_count(cache), 1, 2);
		}
	key_cache_free(&cache);
}

static void test_what_is_no_key_is_not_kept(void **state)
{
	struct key_cache *cache = key_cache_new(2);
	struct dkim_key_flags flags;
	const char *why = NULL;

	(void)state;
	assert_null(get(cache, "v=DKIM1; k=ed25519; p=", &flags, &why));
	assert_string_equal(why, "the key is revoked");
	assert_true(flags.revoked);
	assert_null(get(cache, "v=DKIM1; k=rsa; p=AAAA", &flags, &why));
	assert_null(key_cache_parse(
	    cache, str_from(records[0]), DKIM_RSA_SHA256, &flags, &why));
	assert_int_equal(key_cache_count(cache), 0);
	assert_non_null(get(cache, records[0], &flags, &why));
	/* The same record for another algorithm is another question. */
	assert_null(key_cache_parse(
	    cache, str_from(records[0]), DKIM_RSA_SHA256, &flags, &why));
	key_cache_free(&cache);
}

/* Strangers write what they like beside a key; it takes no room. */
static void test_large_records_are_not_kept(void **state)
{
	struct key_cache *cache = key_cache_new(KEYS);
	struct buf large = buf_new(70000);
	struct dkim_key_flags flags;
	const char *why;

	(void)state;
	buf_printf(&large, "%s; t=y; n=", records[0]);
	while (large.len < KEY_CACHE_RECORD_MOST)
		buf_add_char(&large, 'x');
	assert_non_null(get(cache, buf_text(&large), &flags, &why));
	assert_int_equal(key_cache_count(cache), 1);
	for (int i = 0; i < 100; i++) {
		buf_add_text(&large, "some hundred octets");
		const struct dkim_key *key = get(
		    cache, buf_text(&large), &flags, &why);
		assert_non_null(key);
		assert_int_equal(dkim_key_bits(key), 256);
		assert_true(flags.testing);
	}
	assert_int_equal(key_cache_count(cache), 1);
	buf_add_text(&large, ";;");
	assert_null(get(cache, buf_text(&large), &flags, &why));
	assert_string_equal(why, "the key record is malformed");
	buf_free(&large);
	key_cache_free(&cache);
}

/* The longest key that counts is kept. */
static void test_the_longest_key_is_kept(void **state)
{
	struct dkim_key *key = dkim_key_new(DKIM_RSA_SHA256, RSA_BITS_MOST / 4);
	struct buf text = buf_new(65536);

	(void)state;
	assert_non_null(key);
	assert_int_equal(dkim_key_record(key, &text), 0);
	/* One of four times the bits has four times the octets at most. */
	assert_in_range(4 * text.len, 1, KEY_CACHE_RECORD_MOST);
	dkim_key_free(&key);
	buf_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_key_is_read_once),
	    cmocka_unit_test(test_flags_are_those_of_the_record),
	    cmocka_unit_test(test_the_oldest_leaves),
	    cmocka_unit_test(test_what_is_no_key_is_not_kept),
	    cmocka_unit_test(test_large_records_are_not_kept),
	    cmocka_unit_test(test_the_longest_key_is_kept),
	};

	return cmocka_run_group_tests(tests, make_records, NULL);
}
