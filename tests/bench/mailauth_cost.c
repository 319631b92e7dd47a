/* SPDX-License-Identifier: ISC */
/*
 * What lib/mailauth costs by itself: processor time for a message of 4 KB, with
 * DNS that has every answer at once, and the memory of a verdict.
 *
 *	mailauth_cost [ROUNDS]
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/clock.h"
#include "mailauth/dkim_sign.h"
#include "mailauth/results.h"

#define HEADER                                                                 \
	"Received: from mail.example.com (mail.example.com [192.0.2.1])\r\n"   \
	"\tby relay.example.com (Mailer) with ESMTPS id 17\r\n"                \
	"\tfor <user0@bench.test>; Sun, 22 Nov 2026 08:00:00 +0000\r\n"        \
	"From: A. User <user@example.com>\r\nTo: user0@bench.test\r\n"         \
	"Subject: a message to measure with\r\n"                               \
	"Message-ID: <17@example.com>\r\n"                                     \
	"Date: Sun, 22 Nov 2026 08:00:00 +0000\r\nMIME-Version: 1.0\r\n"       \
	"User-Agent: Agent/1.0\r\n"                                            \
	"Content-Type: text/plain; charset=utf-8\r\n"                          \
	"Content-Transfer-Encoding: 8bit\r\n"
#define LINE  "The quick brown fox jumps over the lazy dog, once more.\r\n"
#define LINES 60

struct zone {
	const char *name;
	enum dns_type type;
	const char *text;
};

static char rsa_record[1024], ed25519_record[256];
static const struct zone zone[] = {
    {"example.com", DNS_TXT,
	"v=spf1 mx ip4:198.51.100.0/24 include:_spf.example.com -all"},
    {"_spf.example.com", DNS_TXT,
	"v=spf1 ip4:203.0.113.0/24 a:mail.example.com ~all"},
    {"_dmarc.example.com", DNS_TXT, "v=DMARC1; p=reject"},
    {"r._domainkey.example.com", DNS_TXT, rsa_record},
    {"e._domainkey.example.com", DNS_TXT, ed25519_record},
    {"mail.example.com", DNS_A, "192.0.2.1"},
};

static void answer(struct questions *q)
{
	struct dns_record record;
	enum dns_type type;
	struct str name;

	while (questions_open(q, &name, &type)) {
		struct dns_reply r = {.status = DNS_NO_NAME, .why = "NXDOMAIN"};
		for (size_t i = 0; i < ARRAY_LEN(zone); i++) {
			if (!str_case_eq(name, str_from(zone[i].name)) ||
			    type != zone[i].type)
				continue;
			record = (struct dns_record){
			    .type = type, .name = STR_EMPTY, .text = STR_EMPTY};
			if (type == DNS_A)
				netaddr_parse(
				    str_from(zone[i].text), 0, &record.addr);
			else
				record.text = str_from(zone[i].text);
			r = (struct dns_reply){.status = DNS_OK,
			    .why = "",
			    .count = 1,
			    .records = &record};
		}
		questions_answer(q, name, type, &r);
	}
}

static struct dkim_key *rsa, *ed25519;
static struct buf body, plain, rsa_signed, ed25519_signed, both_signed;

static void sign(const struct dkim_key *key, const char *selector,
    struct str header, struct buf *out)
{
	struct dkim_signing s = {.key = key,
	    .domain = STR("example.com"),
	    .selector = str_from(selector),
	    .identity = STR_EMPTY,
	    .fields = STR("List-Id Auto-Submitted Sender"),
	    .oversigned = STR("From Reply-To Subject Date To Cc Message-ID "
			      "In-Reply-To References MIME-Version "
			      "Content-Type Content-Transfer-Encoding"),
	    .header_form = CANONICAL_RELAXED,
	    .body_form = CANONICAL_RELAXED,
	    .now = clock_seconds()};
	struct body_hashes bodies = {0};
	struct header_fields fields;
	uint64_t octets;

	header_fields_of(header, &fields);
	int number = body_hash_want(&bodies, s.body_form, BODY_WHOLE);
	body_hash_add(&bodies, buf_str(&body));
	body_hash_end(&bodies);
	dkim_sign(&s, &fields, body_hash_digest(&bodies, number, &octets), out);
	body_hashes_free(&bodies);
	header_fields_free(&fields);
}

static void sign_with(const struct dkim_key *key, const char *selector)
{
	struct buf out = buf_new(65536);

	sign(key, selector, buf_str(&plain), &out);
	buf_free(&out);
}

static void sign_rsa(void)
{
	sign_with(rsa, "r");
}

static void sign_ed25519(void)
{
	sign_with(ed25519, "e");
}

static struct verdict *verdict;
static const struct netaddr *client;

static void judge(const struct buf *header)
{
	verdict_begin(verdict, client, STR("mail.example.com"));
	verdict_sender(verdict, STR("user@example.com"));
	verdict_header(verdict, buf_str(header));
	verdict_body(verdict, buf_str(&body));
	verdict_end(verdict);
}

static void verdict_rsa(void)
{
	judge(&rsa_signed);
}

static void verdict_ed25519(void)
{
	judge(&ed25519_signed);
}

static void verdict_both(void)
{
	judge(&both_signed);
}

static void verdict_unsigned(void)
{
	judge(&plain);
}

static void spf_alone(void)
{
	verdict_begin(verdict, client, STR("mail.example.com"));
	verdict_sender(verdict, STR("user@example.com"));
	verdict_spf_sender(verdict);
}

/* What no arrangement of ours can save. */
static const uint8_t digest[32] = {1};
static struct buf raw_rsa, raw_ed25519;

static void library_sign_rsa(void)
{
	buf_clear(&raw_rsa);
	dkim_key_sign(rsa, digest, &raw_rsa);
}

static void library_verify_rsa(void)
{
	dkim_key_verify(rsa, digest, buf_str(&raw_rsa));
}

static void library_sign_ed25519(void)
{
	buf_clear(&raw_ed25519);
	dkim_key_sign(ed25519, digest, &raw_ed25519);
}

static void library_verify_ed25519(void)
{
	dkim_key_verify(ed25519, digest, buf_str(&raw_ed25519));
}

static void parse_rsa_record(void)
{
	struct dkim_key_flags flags;
	const char *why;
	struct dkim_key *key = dkim_key_parse(
	    str_from(rsa_record), DKIM_RSA_SHA256, &flags, &why);

	dkim_key_free(&key);
}

static void tell(const char *what, void (*run)(void), unsigned rounds)
{
	struct timespec before, after;

	for (unsigned i = 0; i < rounds / 10 + 1; i++)
		run();
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	for (unsigned i = 0; i < rounds; i++)
		run();
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	double ns = 1e9 * (double)(after.tv_sec - before.tv_sec) +
	    (double)(after.tv_nsec - before.tv_nsec);
	printf("%-44s %9.1f us\n", what, ns / rounds / 1000);
}

static void prepare(void)
{
	struct buf record = buf_new(1024);

	rsa = dkim_key_new(DKIM_RSA_SHA256, 2048);
	ed25519 = dkim_key_new(DKIM_ED25519_SHA256, 0);
	dkim_key_record(rsa, &record);
	str_copy(rsa_record, sizeof(rsa_record), buf_str(&record));
	buf_clear(&record);
	dkim_key_record(ed25519, &record);
	str_copy(ed25519_record, sizeof(ed25519_record), buf_str(&record));
	buf_free(&record);
	raw_rsa = raw_ed25519 = buf_new(4096);
	body = plain = rsa_signed = ed25519_signed = both_signed = buf_new(
	    1u << 20);
	for (unsigned i = 0; i < LINES; i++)
		buf_add_text(&body, LINE);
	buf_add_text(&plain, HEADER "\r\n");
	sign(rsa, "r", buf_str(&plain), &rsa_signed);
	sign(ed25519, "e", buf_str(&plain), &ed25519_signed);
	buf_add(&both_signed, buf_str(&ed25519_signed));
	buf_add(&both_signed, buf_str(&rsa_signed));
	buf_add(&rsa_signed, buf_str(&plain));
	buf_add(&ed25519_signed, buf_str(&plain));
	buf_add(&both_signed, buf_str(&plain));
}

static struct verdict_policy policy = {.receiver = "bench.test",
    .dkim = {.signatures_most = 10, .bits_least = 1024},
    .budget_ms = 10000};

static void make_verdict(void)
{
	verdict = verdict_new(NULL, NULL, &policy);
	questions_answer_by(verdict_questions(verdict), answer);
	questions_answer_by(verdict_policy_questions(verdict), answer);
}

static void prepare_cached(void)
{
	size_t before = mallinfo2().uordblks;

	policy.dkim.keys = key_cache_new(50);
	make_verdict();
	judge(&rsa_signed);
	size_t one = mallinfo2().uordblks;
	judge(&both_signed);
	verdict_begin(verdict, client, STR("mail.example.com"));
	printf("memory: %zu octets for a verdict and two keys (%zu with one)\n",
	    mallinfo2().uordblks - before, one - before);
}

static void tell_memory(void)
{
	/* What OpenSSL keeps from its first use on is no verdict's. */
	make_verdict();
	judge(&both_signed);
	verdict_free(&verdict);
	size_t before = mallinfo2().uordblks;

	make_verdict();
	size_t empty = mallinfo2().uordblks;
	judge(&both_signed);
	size_t full = mallinfo2().uordblks;
	verdict_begin(verdict, client, STR("mail.example.com"));
	printf("memory: %zu octets a verdict, %zu at the end of a message with "
	       "two signatures, %zu kept for the next\n",
	    empty - before, full - before, mallinfo2().uordblks - before);
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10)
				   : 2000;
	static struct netaddr address;

	netaddr_parse(STR("192.0.2.1"), 0, &address);
	client = &address;
	prepare();
	tell_memory();
	judge(&both_signed);
	printf("the verdict: %zu signatures, %s and %s, dmarc=%s\n",
	    verdict_dkim_count(verdict),
	    dkim_result_name(verdict_dkim(verdict, 0)->result),
	    dkim_result_name(verdict_dkim(verdict, 1)->result),
	    dmarc_result_name(verdict_dmarc(verdict)->result));
	tell("OpenSSL: RSA-2048 signature", library_sign_rsa, rounds);
	tell("OpenSSL: RSA-2048 verified", library_verify_rsa, rounds);
	tell("OpenSSL: Ed25519 signature", library_sign_ed25519, rounds);
	tell("OpenSSL: Ed25519 verified", library_verify_ed25519, rounds);
	tell("key record of RSA parsed", parse_rsa_record, rounds);
	tell("SPF (6 questions)", spf_alone, rounds);
	tell("verdict, not signed", verdict_unsigned, rounds);
	tell("verdict, RSA-2048", verdict_rsa, rounds);
	tell("verdict, Ed25519", verdict_ed25519, rounds);
	tell("verdict, both", verdict_both, rounds);
	tell("message signed, RSA-2048", sign_rsa, rounds);
	tell("message signed, Ed25519", sign_ed25519, rounds);
	verdict_free(&verdict);
	prepare_cached();
	puts("with keys that have been read before:");
	tell("verdict, RSA-2048", verdict_rsa, rounds);
	tell("verdict, Ed25519", verdict_ed25519, rounds);
	tell("verdict, both", verdict_both, rounds);
	verdict_free(&verdict);
	key_cache_free(&policy.dkim.keys);
	return 0;
}
