/* SPDX-License-Identifier: ISC */
/* What has to stand in DNS for a domain of this house. */
#include <stdarg.h>

#include "core/checksum.h"
#include "net/dns_answer.h"
#include "posthouse/dns.h"

/* A set without values yet; one too many is told nowhere: a domain has less. */
static struct record_set *add_set(struct dns_plan *plan, enum record_kind kind,
    enum dns_type type, struct str owner)
{
	static struct record_set spare;
	struct record_set *s = plan->count < RECORD_SETS_MOST
	    ? &plan->list[plan->count++]
	    : &spare;

	*s = (struct record_set){.kind = kind,
	    .type = type,
	    .owner = owner,
	    .problem = buf_new(8192),
	    .next = buf_new(8192)};
	return s;
}

static void add_want(struct record_set *s, struct str value)
{
	if (s->want_count < RECORD_VALUES_MOST)
		s->want[s->want_count++] = value;
}

static const char *family_name(const struct netaddr *a)
{
	return a->u.sa.sa_family == AF_INET ? "ip4" : "ip6";
}

/* ---- the host ---- */

static void plan_mx(struct dns_plan *plan)
{
	struct record_set *s = add_set(plan, RECORD_MX, DNS_MX, plan->domain);

	add_want(s, dns_text(plan->house, "10 %s.", plan->house->host.p));
}

/* Both families: what is published of the other one would be wrong. */
static void plan_addresses(struct dns_plan *plan)
{
	static const enum dns_type types[] = {DNS_A, DNS_AAAA};
	static const int families[] = {AF_INET, AF_INET6};
	struct dns_house *h = plan->house;
	char text[NETADDR_TEXT_MAX];

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		struct record_set *s = add_set(
		    plan, RECORD_ADDRESS, types[i], h->host);
		for (size_t k = 0; k < h->own_count; k++) {
			if (h->own[k].u.sa.sa_family != families[i])
				continue;
			netaddr_text(&h->own[k], text);
			add_want(s, dns_text(h, "%s", text));
		}
	}
}

static void plan_names(struct dns_plan *plan)
{
	struct dns_house *h = plan->house;
	char reverse[80];

	for (size_t i = 0; i < h->own_count; i++) {
		netaddr_reverse(&h->own[i], reverse);
		struct record_set *s = add_set(plan, RECORD_PTR, DNS_PTR,
		    dns_text(h, "%s.%s.arpa", reverse,
			h->own[i].u.sa.sa_family == AF_INET ? "in-addr"
							    : "ip6"));
		add_want(s, dns_text(h, "%s.", h->host.p));
	}
}

static void plan_services(struct dns_plan *plan)
{
	struct dns_house *h = plan->house;

	for (size_t i = 0; i < SERVICES_MOST; i++) {
		const struct house_service *one = &h->services[i];
		struct record_set *s = add_set(plan, RECORD_SRV, DNS_SRV,
		    dns_text(h, "%s._tcp.%s", one->name, plan->domain.p));
		if (one->port != 0)
			add_want(s,
			    dns_text(h, "%u 1 %u %s.", one->priority, one->port,
				h->host.p));
	}
}

static void plan_tlsa(struct dns_plan *plan)
{
	struct dns_house *h = plan->house;
	struct record_set *s = add_set(
	    plan, RECORD_TLSA, DNS_TLSA, dns_text(h, "_25._tcp.%s", h->host.p));

	for (size_t i = 0; i < h->tlsa_count; i++)
		add_want(s, h->tlsa[i]);
}

/* ---- policies ---- */

/* Who may send: by address, which costs the receiver no question. Others get
 * "~all": with DMARC it is as strict as "-all", and lets a forwarded message
 * with a good signature through. */
static void plan_spf(struct dns_plan *plan)
{
	struct dns_house *h = plan->house;
	struct record_set *s = add_set(plan, RECORD_SPF, DNS_TXT, plan->domain);
	struct buf text = buf_new(4096);
	char address[NETADDR_TEXT_MAX];

	buf_add_text(&text, "v=spf1");
	if (h->own_count == 0)
		buf_printf(&text, " a:%s", h->host.p);
	for (size_t i = 0; i < h->own_count; i++) {
		netaddr_text(&h->own[i], address);
		buf_printf(&text, " %s:%s", family_name(&h->own[i]), address);
	}
	buf_add_text(&text, " ~all");
	add_want(s, dns_text(h, "%s", buf_text(&text)));
	buf_free(&text);
	if (str_eq(h->host, plan->domain))
		return;
	/* Of reports, which have no sender, the name in EHLO is checked. */
	s = add_set(plan, RECORD_SPF_HELO, DNS_TXT, h->host);
	add_want(s, STR("v=spf1 a -all"));
}

static void plan_dkim(struct dns_plan *plan)
{
	struct dns_house *h = plan->house;

	dns_house_keys(h, plan);
	for (size_t i = 0; i < plan->key_count; i++) {
		struct house_key *key = &plan->keys[i];
		struct record_set *s = add_set(plan, RECORD_DKIM, DNS_TXT,
		    dns_text(h, "%.*s._domainkey.%s", STR_FMT(key->selector),
			plan->domain.p));
		struct buf text = buf_new(16384);
		s->key = key;
		s->advice = key->retired;
		if (key->key != NULL && dkim_key_record(key->key, &text) == 0)
			add_want(s, dns_text(h, "%s", buf_text(&text)));
		buf_free(&text);
	}
	if (plan->key_count == 0)
		add_set(plan, RECORD_DKIM, DNS_TXT,
		    dns_text(h, "_domainkey.%s", plan->domain.p));
}

/* Whether an entry of report_recipients, which may be "name@", is address. */
static bool is_recipient(struct str entry, struct str address)
{
	return str_ends(entry, STR("@")) ? str_case_starts(address, entry)
					 : str_case_eq(entry, address);
}

bool dns_takes_reports(const struct dns_house *h, struct str address)
{
	struct str rest = h->recipients, entry;

	while ((entry = str_word(&rest, " \t,")).len > 0)
		if (is_recipient(entry, address))
			return true;
	return false;
}

/* One of the domain itself, which needs no consent, else the first. */
static struct str find_reports(struct dns_plan *plan)
{
	struct str rest = plan->house->recipients, entry, first = STR_EMPTY;

	while ((entry = str_word(&rest, " \t,")).len > 0) {
		struct str domain = str_skip(entry, str_find(entry, '@') + 1);
		if (domain.len == 0)
			return dns_text(plan->house, "%.*s%s", STR_FMT(entry),
			    plan->domain.p);
		if (str_case_eq(domain, plan->domain))
			return dns_text(plan->house, "%.*s", STR_FMT(entry));
		if (first.len == 0)
			first = dns_text(plan->house, "%.*s", STR_FMT(entry));
	}
	return first;
}

static void plan_dmarc(struct dns_plan *plan)
{
	struct dns_house *h = plan->house;
	struct str reports = plan->reports;
	struct str where = str_skip(reports, str_find_last(reports, '@') + 1);
	struct record_set *s = add_set(plan, RECORD_DMARC, DNS_TXT,
	    dns_text(h, "_dmarc.%s", plan->domain.p));

	if (reports.len == 0) {
		add_want(s, STR("v=DMARC1; p=none"));
		return;
	}
	add_want(s, dns_text(h, "v=DMARC1; p=none; rua=mailto:%s", reports.p));
	/* RFC 9990: reports to another domain need its consent. */
	if (dns_name_below(where, plan->domain) ||
	    dns_name_below(plan->domain, where))
		return;
	s = add_set(plan, RECORD_DMARC_REPORT, DNS_TXT,
	    dns_text(
		h, "%s._report._dmarc.%.*s", plan->domain.p, STR_FMT(where)));
	add_want(s, STR("v=DMARC1;"));
}

struct str dns_sts_policy(struct dns_house *h)
{
	return dns_text(h,
	    "version: STSv1\nmode: testing\nmx: %s\nmax_age: 604800\n",
	    h->host.p);
}

/* The id changes with the policy (RFC 8461 section 3.1). */
static void plan_mta_sts(struct dns_plan *plan)
{
	struct dns_house *h = plan->house;
	struct str policy = dns_sts_policy(h);
	struct record_set *s = add_set(plan, RECORD_MTA_STS, DNS_TXT,
	    dns_text(h, "_mta-sts.%s", plan->domain.p));

	s->advice = true;
	add_want(s,
	    dns_text(h, "v=STSv1; id=%08x",
		(unsigned)crc32c(0, policy.p, policy.len)));
}

static void plan_tls_rpt(struct dns_plan *plan)
{
	struct dns_house *h = plan->house;
	struct record_set *s = add_set(plan, RECORD_TLS_RPT, DNS_TXT,
	    dns_text(h, "_smtp._tls.%s", plan->domain.p));

	if (plan->reports.len > 0)
		add_want(s,
		    dns_text(h, "v=TLSRPTv1; rua=mailto:%s", plan->reports.p));
}

void dns_plan_make(
    struct dns_plan *plan, struct dns_house *h, struct str domain)
{
	plan->house = h;
	plan->domain = dns_text(h, "%.*s", STR_FMT(domain));
	plan->count = 0;
	plan->reports = find_reports(plan);
	plan_mx(plan);
	plan_addresses(plan);
	plan_names(plan);
	plan_spf(plan);
	plan_dkim(plan);
	plan_dmarc(plan);
	plan_mta_sts(plan);
	plan_tls_rpt(plan);
	plan_services(plan);
	plan_tlsa(plan);
}

void dns_plan_free(struct dns_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		buf_free(&plan->list[i].problem);
		buf_free(&plan->list[i].next);
	}
	for (size_t i = 0; i < plan->key_count; i++)
		dkim_key_free(&plan->keys[i].key);
	plan->count = plan->key_count = 0;
}
