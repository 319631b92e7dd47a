/* SPDX-License-Identifier: ISC */
#include "mailauth/dmarc.h"

#include <stdio.h>

#include "net/dns_answer.h"

/* A domain on the way up, and what was found there. */
struct step {
	struct str domain;
	bool valid;  /* there is one record, and it is of DMARC */
	bool silent; /* it asks for nothing */
	struct str text;
	struct dmarc_record record;
};

struct walk {
	struct step steps[DMARC_WALK_MOST];
	size_t count; /* that were looked at */
};

enum found { FOUND_PENDING, FOUND_NONE, FOUND, FOUND_TEMPORARY };

/* ---- one name ---- */

/* Its only record of DMARC; several are none (section 4.10, step 2). */
static enum found look(
    struct questions *q, struct step *step, const char **problem)
{
	char name[DNS_NAME_TEXT_MAX + 16];
	size_t records = 0;
	int len = snprintf(
	    name, sizeof(name), "_dmarc.%.*s", STR_FMT(step->domain));

	step->valid = false;
	const struct dns_reply *r = questions_ask(q,
	    str_of(name, len < (int)sizeof(name) ? (size_t)len : 0), DNS_TXT);
	if (r == NULL)
		return FOUND_PENDING;
	if (r->status == DNS_TEMPORARY) {
		*problem = r->why;
		return FOUND_TEMPORARY;
	}
	for (size_t i = 0; i < r->count; i++) {
		struct str text = r->records[i].text;
		if (!dmarc_record_is(text))
			continue;
		records++;
		step->text = text;
	}
	step->valid = records == 1;
	step->silent = step->valid &&
	    dmarc_record_parse(step->text, &step->record) < 0;
	return step->valid ? FOUND : FOUND_NONE;
}

/* ---- the walk ---- */

static struct str parent(struct str domain)
{
	return str_skip(domain, str_find(domain, '.') + 1);
}

static size_t labels(struct str domain)
{
	size_t count = domain.len > 0;

	for (size_t i = 0; i < domain.len; i++)
		count += domain.p[i] == '.';
	return count;
}

/* Section 4.10, step 4: from a long name to its last seven labels. */
static struct str next_target(struct str domain)
{
	size_t count = labels(domain);

	domain = parent(domain);
	for (; count > DMARC_WALK_MOST; count--)
		domain = parent(domain);
	return domain;
}

/* Looks upwards from domain, asking for all names at once. */
static enum found walk_up(struct questions *q, struct str domain,
    struct walk *walk, const char **problem)
{
	enum found result = FOUND_NONE;

	walk->count = 0;
	for (; domain.len > 0 && walk->count < DMARC_WALK_MOST;
	     domain = next_target(domain)) {
		struct step *step = &walk->steps[walk->count];
		step->domain = domain;
		enum found found = look(q, step, problem);
		if (found == FOUND_PENDING) {
			result = FOUND_PENDING;
		} else if (result != FOUND_PENDING) {
			if (found == FOUND_TEMPORARY)
				return FOUND_TEMPORARY;
			result = FOUND;
		}
		walk->count++;
		if (step->valid && step->record.psd != 'u')
			break;
	}
	return result;
}

static struct str last_labels(struct str domain, size_t count)
{
	while (labels(domain) > count)
		domain = parent(domain);
	return domain;
}

/* Section 4.10.2: the organisational domain of a finished walk, which went no
 * further than to the first psd=. */
static struct str organization_of(const struct walk *walk, struct str domain)
{
	struct str highest = domain;

	for (size_t i = 0; i < walk->count; i++) {
		const struct step *s = &walk->steps[i];
		if (!s->valid)
			continue;
		if (s->record.psd == 'y' && i > 0)
			return last_labels(domain, labels(s->domain) + 1);
		highest = s->domain;
	}
	return highest;
}

static enum found organization(struct questions *q,
    const struct dmarc_request *r, struct str domain, struct str *out,
    const char **problem)
{
	struct walk walk;

	if (r->suffixes != NULL) {
		*out = public_suffixes_organization(r->suffixes, domain);
		return FOUND;
	}
	enum found found = walk_up(q, domain, &walk, problem);
	if (found == FOUND)
		*out = organization_of(&walk, domain);
	return found;
}

/* ---- alignment ---- */

/* The organisation of an identifier is a part of it, so what is not below the
 * author's is not asked about: its DNS belongs to whoever signed. */
static enum found aligned(struct questions *q, const struct dmarc_request *r,
    struct str identifier, bool strict, struct dmarc_verdict *v, bool *out)
{
	struct str other;

	*out = str_case_eq(identifier, r->author);
	if (*out || strict || identifier.len == 0)
		return FOUND;
	enum found found = organization(
	    q, r, r->author, &v->organization, &v->problem);
	if (found != FOUND || !dns_name_below(identifier, v->organization))
		return found;
	found = organization(q, r, identifier, &other, &v->problem);
	if (found == FOUND)
		*out = str_case_eq(v->organization, other);
	return found;
}

static enum found align(struct questions *q, const struct dmarc_request *r,
    const struct dmarc_record *record, struct dmarc_verdict *v)
{
	enum found worst = aligned(
	    q, r, r->spf_domain, record->strict_spf, v, &v->spf_aligned);

	for (size_t i = 0; i < r->dkim_count; i++) {
		bool one = false;
		enum found found = aligned(
		    q, r, r->dkim_domains[i], record->strict_dkim, v, &one);
		v->dkim_aligned = v->dkim_aligned || one;
		if (found == FOUND_PENDING ||
		    (found == FOUND_TEMPORARY && worst == FOUND))
			worst = found;
	}
	return worst;
}

/* What the identifiers that could not be checked leave open: FOUND_TEMPORARY
 * when one of them would have spoken for the author. */
static enum found align_unknown(struct questions *q,
    const struct dmarc_request *r, const struct dmarc_record *record,
    struct dmarc_verdict *v)
{
	bool would = false;
	enum found worst = aligned(
	    q, r, r->spf_unknown, record->strict_spf, v, &would);

	for (size_t i = 0; i < r->dkim_unknown_count; i++) {
		bool one = false;
		enum found found = aligned(
		    q, r, r->dkim_unknown[i], record->strict_dkim, v, &one);
		would = would || one;
		if (found == FOUND_PENDING ||
		    (found == FOUND_TEMPORARY && worst == FOUND))
			worst = found;
	}
	if (!would)
		return worst;
	v->problem = "SPF or DKIM could not be checked";
	return FOUND_TEMPORARY;
}

/* ---- the policy ---- */

/* Section 4.10.1: the author's own record, else that of its organisational
 * domain, else that of the public suffix. */
static enum found find_record(struct questions *q,
    const struct dmarc_request *r, struct step *step, const char **problem)
{
	struct walk walk;
	enum found found;

	step->domain = r->author;
	found = look(q, step, problem);
	if (found != FOUND_NONE)
		return found;
	if (r->suffixes != NULL) {
		step->domain = public_suffixes_organization(
		    r->suffixes, r->author);
		return look(q, step, problem);
	}
	found = walk_up(q, next_target(r->author), &walk, problem);
	if (found != FOUND)
		return found;
	/* The last one found is the organisation's or, where that has none, the
	 * public suffix's: the one below a public suffix comes first. */
	struct str name = organization_of(&walk, r->author);
	const struct step *best = NULL;
	for (size_t i = 0; i < walk.count; i++) {
		const struct step *s = &walk.steps[i];
		if (s->valid &&
		    (s->record.psd == 'y' ||
			labels(s->domain) <= labels(name)) &&
		    (best == NULL || best->record.psd == 'y' ||
			s->record.psd != 'y'))
			best = s;
	}
	if (best == NULL)
		return FOUND_NONE;
	*step = *best;
	return FOUND;
}

/* Whose record asks for nothing wants no DMARC, and nobody above is asked. */
static enum found find_policy(struct questions *q,
    const struct dmarc_request *r, struct step *step, const char **problem)
{
	enum found found = find_record(q, r, step, problem);

	return found == FOUND && step->silent ? FOUND_NONE : found;
}

/* Section 3.2.13: what NXDOMAIN says does not exist, whatever the type that was
 * asked for (RFC 8020). In doubt it does, and sp= applies. */
static enum found exists(struct questions *q, struct str domain, bool *out)
{
	const struct dns_reply *r = questions_ask(q, domain, DNS_A);

	if (r == NULL)
		return FOUND_PENDING;
	*out = r->status != DNS_NO_NAME;
	return FOUND;
}

static enum found choose_policy(struct questions *q,
    const struct dmarc_request *r, const struct step *step,
    struct dmarc_verdict *v)
{
	const struct dmarc_record *d = &step->record;
	bool there = true;

	v->published = d->policy;
	if (!str_case_eq(step->domain, r->author)) {
		if (d->has_subdomain_policy)
			v->published = d->subdomain_policy;
		if (d->has_absent_policy &&
		    exists(q, r->author, &there) == FOUND_PENDING)
			return FOUND_PENDING;
		if (!there)
			v->published = d->absent_policy;
	}
	v->testing = d->testing;
	v->asked = d->testing && v->published > DMARC_POLICY_NONE
	    ? v->published - 1
	    : v->published;
	return FOUND;
}

static enum dmarc_result judge(struct questions *q,
    const struct dmarc_request *r, const struct step *step,
    struct dmarc_verdict *v)
{
	enum found found = align(q, r, &step->record, v);

	if (choose_policy(q, r, step, v) == FOUND_PENDING)
		return DMARC_PENDING;
	if (v->spf_aligned || v->dkim_aligned)
		return DMARC_PASS;
	if (found == FOUND)
		found = align_unknown(q, r, &step->record, v);
	return found == FOUND_PENDING ? DMARC_PENDING
	    : found == FOUND          ? DMARC_FAIL
				      : DMARC_TEMPERROR;
}

static struct str kept(struct arena *arena, struct str s)
{
	struct str copy = arena_copy(arena, s);

	return copy.p != NULL ? copy : STR_EMPTY;
}

enum dmarc_result dmarc_check(struct questions *q,
    const struct dmarc_request *r, struct arena *arena,
    struct dmarc_verdict *out)
{
	struct dmarc_verdict v = {.organization = STR_EMPTY,
	    .policy_domain = STR_EMPTY,
	    .record = STR_EMPTY,
	    .problem = ""};
	struct step step = {.text = STR_EMPTY};
	enum found found = dns_name_valid(r->author)
	    ? find_policy(q, r, &step, &v.problem)
	    : FOUND_NONE;

	if (found == FOUND_PENDING)
		return DMARC_PENDING;
	v.result = found == FOUND_TEMPORARY ? DMARC_TEMPERROR
	    : found == FOUND_NONE           ? DMARC_NONE
					    : judge(q, r, &step, &v);
	if (v.result == DMARC_PENDING)
		return DMARC_PENDING;
	if (found == FOUND) {
		v.policy_domain = kept(arena, step.domain);
		v.record = kept(arena, step.text);
		v.organization = kept(arena, v.organization);
	}
	if (v.result != DMARC_TEMPERROR)
		v.problem = "";
	*out = v;
	return v.result;
}

int dmarc_organization(struct questions *q,
    const struct public_suffixes *suffixes, struct str domain, struct str *out)
{
	struct dmarc_request request = {.suffixes = suffixes};
	const char *problem;

	switch (organization(q, &request, domain, out, &problem)) {
	case FOUND:
		return 1;
	case FOUND_PENDING:
		return 0;
	default:
		return -1;
	}
}
