/* SPDX-License-Identifier: ISC */
/*
 * The signatures of one message, checked (RFC 6376 section 6).
 *
 * With the header a verifier knows which keys and which body hashes it needs;
 * the keys are asked for while the body streams through, and the verdict is
 * there when both are. It belongs to its caller, for one message.
 */
#ifndef MAILAUTH_DKIM_VERIFY_H
#define MAILAUTH_DKIM_VERIFY_H

#include "mailauth/dkim_signature.h"
#include "mailauth/key_cache.h"
#include "mailauth/questions.h"

/* As in Authentication-Results (RFC 8601 section 2.7.1). */
enum dkim_result {
	DKIM_PENDING,
	DKIM_NONE, /* not signed at all */
	DKIM_PASS,
	DKIM_FAIL,    /* the message is not what was signed */
	DKIM_POLICY,  /* a good signature that is not accepted */
	DKIM_NEUTRAL, /* not a signature that can be read */
	DKIM_TEMPERROR,
	DKIM_PERMERROR /* key or algorithm not there or not fit */
};

/* Texts point into the header given, names perhaps into the verifier; why is a
 * literal. */
struct dkim_verdict {
	enum dkim_result result;
	const char *why; /* "" for a pass */
	struct str domain, selector, identity;
	struct str algorithm;     /* as it was written */
	struct str signature;     /* b=, for header.b */
	unsigned bits;            /* of the key */
	bool testing;             /* the domain only tests (t=y) */
	bool authentic;           /* the key came with DNSSEC */
	uint64_t unsigned_octets; /* of the body, behind l= */
};

struct dkim_policy {
	unsigned signatures_most; /* that are looked at */
	unsigned bits_least;      /* of an RSA key */
	bool partial_bodies;      /* a signature with l= may leave a rest */
	struct key_cache *keys;   /* of the caller; NULL: none */
};

struct dkim_verifier;

/*
 * header: of the message, which must stay; fields: of it, stay too. bodies
 * gets the hashes that are needed. Never NULL.
 */
struct dkim_verifier *dkim_verifier_new(const struct header_fields *fields,
    const struct dkim_policy *policy, int64_t now, struct body_hashes *bodies);
void dkim_verifier_free(struct dkim_verifier **v);
/* Asks for all keys; may be called at any time. */
void dkim_verifier_ask(struct dkim_verifier *v, struct questions *q);
/*
 * After body_hash_end: true when every signature has a verdict, false while
 * keys are on their way.
 */
bool dkim_verifier_check(struct dkim_verifier *v, struct questions *q);
/* The verdicts, in the order of the fields; 0 of them: not signed. */
size_t dkim_verifier_count(const struct dkim_verifier *v);
const struct dkim_verdict *dkim_verifier_verdict(
    const struct dkim_verifier *v, size_t i);

/*
 * One signature whose body hash is known: what DKIM and ARC do alike. Returns
 * DKIM_PENDING while the key is on its way.
 */
enum dkim_result dkim_check_signature(const struct dkim_signature *s,
    const struct header_fields *fields, const uint8_t *body_digest,
    const struct dkim_policy *policy, struct questions *q,
    struct dkim_verdict *out);
/*
 * The key of selector and domain, for a signature over digest: PASS, FAIL, or
 * why there is no key. Fills bits, testing, authentic and why of *out.
 * identity: the domain of i=, or "".
 */
enum dkim_result dkim_check_digest(struct str selector, struct str domain,
    struct str identity, enum dkim_algorithm algorithm,
    const uint8_t digest[32], struct str signature,
    const struct dkim_policy *policy, struct questions *q,
    struct dkim_verdict *out);

/* The record of selector._domainkey.domain; NULL: on its way. */
const struct dns_reply *dkim_ask_key(
    struct questions *q, struct str selector, struct str domain);

const char *dkim_result_name(enum dkim_result result); /* "pass" */

#endif
