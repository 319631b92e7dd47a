/* SPDX-License-Identifier: ISC */
#include <stdio.h>

#include "net/dns_answer.h"
#include "posthouse/dns.h"

#define STRING_MOST 255 /* octets of one string of a TXT record */
#define ZONE_TTL    3600

const char *const finding_names[FINDINGS] = {
    [FINDING_RIGHT] = "right",
    [FINDING_OPTIONAL] = "optional",
    [FINDING_UNKNOWN] = "unknown",
    [FINDING_MISSING] = "missing",
    [FINDING_DIFFERENT] = "different",
    [FINDING_HARMFUL] = "harmful",
};

const char *const record_kind_names[RECORD_KINDS] = {
    [RECORD_MX] = "mx",
    [RECORD_ADDRESS] = "address",
    [RECORD_PTR] = "ptr",
    [RECORD_SPF] = "spf",
    [RECORD_SPF_HELO] = "spf-helo",
    [RECORD_DKIM] = "dkim",
    [RECORD_DMARC] = "dmarc",
    [RECORD_DMARC_REPORT] = "dmarc-report",
    [RECORD_MTA_STS] = "mta-sts",
    [RECORD_TLS_RPT] = "tls-rpt",
    [RECORD_SRV] = "srv",
    [RECORD_TLSA] = "tlsa",
};

static const char *const purposes[RECORD_KINDS] = {
    [RECORD_MX] = "where mail for the domain goes",
    [RECORD_ADDRESS] = "where the host is",
    [RECORD_PTR] = "the name of the host's address",
    [RECORD_SPF] = "who may send in the domain's name (SPF)",
    [RECORD_SPF_HELO] = "who may call himself by the host's name (SPF)",
    [RECORD_DKIM] = "the key of the domain's signatures (DKIM)",
    [RECORD_DMARC] = "what becomes of forged mail (DMARC)",
    [RECORD_DMARC_REPORT] = "whose reports may come to another domain (DMARC)",
    [RECORD_MTA_STS] = "that mail comes with TLS only (MTA-STS)",
    [RECORD_TLS_RPT] = "where failures of TLS are reported (TLSRPT)",
    [RECORD_SRV] = "where mail programs find the service",
    [RECORD_TLSA] = "which certificate the host has (DANE)",
};

static const char *type_name(enum dns_type type)
{
	switch (type) {
	case DNS_A:
		return "A";
	case DNS_AAAA:
		return "AAAA";
	case DNS_MX:
		return "MX";
	case DNS_PTR:
		return "PTR";
	case DNS_SRV:
		return "SRV";
	case DNS_TLSA:
		return "TLSA";
	default:
		return "TXT";
	}
}

/* Strings of at most 255 octets, in quotes (RFC 1035 section 5.1). */
static void add_strings(struct str text, struct buf *out)
{
	bool first = true;

	while (first || text.len > 0) {
		struct str part = str_sub(text, 0, STRING_MOST);
		buf_add_text(out, first ? "\"" : " \"");
		for (size_t i = 0; i < part.len; i++) {
			char c = part.p[i];
			if (c < ' ' || c > '~')
				buf_printf(out, "\\%03u", (unsigned)(uint8_t)c);
			else if (c == '"' || c == '\\')
				buf_printf(out, "\\%c", c);
			else
				buf_add_char(out, c);
		}
		buf_add_char(out, '"');
		text = str_skip(text, part.len);
		first = false;
	}
}

void dns_print_value(enum dns_type type, struct str value, struct buf *out)
{
	if (type == DNS_TXT)
		add_strings(value, out);
	else
		buf_add(out, value);
}

/* ---- a zone file ---- */

static void add_record(const struct record_set *s, struct str value,
    const char *comment, struct buf *out)
{
	buf_printf(out, "%s%.*s. %d IN %s ", comment, STR_FMT(s->owner),
	    ZONE_TTL, type_name(s->type));
	dns_print_value(s->type, value, out);
	buf_add_char(out, '\n');
}

void dns_print_zone(const struct dns_plan *plan, struct buf *out)
{
	buf_printf(
	    out, "; %.*s, as posthouse dns has it\n", STR_FMT(plan->domain));
	for (size_t i = 0; i < plan->count; i++) {
		const struct record_set *s = &plan->list[i];
		bool elsewhere = !dns_name_below(s->owner, plan->domain);

		if (s->want_count == 0)
			continue;
		buf_printf(out, "; %s", purposes[s->kind]);
		if (s->kind == RECORD_MTA_STS)
			buf_add_text(
			    out, "; not before a web server has the policy");
		else if (s->advice)
			buf_add_text(out, "; no longer needed");
		else if (elsewhere)
			buf_add_text(out, "; belongs into another zone");
		buf_add_char(out, '\n');
		for (size_t k = 0; k < s->want_count; k++)
			add_record(s, s->want[k],
			    elsewhere || s->advice ? "; " : "", out);
	}
	if (plan->house->own_count == 0)
		buf_printf(out,
		    "; the public address of %s is not known: say it with "
		    "--address\n",
		    plan->house->host.p);
}

/* ---- for people ---- */

static void add_values(const char *what, const struct record_set *s,
    const struct str *values, size_t count, struct buf *out)
{
	for (size_t i = 0; i < count; i++) {
		buf_printf(out, "           %-10s ", i == 0 ? what : "");
		dns_print_value(s->type, values[i], out);
		buf_add_char(out, '\n');
	}
}

static void add_words(const char *what, struct buf *words, struct buf *out)
{
	if (words->len > 0)
		buf_printf(out, "           %-10s %s\n", what, buf_text(words));
}

static void print_set(const struct record_set *set, struct buf *out)
{
	struct record_set s = *set;

	buf_printf(out, "%-10s %.*s %s: %s\n", finding_names[s.finding],
	    STR_FMT(s.owner), type_name(s.type), purposes[s.kind]);
	if (s.finding == FINDING_RIGHT) {
		add_values(
		    "published", &s, s.published, s.published_count, out);
		add_words("note", &s.problem, out);
	} else {
		add_words("why", &s.problem, out);
		add_values(
		    "published", &s, s.published, s.published_count, out);
		if (s.kind != RECORD_MTA_STS || s.published_count > 0)
			add_values("wanted", &s, s.want, s.want_count, out);
	}
	add_words("next", &s.next, out);
}

static size_t count_of(const struct dns_plan *plan, enum finding finding)
{
	size_t count = 0;

	for (size_t i = 0; i < plan->count; i++)
		count += !plan->list[i].hidden &&
		    plan->list[i].finding == finding;
	return count;
}

enum finding dns_worst(const struct dns_plan *plan)
{
	enum finding worst = FINDING_RIGHT;

	for (size_t i = 0; i < plan->count; i++)
		if (!plan->list[i].hidden && plan->list[i].finding > worst)
			worst = plan->list[i].finding;
	return worst;
}

void dns_print_line(const struct dns_plan *plan, struct buf *out)
{
	const char *comma = "";

	buf_printf(out, "%-30.*s ", STR_FMT(plan->domain));
	for (int f = FINDINGS - 1; f >= 0; f--) {
		size_t count = count_of(plan, (enum finding)f);
		if (count == 0 || f == FINDING_OPTIONAL)
			continue;
		buf_printf(out, "%s%zu %s", comma, count, finding_names[f]);
		comma = ", ";
	}
	buf_add_char(out, '\n');
}

/* The worst first. */
void dns_print_plan(const struct dns_plan *plan, bool brief, struct buf *out)
{
	dns_print_line(plan, out);
	for (int f = FINDINGS - 1; f >= 0; f--) {
		if (brief && f <= FINDING_OPTIONAL)
			break;
		for (size_t i = 0; i < plan->count; i++) {
			const struct record_set *s = &plan->list[i];
			if (!s->hidden && s->finding == (enum finding)f)
				print_set(s, out);
		}
	}
}

static void add_json_values(
    struct json *j, const char *name, const struct str *values, size_t count)
{
	json_array(j, name);
	for (size_t i = 0; i < count; i++)
		json_text(j, NULL, values[i]);
	json_end(j);
}

static void add_json_set(struct json *j, const struct record_set *s)
{
	json_object(j, NULL);
	json_text(j, "kind", str_from(record_kind_names[s->kind]));
	json_text(j, "name", s->owner);
	json_text(j, "type", str_from(type_name(s->type)));
	json_text(j, "state", str_from(finding_names[s->finding]));
	add_json_values(j, "wanted", s->want, s->want_count);
	add_json_values(j, "published", s->published, s->published_count);
	json_text(j, "why", buf_str(&s->problem));
	json_text(j, "next", buf_str(&s->next));
	json_end(j);
}

void dns_print_json(const struct dns_plan *plan, bool whole, struct json *j)
{
	json_object(j, NULL);
	json_text(j, "domain", plan->domain);
	json_text(j, "host", plan->house->host);
	json_text(j, "state", str_from(finding_names[dns_worst(plan)]));
	json_object(j, "count");
	for (int f = 0; f < FINDINGS; f++)
		json_u64(j, finding_names[f], count_of(plan, (enum finding)f));
	json_end(j);
	if (whole) {
		json_array(j, "records");
		for (size_t i = 0; i < plan->count; i++)
			if (!plan->list[i].hidden)
				add_json_set(j, &plan->list[i]);
		json_end(j);
	}
	json_end(j);
}
