/* SPDX-License-Identifier: ISC */
#include "mailauth/arc.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "core/arena.h"
#include "core/memory.h"
#include "mail/encode.h"
#include "net/dns_answer.h"

#define SET_MOST  65536 /* octets of one field that we make */
#define LINE_MOST 900   /* seals cover the folds of signatures: rarely any */

struct arc_chain {
	const struct header_fields *fields;
	struct dkim_policy policy;
	struct body_hashes *bodies;
	struct arc_set *sets; /* by instance; NULL: there is no chain */
	unsigned length;
	struct dkim_signature signature; /* the newest one */
	int body;
	bool matches;  /* the newest one */
	unsigned left; /* seals that are not checked yet */
	enum arc_result result;
	const char *why;
	struct arena names; /* of who sealed it */
};

const char *arc_result_name(enum arc_result result)
{
	static const char *const names[] = {"pending", "none", "pass", "fail"};

	return (unsigned)result < ARRAY_LEN(names) ? names[result] : "unknown";
}

static enum arc_result fail(struct arc_chain *c, const char *why)
{
	c->why = why;
	c->result = ARC_FAIL;
	return c->result;
}

/* ---- the sets ---- */

/* "i=1; ..." at the start of an ARC-Authentication-Results; 0: none. */
static unsigned results_instance(struct str value)
{
	struct str tag = str_trim(str_cut(&value, ';'));
	struct str name = str_trim(str_cut(&tag, '='));
	uint64_t n;

	return str_eq(name, STR("i")) &&
		str_to_u64(str_trim(tag), ARC_SETS_MOST, &n) == 0
	    ? (unsigned)n
	    : 0;
}

static unsigned tags_instance(struct str value)
{
	struct tags tags;
	uint64_t n;

	return tags_parse(value, &tags) == 0 &&
		str_to_u64(
		    tags_value(&tags, "i", STR_EMPTY), ARC_SETS_MOST, &n) == 0
	    ? (unsigned)n
	    : 0;
}

/* Puts a field into its set; -1 when it belongs to none or stands twice. */
static int add_field(struct arc_chain *c, const struct header_field *f,
    const struct header_field **place(struct arc_set *set), unsigned instance)
{
	if (instance == 0 || *place(&c->sets[instance]) != NULL)
		return -1;
	*place(&c->sets[instance]) = f;
	if (instance > c->length)
		c->length = instance;
	return 0;
}

static const struct header_field **results_of(struct arc_set *set)
{
	return &set->results;
}

static const struct header_field **signature_of(struct arc_set *set)
{
	return &set->signature;
}

static const struct header_field **seal_of(struct arc_set *set)
{
	return &set->seal;
}

static bool is_arc(struct str name)
{
	return str_case_eq(name, STR("ARC-Authentication-Results")) ||
	    str_case_eq(name, STR("ARC-Message-Signature")) ||
	    str_case_eq(name, STR("ARC-Seal"));
}

static int collect(struct arc_chain *c)
{
	int result = 0;

	for (size_t i = 0; i < c->fields->count; i++) {
		const struct header_field *f = &c->fields->list[i];
		if (!is_arc(f->name))
			continue;
		if (c->sets == NULL)
			c->sets = mem_array(
			    ARC_SETS_MOST + 1, sizeof(*c->sets));
		c->result = ARC_PENDING; /* there is a chain */
		if (f->name.len == 8)
			result |= add_field(
			    c, f, seal_of, tags_instance(f->value));
		else if (f->name.len == 21)
			result |= add_field(
			    c, f, signature_of, tags_instance(f->value));
		else
			result |= add_field(
			    c, f, results_of, results_instance(f->value));
	}
	return result;
}

static struct str chain_status(const struct header_field *seal)
{
	struct tags tags;

	return seal != NULL && tags_parse(seal->value, &tags) == 0
	    ? tags_value(&tags, "cv", STR_EMPTY)
	    : STR_EMPTY;
}

/* Section 5.2, steps 2 and 3. */
static const char *wrong_structure(const struct arc_chain *c)
{
	if (str_case_eq(chain_status(c->sets[c->length].seal), STR("fail")))
		return "it failed before";
	for (unsigned i = 1; i <= c->length; i++) {
		const struct arc_set *s = &c->sets[i];
		if (s->results == NULL || s->signature == NULL ||
		    s->seal == NULL)
			return "a set is not complete";
		if (!str_case_eq(chain_status(s->seal),
			i == 1 ? STR("none") : STR("pass")))
			return "a seal has the wrong cv=";
	}
	return NULL;
}

/* Where the keys of the seals are; "" where that is no name. */
static void find_keys(struct arc_chain *c)
{
	struct tags tags;

	for (unsigned i = 1; i <= c->length; i++) {
		struct arc_set *s = &c->sets[i];
		s->key_domain = s->key_selector = STR_EMPTY;
		if (tags_parse(s->seal->value, &tags) < 0)
			continue;
		s->key_domain = dkim_name(
		    tags_value(&tags, "d", STR_EMPTY), 2, &c->names);
		s->key_selector = dkim_name(
		    tags_value(&tags, "s", STR_EMPTY), 1, &c->names);
	}
}

struct arc_chain *arc_chain_new(const struct header_fields *fields,
    const struct dkim_policy *policy, int64_t now, struct body_hashes *bodies)
{
	struct arc_chain *c = NEW(struct arc_chain);
	const char *why;

	c->fields = fields;
	c->policy = *policy;
	c->bodies = bodies;
	c->why = "";
	c->result = ARC_NONE;
	c->names = arena_new(ARC_SETS_MOST * 2 * DNS_NAME_TEXT_MAX);
	if (collect(c) < 0) {
		fail(c, "a field is malformed or stands twice");
		return c;
	}
	if (c->result == ARC_NONE)
		return c;
	c->left = c->length;
	why = fields->cut ? "the header has too many fields"
			  : wrong_structure(c);
	if (why == NULL &&
	    dkim_signature_parse(c->sets[c->length].signature->whole,
		SIGNATURE_ARC, now, &c->names, &c->signature, &why) == 0) {
		c->body = body_hash_want(
		    bodies, c->signature.body_form, c->signature.limit);
		why = c->body < 0 ? "too many body forms" : NULL;
	}
	if (why != NULL)
		fail(c, why);
	else
		find_keys(c);
	return c;
}

void arc_chain_free(struct arc_chain **chain)
{
	if (*chain == NULL)
		return;
	free((*chain)->sets);
	arena_free(&(*chain)->names);
	free(*chain);
	*chain = NULL;
}

unsigned arc_chain_length(const struct arc_chain *chain)
{
	return chain->length;
}

const struct arc_set *arc_chain_set(
    const struct arc_chain *chain, unsigned instance)
{
	return instance >= 1 && instance <= chain->length
	    ? &chain->sets[instance]
	    : NULL;
}

const char *arc_chain_why(const struct arc_chain *chain)
{
	return chain->why;
}

/* ---- seals ---- */

static void add_relaxed(EVP_MD_CTX *context, struct str field, bool line_end)
{
	struct buf text = buf_new(SIZE_MAX / 2);

	canonical_field(field, CANONICAL_RELAXED, line_end, &text);
	EVP_DigestUpdate(context, text.p, text.len);
	buf_free(&text);
}

static void add_unsigned(
    EVP_MD_CTX *context, struct str field, struct str place)
{
	struct buf text = buf_new(SIZE_MAX / 2);

	dkim_without_b(field, place, CANONICAL_RELAXED, &text);
	EVP_DigestUpdate(context, text.p, text.len);
	buf_free(&text);
}

static EVP_MD_CTX *begin_digest(void)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	if (context != NULL &&
	    EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1)
		return context;
	EVP_MD_CTX_free(context);
	return NULL;
}

/* The whole sets from the first up to, but without, an instance. */
static void add_sets(
    EVP_MD_CTX *context, const struct arc_chain *c, unsigned instance)
{
	for (unsigned i = 1; i < instance; i++) {
		add_relaxed(context, c->sets[i].results->whole, true);
		add_relaxed(context, c->sets[i].signature->whole, true);
		add_relaxed(context, c->sets[i].seal->whole, true);
	}
}

/* What the seal of an instance covers (section 5.1.1). */
static int seal_digest(const struct arc_chain *c, unsigned instance,
    struct str place, uint8_t digest[32])
{
	EVP_MD_CTX *context = begin_digest();

	if (context == NULL)
		return -1;
	add_sets(context, c, instance);
	add_relaxed(context, c->sets[instance].results->whole, true);
	add_relaxed(context, c->sets[instance].signature->whole, true);
	add_unsigned(context, c->sets[instance].seal->whole, place);
	EVP_DigestFinal_ex(context, digest, NULL);
	EVP_MD_CTX_free(context);
	return 0;
}

static enum arc_result check_seal(
    struct arc_chain *c, unsigned instance, struct questions *q)
{
	struct arc_set *set = &c->sets[instance];
	struct str field = set->seal->whole;
	struct dkim_verdict verdict = {.why = ""};
	enum dkim_algorithm algorithm;
	uint8_t digest[32];
	struct tags tags;

	if (tags_parse(str_skip(field, str_find(field, ':') + 1), &tags) < 0 ||
	    set->key_domain.len == 0 || set->key_selector.len == 0 ||
	    tags_find(&tags, "h") != NULL || tags_find(&tags, "b") == NULL ||
	    !dkim_algorithm_parse(
		tags_value(&tags, "a", STR_EMPTY), &algorithm))
		return fail(c, "a seal is malformed");
	if (dkim_ask_key(q, set->key_selector, set->key_domain) == NULL)
		return ARC_PENDING;
	if (seal_digest(c, instance, tags_find(&tags, "b")->place, digest) < 0)
		return fail(c, "a seal is malformed");
	switch (dkim_check_digest(set->key_selector, set->key_domain, STR_EMPTY,
	    algorithm, digest, tags_find(&tags, "b")->value, &c->policy, q,
	    &verdict)) {
	case DKIM_PENDING:
		return ARC_PENDING;
	case DKIM_PASS:
		set->domain = set->key_domain;
		return ARC_PASS;
	default:
		return fail(c, verdict.why);
	}
}

static enum arc_result check_newest_signature(
    struct arc_chain *c, struct questions *q)
{
	struct dkim_verdict verdict = {.why = ""};
	uint64_t octets;
	const uint8_t *digest = body_hash_digest(c->bodies, c->body, &octets);
	uint64_t limit = c->signature.limit;

	if (limit != BODY_WHOLE && limit > octets)
		return fail(c, "more is signed than there is");
	if (limit < octets && !c->policy.partial_bodies)
		return fail(c, "only a part of the body is signed");
	switch (dkim_check_signature(
	    &c->signature, c->fields, digest, &c->policy, q, &verdict)) {
	case DKIM_PENDING:
		return ARC_PENDING;
	case DKIM_PASS:
		return ARC_PASS;
	default:
		return fail(c, verdict.why);
	}
}

enum arc_result arc_chain_check(struct arc_chain *chain, struct questions *q)
{
	enum arc_result result = ARC_PASS;

	if (chain->result != ARC_PENDING)
		return chain->result;
	arc_chain_ask(chain, q);
	if (!chain->matches)
		result = check_newest_signature(chain, q);
	chain->matches = result == ARC_PASS;
	while (result == ARC_PASS && chain->left > 0) {
		result = check_seal(chain, chain->left, q);
		chain->left -= result == ARC_PASS;
	}
	chain->result = result;
	return result;
}

void arc_chain_ask(struct arc_chain *chain, struct questions *q)
{
	if (chain->result != ARC_PENDING)
		return;
	dkim_ask_key(q, chain->signature.selector, chain->signature.domain);
	for (unsigned i = 1; i <= chain->length; i++)
		dkim_ask_key(
		    q, chain->sets[i].key_selector, chain->sets[i].key_domain);
}

/* ---- sealing ---- */

/* The fields of a new set up to the value of b=, and what follows it. Tags
 * stand in alphabetical order. */
static void signature_parts(const struct arc_sealing *s, unsigned instance,
    const uint8_t *body_digest, struct buf *before, struct buf *behind)
{
	buf_printf(before, "ARC-Message-Signature: a=%s;\r\n\tb=",
	    dkim_algorithm_name(dkim_key_algorithm(s->key)));
	buf_add_text(behind, ";\r\n\tbh=");
	base64_encode(str_of(body_digest, BODY_HASH_LEN), behind);
	buf_printf(behind,
	    "; c=relaxed/relaxed;\r\n\td=%.*s;\r\n\th=", STR_FMT(s->domain));
	dkim_add_names(s->names, behind);
	/* dkimpy finds i= behind a space alone. */
	buf_printf(behind, ";\r\n i=%u; s=%.*s; t=%lld", instance,
	    STR_FMT(s->selector), (long long)s->now);
}

static void seal_parts(const struct arc_sealing *s, unsigned instance,
    struct buf *before, struct buf *behind)
{
	buf_printf(before, "ARC-Seal: a=%s;\r\n\tb=",
	    dkim_algorithm_name(dkim_key_algorithm(s->key)));
	buf_printf(behind, "; cv=%s; d=%.*s;\r\n\ti=%u; s=%.*s; t=%lld",
	    arc_result_name(s->status), STR_FMT(s->domain), instance,
	    STR_FMT(s->selector), (long long)s->now);
}

/* The field with nothing in its b=. */
static struct str joined(
    const struct buf *before, const struct buf *behind, struct buf *out)
{
	buf_clear(out);
	buf_add(out, buf_str(before));
	buf_add(out, buf_str(behind));
	return buf_str(out);
}

struct parts {
	struct buf before, behind, whole;
};

static void parts_free(struct parts *p)
{
	buf_free(&p->before);
	buf_free(&p->behind);
	buf_free(&p->whole);
}

static struct parts parts_new(void)
{
	return (struct parts){
	    buf_new(SET_MOST), buf_new(SET_MOST), buf_new(2 * SET_MOST)};
}

static int make_signature(const struct arc_sealing *s, unsigned instance,
    const struct header_fields *fields, const uint8_t *body_digest,
    struct buf *out)
{
	struct parts p = parts_new();
	uint8_t digest[32];

	signature_parts(s, instance, body_digest, &p.before, &p.behind);
	struct str whole = joined(&p.before, &p.behind, &p.whole);
	dkim_header_digest(fields, s->names, CANONICAL_RELAXED, whole,
	    str_sub(whole, p.before.len, 0), digest);
	int result = dkim_finish_field(s->key, digest, buf_str(&p.before),
	    buf_str(&p.behind), LINE_MOST, out);
	parts_free(&p);
	return result;
}

static int make_seal(const struct arc_sealing *s, const struct arc_chain *c,
    unsigned instance, struct str results, struct str signature,
    struct buf *out)
{
	struct parts p = parts_new();
	EVP_MD_CTX *context = begin_digest();
	uint8_t digest[32];
	int result = -1;

	seal_parts(s, instance, &p.before, &p.behind);
	if (context != NULL) {
		/* A chain that fails is not sealed with ours (5.1.2). */
		if (s->status == ARC_PASS)
			add_sets(context, c, instance);
		add_relaxed(context, results, true);
		add_relaxed(context, signature, true);
		add_relaxed(
		    context, joined(&p.before, &p.behind, &p.whole), false);
		EVP_DigestFinal_ex(context, digest, NULL);
		result = dkim_finish_field(s->key, digest, buf_str(&p.before),
		    buf_str(&p.behind), LINE_MOST, out);
	}
	EVP_MD_CTX_free(context);
	parts_free(&p);
	return result;
}

static bool failed_before(const struct arc_chain *c)
{
	return c->length > 0 &&
	    str_case_eq(chain_status(c->sets[c->length].seal), STR("fail"));
}

int arc_seal(const struct arc_sealing *s, const struct arc_chain *chain,
    const struct header_fields *fields,
    const uint8_t body_digest[BODY_HASH_LEN], struct buf *out)
{
	struct buf results = buf_new(SET_MOST), signature = buf_new(SET_MOST);
	unsigned instance = chain->length + 1;
	int result = -1;

	if (failed_before(chain) || instance > ARC_SETS_MOST)
		return 0;
	buf_printf(&results, "ARC-Authentication-Results: i=%u; %.*s\r\n",
	    instance, STR_FMT(s->results));
	if (!results.overflow &&
	    make_signature(s, instance, fields, body_digest, &signature) == 0 &&
	    make_seal(s, chain, instance, buf_str(&results),
		buf_str(&signature), out) == 0) {
		buf_add(out, buf_str(&signature));
		result = buf_add(out, buf_str(&results)) == 0 ? 1 : -1;
	}
	buf_free(&results);
	buf_free(&signature);
	return result;
}
