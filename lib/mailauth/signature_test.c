/* SPDX-License-Identifier: ISC */
/* Signatures that a reader of the RFCs would make, of DKIM and of ARC. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <stdio.h>

#include "core/buf.h"
#include "mail/encode.h"
#include "mailauth/arc.h"

#define NOW  1700000000
#define BODY "text\r\n"
#define FROM "From: a@example.com\r\n"

static const struct dkim_policy policy = {
    .signatures_most = 5, .bits_least = 1024};

struct fixture {
	struct dkim_key *key;
	struct buf record; /* of the key */
	uint8_t digest[BODY_HASH_LEN];
};

static void start(struct fixture *f, const char *body)
{
	struct body_hashes bodies = {0};
	int form = body_hash_want(&bodies, CANONICAL_RELAXED, BODY_WHOLE);
	uint64_t octets;

	f->key = dkim_key_new(DKIM_ED25519_SHA256, 0);
	f->record = buf_new(1024);
	dkim_key_record(f->key, &f->record);
	body_hash_add(&bodies, str_from(body));
	body_hash_end(&bodies);
	memcpy(
	    f->digest, body_hash_digest(&bodies, form, &octets), BODY_HASH_LEN);
	body_hashes_free(&bodies);
}

static void stop(struct fixture *f)
{
	dkim_key_free(&f->key);
	buf_free(&f->record);
}

/* Every question has the key's record, or reply. */
static void answer(
    struct questions *q, const struct fixture *f, const struct dns_reply *reply)
{
	struct dns_record record = {
	    .type = DNS_TXT, .name = STR_EMPTY, .text = buf_str(&f->record)};
	struct dns_reply key = {
	    .status = DNS_OK, .why = "", .count = 1, .records = &record};
	enum dns_type type;
	struct str name;

	while (questions_open(q, &name, &type))
		questions_answer(q, name, type, reply != NULL ? reply : &key);
}

/* "pass", or the result and why. */
static void expect_dkim(const struct fixture *f, struct str header,
    const struct dns_reply *reply, const char *expected)
{
	struct questions *q = questions_new(NULL);
	struct body_hashes bodies = {0};
	struct header_fields fields;
	char text[128];

	header_fields_of(header, &fields);
	struct dkim_verifier *v = dkim_verifier_new(
	    &fields, &policy, NOW, &bodies);
	body_hash_add(&bodies, STR(BODY));
	body_hash_end(&bodies);
	while (!dkim_verifier_check(v, q))
		answer(q, f, reply);
	const struct dkim_verdict *d = dkim_verifier_verdict(v, 0);
	snprintf(
	    text, sizeof(text), "%s %s", dkim_result_name(d->result), d->why);
	assert_string_equal(text, expected);
	dkim_verifier_free(&v);
	header_fields_free(&fields);
	body_hashes_free(&bodies);
	questions_free(&q);
}

static void sign(const struct fixture *f, const char *oversigned,
    int64_t lifetime, struct buf *out)
{
	struct dkim_signing s = {.key = f->key,
	    .domain = STR("example.com"),
	    .selector = STR("s"),
	    .identity = STR_EMPTY,
	    .fields = STR("From"),
	    .oversigned = str_from(oversigned),
	    .header_form = CANONICAL_RELAXED,
	    .body_form = CANONICAL_RELAXED,
	    .now = NOW,
	    .lifetime = lifetime};
	struct header_fields fields;

	header_fields_of(STR(FROM), &fields);
	assert_int_equal(dkim_sign(&s, &fields, f->digest, out), 0);
	buf_add_text(out, FROM);
	header_fields_free(&fields);
}

/* RFC 6376 section 3.5: h= may say that there is no other signature; the one
 * at work is not meant. Another one that is put on top then breaks it. */
static void test_own_field_is_not_signed(void **state)
{
	struct buf header = buf_new(8192), two = buf_new(16384);
	struct fixture f;

	(void)state;
	start(&f, BODY);
	sign(&f, "From DKIM-Signature", 0, &header);
	expect_dkim(&f, buf_str(&header), NULL, "pass ");
	buf_add_text(&two, "X: y\r\n");
	buf_add(&two, buf_str(&header));
	buf_add_text(&two, "DKIM-Signature: v=1; none\r\n");
	expect_dkim(
	    &f, buf_str(&two), NULL, "fail the signature does not match");
	buf_free(&header);
	buf_free(&two);
	stop(&f);
}

static void test_times(void **state)
{
	static const char field[] =
	    "DKIM-Signature: v=1; a=ed25519-sha256; d=a.example; s=s; h=From;"
	    " bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA;"
	    " t=1699999999; x=%d\r\n" FROM;
	char text[512];
	struct fixture f;

	(void)state;
	start(&f, BODY);
	snprintf(text, sizeof(text), field, 1699999999);
	expect_dkim(
	    &f, str_from(text), NULL, "neutral expires before it was signed");
	snprintf(text, sizeof(text), field, 1700000000);
	expect_dkim(&f, str_from(text), NULL, "fail the body has been changed");
	stop(&f);
}

/* A malformed answer says nothing of the key. */
static void test_answers(void **state)
{
	static const struct dns_reply malformed = {
	    .status = DNS_BAD, .why = "malformed answer"};
	static const struct dns_reply none = {
	    .status = DNS_NO_NAME, .why = "NXDOMAIN"};
	struct buf header = buf_new(8192);
	struct fixture f;

	(void)state;
	start(&f, BODY);
	sign(&f, "From", 0, &header);
	expect_dkim(
	    &f, buf_str(&header), &malformed, "temperror malformed answer");
	expect_dkim(&f, buf_str(&header), &none, "permerror no key");
	buf_free(&header);
	stop(&f);
}

/* ---- ARC ---- */

#define RESULTS "ARC-Authentication-Results: i=1; a.example; none\r\n"

/* The first set of a chain, of which the signature covers `limit` octets of
 * the body. */
static void seal(struct fixture *f, unsigned limit, struct buf *out)
{
	struct buf signature = buf_new(8192), before = buf_new(4096);
	struct buf text = buf_new(16384);
	struct header_fields fields;
	uint8_t digest[32];
	unsigned len;

	header_fields_of(STR(FROM), &fields);
	buf_printf(&before,
	    "ARC-Message-Signature: i=1; a=ed25519-sha256; c=relaxed/relaxed;"
	    " d=a.example; s=s; h=From; l=%u; bh=",
	    limit);
	base64_encode(str_of(f->digest, BODY_HASH_LEN), &before);
	buf_add_text(&before, "; b=");
	struct str whole = buf_str(&before);
	dkim_header_digest(&fields, STR("From"), CANONICAL_RELAXED, whole,
	    str_skip(whole, whole.len), digest);
	dkim_finish_field(f->key, digest, whole, STR_EMPTY, 900, &signature);
	canonical_field(STR(RESULTS), CANONICAL_RELAXED, true, &text);
	canonical_field(buf_str(&signature), CANONICAL_RELAXED, true, &text);
	buf_clear(&before);
	buf_add_text(&before,
	    "ARC-Seal: i=1; a=ed25519-sha256; cv=none;"
	    " d=a.example; s=s; b=");
	canonical_field(buf_str(&before), CANONICAL_RELAXED, false, &text);
	EVP_Digest(text.p, text.len, digest, &len, EVP_sha256(), NULL);
	dkim_finish_field(
	    f->key, digest, buf_str(&before), STR_EMPTY, 900, out);
	buf_add(out, buf_str(&signature));
	buf_add_text(out, RESULTS FROM);
	header_fields_free(&fields);
	buf_free(&signature);
	buf_free(&before);
	buf_free(&text);
}

static void expect_arc(const struct fixture *f, struct str header,
    const char *body, const char *expected)
{
	struct questions *q = questions_new(NULL);
	struct body_hashes bodies = {0};
	struct header_fields fields;
	enum arc_result result;
	char text[128];

	header_fields_of(header, &fields);
	struct arc_chain *chain = arc_chain_new(&fields, &policy, NOW, &bodies);
	body_hash_add(&bodies, str_from(body));
	body_hash_end(&bodies);
	while ((result = arc_chain_check(chain, q)) == ARC_PENDING)
		answer(q, f, NULL);
	snprintf(text, sizeof(text), "%s %s", arc_result_name(result),
	    arc_chain_why(chain));
	assert_string_equal(text, expected);
	arc_chain_free(&chain);
	header_fields_free(&fields);
	body_hashes_free(&bodies);
	questions_free(&q);
}

/* What a sealer did not sign must not pass as his. */
static void test_partial_body_of_a_chain(void **state)
{
	struct buf header = buf_new(8192);
	struct fixture f;

	(void)state;
	start(&f, BODY);
	seal(&f, 6, &header);
	expect_arc(&f, buf_str(&header), BODY, "pass ");
	expect_arc(&f, buf_str(&header), BODY "and more\r\n",
	    "fail only a part of the body is signed");
	expect_arc(
	    &f, buf_str(&header), "", "fail more is signed than there is");
	buf_free(&header);
	stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_own_field_is_not_signed),
	    cmocka_unit_test(test_times),
	    cmocka_unit_test(test_answers),
	    cmocka_unit_test(test_partial_body_of_a_chain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
