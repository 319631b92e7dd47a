/* SPDX-License-Identifier: ISC */
/* The records that lead mail and clients to the host, as they are published. */
#include <stdarg.h>
#include <stdlib.h>

#include "net/dns_answer.h"
#include "posthouse/dns.h"

/* ---- what all checks share ---- */

void dns_find(struct record_set *s, enum finding finding, const char *next,
    const char *format, ...)
{
	va_list args;

	if (finding > s->finding)
		s->finding = finding;
	if (s->problem.len > 0)
		buf_add_text(&s->problem, "; ");
	va_start(args, format);
	buf_vprintf(&s->problem, format, args);
	va_end(args);
	if (next == NULL)
		return;
	if (s->next.len > 0)
		buf_add_text(&s->next, "; ");
	buf_add_text(&s->next, next);
}

void dns_show(struct record_set *s, struct str value)
{
	if (s->published_count < RECORD_VALUES_MOST)
		s->published[s->published_count++] = value;
}

static struct str host_text(struct dns_house *h, struct str name)
{
	return dns_text(h, "%.*s.", STR_FMT(name));
}

/* A record as text, in the form of record_set's want. */
static struct str record_text(struct dns_house *h, const struct dns_record *r)
{
	const uint8_t *p = (const uint8_t *)r->text.p;
	char address[NETADDR_TEXT_MAX];
	struct buf hex = buf_new(1u << 18);

	switch (r->type) {
	case DNS_A:
	case DNS_AAAA:
		netaddr_text(&r->addr, address);
		return dns_text(h, "%s", address);
	case DNS_MX:
		return dns_text(h, "%u %.*s.", r->preference, STR_FMT(r->name));
	case DNS_SRV:
		return dns_text(h, "%u %u %u %.*s.", r->preference, r->weight,
		    r->port, STR_FMT(r->name));
	case DNS_TXT:
		return dns_text(h, "%.*s", STR_FMT(r->text));
	case DNS_TLSA:
		buf_printf(&hex, "%u %u %u ", p[0], p[1], p[2]);
		for (size_t i = 3; i < r->text.len; i++)
			buf_printf(&hex, "%02x", p[i]);
		struct str text = dns_text(h, "%s", buf_text(&hex));
		buf_free(&hex);
		return text;
	default:
		return host_text(h, r->name);
	}
}

static bool answered(struct record_set *s, const struct dns_reply *r)
{
	if (r->status != DNS_TEMPORARY)
		return true;
	dns_find(s, FINDING_UNKNOWN, "ask again later, or see dns_servers",
	    "DNS did not answer (%s)", r->why);
	return false;
}

bool dns_take(
    struct dns_house *h, struct record_set *s, const struct dns_reply *r)
{
	for (size_t i = 0; i < r->count; i++)
		dns_show(s, record_text(h, &r->records[i]));
	return answered(s, r);
}

static bool wants(const struct record_set *s, struct str value)
{
	for (size_t i = 0; i < s->want_count; i++)
		if (str_case_eq(s->want[i], value))
			return true;
	return false;
}

static bool publishes(const struct record_set *s, struct str value)
{
	for (size_t i = 0; i < s->published_count; i++)
		if (str_case_eq(s->published[i], value))
			return true;
	return false;
}

static bool is_alias(struct dns_look *look, struct str name)
{
	return dns_look_up(look, name, DNS_CNAME)->status == DNS_OK;
}

/* ---- MX ---- */

/* A host that mail is led to: has it an address, and a name of its own? */
static void check_mail_host(
    struct record_set *s, struct str name, struct dns_look *look)
{
	const struct dns_reply *four = dns_look_up(look, name, DNS_A);
	const struct dns_reply *six = dns_look_up(look, name, DNS_AAAA);

	if (is_alias(look, name))
		dns_find(s, FINDING_HARMFUL,
		    "let the MX record name the host itself",
		    "%.*s is an alias (CNAME), which an MX record must not "
		    "name (RFC 2181 section 10.3): some senders do not deliver",
		    STR_FMT(name));
	if (four->status == DNS_OK || six->status == DNS_OK)
		return;
	if (answered(s, four) && answered(s, six))
		dns_find(s, FINDING_HARMFUL,
		    "publish its address, or take the MX record away",
		    "%.*s has no address: mail that is sent there waits, and "
		    "comes back",
		    STR_FMT(name));
}

void dns_check_mx(
    struct dns_plan *plan, struct record_set *s, struct dns_look *look)
{
	struct dns_house *h = plan->house;
	const struct dns_reply *r = dns_look_up(look, s->owner, DNS_MX);
	unsigned best = 65536, ours = 65536;

	if (!dns_take(h, s, r))
		return;
	if (r->count == 0) {
		dns_find(s, FINDING_MISSING, "publish it",
		    "there is no MX record: senders try the address of %s "
		    "itself, if it has one",
		    plan->domain.p);
		return;
	}
	for (size_t i = 0; i < r->count; i++) {
		const struct dns_record *one = &r->records[i];
		if (one->name.len == 0) {
			dns_find(s, FINDING_HARMFUL, "replace it",
			    "this says that the domain takes no mail at all "
			    "(RFC 7505)");
			continue;
		}
		if (one->preference < best)
			best = one->preference;
		if (str_case_eq(one->name, h->host) && one->preference < ours)
			ours = one->preference;
		check_mail_host(s, one->name, look);
	}
	if (ours == 65536)
		dns_find(s, FINDING_DIFFERENT,
		    "replace it, unless another host is meant to take the "
		    "mail and pass it on",
		    "mail for the domain does not go to %s", h->host.p);
	else if (ours > best)
		dns_find(s, FINDING_DIFFERENT, NULL,
		    "other hosts come before %s: it gets mail only when these "
		    "are away",
		    h->host.p);
}

/* ---- addresses and their names ---- */

void dns_check_address(
    struct dns_plan *plan, struct record_set *s, struct dns_look *look)
{
	struct dns_house *h = plan->house;
	const struct dns_reply *r = dns_look_up(look, s->owner, s->type);

	if (!dns_take(h, s, r))
		return;
	if (s->want_count == 0 && r->count > 0) {
		dns_find(s, FINDING_DIFFERENT,
		    "take it away, or give it to this host",
		    "this is no address of this house: mail that is sent there "
		    "does not arrive");
		return;
	}
	if (s->want_count == 0) {
		s->hidden = h->own_count > 0 || s->type != DNS_A;
		dns_find(s, FINDING_MISSING,
		    "publish the public address of this host (--address says "
		    "which)",
		    "the host has no address in DNS: nobody can send to it");
		return;
	}
	if (s->type == DNS_A && is_alias(look, s->owner))
		dns_find(s, FINDING_HARMFUL, "give it addresses instead",
		    "the host's name is an alias (CNAME)");
	if (r->count == 0) {
		dns_find(s, FINDING_MISSING, "publish it",
		    "the host has no such address in DNS");
		return;
	}
	for (size_t i = 0; i < s->want_count; i++)
		if (!publishes(s, s->want[i]))
			dns_find(s, FINDING_DIFFERENT, "add it",
			    "%s of this house is not published", s->want[i].p);
	for (size_t i = 0; i < s->published_count; i++)
		if (!wants(s, s->published[i]))
			dns_find(s, FINDING_DIFFERENT, "take it away",
			    "%s is no address of this house: mail that is "
			    "sent there does not arrive",
			    s->published[i].p);
}

/* Whether the name of an address leads back to it. */
static bool leads_back(struct dns_house *h, struct record_set *s,
    struct str name, struct dns_look *look)
{
	static const enum dns_type types[] = {DNS_A, DNS_AAAA};
	char reverse[80];

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		const struct dns_reply *r = dns_look_up(look, name, types[i]);
		for (size_t k = 0; k < r->count; k++) {
			netaddr_reverse(&r->records[k].addr, reverse);
			struct str owner = dns_text(h, "%s.%s.arpa", reverse,
			    types[i] == DNS_A ? "in-addr" : "ip6");
			if (str_case_eq(owner, s->owner))
				return true;
		}
		if (r->status == DNS_TEMPORARY)
			return true; /* in doubt nothing is wrong */
	}
	return false;
}

void dns_check_ptr(
    struct dns_plan *plan, struct record_set *s, struct dns_look *look)
{
	struct dns_house *h = plan->house;
	const struct dns_reply *r = dns_look_up(look, s->owner, DNS_PTR);
	bool ours = false;

	if (!dns_take(h, s, r))
		return;
	if (r->count == 0) {
		dns_find(s, FINDING_MISSING,
		    "whoever gave you the address sets it (your provider)",
		    "the address has no name: many receivers refuse mail from "
		    "such an address");
		return;
	}
	for (size_t i = 0; i < r->count; i++) {
		struct str name = r->records[i].name;
		ours = ours || str_case_eq(name, h->host);
		if (!leads_back(h, s, name, look))
			dns_find(s, FINDING_HARMFUL,
			    "let your provider set the name of this host",
			    "%.*s does not lead back to the address: receivers "
			    "take it for forged",
			    STR_FMT(name));
	}
	if (!ours)
		dns_find(s, FINDING_DIFFERENT,
		    "let your provider set the name of this host",
		    "this is not the name that the host says in EHLO");
}

/* ---- services ---- */

static const struct house_service *service_of(
    const struct dns_plan *plan, const struct record_set *s)
{
	for (size_t i = 0; i < SERVICES_MOST; i++)
		if (str_starts(
			s->owner, str_from(plan->house->services[i].name)) &&
		    s->owner.p[strlen(plan->house->services[i].name)] == '.')
			return &plan->house->services[i];
	return &plan->house->services[0];
}

void dns_check_srv(
    struct dns_plan *plan, struct record_set *s, struct dns_look *look)
{
	struct dns_house *h = plan->house;
	const struct house_service *service = service_of(plan, s);
	const struct dns_reply *r = dns_look_up(look, s->owner, DNS_SRV);
	bool there = false, none = false;

	if (!dns_take(h, s, r))
		return;
	for (size_t i = 0; i < r->count; i++) {
		const struct dns_record *one = &r->records[i];
		none = none || one->name.len == 0;
		there = there ||
		    (str_case_eq(one->name, h->host) &&
			one->port == service->port);
	}
	if (service->port == 0) {
		s->hidden = r->count == 0 || none;
		if (!s->hidden)
			dns_find(s, FINDING_HARMFUL, "take it away",
			    "master.cf has no such service: mail programs are "
			    "led to nothing");
		return;
	}
	if (r->count == 0)
		dns_find(s, FINDING_MISSING, "publish it",
		    "mail programs do not find the service by themselves "
		    "(RFC 6186)");
	else if (none)
		dns_find(s, FINDING_DIFFERENT, "replace it",
		    "this says that there is no such service");
	else if (!there)
		dns_find(s, FINDING_DIFFERENT,
		    "replace it, or see the service's port in master.cf",
		    "this is not where the service listens");
	if (service->loopback)
		dns_find(s, s->finding, NULL,
		    "it listens on loopback only, where strangers do not "
		    "reach it");
}

/* ---- DANE ---- */

void dns_check_tlsa(
    struct dns_plan *plan, struct record_set *s, struct dns_look *look)
{
	struct dns_house *h = plan->house;
	bool is_signed = dns_look_up(look, h->host, DNS_A)->authentic ||
	    dns_look_up(look, h->host, DNS_AAAA)->authentic;
	const struct dns_reply *r = dns_look_up(look, s->owner, DNS_TLSA);
	bool ours = false;

	if (!dns_take(h, s, r))
		return;
	for (size_t i = 0; i < s->published_count; i++)
		ours = ours || wants(s, s->published[i]);
	if (r->count > 0 && s->want_count == 0) {
		dns_find(s, FINDING_UNKNOWN, NULL, "%s", h->tlsa_problem.p);
	} else if (r->count > 0 && !ours) {
		dns_find(s, FINDING_HARMFUL,
		    "publish the wanted record beside it, and take the old one "
		    "away when its time to live has passed",
		    "none of these is for the certificate that is in use: who "
		    "checks DANE does not deliver");
	} else if (r->count == 0) {
		dns_find(s,
		    is_signed && s->want_count > 0 ? FINDING_MISSING
						   : FINDING_OPTIONAL,
		    is_signed ? "publish it, and keep the key when the "
				"certificate is renewed"
			      : NULL,
		    is_signed ? "the zone is signed, so that DANE would "
				"protect mail on its way here"
			      : "useful only when the host's zone is signed "
				"(DNSSEC), of which a validating resolver on "
				"this host would tell");
	}
	if (r->count > 0 && !r->authentic)
		dns_find(s, s->finding, NULL,
		    "the answer is not validated: without DNSSEC nobody looks "
		    "at it, and only a validating resolver on this host tells");
}

/* ---- all of them ---- */

static dns_check_function *const checks[RECORD_KINDS] = {
    [RECORD_MX] = dns_check_mx,
    [RECORD_ADDRESS] = dns_check_address,
    [RECORD_PTR] = dns_check_ptr,
    [RECORD_SPF] = dns_check_spf,
    [RECORD_SPF_HELO] = dns_check_spf,
    [RECORD_DKIM] = dns_check_dkim,
    [RECORD_DMARC] = dns_check_dmarc,
    [RECORD_DMARC_REPORT] = dns_check_dmarc_report,
    [RECORD_MTA_STS] = dns_check_mta_sts,
    [RECORD_TLS_RPT] = dns_check_tls_rpt,
    [RECORD_SRV] = dns_check_srv,
    [RECORD_TLSA] = dns_check_tlsa,
};

void dns_check(struct dns_plan *plan, struct dns_look *look)
{
	for (size_t i = 0; i < plan->count; i++)
		dns_look_ahead(look, plan->list[i].owner, plan->list[i].type);
	for (size_t i = 0; i < plan->count; i++)
		checks[plan->list[i].kind](plan, &plan->list[i], look);
}
