/* SPDX-License-Identifier: ISC */
/*
 * Signs and verifies messages for the tests that compare with other
 * implementations and suites (tests/test_dkim.py, tests/test_arc.py,
 * tests/test_counterparts.py). The message is standard input, with CRLF; the
 * rest are arguments:
 *
 *	verify NOW ZONE                       a verdict a line
 *	sign NOW KEY DOMAIN SELECTOR FORM FIELDS OVERSIGNED
 *	                                      the field that goes on top
 *	arc NOW ZONE                          the chain's state, and why
 *	seal NOW KEY DOMAIN SELECTOR NAMES STATUS RESULTS
 *	                                      the set that goes on top
 *	dmarc ZONE AUTHOR SPF DKIM            result, alignments, policy asked
 *	key ALGORITHM BITS                    a private key, then its record
 *	batch                                 many of the above: for each a line
 *	                                      of arguments and the octets of its
 *	                                      message, separated by tabs, and
 *	                                      the message; after each answer a
 *	                                      line with a dot
 *
 * ZONE is a file of "name TAB text of a TXT record"; FORM "relaxed/simple"; SPF
 * the domain that SPF vouches for, or "-"; DKIM those of signatures, with
 * commas, or "-". Organisational domains are those of the public suffixes, as
 * RFC 7489 has it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/memory.h"
#include "mailauth/arc.h"
#include "mailauth/dkim_sign.h"
#include "mailauth/dkim_verify.h"
#include "mailauth/dmarc.h"
#include "mailauth/public_suffixes.h"

#define ARGUMENTS_MOST 10
#define DOMAINS_MOST   8
#define MESSAGE_MOST   (64u << 20)

static int read_all(FILE *f, struct buf *out)
{
	char *room;
	size_t n;

	while ((room = buf_room(out, 65536)) != NULL &&
	    (n = fread(room, 1, 65536, f)) > 0)
		buf_added(out, n);
	return out->overflow ? -1 : 0;
}

static int read_file(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "rb");

	if (f == NULL || read_all(f, out) < 0) {
		perror(path);
		exit(2);
	}
	return fclose(f);
}

/* Answers what is open from the zone; all records of a name. */
static void answer_open(struct questions *q, struct str zone)
{
	struct dns_record records[8];
	enum dns_type type;
	struct str name;

	while (questions_open(q, &name, &type)) {
		struct dns_reply r = {.status = DNS_NO_NAME,
		    .why = "NXDOMAIN",
		    .records = records};
		struct str rest = zone;
		while (rest.len > 0 && r.count < ARRAY_LEN(records)) {
			struct str text = str_cut(&rest, '\n');
			struct str owner = str_cut(&text, '\t');
			if (!str_case_eq(owner, name))
				continue;
			records[r.count++] = (struct dns_record){
			    .type = type, .name = STR_EMPTY, .text = text};
			r.status = str_eq(text, STR("TIMEOUT")) ? DNS_TEMPORARY
								: DNS_OK;
		}
		questions_answer(q, name, type, &r);
	}
}

static void print_verdict(const struct dkim_verdict *v)
{
	printf("%s\t%.*s\t%.*s\t%.*s\t%llu\t%s\n", dkim_result_name(v->result),
	    STR_FMT(v->domain), STR_FMT(v->selector), STR_FMT(v->algorithm),
	    (unsigned long long)v->unsigned_octets, v->why);
}

static int verify(struct str message, int64_t now, const char *zone_path)
{
	static const struct dkim_policy policy = {
	    .signatures_most = 10, .bits_least = 1024};
	struct str header = str_sub(message, 0, header_length(message));
	struct buf zone = buf_new(1u << 20);
	struct questions *q = questions_new(NULL);
	struct body_hashes bodies = {0};
	struct header_fields fields;

	read_file(zone_path, &zone);
	header_fields_of(header, &fields);
	struct dkim_verifier *v = dkim_verifier_new(
	    &fields, &policy, now, &bodies);
	dkim_verifier_ask(v, q);
	/* In pieces, so that each form sees its states across them. */
	struct str body = str_skip(message, header.len);
	for (size_t size = 1; body.len > 0; size = size % 97 + 1) {
		body_hash_add(&bodies, str_sub(body, 0, size));
		body = str_skip(body, size);
	}
	body_hash_end(&bodies);
	while (!dkim_verifier_check(v, q))
		answer_open(q, buf_str(&zone));
	for (size_t i = 0; i < dkim_verifier_count(v); i++)
		print_verdict(dkim_verifier_verdict(v, i));
	dkim_verifier_free(&v);
	header_fields_free(&fields);
	body_hashes_free(&bodies);
	questions_free(&q);
	buf_free(&zone);
	return 0;
}

static int sign(struct str message, char **argv)
{
	struct str header = str_sub(message, 0, header_length(message));
	struct buf pem = buf_new(1u << 20), out = buf_new(65536);
	struct body_hashes bodies = {0};
	struct header_fields fields;
	struct str form = str_from(argv[4]);
	const char *why;
	uint64_t octets;
	struct dkim_signing s = {.domain = str_from(argv[2]),
	    .selector = str_from(argv[3]),
	    .identity = STR_EMPTY,
	    .fields = str_from(argv[5]),
	    .oversigned = str_from(argv[6]),
	    .now = strtoll(argv[0], NULL, 10)};

	read_file(argv[1], &pem);
	struct dkim_key *key = dkim_key_private(buf_str(&pem), &why);
	if (key == NULL) {
		fprintf(stderr, "%s: %s\n", argv[1], why);
		return 1;
	}
	s.key = key;
	s.header_form = str_starts(form, STR("relaxed")) ? CANONICAL_RELAXED
							 : CANONICAL_SIMPLE;
	s.body_form = str_ends(form, STR("relaxed")) ? CANONICAL_RELAXED
						     : CANONICAL_SIMPLE;
	header_fields_of(header, &fields);
	int number = body_hash_want(&bodies, s.body_form, BODY_WHOLE);
	body_hash_add(&bodies, str_skip(message, header.len));
	body_hash_end(&bodies);
	int result = dkim_sign(
	    &s, &fields, body_hash_digest(&bodies, number, &octets), &out);
	fputs(buf_text(&out), stdout);
	dkim_key_free(&key);
	header_fields_free(&fields);
	body_hashes_free(&bodies);
	buf_free(&pem);
	buf_free(&out);
	return result == 0 ? 0 : 1;
}

static int check_chain(struct str message, int64_t now, const char *zone_path)
{
	static const struct dkim_policy policy = {.bits_least = 1024};
	struct str header = str_sub(message, 0, header_length(message));
	struct buf zone = buf_new(1u << 20);
	struct questions *q = questions_new(NULL);
	struct body_hashes bodies = {0};
	struct header_fields fields;
	enum arc_result result;

	read_file(zone_path, &zone);
	header_fields_of(header, &fields);
	struct arc_chain *chain = arc_chain_new(&fields, &policy, now, &bodies);
	body_hash_add(&bodies, str_skip(message, header.len));
	body_hash_end(&bodies);
	while ((result = arc_chain_check(chain, q)) == ARC_PENDING)
		answer_open(q, buf_str(&zone));
	printf("%s\t%s\n", arc_result_name(result), arc_chain_why(chain));
	arc_chain_free(&chain);
	header_fields_free(&fields);
	body_hashes_free(&bodies);
	questions_free(&q);
	buf_free(&zone);
	return 0;
}

static enum arc_result status_of(const char *name)
{
	return strcmp(name, "none") == 0 ? ARC_NONE
	    : strcmp(name, "pass") == 0  ? ARC_PASS
					 : ARC_FAIL;
}

static int seal(struct str message, char **argv)
{
	static const struct dkim_policy policy = {.bits_least = 1024};
	struct str header = str_sub(message, 0, header_length(message));
	struct buf pem = buf_new(1u << 20), out = buf_new(1u << 20);
	struct body_hashes bodies = {0}, unused = {0};
	struct header_fields fields;
	const char *why;
	uint64_t octets;
	struct arc_sealing s = {.domain = str_from(argv[2]),
	    .selector = str_from(argv[3]),
	    .names = str_from(argv[4]),
	    .status = status_of(argv[5]),
	    .results = str_from(argv[6]),
	    .now = strtoll(argv[0], NULL, 10)};

	read_file(argv[1], &pem);
	struct dkim_key *key = dkim_key_private(buf_str(&pem), &why);
	if (key == NULL) {
		fprintf(stderr, "%s: %s\n", argv[1], why);
		return 1;
	}
	s.key = key;
	header_fields_of(header, &fields);
	struct arc_chain *chain = arc_chain_new(
	    &fields, &policy, s.now, &unused);
	int number = body_hash_want(&bodies, CANONICAL_RELAXED, BODY_WHOLE);
	body_hash_add(&bodies, str_skip(message, header.len));
	body_hash_end(&bodies);
	int result = arc_seal(&s, chain, &fields,
	    body_hash_digest(&bodies, number, &octets), &out);
	fputs(buf_text(&out), stdout);
	arc_chain_free(&chain);
	dkim_key_free(&key);
	header_fields_free(&fields);
	body_hashes_free(&bodies);
	body_hashes_free(&unused);
	buf_free(&pem);
	buf_free(&out);
	return result < 0 ? 1 : 0;
}

static int make_key(const char *algorithm, const char *bits)
{
	struct buf out = buf_new(65536);
	struct dkim_key *key = dkim_key_new(strcmp(algorithm, "rsa") == 0
		? DKIM_RSA_SHA256
		: DKIM_ED25519_SHA256,
	    (unsigned)strtoul(bits, NULL, 10));

	if (key == NULL || dkim_key_pem(key, &out) < 0 ||
	    dkim_key_record(key, &out) < 0)
		return 1;
	printf("%s\n", buf_text(&out));
	dkim_key_free(&key);
	buf_free(&out);
	return 0;
}

static struct str given(const char *argument)
{
	return strcmp(argument, "-") == 0 ? STR_EMPTY : str_from(argument);
}

static int check_policy(char **argv)
{
	struct public_suffixes *suffixes = public_suffixes_open();
	struct buf zone = buf_new(1u << 20);
	struct questions *q = questions_new(NULL);
	struct arena arena = arena_new(1u << 20);
	struct str list = given(argv[3]), domains[DOMAINS_MOST], one;
	struct dmarc_verdict v;
	struct dmarc_request r = {.author = str_from(argv[1]),
	    .spf_domain = given(argv[2]),
	    .dkim_domains = domains,
	    .suffixes = suffixes};

	read_file(argv[0], &zone);
	while (
	    r.dkim_count < DOMAINS_MOST && (one = str_word(&list, ",")).len > 0)
		domains[r.dkim_count++] = one;
	while (dmarc_check(q, &r, &arena, &v) == DMARC_PENDING)
		answer_open(q, buf_str(&zone));
	printf("%s\t%d\t%d\t%s\t%.*s\n", dmarc_result_name(v.result),
	    v.spf_aligned, v.dkim_aligned, dmarc_policy_name(v.asked),
	    STR_FMT(v.policy_domain));
	public_suffixes_close(&suffixes);
	questions_free(&q);
	arena_free(&arena);
	buf_free(&zone);
	return 0;
}

static int run(int argc, char **argv, struct str message)
{
	if (argc == 4 && strcmp(argv[1], "verify") == 0)
		return verify(message, strtoll(argv[2], NULL, 10), argv[3]);
	if (argc == 9 && strcmp(argv[1], "sign") == 0)
		return sign(message, argv + 2);
	if (argc == 4 && strcmp(argv[1], "arc") == 0)
		return check_chain(
		    message, strtoll(argv[2], NULL, 10), argv[3]);
	if (argc == 9 && strcmp(argv[1], "seal") == 0)
		return seal(message, argv + 2);
	if (argc == 6 && strcmp(argv[1], "dmarc") == 0)
		return check_policy(argv + 2);
	return 2;
}

static int run_batch(void)
{
	char *line = NULL, *argv[ARGUMENTS_MOST];
	size_t size = 0, octets = 0;
	int result = 0;

	while (result == 0 && getline(&line, &size, stdin) > 0) {
		int argc = 1;
		char *rest;
		for (char *word = strtok_r(line, "\t\n", &rest);
		     word != NULL && argc < ARGUMENTS_MOST;
		     word = strtok_r(NULL, "\t\n", &rest))
			argv[argc++] = word;
		octets = strtoul(argv[--argc], NULL, 10);
		if (octets > MESSAGE_MOST)
			return 2;
		char *message = mem_array(octets + 1, 1);
		if (fread(message, 1, octets, stdin) != octets)
			return 2;
		result = run(argc, argv, str_of(message, octets));
		puts(".");
		fflush(stdout);
		free(message);
	}
	free(line);
	return result;
}

int main(int argc, char **argv)
{
	struct buf message = buf_new(MESSAGE_MOST);

	if (argc == 4 && strcmp(argv[1], "key") == 0)
		return make_key(argv[2], argv[3]);
	if (argc == 2 && strcmp(argv[1], "batch") == 0)
		return run_batch();
	if (read_all(stdin, &message) < 0)
		return 2;
	int result = run(argc, argv, buf_str(&message));
	buf_free(&message);
	return result;
}
