/* SPDX-License-Identifier: ISC */
/*
 * The Authenticated Received Chain (RFC 8617): what those who handled the
 * message before us say of it, validated, and a set of our own on top.
 */
#ifndef MAILAUTH_ARC_H
#define MAILAUTH_ARC_H

#include "mailauth/dkim_sign.h"
#include "mailauth/dkim_verify.h"

#define ARC_SETS_MOST 50 /* RFC 8617 section 4.2.1 */

enum arc_result { ARC_PENDING, ARC_NONE, ARC_PASS, ARC_FAIL };

/* Fields of the message; their texts are the header's. */
struct arc_set {
	const struct header_field *results, *signature, *seal;
	struct str domain; /* who sealed it; set when the chain passes */
	struct str key_domain, key_selector; /* of the seal, as DNS has them */
};

struct arc_chain;

/*
 * The chain of a message: fields must stay. bodies gets the hash that its
 * newest signature needs. Never NULL.
 */
struct arc_chain *arc_chain_new(const struct header_fields *fields,
    const struct dkim_policy *policy, int64_t now, struct body_hashes *bodies);
void arc_chain_free(struct arc_chain **chain);
/* Asks for all keys; may be called at any time. */
void arc_chain_ask(struct arc_chain *chain, struct questions *q);
/* After body_hash_end: validates it (section 5.2); ARC_PENDING while keys are
 * on their way. */
enum arc_result arc_chain_check(struct arc_chain *chain, struct questions *q);
/* Why it fails; "". */
const char *arc_chain_why(const struct arc_chain *chain);
/* How many sets there are, and the set of an instance, from 1; NULL: none. */
unsigned arc_chain_length(const struct arc_chain *chain);
const struct arc_set *arc_chain_set(
    const struct arc_chain *chain, unsigned instance);

const char *arc_result_name(enum arc_result result); /* "pass" */

struct arc_sealing {
	const struct dkim_key *key;
	struct str domain, selector;
	struct str results; /* our name; method=result ... (RFC 8601), unfolded
	                     * or folded, without the field's name */
	struct str names;   /* of fields to sign, joined by colons */
	enum arc_result status; /* of the chain as it came */
	int64_t now;
};

/*
 * Appends the three fields that go on top of the header (section 5.1).
 * body_digest: of the relaxed form. Returns 1, 0 when there is nothing to add
 * (the chain failed before, or is full), -1 when the key refuses.
 */
int arc_seal(const struct arc_sealing *s, const struct arc_chain *chain,
    const struct header_fields *fields,
    const uint8_t body_digest[BODY_HASH_LEN], struct buf *out);

#endif
