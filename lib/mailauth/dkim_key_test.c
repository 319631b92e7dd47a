/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "mail/encode.h"
#include "mailauth/dkim_key.h"

static unsigned char *info, *bare;
static size_t info_len, bare_len;

static int make_key(void **state)
{
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);

	(void)state;
	assert_non_null(pkey);
	info_len = (size_t)i2d_PUBKEY(pkey, &info);
	bare_len = (size_t)i2d_PublicKey(pkey, &bare);
	EVP_PKEY_free(pkey);
	return 0;
}

static int free_key(void **state)
{
	(void)state;
	OPENSSL_free(info);
	OPENSSL_free(bare);
	return 0;
}

/* Bits of the RSA key in a record; 0 when it is none. */
static unsigned bits_of(const unsigned char *der, size_t len)
{
	struct buf record = buf_new(1024);
	struct dkim_key_flags flags;
	const char *why = NULL;
	unsigned bits = 0;

	buf_add_text(&record, "v=DKIM1; k=rsa; p=");
	base64_encode(str_of(der, len), &record);
	struct dkim_key *key = dkim_key_parse(
	    buf_str(&record), DKIM_RSA_SHA256, &flags, &why);
	if (key != NULL)
		bits = dkim_key_bits(key);
	else
		assert_non_null(why);
	dkim_key_free(&key);
	buf_free(&record);
	return bits;
}

static void test_both_forms_of_a_key(void **state)
{
	(void)state;
	assert_int_equal(bits_of(info, info_len), 1024);
	assert_int_equal(bits_of(bare, bare_len), 1024);
}

static void test_no_part_of_a_key_is_one(void **state)
{
	(void)state;
	for (size_t len = 1; len < info_len; len++)
		assert_int_equal(bits_of(info, len), 0);
	for (size_t len = 1; len < bare_len; len++)
		assert_int_equal(bits_of(bare, len), 0);
}

/* bits with the octet at a place changed, which is put back. */
static unsigned with(unsigned char *der, size_t len, size_t at, unsigned char c)
{
	unsigned char before = der[at];

	der[at] = c;
	unsigned bits = bits_of(der, len);
	der[at] = before;
	return bits;
}

static void test_what_is_no_rsa_key(void **state)
{
	size_t bit_string = info_len - bare_len - 1;

	(void)state;
	assert_int_equal(with(info, info_len, 15, 10), 0); /* RSASSA-PSS */
	assert_int_equal(with(info, info_len, bit_string, 1), 0);
	assert_int_equal(
	    with(info, info_len, 0, 0x10), 0); /* not constructed */
	assert_int_equal(with(bare, bare_len, 3, 0x22), 0);
	assert_int_equal(with(bare, bare_len, 6, 0x80), 0); /* negative */
	assert_int_equal(with(bare, bare_len, 2, 0xff), 0); /* too long */
	assert_int_equal(with(bare, bare_len, 1, 0x80), 0); /* no length */
}

/* An RSAPublicKey: a modulus of 1024 bits, an exponent of so many octets. */
static size_t write_key(size_t octets, unsigned char out[400])
{
	unsigned char head[] = {0x30, 0x82, 0, 0, 2, 0x81, 129, 0};
	size_t len = sizeof(head) + 128;

	memset(out, 0xff, 400);
	out[len++] = 2;
	if (octets > 127)
		out[len++] = 0x81;
	out[len++] = (unsigned char)octets;
	out[len] = 1;
	len += octets;
	head[2] = (unsigned char)((len - 4) >> 8);
	head[3] = (unsigned char)(len - 4);
	memcpy(out, head, sizeof(head));
	return len;
}

/* How long it takes to check a signature is for its owner to say, but not to
 * take a hundred times as long as others. */
static void test_exponents(void **state)
{
	static const struct {
		size_t octets;
		unsigned bits; /* of the key; 0: it is none */
	} rows[] = {{3, 1024}, {8, 1024}, {9, 0}, {127, 0}, {128, 0}};
	unsigned char der[400];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(
		    bits_of(der, write_key(rows[i].octets, der)), rows[i].bits);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_both_forms_of_a_key),
	    cmocka_unit_test(test_no_part_of_a_key_is_one),
	    cmocka_unit_test(test_what_is_no_rsa_key),
	    cmocka_unit_test(test_exponents),
	};
	return cmocka_run_group_tests(tests, make_key, free_key);
}
