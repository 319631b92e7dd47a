/* SPDX-License-Identifier: ISC */
#include "mailauth/dkim_verify.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/memory.h"
#include "net/dns_answer.h"

#define RECORDS_MOST   3 /* of one selector that are tried */
#define SIGNATURE_MOST (RSA_BITS_MOST / 8)
#define NAMES_MOST     (1u << 20) /* octets of names that are kept */

struct one {
	struct dkim_signature signature;
	struct dkim_verdict verdict;
	int body; /* number of its body hash */
};

struct dkim_verifier {
	const struct header_fields *fields;
	struct dkim_policy policy;
	struct body_hashes *bodies;
	struct one *list;
	size_t count;
	struct arena
	    names; /* of signatures, where they are written otherwise */
};

const char *dkim_result_name(enum dkim_result result)
{
	static const char *const names[] = {"pending", "none", "pass", "fail",
	    "policy", "neutral", "temperror", "permerror"};

	return (unsigned)result < ARRAY_LEN(names) ? names[result] : "unknown";
}

static enum dkim_result give(
    struct dkim_verdict *out, enum dkim_result result, const char *why)
{
	out->result = result;
	out->why = why;
	return result;
}

/* ---- the key ---- */

const struct dns_reply *dkim_ask_key(
    struct questions *q, struct str selector, struct str domain)
{
	char name[2 * DNS_NAME_TEXT_MAX + 16];
	int len = snprintf(name, sizeof(name), "%.*s._domainkey.%.*s",
	    STR_FMT(selector), STR_FMT(domain));

	return questions_ask(q,
	    str_of(name, len < (int)sizeof(name) ? (size_t)len : 0), DNS_TXT);
}

static enum dkim_result check_with(const struct dkim_key *key,
    const uint8_t digest[32], struct str signature,
    const struct dkim_policy *policy, struct dkim_verdict *out)
{
	struct buf raw = buf_new(SIGNATURE_MOST + 4);

	out->bits = dkim_key_bits(key);
	bool right = tags_base64(signature, &raw) == 0 &&
	    dkim_key_verify(key, digest, buf_str(&raw));
	buf_free(&raw);
	if (!right)
		return give(out, DKIM_FAIL, "the signature does not match");
	if (dkim_key_algorithm(key) == DKIM_RSA_SHA256 &&
	    out->bits < policy->bits_least)
		return give(out, DKIM_POLICY, "the key is too short");
	return give(out, DKIM_PASS, "");
}

/* What a signature is checked with, but for the key. */
struct check {
	struct str domain, identity;
	enum dkim_algorithm algorithm;
	const uint8_t *digest;
	struct str signature;
	const struct dkim_policy *policy;
};

static enum dkim_result check_record(
    const struct check *c, struct str record, struct dkim_verdict *out)
{
	struct key_cache *cache = c->policy->keys;
	struct dkim_key_flags flags = {0};
	const struct dkim_key *key;
	struct dkim_key *own = NULL;
	const char *why = "";
	enum dkim_result result;

	if (cache != NULL)
		key = key_cache_parse(
		    cache, record, c->algorithm, &flags, &why);
	else
		key = own = dkim_key_parse(record, c->algorithm, &flags, &why);
	out->testing = flags.testing;
	if (key == NULL)
		result = give(out, DKIM_PERMERROR, why);
	else if (flags.exact_domain && c->identity.len > 0 &&
	    !str_case_eq(c->identity, c->domain))
		result = give(
		    out, DKIM_PERMERROR, "the key is not for subdomains (t=s)");
	else
		result = check_with(
		    key, c->digest, c->signature, c->policy, out);
	dkim_key_free(&own);
	return result;
}

/* Several records of a selector come in any order (RFC 6376 sections 3.6.2.2,
 * 6.1.2): each is tried, so that the result does not depend on it. */
static enum dkim_result check_records(
    const struct check *c, const struct dns_reply *r, struct dkim_verdict *out)
{
	give(out, DKIM_PERMERROR, "no key");
	for (size_t i = 0;
	     i < r->count && i < RECORDS_MOST && out->result != DKIM_PASS;
	     i++) {
		struct dkim_verdict one = *out;
		enum dkim_result result = check_record(
		    c, r->records[i].text, &one);
		if (result == DKIM_PASS || result == DKIM_POLICY ||
		    out->result == DKIM_PERMERROR)
			*out = one;
	}
	return out->result;
}

enum dkim_result dkim_check_digest(struct str selector, struct str domain,
    struct str identity, enum dkim_algorithm algorithm,
    const uint8_t digest[32], struct str signature,
    const struct dkim_policy *policy, struct questions *q,
    struct dkim_verdict *out)
{
	const struct dns_reply *r = dkim_ask_key(q, selector, domain);
	struct check check = {
	    domain, identity, algorithm, digest, signature, policy};

	if (r == NULL)
		return DKIM_PENDING;
	if (r->status == DNS_TEMPORARY)
		return give(out, DKIM_TEMPERROR, r->why);
	if (r->status != DNS_OK)
		return give(out, DKIM_PERMERROR, "no key");
	out->authentic = r->authentic;
	return check_records(&check, r, out);
}

/* ---- a signature ---- */

enum dkim_result dkim_check_signature(const struct dkim_signature *s,
    const struct header_fields *fields, const uint8_t *body_digest,
    const struct dkim_policy *policy, struct questions *q,
    struct dkim_verdict *out)
{
	uint8_t digest[32];

	if (memcmp(body_digest, s->body_digest, BODY_HASH_LEN) != 0)
		return give(out, DKIM_FAIL, "the body has been changed");
	/* Asked with each answer that comes; the digest of a large header is
	 * made once. */
	if (dkim_ask_key(q, s->selector, s->domain) == NULL)
		return DKIM_PENDING;
	dkim_header_digest(
	    fields, s->names, s->header_form, s->field, s->place, digest);
	return dkim_check_digest(s->selector, s->domain, s->identity_domain,
	    s->algorithm, digest, s->signature, policy, q, out);
}

static enum dkim_result check_one(
    struct dkim_verifier *v, struct one *one, struct questions *q)
{
	uint64_t octets;
	const uint8_t *digest = body_hash_digest(v->bodies, one->body, &octets);
	uint64_t limit = one->signature.limit;

	if (limit != BODY_WHOLE && limit > octets)
		return give(&one->verdict, DKIM_NEUTRAL,
		    "more is signed than there is");
	one->verdict.unsigned_octets = limit < octets ? octets - limit : 0;
	enum dkim_result r = dkim_check_signature(
	    &one->signature, v->fields, digest, &v->policy, q, &one->verdict);
	if (r == DKIM_PASS && one->verdict.unsigned_octets > 0 &&
	    !v->policy.partial_bodies)
		return give(&one->verdict, DKIM_POLICY,
		    "only a part of the body is signed");
	return r;
}

/* ---- all of them ---- */

static void add_one(
    struct dkim_verifier *v, struct str field, int64_t now, struct one *one)
{
	const char *why;
	bool fit = dkim_signature_parse(field, SIGNATURE_DKIM, now, &v->names,
		       &one->signature, &why) == 0;
	const struct dkim_signature *s = &one->signature;

	one->verdict = (struct dkim_verdict){.result = DKIM_PENDING,
	    .why = "",
	    .domain = s->domain,
	    .selector = s->selector,
	    .identity = s->identity,
	    .algorithm = s->algorithm_text,
	    .signature = s->signature};
	if (!fit || v->fields->cut) {
		/* Fields that nobody looked at may be what h= says is not
		 * there. */
		give(&one->verdict,
		    fit               ? DKIM_POLICY
			: s->historic ? DKIM_PERMERROR
				      : DKIM_NEUTRAL,
		    fit ? "the header has too many fields" : why);
		return;
	}
	one->body = body_hash_want(v->bodies, s->body_form, s->limit);
	if (one->body < 0)
		give(&one->verdict, DKIM_POLICY, "too many body forms");
}

struct dkim_verifier *dkim_verifier_new(const struct header_fields *fields,
    const struct dkim_policy *policy, int64_t now, struct body_hashes *bodies)
{
	struct dkim_verifier *v = NEW(struct dkim_verifier);

	v->fields = fields;
	v->policy = *policy;
	v->bodies = bodies;
	v->names = arena_new(NAMES_MOST);
	for (size_t i = 0;
	     i < fields->count && v->count < policy->signatures_most; i++) {
		if (!str_case_eq(fields->list[i].name, STR("DKIM-Signature")))
			continue;
		v->list = mem_resize(v->list, v->count + 1, sizeof(*v->list));
		add_one(v, fields->list[i].whole, now, &v->list[v->count++]);
	}
	return v;
}

void dkim_verifier_free(struct dkim_verifier **v)
{
	if (*v == NULL)
		return;
	arena_free(&(*v)->names);
	free((*v)->list);
	free(*v);
	*v = NULL;
}

void dkim_verifier_ask(struct dkim_verifier *v, struct questions *q)
{
	for (size_t i = 0; i < v->count; i++)
		if (v->list[i].verdict.result == DKIM_PENDING)
			dkim_ask_key(q, v->list[i].signature.selector,
			    v->list[i].signature.domain);
}

bool dkim_verifier_check(struct dkim_verifier *v, struct questions *q)
{
	bool done = true;

	for (size_t i = 0; i < v->count; i++) {
		struct one *one = &v->list[i];
		if (one->verdict.result == DKIM_PENDING &&
		    check_one(v, one, q) == DKIM_PENDING)
			done = false;
	}
	return done;
}

size_t dkim_verifier_count(const struct dkim_verifier *v)
{
	return v->count;
}

const struct dkim_verdict *dkim_verifier_verdict(
    const struct dkim_verifier *v, size_t i)
{
	return &v->list[i].verdict;
}
