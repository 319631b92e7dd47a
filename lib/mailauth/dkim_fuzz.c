/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "mailauth/dkim_sign.h"
#include "mailauth/dkim_verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/*
 * The first line is the key record that every selector has, the rest a
 * message with whatever signatures. Each gets a verdict; a body given in two
 * parts has the same digests as one given whole; a canonical field stays as it
 * is.
 */
static void check_bodies(struct str body)
{
	struct body_hashes whole = {0}, parts = {0};
	uint64_t a, b;

	for (int form = 0; form < 4; form++) {
		uint64_t limit = form < 2 ? 10 : BODY_WHOLE;
		body_hash_want(&whole, (enum canonical)(form % 2), limit);
		body_hash_want(&parts, (enum canonical)(form % 2), limit);
	}
	body_hash_add(&whole, body);
	body_hash_add(&parts, str_sub(body, 0, body.len / 2));
	body_hash_add(&parts, str_skip(body, body.len / 2));
	body_hash_end(&whole);
	body_hash_end(&parts);
	for (int form = 0; form < 4; form++)
		if (memcmp(body_hash_digest(&whole, form, &a),
			body_hash_digest(&parts, form, &b),
			BODY_HASH_LEN) != 0 ||
		    a != b)
			abort();
	body_hashes_free(&whole);
	body_hashes_free(&parts);
}

static void check_key(struct str record)
{
	struct dkim_key_flags flags;
	const char *why = NULL;
	struct dkim_key *key = dkim_key_parse(
	    record, DKIM_RSA_SHA256, &flags, &why);

	if (key == NULL && why == NULL)
		abort();
	dkim_key_free(&key);
}

static void check_fields(const struct header_fields *fields)
{
	struct buf once = buf_new(SIZE_MAX / 2), twice = buf_new(SIZE_MAX / 2);

	for (size_t i = 0; i < fields->count; i++)
		for (int form = 0; form < 2; form++) {
			buf_clear(&once);
			buf_clear(&twice);
			canonical_field(fields->list[i].whole,
			    (enum canonical)form, true, &once);
			canonical_field(
			    buf_str(&once), (enum canonical)form, true, &twice);
			if (!str_eq(buf_str(&once), buf_str(&twice)) ||
			    !str_ends(buf_str(&once), STR("\r\n")))
				abort();
		}
	buf_free(&once);
	buf_free(&twice);
}

static void answer(struct questions *q, struct str record)
{
	struct dns_record r = {
	    .type = DNS_TXT, .name = STR_EMPTY, .text = record};
	struct dns_reply reply = {
	    .status = DNS_OK, .why = "", .count = 1, .records = &r};
	enum dns_type type;
	struct str name;

	while (questions_open(q, &name, &type))
		questions_answer(q, name, type, &reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct dkim_policy policy = {.signatures_most = 5};
	struct str message = str_of(data, len);
	struct str record = str_cut(&message, '\n');
	struct str header = str_sub(message, 0, header_length(message));
	struct questions *q = questions_new(NULL);
	struct body_hashes bodies = {0};
	struct header_fields fields;
	unsigned rounds = 0;

	check_key(record);
	check_bodies(str_skip(message, header.len));
	header_fields_of(header, &fields);
	check_fields(&fields);
	struct dkim_verifier *v = dkim_verifier_new(
	    &fields, &policy, 1000, &bodies);
	dkim_verifier_ask(v, q);
	body_hash_add(&bodies, str_skip(message, header.len));
	body_hash_end(&bodies);
	while (!dkim_verifier_check(v, q)) {
		if (rounds++ > 10)
			abort();
		answer(q, record);
	}
	for (size_t i = 0; i < dkim_verifier_count(v); i++)
		if (dkim_verifier_verdict(v, i)->result == DKIM_PENDING ||
		    dkim_verifier_verdict(v, i)->result == DKIM_NONE)
			abort();
	dkim_verifier_free(&v);
	header_fields_free(&fields);
	body_hashes_free(&bodies);
	questions_free(&q);
	return 0;
}
