/* SPDX-License-Identifier: ISC */
/*
 * The evaluation, run anew with each answer. Where an answer is missing the
 * names that the rest of the record will need are asked for too, so that a
 * record costs about as many round trips as it nests.
 */
#include "mailauth/spf.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "core/buf.h"
#include "mailauth/authors.h"
#include "mailauth/spf_macro.h"
#include "mailauth/spf_record.h"
#include "net/dns_answer.h"

#define MEMORY_MOST      (1u << 20) /* octets of one run */
#define EXPLANATION_MOST 500

enum match { NO_MATCH, MATCH, PENDING, TEMPORARY, PERMANENT };

struct evaluation {
	struct questions *questions;
	struct arena *arena;
	struct spf_macros macros; /* domain: of the record at work */
	struct netaddr client;    /* IPv4-mapped ones are IPv4 */
	char address[80], readable[NETADDR_TEXT_MAX];
	struct spf_verdict verdict;
};

/* One record at work. */
struct host {
	struct evaluation *e;
	struct str domain;
	bool included;
	struct spf_record record;
};

static enum spf_result check_host(
    struct evaluation *e, struct str domain, bool included);

const char *spf_result_name(enum spf_result result)
{
	static const char *const names[] = {"pending", "none", "neutral",
	    "pass", "fail", "softfail", "temperror", "permerror"};

	return (unsigned)result < ARRAY_LEN(names) ? names[result] : "unknown";
}

static void set_problem(
    struct evaluation *e, const char *what, struct str which)
{
	char text[320];

	if (e->verdict.problem.len > 0)
		return; /* the innermost says most */
	snprintf(text, sizeof(text), "%s%s%.200s", what,
	    which.len > 0 ? ": " : "",
	    which.len > 0 ? arena_copy(e->arena, str_sub(which, 0, 200)).p
			  : "");
	for (char *p = text; *p != '\0'; p++)
		if (*p < ' ' || *p > '~')
			*p = '?'; /* it goes into logs and replies */
	e->verdict.problem = arena_copy(e->arena, str_from(text));
}

static enum spf_result permanent(
    struct evaluation *e, const char *what, struct str which)
{
	set_problem(e, what, which);
	return SPF_PERMERROR;
}

static enum match permanent_match(
    struct evaluation *e, const char *what, struct str which)
{
	set_problem(e, what, which);
	return PERMANENT;
}

/* ---- names and addresses ---- */

static bool is_ascii(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((uint8_t)s.p[i] >= 0x80)
			return false;
	return true;
}

static enum dns_type address_type(const struct evaluation *e)
{
	return e->client.u.sa.sa_family == AF_INET ? DNS_A : DNS_AAAA;
}

/* Whether one of the addresses of name is the client's, or near enough. */
static enum match address_match(struct evaluation *e, struct str name,
    const struct spf_term *term, bool *is_void)
{
	const struct dns_reply *r = questions_ask(
	    e->questions, name, address_type(e));
	unsigned bits = address_type(e) == DNS_A ? term->bits4 : term->bits6;

	*is_void = false;
	if (r == NULL)
		return PENDING;
	if (r->status == DNS_TEMPORARY ||
	    (r->status == DNS_BAD && dns_name_askable(name))) {
		set_problem(e, r->why, name);
		return TEMPORARY;
	}
	*is_void = r->status == DNS_NO_NAME || r->status == DNS_NO_DATA;
	for (size_t i = 0; i < r->count; i++)
		if (spf_network_has(&r->records[i].addr, bits, &e->client))
			return MATCH;
	return NO_MATCH;
}

/* A look-up that found nothing counts, and few may. */
static enum match count_void(struct evaluation *e, struct str name)
{
	if (++e->verdict.voids > SPF_VOIDS_MOST)
		return permanent_match(
		    e, "too many look-ups that find nothing", name);
	return NO_MATCH;
}

/* The names of the client whose addresses lead back to it. */
static enum match validated_names(struct evaluation *e,
    struct str names[SPF_NAMES_MOST], size_t *count, bool *is_void)
{
	static const struct spf_term whole = {.bits4 = 32, .bits6 = 128};
	char reverse[80], name[128];
	enum match found = NO_MATCH;
	bool nothing;

	*count = 0;
	*is_void = false;
	netaddr_reverse(&e->client, reverse);
	snprintf(name, sizeof(name), "%s.%s.arpa", reverse,
	    address_type(e) == DNS_A ? "in-addr" : "ip6");
	const struct dns_reply *r = questions_ask(
	    e->questions, str_from(name), DNS_PTR);
	if (r == NULL)
		return PENDING;
	*is_void = r->status == DNS_NO_NAME || r->status == DNS_NO_DATA;
	for (size_t i = 0; i < r->count && i < SPF_NAMES_MOST; i++) {
		struct str one = r->records[i].name;
		struct str problem = e->verdict.problem;
		enum match m = address_match(e, one, &whole, &nothing);
		e->verdict.problem = problem; /* such a name is skipped */
		if (m == PENDING)
			found = PENDING;
		else if (m == MATCH)
			names[(*count)++] = one;
	}
	return found;
}

/* %{p}: the domain itself, else a name below it, else any. */
static enum match set_validated(struct evaluation *e, struct str domain)
{
	struct str names[SPF_NAMES_MOST];
	size_t count;
	bool is_void;
	enum match m = validated_names(e, names, &count, &is_void);

	e->macros.validated = STR("unknown");
	if (m == PENDING)
		return PENDING;
	for (size_t i = count; i-- > 0;)
		e->macros.validated = names[i];
	for (size_t i = count; i-- > 0;)
		if (dns_name_below(names[i], domain))
			e->macros.validated = names[i];
	for (size_t i = count; i-- > 0;)
		if (str_case_eq(names[i], domain))
			e->macros.validated = names[i];
	return NO_MATCH;
}

static bool uses_local_part(struct str spec)
{
	return spf_macro_uses(spec, 's') || spf_macro_uses(spec, 'l');
}

/* RFC 8616 section 4: what names a local part beyond ASCII matches nothing. */
static bool cannot_match(const struct evaluation *e, struct str spec)
{
	return !is_ascii(e->macros.local_part) && uses_local_part(spec);
}

/* What a domain of a record stands for; without one: the record's own. */
static enum match target(struct host *h, struct str spec, struct str *out)
{
	struct evaluation *e = h->e;
	struct buf name = buf_new(SPF_EXPANDED_MOST);

	*out = h->domain;
	if (spec.len == 0)
		return NO_MATCH;
	e->verdict.of_local_part |= uses_local_part(spec);
	if (spf_macro_uses(spec, 'p') && set_validated(e, h->domain) == PENDING)
		return PENDING;
	e->macros.domain = h->domain;
	if (spf_macro_domain(spec, &e->macros, &name) < 0) {
		buf_free(&name);
		return permanent_match(e, "the domain grows too long", spec);
	}
	*out = arena_copy(e->arena, buf_str(&name));
	buf_free(&name);
	return out->p != NULL ? NO_MATCH
			      : permanent_match(e, "too large", STR_EMPTY);
}

/* ---- mechanisms ---- */

static enum match match_include(struct evaluation *e, struct str name)
{
	switch (check_host(e, name, true)) {
	case SPF_PENDING:
		return PENDING;
	case SPF_PASS:
		return MATCH;
	case SPF_TEMPERROR:
		return TEMPORARY;
	case SPF_PERMERROR:
		return PERMANENT;
	case SPF_NONE:
		return permanent_match(e, "no SPF record to include", name);
	default:
		return NO_MATCH;
	}
}

static enum match match_mx(
    struct evaluation *e, struct str name, const struct spf_term *term)
{
	const struct dns_reply *r = questions_ask(e->questions, name, DNS_MX);
	enum match found = NO_MATCH;
	bool nothing;

	if (r == NULL)
		return PENDING;
	if (r->status == DNS_NO_NAME || r->status == DNS_NO_DATA)
		return count_void(e, name);
	if (r->status != DNS_OK) {
		if (!dns_name_askable(name))
			return NO_MATCH;
		set_problem(e, r->why, name);
		return TEMPORARY;
	}
	if (r->count > SPF_NAMES_MOST)
		return permanent_match(e, "too many MX records", name);
	for (size_t i = 0; i < r->count; i++) {
		if (r->records[i].name.len == 0)
			continue; /* takes no mail (RFC 7505) */
		enum match m = address_match(
		    e, r->records[i].name, term, &nothing);
		if (m == MATCH)
			return MATCH;
		if (m == PENDING || (m == TEMPORARY && found == NO_MATCH))
			found = m;
	}
	return found;
}

static enum match match_ptr(struct evaluation *e, struct str domain)
{
	struct str names[SPF_NAMES_MOST];
	size_t count;
	bool is_void;
	enum match m = validated_names(e, names, &count, &is_void);

	if (m == PENDING)
		return PENDING;
	if (is_void)
		return count_void(e, domain);
	for (size_t i = 0; i < count; i++)
		if (dns_name_below(names[i], domain))
			return MATCH;
	return NO_MATCH;
}

static enum match match_exists(struct evaluation *e, struct str name)
{
	const struct dns_reply *r = questions_ask(e->questions, name, DNS_A);

	if (r == NULL)
		return PENDING;
	if (r->status == DNS_OK)
		return MATCH;
	if (r->status == DNS_NO_NAME || r->status == DNS_NO_DATA)
		return count_void(e, name);
	if (!dns_name_askable(name))
		return NO_MATCH;
	set_problem(e, r->why, name);
	return TEMPORARY;
}

static enum match match_a(
    struct evaluation *e, struct str name, const struct spf_term *term)
{
	bool is_void;
	enum match m = address_match(e, name, term, &is_void);

	return is_void ? count_void(e, name) : m;
}

static enum match count_lookup(struct evaluation *e, struct str text)
{
	if (++e->verdict.lookups > SPF_LOOKUPS_MOST)
		return permanent_match(e, "more than 10 look-ups", text);
	return NO_MATCH;
}

static enum match match_term(struct host *h, const struct spf_term *term)
{
	struct evaluation *e = h->e;
	struct str name;

	if (term->mechanism == SPF_ALL)
		return MATCH;
	if (term->mechanism == SPF_IP4 || term->mechanism == SPF_IP6)
		return spf_network_has(&term->network,
			   term->mechanism == SPF_IP4 ? term->bits4
						      : term->bits6,
			   &e->client)
		    ? MATCH
		    : NO_MATCH;
	enum match m = count_lookup(e, term->text);
	if (m == NO_MATCH && cannot_match(e, term->domain))
		return NO_MATCH;
	if (m == NO_MATCH)
		m = target(h, term->domain, &name);
	if (m != NO_MATCH)
		return m;
	switch (term->mechanism) {
	case SPF_INCLUDE:
		return match_include(e, name);
	case SPF_A:
		return match_a(e, name, term);
	case SPF_MX:
		return match_mx(e, name, term);
	case SPF_PTR:
		return match_ptr(e, name);
	default:
		return match_exists(e, name);
	}
}

/* ---- a record ---- */

/* Whether it is known to find something; what is not known is asked for. */
static bool ask_ahead(struct host *h, struct str spec, enum dns_type type)
{
	struct spf_verdict kept = h->e->verdict;
	const struct dns_reply *r = NULL;
	struct str name;

	if (!spf_macro_uses(spec, 'p') && target(h, spec, &name) == NO_MATCH)
		r = questions_ask(h->e->questions, name, type);
	h->e->verdict = kept;
	return r != NULL && r->status == DNS_OK;
}

static bool ask_for_term(struct host *h, const struct spf_term *t)
{
	switch (t->mechanism) {
	case SPF_INCLUDE:
		return ask_ahead(h, t->domain, DNS_TXT);
	case SPF_A:
		return ask_ahead(h, t->domain, address_type(h->e));
	case SPF_MX:
		return ask_ahead(h, t->domain, DNS_MX);
	case SPF_EXISTS:
		return ask_ahead(h, t->domain, DNS_A);
	default:
		return true;
	}
}

/*
 * Asks what the terms behind the one that waits will need: but no more than may
 * find nothing, for a record can name what is not there only to have it asked
 * for (section 11.1).
 */
static void ask_for_rest(struct host *h, size_t from)
{
	unsigned left = SPF_LOOKUPS_MOST - h->e->verdict.lookups;
	unsigned open = h->e->verdict.voids;
	size_t i;

	for (i = from; i < h->record.count && left > 0 && open < SPF_VOIDS_MOST;
	     i++) {
		const struct spf_term *t = &h->record.terms[i];
		if (t->mechanism == SPF_ALL)
			return;
		open += !ask_for_term(h, t);
		left -= t->mechanism != SPF_IP4 && t->mechanism != SPF_IP6 &&
		    t->mechanism != SPF_PTR;
	}
	if (i == h->record.count && left > 0 && open < SPF_VOIDS_MOST &&
	    h->record.redirect.len > 0)
		ask_ahead(h, h->record.redirect, DNS_TXT);
}

/* The one SPF record of domain: SPF_PASS when there is one. */
static enum spf_result find_record(
    struct evaluation *e, struct str domain, struct str *text)
{
	const struct dns_reply *r = questions_ask(
	    e->questions, domain, DNS_TXT);
	size_t found = 0;

	if (r == NULL)
		return SPF_PENDING;
	if (r->status == DNS_TEMPORARY ||
	    (r->status == DNS_BAD && dns_name_askable(domain))) {
		set_problem(e, r->why, domain);
		return SPF_TEMPERROR;
	}
	for (size_t i = 0; i < r->count; i++)
		if (spf_record_is(r->records[i].text)) {
			*text = r->records[i].text;
			found++;
		}
	if (found > 1)
		return permanent(e, "several SPF records", domain);
	if (found == 1 && !is_ascii(*text))
		return permanent(e, "the record is not ASCII", domain);
	return found == 0 ? SPF_NONE : SPF_PASS;
}

/* What the sender brings through a macro may be no text for a reply. */
static bool is_printable(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] < ' ' || s.p[i] > '~')
			return false;
	return true;
}

/* The domain's words for a refusal (section 6.2); none is no fault. */
static enum match explain(struct host *h)
{
	struct evaluation *e = h->e;
	struct spf_verdict kept = e->verdict;
	struct str name;

	if (h->record.explanation.len == 0 || h->included)
		return NO_MATCH;
	enum match m = target(h, h->record.explanation, &name);
	e->verdict = kept;
	if (m != NO_MATCH)
		return m == PENDING ? PENDING : NO_MATCH;
	const struct dns_reply *r = questions_ask(e->questions, name, DNS_TXT);
	if (r == NULL)
		return PENDING;
	if (r->count != 1 || !is_ascii(r->records[0].text) ||
	    !spf_macro_valid(r->records[0].text, SPF_EXPLANATION))
		return NO_MATCH;
	if (spf_macro_uses(r->records[0].text, 'p') &&
	    set_validated(e, h->domain) == PENDING)
		return PENDING;
	struct buf text = buf_new(EXPLANATION_MOST);
	e->macros.domain = h->domain;
	if (spf_macro_expand(
		r->records[0].text, SPF_EXPLANATION, &e->macros, &text) == 0 &&
	    is_printable(buf_str(&text)))
		e->verdict.explanation = arena_copy(e->arena, buf_str(&text));
	buf_free(&text);
	return NO_MATCH;
}

static enum spf_result matched(struct host *h, const struct spf_term *term)
{
	struct evaluation *e = h->e;

	e->verdict.term = term->text;
	e->verdict.term_domain = h->domain;
	switch (term->qualifier) {
	case '+':
		return SPF_PASS;
	case '-':
		return explain(h) == PENDING ? SPF_PENDING : SPF_FAIL;
	case '~':
		return SPF_SOFTFAIL;
	default:
		return SPF_NEUTRAL;
	}
}

static enum spf_result redirect(struct host *h)
{
	struct evaluation *e = h->e;
	struct str name;

	enum match m = count_lookup(e, h->record.redirect);
	if (m == NO_MATCH)
		m = target(h, h->record.redirect, &name);
	if (m != NO_MATCH)
		return m == PENDING ? SPF_PENDING : SPF_PERMERROR;
	enum spf_result result = check_host(e, name, h->included);
	return result == SPF_NONE
	    ? permanent(e, "no SPF record to redirect to", name)
	    : result;
}

static enum spf_result check_record(struct host *h)
{
	for (size_t i = 0; i < h->record.count; i++) {
		switch (match_term(h, &h->record.terms[i])) {
		case NO_MATCH:
			continue;
		case MATCH:
			return matched(h, &h->record.terms[i]);
		case PENDING:
			ask_for_rest(h, i + 1);
			return SPF_PENDING;
		case TEMPORARY:
			return SPF_TEMPERROR;
		case PERMANENT:
			return SPF_PERMERROR;
		}
	}
	return h->record.redirect.len > 0 &&
		!cannot_match(h->e, h->record.redirect)
	    ? redirect(h)
	    : SPF_NEUTRAL;
}

static enum spf_result check_host(
    struct evaluation *e, struct str domain, bool included)
{
	struct host h = {.e = e, .domain = domain, .included = included};
	const char *problem;
	struct str text, where;

	enum spf_result result = find_record(e, domain, &text);
	if (result != SPF_PASS)
		return result;
	if (spf_record_parse(text, e->arena, &h.record, &problem, &where) < 0)
		return permanent(e, problem, where);
	return check_record(&h);
}

/* ---- the question ---- */

static void set_client(struct evaluation *e, const struct netaddr *client)
{
	const uint8_t *p = (const uint8_t *)&client->u.in6.sin6_addr;

	e->client = *client;
	if (client->u.sa.sa_family == AF_INET6 &&
	    IN6_IS_ADDR_V4MAPPED(&client->u.in6.sin6_addr)) {
		e->client = (struct netaddr){.len = sizeof(e->client.u.in)};
		e->client.u.in.sin_family = AF_INET;
		memcpy(&e->client.u.in.sin_addr, p + 12, 4);
	}
	netaddr_text(&e->client, e->readable);
	if (e->client.u.sa.sa_family == AF_INET) {
		memcpy(e->address, e->readable, sizeof(e->readable));
		return;
	}
	for (size_t i = 0; i < 16; i++)
		snprintf(e->address + 4 * i, sizeof(e->address) - 4 * i,
		    "%X.%X.", p[i] >> 4, p[i] & 15);
	e->address[63] = '\0';
}

/* The domain as DNS has it (RFC 8616 section 4), without a final dot. */
static struct str domain_of(const struct evaluation *e, struct str name)
{
	if (str_ends(name, STR(".")))
		name.len--;
	struct str ascii = is_ascii(name) ? STR_EMPTY
					  : domain_to_ascii(name, e->arena);
	return ascii.len > 0 ? ascii : name;
}

static void set_names(struct evaluation *e, const struct spf_request *r)
{
	size_t at = str_find_last(r->sender, '@');
	struct spf_macros *m = &e->macros;
	struct buf sender = buf_new(1024);

	e->verdict.of_helo = r->sender.len == 0;
	m->local_part = at < r->sender.len ? str_sub(r->sender, 0, at)
					   : STR_EMPTY;
	if (m->local_part.len == 0)
		m->local_part = STR("postmaster");
	m->sender_domain = domain_of(e,
	    e->verdict.of_helo       ? r->helo
		: at < r->sender.len ? str_skip(r->sender, at + 1)
				     : r->sender);
	buf_add(&sender, m->local_part);
	buf_add_char(&sender, '@');
	buf_add(&sender, m->sender_domain);
	m->sender = arena_copy(e->arena, buf_str(&sender));
	buf_free(&sender);
	if (m->sender.p == NULL)
		m->sender = STR_EMPTY;
	m->address = str_from(e->address);
	m->readable_address = str_from(e->readable);
	m->family = e->client.u.sa.sa_family == AF_INET ? STR("in-addr")
							: STR("ip6");
	m->helo = r->helo;
	m->receiver = r->receiver.len > 0 ? r->receiver : STR("unknown");
	m->now = r->now;
	e->verdict.domain = m->sender_domain;
}

/* Section 4.3: a name of several labels; an address in brackets is none. */
static bool has_policy(struct str domain)
{
	return dns_name_askable(domain) && domain.p[0] != '[' &&
	    str_find(domain, '.') < domain.len;
}

static void give(struct spf_verdict *v, struct arena *arena)
{
	struct str *texts[] = {&v->domain, &v->term, &v->term_domain,
	    &v->problem, &v->explanation};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		*texts[i] = arena_copy(arena, *texts[i]);
		if (texts[i]->p == NULL)
			*texts[i] = STR_EMPTY;
	}
}

enum spf_result spf_check(struct questions *q, const struct spf_request *r,
    struct arena *arena, struct spf_verdict *out)
{
	struct arena memory = arena_new(MEMORY_MOST);
	struct evaluation e = {.questions = q, .arena = &memory};
	struct spf_verdict *v = &e.verdict;

	v->term = v->term_domain = v->problem = v->explanation = STR_EMPTY;
	set_client(&e, &r->client);
	set_names(&e, r);
	if (r->client.len == 0 || !has_policy(v->domain))
		v->result = SPF_NONE;
	else
		v->result = check_host(&e, v->domain, false);
	if (v->result != SPF_PENDING) {
		if (v->result != SPF_TEMPERROR && v->result != SPF_PERMERROR)
			v->problem = STR_EMPTY;
		give(v, arena);
		*out = *v;
	}
	arena_free(&memory);
	return e.verdict.result;
}
