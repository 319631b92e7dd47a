/* SPDX-License-Identifier: ISC */
/* A complaint or a failure in the Abuse Reporting Format: the fields of
 * message/feedback-report (RFC 5965 section 3, RFC 6591 section 3), and what
 * the header of the message that it is about says. */
#include <stdio.h>

#include "core/id.h"
#include "mail/address.h"
#include "mail/header.h"
#include "net/netaddr.h"
#include "report/parts.h"

#define FIELDS_MAX 1000 /* of either header; the rest is not looked at */

/* clang-format off */
static const struct {
	struct str name;
	size_t offset;
} known[] = {
#define F(name, member) {STR_INIT(name), offsetof(struct report_arf, member)}
	F("Feedback-Type", type),
	F("User-Agent", user_agent),
	F("Version", version),
	F("Source-IP", source),
	F("Original-Envelope-Id", envelope_id),
	F("Original-Mail-From", sender),
	F("Original-Rcpt-To", recipient),
	F("Arrival-Date", arrived),
	F("Received-Date", arrived),
	F("Reporting-MTA", reporting_mta),
	F("Reported-Domain", reported_domain),
	F("Reported-URI", reported_uri),
	F("Authentication-Results", results),
	F("Identity-Alignment", identity_alignment),
	F("Auth-Failure", auth_failure),
	F("Delivery-Result", delivery_result),
	F("DKIM-Domain", dkim_domain),
	F("DKIM-Identity", dkim_identity),
	F("DKIM-Selector", dkim_selector),
	F("SPF-DNS", spf_dns),
#undef F
};
/* clang-format on */

static void take_field(
    struct report_reader *r, const struct header_field *f, struct report_arf *a)
{
	if (str_case_eq(f->name, STR("Incidents")))
		str_to_u64(
		    str_trim(f->value), REPORT_NUMBER_MAX, &a->incidents);
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		struct str *member = (struct str *)(void *)((char *)a +
		    known[i].offset);

		if (str_case_eq(f->name, known[i].name) && member->len == 0)
			*member = report_text(r->arena, f->value);
	}
}

/* "dns; mx.example.com" -> "mx.example.com", "<a@b>" -> "a@b" */
static struct str bare(struct str s)
{
	size_t at;

	if (s.len == 0)
		return STR_EMPTY;
	at = str_find(s, ';');
	if (at < s.len)
		s = str_trim(str_skip(s, at + 1));
	if (s.len >= 2 && s.p[0] == '<' && s.p[s.len - 1] == '>')
		s = str_trim(str_sub(s, 1, s.len - 2));
	return s;
}

static struct str domain_of(struct str address)
{
	size_t at = address.len == 0 ? 0 : str_find_last(address, '@');

	return at < address.len ? str_trim(str_skip(address, at + 1))
				: STR_EMPTY;
}

/* ---- the message that it is about ---- */

/* "... by mail.example.org (Posthouse) with ESMTPSA id 01ABC...;" */
static bool take_received(struct str value, struct str host, struct id *id)
{
	bool ours = false;
	struct str word;

	while ((word = str_word(&value, " \t\r\n;")).len > 0) {
		if (str_case_eq(word, STR("by")))
			ours = str_case_eq(str_word(&value, " \t\r\n;"), host);
		else if (ours && str_case_eq(word, STR("id")))
			return id_parse(str_word(&value, " \t\r\n;"), id) == 0;
	}
	return false;
}

static struct str author_of(struct report_reader *r, struct str value)
{
	struct mailbox *m;
	size_t count = address_list(value, r->arena, 4, &m);

	for (size_t i = 0; i < count; i++)
		if (m[i].domain.len > 0) {
			char text[REPORT_TEXT_MAX];
			int len = snprintf(text, sizeof(text), "%.*s@%.*s",
			    STR_FMT(m[i].local), STR_FMT(m[i].domain));

			return report_text(
			    r->arena, str_sub(str_from(text), 0, (size_t)len));
		}
	return STR_EMPTY;
}

static void take_original(
    struct report_reader *r, struct str header, struct report_arf *a)
{
	struct header_field f;
	struct id id = {""};

	for (int n = 0, got = 1; n < FIELDS_MAX && got != 0; n++) {
		got = header_next(&header, &f);
		if (got != 1)
			continue;
		if (str_case_eq(f.name, STR("Message-ID")))
			a->message_id = report_text(
			    r->arena, header_message_id(f.value));
		else if (str_case_eq(f.name, STR("From")))
			a->from = author_of(r, f.value);
		else if (str_case_eq(f.name, STR("Return-Path")) &&
		    a->sender.len == 0)
			a->sender = report_text(r->arena, f.value);
		else if (str_case_eq(f.name, STR("Subject")))
			a->subject = report_header(r->arena, f.value);
		else if (str_case_eq(f.name, STR("Date")))
			a->date = report_text(r->arena, f.value);
		else if (a->queue_id.len == 0 &&
		    str_case_eq(f.name, STR("Received")) &&
		    take_received(f.value, r->limits->host, &id))
			a->queue_id = report_text(r->arena, id_str(&id));
	}
}

/* ---- the report ---- */

int report_read_arf(struct report_reader *r, struct str fields,
    struct str original, struct report *out)
{
	struct report_arf *a = &out->arf;
	struct header_field f;
	struct netaddr source;

	out->kind = REPORT_ARF;
	for (int n = 0, got = 1; n < FIELDS_MAX && got != 0; n++) {
		got = header_next(&fields, &f);
		if (got == 1)
			take_field(r, &f, a);
	}
	if (a->type.len == 0)
		return report_fail(
		    r, "the feedback report has no Feedback-Type");
	if (a->incidents == 0)
		a->incidents = 1;
	/* words without case (RFC 5965 section 3.1), compared later */
	a->type = report_lower(r->arena, a->type);
	a->auth_failure = report_lower(r->arena, a->auth_failure);
	a->recipient = bare(a->recipient);
	a->reporting_mta = bare(a->reporting_mta);
	if (netaddr_parse(a->source, 0, &source) == 0) {
		char text[NETADDR_TEXT_MAX];

		netaddr_text(&source, text);
		a->source = report_text(r->arena, str_from(text));
	}
	take_original(r, original, a);
	a->sender = bare(a->sender);
	out->reporter = a->reporting_mta;
	out->domain = a->reported_domain;
	if (out->domain.len == 0)
		out->domain = domain_of(a->from);
	if (out->domain.len == 0)
		out->domain = domain_of(a->sender);
	return 0;
}
