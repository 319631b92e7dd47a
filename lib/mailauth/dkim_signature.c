/* SPDX-License-Identifier: ISC */
#include "mailauth/dkim_signature.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "core/memory.h"
#include "core/table.h"
#include "mail/encode.h"
#include "mailauth/domain.h"
#include "net/dns_answer.h"

#define SIGNATURE_MOST   (RSA_BITS_MOST / 8)
#define IDENTITY_MOST    1024 /* octets of i= */
#define NAME_LOOK        256  /* octets of a name that are hashed at once */
#define CLOCK_DIFFERENCE 3600 /* seconds that a signer's clock may be ahead */

/* ---- fields ---- */

void header_fields_of(struct str header, struct header_fields *out)
{
	size_t capacity = 0;
	struct header_field f;
	int got;

	*out = (struct header_fields){.list = NULL};
	while ((got = header_next(&header, &f)) != 0) {
		if (got < 0)
			continue; /* no field: nothing can sign it */
		out->cut = out->count == HEADER_FIELDS_MOST;
		if (out->cut)
			break;
		if (out->count == capacity) {
			capacity = capacity == 0 ? 32 : capacity * 2;
			out->list = mem_resize(
			    out->list, capacity, sizeof(*out->list));
		}
		out->list[out->count++] = f;
	}
}

void header_fields_free(struct header_fields *f)
{
	free(f->list);
	*f = (struct header_fields){.list = NULL};
}

/* ---- parsing ---- */

/* Without c= DKIM is simple; with ARC it is relaxed, as its sealers have it and
 * the public suite expects. */
static int read_forms(const struct tags *tags, enum signature_kind kind,
    struct dkim_signature *out)
{
	struct str value = tags_value(tags, "c",
	    kind == SIGNATURE_ARC ? STR("relaxed/relaxed")
				  : STR("simple/simple"));
	struct str body = value, header = str_cut(&body, '/');
	bool header_relaxed = str_case_eq(header, STR("relaxed"));
	bool body_relaxed = str_case_eq(body, STR("relaxed"));
	bool header_alone = header.len == value.len;

	out->header_form = header_relaxed ? CANONICAL_RELAXED
					  : CANONICAL_SIMPLE;
	out->body_form = body_relaxed ? CANONICAL_RELAXED : CANONICAL_SIMPLE;
	return (header_relaxed || str_case_eq(header, STR("simple"))) &&
		(body_relaxed || header_alone ||
		    str_case_eq(body, STR("simple")))
	    ? 0
	    : -1;
}

static int read_number(
    const struct tags *tags, const char *name, uint64_t most, uint64_t *out)
{
	const struct tag *t = tags_find(tags, name);

	if (t == NULL)
		return 0;
	struct str digits = t->value; /* as many zeros as one likes */
	while (digits.len > 1 && digits.p[0] == '0')
		digits = str_skip(digits, 1);
	return str_to_u64(digits, most, out);
}

static int read_time(const struct tags *tags, const char *name, int64_t *out)
{
	uint64_t value = 0;

	*out = -1;
	if (tags_find(tags, name) == NULL)
		return 0;
	if (read_number(tags, name, 999999999999, &value) < 0)
		return -1;
	*out = (int64_t)value;
	return 0;
}

static const char *read_times(
    const struct tags *tags, int64_t now, struct dkim_signature *out)
{
	if (read_time(tags, "t", &out->made) < 0 ||
	    read_time(tags, "x", &out->expires) < 0)
		return "malformed time";
	if (out->made > now + CLOCK_DIFFERENCE)
		return "signed in the future";
	if (out->expires >= 0 && out->made >= 0 && out->expires <= out->made)
		return "expires before it was signed";
	if (out->expires >= 0 && out->expires < now)
		return "expired";
	return NULL;
}

static bool needed_tags(const struct tags *tags)
{
	static const char *const names[] = {"a", "b", "bh", "d", "s"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (tags_value(tags, names[i], STR_EMPTY).len == 0)
			return false;
	return tags_find(tags, "h") != NULL;
}

/* What is signed stands in the header, or is signed as absent, which nobody
 * does a thousand times. */
static bool too_many_names(struct str names)
{
	size_t colons = 0;

	for (size_t i = 0; i < names.len; i++)
		colons += names.p[i] == ':';
	return colons > HEADER_FIELDS_MOST;
}

/* What is no base64 need not be compared with anything. */
static bool is_base64(struct str value)
{
	struct buf raw = buf_new(SIGNATURE_MOST + 4);
	bool fits = tags_base64(value, &raw) == 0;

	buf_free(&raw);
	return fits;
}

static int read_body_digest(const struct tags *tags, uint8_t *out)
{
	struct buf digest = buf_new(2 * BODY_HASH_LEN);
	int result = tags_base64(tags_value(tags, "bh", STR_EMPTY), &digest);

	if (result == 0 && digest.len == BODY_HASH_LEN)
		memcpy(out, digest.p, BODY_HASH_LEN);
	else
		result = -1;
	buf_free(&digest);
	return result;
}

struct str dkim_name(struct str written, size_t labels, struct arena *names)
{
	struct str name = written;
	size_t dots = 0;

	for (size_t i = 0; i < written.len && name.len > 0; i++)
		if ((uint8_t)written.p[i] >= 0x80)
			name = STR_EMPTY;
	if (name.len == 0)
		name = domain_to_ascii(written, names);
	for (size_t i = 0; i < name.len; i++)
		dots += name.p[i] == '.';
	return dots + 1 >= labels && dns_name_valid(name) &&
		!str_ends(name, STR("."))
	    ? name
	    : STR_EMPTY;
}

/* d= or s=; what is none stays as it is written, to be told. */
static bool read_name(const struct tags *tags, const char *tag, size_t labels,
    struct arena *names, struct str *out)
{
	struct str written = tags_value(tags, tag, STR_EMPTY);
	struct str name = dkim_name(written, labels, names);

	*out = name.len > 0 ? name : written;
	return name.len > 0;
}

/* dkim-quoted-printable (section 2.11): blanks do not count. */
static struct str decoded(struct str value, struct arena *names)
{
	struct buf plain = buf_new(IDENTITY_MOST),
		   text = buf_new(IDENTITY_MOST);
	struct str result = STR_EMPTY, word;

	while ((word = str_word(&value, " \t\r\n")).len > 0)
		buf_add(&plain, word);
	qp_decode(buf_str(&plain), false, &text);
	if (!plain.overflow && !text.overflow)
		result = arena_copy(names, buf_str(&text));
	buf_free(&plain);
	buf_free(&text);
	return result.p != NULL ? result : STR_EMPTY;
}

/* i=; -1 when it is no address below d=. */
static int read_identity(
    const struct tag *tag, struct arena *names, struct dkim_signature *out)
{
	struct str text = tag->value, rest = text;
	bool plain = str_word(&rest, "= \t\r\n").len == text.len;

	out->identity = text;
	if (!plain)
		text = decoded(text, names);
	size_t at = str_find_last(text, '@');
	if (at == text.len)
		return -1;
	out->identity_domain = dkim_name(str_skip(text, at + 1), 2, names);
	return dns_name_below(out->identity_domain, out->domain) ? 0 : -1;
}

/* Section 3.5: names of fields, at least one. */
static bool are_names(struct str names)
{
	struct str name;

	while (tags_item(&names, &name)) {
		if (name.len == 0)
			return false;
		for (size_t i = 0; i < name.len; i++)
			if (name.p[i] <= ' ' || name.p[i] > '~')
				return false;
	}
	return true;
}

/* What only a DKIM-Signature has. */
static const char *read_dkim(
    const struct tags *tags, struct arena *names, struct dkim_signature *out)
{
	struct str query = tags_value(tags, "q", STR("dns/txt"));
	const struct tag *identity = tags_find(tags, "i");

	if (!str_eq(tags_value(tags, "v", STR_EMPTY), STR("1")))
		return "not version 1";
	if (!tags_list_has(query, STR("dns/txt")))
		return "the key is not in DNS";
	if (identity != NULL && read_identity(identity, names, out) < 0)
		return "i= is not of the domain";
	if (!are_names(out->names))
		return "h= is no list of names";
	if (!tags_list_has(out->names, STR("From")))
		return "From is not signed";
	return NULL;
}

static const char *read_arc(const struct tags *tags, struct dkim_signature *out)
{
	if (read_number(tags, "i", 50, &out->instance) < 0 ||
	    out->instance == 0)
		return "malformed instance";
	if (tags_list_has(out->names, STR("ARC-Seal")))
		return "a seal must not be signed";
	return NULL;
}

int dkim_signature_parse(struct str field, enum signature_kind kind,
    int64_t now, struct arena *names, struct dkim_signature *out,
    const char **why)
{
	size_t colon = str_find(field, ':');
	struct tags list;
	const struct tags *tags = &list;

	*out = (struct dkim_signature){.field = field,
	    .limit = BODY_WHOLE,
	    .algorithm_text = STR_EMPTY,
	    .domain = STR_EMPTY,
	    .selector = STR_EMPTY,
	    .identity = STR_EMPTY,
	    .identity_domain = STR_EMPTY};
	*why = "malformed signature";
	if (colon == field.len ||
	    tags_parse(str_skip(field, colon + 1), &list) < 0)
		return -1;
	out->algorithm_text = tags_value(tags, "a", STR_EMPTY);
	bool named = read_name(tags, "d", 2, names, &out->domain);
	named &= read_name(tags, "s", 1, names, &out->selector);
	out->names = tags_value(tags, "h", STR_EMPTY);
	out->signature = tags_value(tags, "b", STR_EMPTY);
	if (!needed_tags(tags) || !named || read_forms(tags, kind, out) < 0 ||
	    too_many_names(out->names) || !is_base64(out->signature) ||
	    read_number(tags, "l", BODY_WHOLE - 1, &out->limit) < 0 ||
	    read_body_digest(tags, out->body_digest) < 0)
		return -1;
	out->place = tags_find(tags, "b")->place;
	out->historic = str_case_eq(out->algorithm_text, STR("rsa-sha1"));
	*why = out->historic ? "rsa-sha1 does not count any more"
			     : "the algorithm is not known";
	if (!dkim_algorithm_parse(out->algorithm_text, &out->algorithm))
		return -1;
	*why = read_times(tags, now, out);
	if (*why == NULL)
		*why = kind == SIGNATURE_ARC ? read_arc(tags, out)
					     : read_dkim(tags, names, out);
	return *why == NULL ? 0 : -1;
}

/* ---- the header's digest ---- */

void dkim_without_b(
    struct str field, struct str place, enum canonical form, struct buf *out)
{
	struct buf whole = buf_new(field.len + 1);
	size_t before = (size_t)(place.p - field.p);

	buf_add(&whole, str_sub(field, 0, before));
	buf_add(&whole, str_skip(field, before + place.len));
	canonical_field(buf_str(&whole), form, false, out);
	buf_free(&whole);
}

/* A number that equal names share, and few others, however long they are and
 * however they begin; never 0. */
static uint32_t mark_of(struct str name)
{
	char small[NAME_LOOK];
	uint64_t mark = 0;

	while (name.len > 0) {
		struct str piece = str_sub(name, 0, sizeof(small));

		for (size_t i = 0; i < piece.len; i++)
			small[i] = ascii_lower(piece.p[i]);
		mark = mark * 31 + table_hash(str_of(small, piece.len));
		name = str_skip(name, piece.len);
	}
	return (uint32_t)mark | 1;
}

/* The lowest field of the name that is not taken yet (its mark is 0); NULL: none is left,
 * which is signed as nothing. The signature itself is none of them (section
 * 3.5, h=), so that it may say that there is no other. */
static const struct header_field *take_field(const struct header_fields *fields,
    struct str name, struct str itself, uint32_t *marks)
{
	uint32_t mark = mark_of(name);

	for (size_t i = fields->count; i-- > 0;)
		if (marks[i] == mark && fields->list[i].whole.p != itself.p &&
		    str_case_eq(fields->list[i].name, name)) {
			marks[i] = 0;
			return &fields->list[i];
		}
	return NULL;
}

void dkim_header_digest(const struct header_fields *fields, struct str names,
    enum canonical form, struct str signature_field, struct str place,
    uint8_t digest[32])
{
	uint32_t *marks = mem_array(fields->count + 1, sizeof(*marks));
	struct buf text = buf_new(SIZE_MAX / 2);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	struct str name;

	/* A stranger may name a thousand fields, of a thousand. */
	for (size_t i = 0; i < fields->count; i++)
		marks[i] = mark_of(fields->list[i].name);
	memset(digest, 0, 32);
	bool works = context != NULL &&
	    EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1;
	while (works && tags_item(&names, &name)) {
		const struct header_field *f = take_field(
		    fields, name, signature_field, marks);
		if (f == NULL)
			continue;
		buf_clear(&text);
		canonical_field(f->whole, form, true, &text);
		EVP_DigestUpdate(context, text.p, text.len);
	}
	buf_clear(&text);
	dkim_without_b(signature_field, place, form, &text);
	if (works) {
		EVP_DigestUpdate(context, text.p, text.len);
		EVP_DigestFinal_ex(context, digest, NULL);
	}
	EVP_MD_CTX_free(context);
	buf_free(&text);
	free(marks);
}
