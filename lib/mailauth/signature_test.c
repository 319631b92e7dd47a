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
#include "net/dns_answer.h"

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

static void sign_as(const struct fixture *f, const char *domain,
    const char *identity, const char *oversigned, struct buf *out)
{
	struct dkim_signing s = {.key = f->key,
	    .domain = str_from(domain),
	    .selector = STR("s"),
	    .identity = str_from(identity),
	    .fields = STR("From"),
	    .oversigned = str_from(oversigned),
	    .header_form = CANONICAL_RELAXED,
	    .body_form = CANONICAL_RELAXED,
	    .now = NOW};
	struct header_fields fields;

	header_fields_of(STR(FROM), &fields);
	assert_int_equal(dkim_sign(&s, &fields, f->digest, out), 0);
	buf_add_text(out, FROM);
	header_fields_free(&fields);
}

static void sign(
    const struct fixture *f, const char *oversigned, struct buf *out)
{
	sign_as(f, "example.com", "", oversigned, out);
}

/* RFC 6376 section 3.5: h= may say that there is no other signature; the one
 * at work is not meant. Another one that is put on top then breaks it. */
static void test_own_field_is_not_signed(void **state)
{
	struct buf header = buf_new(8192), two = buf_new(16384);
	struct fixture f;

	(void)state;
	start(&f, BODY);
	sign(&f, "From DKIM-Signature", &header);
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
	sign(&f, "From", &header);
	expect_dkim(
	    &f, buf_str(&header), &malformed, "temperror malformed answer");
	expect_dkim(&f, buf_str(&header), &none, "permerror no key");
	buf_free(&header);
	stop(&f);
}

/* ---- what may stand in a signature (RFC 6376 section 3.5) ---- */

#define READ "fail the signature does not match" /* so it was understood */

struct written {
	const char *tag, *text; /* "" leaves it out */
	const char *expected;
};

static const struct written signatures[] = {
    {"", "", READ},
    {"v", "", "neutral not version 1"},
    {"v", "v=2", "neutral not version 1"},
    {"v", "v=1.0", "neutral not version 1"},
    {"a", "", "neutral malformed signature"},
    {"a", "a=rsa-sha1", "permerror rsa-sha1 does not count any more"},
    {"a", "a=ed448-sha256", "neutral the algorithm is not known"},
    {"b", "", "neutral malformed signature"},
    {"b", "b=", "neutral malformed signature"},
    {"b", "b=A*AA", "neutral malformed signature"},
    {"b", "b=\r\n A A\r\n\tA A ", READ},
    {"bh", "", "neutral malformed signature"},
    {"bh", "bh=AAAA", "neutral malformed signature"},
    {"c", "", READ},
    {"c", "c=relaxed", READ},
    {"c", "c=relaxed/", "neutral malformed signature"},
    {"c", "c=", "neutral malformed signature"},
    {"c", "c=nowsp/simple", "neutral malformed signature"},
    {"d", "", "neutral malformed signature"},
    {"d", "d=", "neutral malformed signature"},
    {"d", "d=com", "neutral malformed signature"},
    {"d", "d=example.com.", "neutral malformed signature"},
    {"d", "d=exam ple.com", "neutral malformed signature"},
    {"d", "d=ex\xc3\xa4mple.com", READ},
    {"d", "d=ex\xff.com", "neutral malformed signature"},
    {"s", "", "neutral malformed signature"},
    {"s", "s=", "neutral malformed signature"},
    {"s", "s=a.b_c", READ},
    {"s", "s=s\xc3\xa9l", READ},
    {"h", "", "neutral malformed signature"},
    {"h", "h=", "neutral h= is no list of names"},
    {"h", "h=From:", "neutral h= is no list of names"},
    {"h", "h=From::To", "neutral h= is no list of names"},
    {"h", "h=From To", "neutral h= is no list of names"},
    {"h", "h=To:Sender", "neutral From is not signed"},
    {"h", "h=to : \r\n\tfrom", READ},
    {"i", "i=", "neutral i= is not of the domain"},
    {"i", "i=example.com", "neutral i= is not of the domain"},
    {"i", "i=@example.org", "neutral i= is not of the domain"},
    {"i", "i=@badexample.com", "neutral i= is not of the domain"},
    {"i", "i=@com", "neutral i= is not of the domain"},
    {"i", "i=@example.com", READ},
    {"i", "i=a=20b=40c@Sub.Example.com", READ},
    {"i", "i=a@sub.exam\r\n ple.com", READ},
    {"l", "l=6", READ},
    {"l", "l=000000000000000000000000000000006", READ},
    {"l", "l=7", "neutral more is signed than there is"},
    {"l", "l=0", "fail the body has been changed"},
    {"l", "l=", "neutral malformed signature"},
    {"l", "l=-6", "neutral malformed signature"},
    {"l", "l=99999999999999999999999999", "neutral malformed signature"},
    {"q", "q=x/y:dns/txt", READ},
    {"q", "q=x/y", "neutral the key is not in DNS"},
    {"q", "q=", "neutral the key is not in DNS"},
    {"t", "t=1700003600", READ},
    {"t", "t=1700003601", "neutral signed in the future"},
    {"t", "t=", "neutral malformed time"},
    {"t", "t=1e9", "neutral malformed time"},
    {"t", "t=1000000000000", "neutral malformed time"},
    {"x", "x=999999999999", READ},
    {"x", "x=1699999999", "neutral expired"},
    {"z", "z=From:a=40b|To:\r\n c", READ},
    {"new", "new=", READ},
    {"more", "d=example.com", "neutral malformed signature"},
    {"more", "", READ},
};

static void write_signature(
    const struct fixture *f, const struct written *w, struct buf *out)
{
	static const char *const tags[] = {"v=1", "a=ed25519-sha256",
	    "c=relaxed/relaxed", "d=example.com", "s=s", "h=From", "b=AAAA"};
	size_t name = strlen(w->tag);

	buf_add_text(out, "DKIM-Signature: ");
	for (size_t i = 0; i < ARRAY_LEN(tags); i++)
		if (name == 0 || strncmp(tags[i], w->tag, name) != 0 ||
		    tags[i][name] != '=')
			buf_printf(out, "%s; ", tags[i]);
	if (strcmp(w->tag, "bh") != 0) {
		buf_add_text(out, "bh=");
		base64_encode(str_of(f->digest, BODY_HASH_LEN), out);
		buf_add_text(out, "; ");
	}
	buf_printf(out, "%s\r\n" FROM, w->text);
}

static void test_tags_of_a_signature(void **state)
{
	struct buf header = buf_new(8192);
	struct fixture f;

	(void)state;
	start(&f, BODY);
	for (size_t i = 0; i < ARRAY_LEN(signatures); i++) {
		buf_clear(&header);
		write_signature(&f, &signatures[i], &header);
		expect_dkim(&f, buf_str(&header), NULL, signatures[i].expected);
	}
	buf_free(&header);
	stop(&f);
}

/* ---- keys ---- */

static struct dns_reply texts(
    struct dns_record *records, const struct buf *text, size_t count)
{
	for (size_t i = 0; i < count; i++)
		records[i] = (struct dns_record){.type = DNS_TXT,
		    .name = STR_EMPTY,
		    .text = buf_str(&text[i])};
	return (struct dns_reply){
	    .status = DNS_OK, .why = "", .count = count, .records = records};
}

/* What a record may say, with the right key for p (section 3.6.1). */
static void test_records_of_a_key(void **state)
{
	static const struct {
		const char *before, *behind, *expected;
	} records[] = {
	    {"v=DKIM1; k=ed25519; ", "", "pass "},
	    {" v = DKIM1 ;\tk=ed25519;", " ; ", "pass "},
	    {"k=ed25519; n=a note; x_new=1; ", "", "pass "},
	    {"g=; k=ed25519; ", "", "pass "},
	    {"k=ed25519; h=sha1:sha256; ", "", "pass "},
	    {"k=ed25519; h=sha1; ", "", "permerror the key is not for SHA-256"},
	    {"k=ed25519; h=; ", "", "permerror the key is not for SHA-256"},
	    {"k=ed25519; s=; ", "", "permerror the key is not for mail"},
	    {"k=ed25519; s=tlsrpt; ", "", "permerror the key is not for mail"},
	    {"k=ed25519; s=tlsrpt : email; ", "", "pass "},
	    {"k=ed25519; t=new:y; ", "", "pass "},
	    {"v=DKIM1.0; k=ed25519; ", "", "permerror not a record of DKIM1"},
	    {"v=dkim1; k=ed25519; ", "", "permerror not a record of DKIM1"},
	    {"k=ed25519; v=DKIM1; ", "", "permerror not a record of DKIM1"},
	    {"v=; k=ed25519; ", "", "permerror not a record of DKIM1"},
	    {"", "", "permerror the key is of another type"},
	    {"k=rsa; ", "", "permerror the key is of another type"},
	    {"k=; ", "", "permerror the key is of another type"},
	    {"k=ed25519; k=ed25519; ", "",
		"permerror the key record is malformed"},
	    {"k=ed25519; ", ";;", "permerror the key record is malformed"},
	    {"k=ed25519; ", "AAAA", "permerror the key is malformed"},
	    {"k=ed25519; x", "", "permerror the key is malformed"},
	};
	struct buf header = buf_new(8192), text = buf_new(1024);
	struct dns_record record;
	struct fixture f;

	(void)state;
	start(&f, BODY);
	sign(&f, "From", &header);
	struct str key = buf_str(&f.record);
	key = str_skip(key, str_find(key, 'p') + 2);
	for (size_t i = 0; i < ARRAY_LEN(records); i++) {
		buf_clear(&text);
		buf_printf(&text, "%sp=%.*s%s", records[i].before, STR_FMT(key),
		    records[i].behind);
		struct dns_reply reply = texts(&record, &text, 1);
		expect_dkim(&f, buf_str(&header), &reply, records[i].expected);
	}
	buf_free(&text);
	buf_free(&header);
	stop(&f);
}

/* The order of several records means nothing (section 3.6.2.2). */
static void test_several_records(void **state)
{
	struct buf header = buf_new(8192);
	struct dns_record records[4];
	struct fixture f, other;

	(void)state;
	start(&f, BODY);
	start(&other, BODY);
	sign(&f, "From", &header);
	struct buf note = buf_new(100);
	buf_add_text(&note, "v=spf1 -all");
	const struct buf orders[][3] = {{f.record, other.record, note},
	    {other.record, f.record, note}, {note, other.record, f.record}};
	for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
		struct dns_reply reply = texts(records, orders[i], 3);
		expect_dkim(&f, buf_str(&header), &reply, "pass ");
		if (i == 0) {
			reply.records++; /* without the right one */
			reply.count--;
			expect_dkim(&f, buf_str(&header), &reply, READ);
		}
	}
	buf_free(&note);
	buf_free(&header);
	stop(&f);
	stop(&other);
}

/* t=s: no subdomain in i= (section 3.6.1). */
static void test_exact_domain(void **state)
{
	static const struct {
		const char *identity, *expected;
	} cases[] = {
	    {"", "pass "},
	    {"x@Example.com", "pass "},
	    {"@sub.example.com",
		"permerror the key is not for subdomains (t=s)"},
	};
	struct buf header = buf_new(8192);
	struct dns_record record;
	struct fixture f;

	(void)state;
	start(&f, BODY);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf text = buf_new(1024);
		buf_clear(&header);
		sign_as(&f, "example.com", cases[i].identity, "From", &header);
		expect_dkim(&f, buf_str(&header), NULL, "pass ");
		buf_printf(&text, "%.*s; t=s", STR_FMT(buf_str(&f.record)));
		struct dns_reply reply = texts(&record, &text, 1);
		expect_dkim(&f, buf_str(&header), &reply, cases[i].expected);
		buf_free(&text);
	}
	buf_free(&header);
	stop(&f);
}

/* RFC 8616 section 5: U-labels are signed as they stand, and asked for as
 * DNS has them. */
static void test_international_domain(void **state)
{
	struct buf header = buf_new(8192);
	struct questions *q = questions_new(NULL);
	struct body_hashes bodies = {0};
	struct header_fields fields;
	enum dns_type type;
	struct fixture f;
	struct str name;

	(void)state;
	start(&f, BODY);
	sign_as(&f,
	    "B\xc3\xbc"
	    "cher.example",
	    "@post.b\xc3\xbc"
	    "cher.example",
	    "From", &header);
	header_fields_of(buf_str(&header), &fields);
	struct dkim_verifier *v = dkim_verifier_new(
	    &fields, &policy, NOW, &bodies);
	dkim_verifier_ask(v, q);
	assert_true(questions_open(q, &name, &type));
	assert_true(str_eq(name, STR("s._domainkey.xn--bcher-kva.example")));
	body_hash_add(&bodies, STR(BODY));
	body_hash_end(&bodies);
	while (!dkim_verifier_check(v, q))
		answer(q, &f, NULL);
	const struct dkim_verdict *d = dkim_verifier_verdict(v, 0);
	assert_int_equal(d->result, DKIM_PASS);
	assert_true(str_eq(d->domain, STR("xn--bcher-kva.example")));
	dkim_verifier_free(&v);
	header_fields_free(&fields);
	body_hashes_free(&bodies);
	questions_free(&q);
	buf_free(&header);
	stop(&f);
}

/* Fields behind those that are looked at might be a second From. */
static void test_too_many_fields(void **state)
{
	struct buf header = buf_new(65536);
	struct fixture f;

	(void)state;
	start(&f, BODY);
	sign(&f, "From", &header);
	for (size_t i = 2; i < HEADER_FIELDS_MOST; i++)
		buf_add_text(&header, "X: y\r\n");
	expect_dkim(&f, buf_str(&header), NULL, "pass ");
	buf_add_text(&header, FROM);
	expect_dkim(&f, buf_str(&header), NULL,
	    "policy the header has too many fields");
	/* Nor does anybody name more. */
	const char *const expected[] = {READ, "neutral malformed signature"};
	for (size_t more = 0; more < 2; more++) {
		struct buf names = buf_new(65536);
		buf_add_text(&names, "h=From");
		for (size_t i = 0; i < HEADER_FIELDS_MOST + more; i++)
			buf_add_text(&names, ":x");
		const struct written w = {"h", buf_text(&names), ""};
		buf_clear(&header);
		write_signature(&f, &w, &header);
		expect_dkim(&f, buf_str(&header), NULL, expected[more]);
		buf_free(&names);
	}
	buf_free(&header);
	stop(&f);
}

static void digest_of(struct str header, struct str names, uint8_t digest[32])
{
	struct header_fields fields;

	header_fields_of(header, &fields);
	dkim_header_digest(
	    &fields, names, CANONICAL_SIMPLE, STR("b="), STR_EMPTY, digest);
	header_fields_free(&fields);
}

/* Names that only begin alike are different ones, however long they are. */
static void test_long_names(void **state)
{
	static const size_t lengths[] = {1, 255, 256, 257, 512, 600};
	char first[700], other[700], header[2000];
	uint8_t one[32], two[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		size_t len = lengths[i];

		memset(first, 'x', len);
		memset(other, 'X', len);
		first[len] = other[len] = '\0';
		other[len - 1] = 'y';
		snprintf(
		    header, sizeof(header), "%s: 1\r\n%s: 2\r\n", first, other);
		digest_of(str_from(header), str_from(first), one);
		first[0] = 'X'; /* the same name */
		digest_of(str_from(header), str_from(first), two);
		assert_memory_equal(one, two, sizeof(one));
		digest_of(str_from(header), str_from(other), two);
		assert_memory_not_equal(one, two, sizeof(one));
	}
}

/* ---- ARC ---- */

#define RESULTS "ARC-Authentication-Results: i=1; a.example; none\r\n"

/* The first set of a chain, of which the signature covers `limit` octets of
 * the body. */
static void seal(
    struct fixture *f, const char *domain, unsigned limit, struct buf *out)
{
	struct buf signature = buf_new(8192), before = buf_new(4096);
	struct buf text = buf_new(16384);
	struct header_fields fields;
	uint8_t digest[32];
	unsigned len;

	header_fields_of(STR(FROM), &fields);
	buf_printf(&before,
	    "ARC-Message-Signature: i=1; a=ed25519-sha256; c=relaxed/relaxed;"
	    " d=%s; s=s; h=From; l=%u; bh=",
	    domain, limit);
	base64_encode(str_of(f->digest, BODY_HASH_LEN), &before);
	buf_add_text(&before, "; b=");
	struct str whole = buf_str(&before);
	dkim_header_digest(&fields, STR("From"), CANONICAL_RELAXED, whole,
	    str_skip(whole, whole.len), digest);
	dkim_finish_field(f->key, digest, whole, STR_EMPTY, 900, &signature);
	canonical_field(STR(RESULTS), CANONICAL_RELAXED, true, &text);
	canonical_field(buf_str(&signature), CANONICAL_RELAXED, true, &text);
	buf_clear(&before);
	buf_printf(&before,
	    "ARC-Seal: i=1; a=ed25519-sha256; cv=none; d=%s; s=s; b=", domain);
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
    const char *body, const struct dns_reply *reply, const char *expected)
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
		answer(q, f, reply);
	if (result == ARC_PASS)
		assert_true(dns_name_valid(arc_chain_set(chain, 1)->domain));
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
	struct buf header = buf_new(65536);
	struct fixture f;

	(void)state;
	start(&f, BODY);
	seal(&f, "a.example", 6, &header);
	expect_arc(&f, buf_str(&header), BODY, NULL, "pass ");
	expect_arc(&f, buf_str(&header), BODY "and more\r\n", NULL,
	    "fail only a part of the body is signed");
	expect_arc(&f, buf_str(&header), "", NULL,
	    "fail more is signed than there is");
	for (size_t i = 0; i < HEADER_FIELDS_MOST; i++)
		buf_add_text(&header, "X: y\r\n");
	expect_arc(&f, buf_str(&header), BODY, NULL,
	    "fail the header has too many fields");
	buf_free(&header);
	stop(&f);
}

/* RFC 8617 sections 4.1.4 and 5.2.1. */
static void test_seals_and_dns(void **state)
{
	static const struct dns_reply late = {
	    .status = DNS_TEMPORARY, .why = "timeout"};
	struct buf header = buf_new(65536);
	struct fixture f;

	(void)state;
	start(&f, BODY);
	seal(&f,
	    "b\xc3\xbc"
	    "cher.example",
	    6, &header);
	expect_arc(&f, buf_str(&header), BODY, NULL, "pass ");
	expect_arc(&f, buf_str(&header), BODY, &late, "fail timeout");
	buf_free(&header);
	stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_own_field_is_not_signed),
	    cmocka_unit_test(test_times),
	    cmocka_unit_test(test_answers),
	    cmocka_unit_test(test_tags_of_a_signature),
	    cmocka_unit_test(test_records_of_a_key),
	    cmocka_unit_test(test_several_records),
	    cmocka_unit_test(test_exact_domain),
	    cmocka_unit_test(test_international_domain),
	    cmocka_unit_test(test_too_many_fields),
	    cmocka_unit_test(test_long_names),
	    cmocka_unit_test(test_partial_body_of_a_chain),
	    cmocka_unit_test(test_seals_and_dns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
