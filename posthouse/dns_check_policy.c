/* SPDX-License-Identifier: ISC */
/*
 * The records that say who may send and what becomes of the rest, as they are
 * published; read by the parsers that check others' mail (lib/mailauth), so
 * that what is right here is right there.
 */
#include "core/clock.h"
#include "mailauth/dmarc.h"
#include "mailauth/spf.h"
#include "mailauth/spf_record.h"
#include "mailauth/tags.h"
#include "posthouse/dns.h"

/* The texts of a TXT answer that `is` takes are shown; how many, and the last
 * of them. False when DNS did not answer. */
static bool take_texts(struct dns_house *h, struct record_set *s,
    const struct dns_reply *r, bool is(struct str text), size_t *count,
    struct str *text)
{
	*count = 0;
	*text = STR_EMPTY;
	for (size_t i = 0; i < r->count; i++) {
		if (!is(r->records[i].text))
			continue;
		*text = dns_text(h, "%.*s", STR_FMT(r->records[i].text));
		dns_show(s, *text);
		(*count)++;
	}
	return r->status != DNS_TEMPORARY || dns_take(h, s, r);
}

static bool is_any(struct str text)
{
	(void)text;
	return true;
}

/* ---- SPF ---- */

/* What a receiver would find for a client; waits. */
static void evaluate(struct dns_house *h, struct dns_look *look,
    const struct netaddr *client, struct str domain, struct spf_verdict *out)
{
	struct spf_request r = {.client = *client,
	    .helo = domain,
	    .sender = dns_text(h, "postmaster@%.*s", STR_FMT(domain)),
	    .receiver = h->host,
	    .now = clock_seconds()};

	while (spf_check(dns_look_questions(look), &r, &h->arena, out) ==
	    SPF_PENDING)
		dns_look_wait(look);
}

/* Who has nothing to do with anybody: what lets him send lets all. */
static void check_stranger(struct dns_house *h, struct record_set *s,
    struct dns_look *look, const char *address)
{
	struct spf_verdict v;
	struct netaddr a;

	if (netaddr_parse(str_from(address), 0, &a) < 0)
		return;
	evaluate(h, look, &a, s->owner, &v);
	if (v.result == SPF_PASS)
		dns_find(s, FINDING_HARMFUL, "replace it",
		    "\"%.*s\" lets everybody send in this name",
		    STR_FMT(v.term));
	else if (v.result == SPF_PERMERROR)
		dns_find(s, FINDING_HARMFUL, "replace it",
		    "receivers cannot use it (permerror): %.*s",
		    STR_FMT(v.problem));
	else if (v.result == SPF_TEMPERROR)
		dns_find(s, FINDING_UNKNOWN, "ask again later",
		    "DNS did not answer for a part of it: %.*s",
		    STR_FMT(v.problem));
	else if (v.result == SPF_NEUTRAL)
		dns_find(s, FINDING_DIFFERENT, "let it end with ~all or -all",
		    "it says nothing against others who send in this name");
}

static void check_own(
    struct dns_house *h, struct record_set *s, struct dns_look *look)
{
	char address[NETADDR_TEXT_MAX];
	struct spf_verdict v;

	for (size_t i = 0; i < h->own_count; i++) {
		evaluate(h, look, &h->own[i], s->owner, &v);
		netaddr_text(&h->own[i], address);
		if (v.result != SPF_PASS && v.result != SPF_TEMPERROR)
			dns_find(s, FINDING_DIFFERENT,
			    "add the address to the record",
			    "%s of this house may not send (%s)", address,
			    spf_result_name(v.result));
	}
}

void dns_check_spf(
    struct dns_plan *plan, struct record_set *s, struct dns_look *look)
{
	struct dns_house *h = plan->house;
	const struct dns_reply *r = dns_look_up(look, s->owner, DNS_TXT);
	bool helo = s->kind == RECORD_SPF_HELO;
	struct str text;
	size_t count;

	if (!take_texts(h, s, r, spf_record_is, &count, &text))
		return;
	if (count == 0) {
		dns_find(s, helo ? FINDING_OPTIONAL : FINDING_MISSING,
		    "publish it",
		    helo ? "delivery reports have no sender, so that the "
			   "host's own name is checked"
			 : "receivers cannot tell this house's mail from "
			   "forged mail");
		return;
	}
	if (count > 1) {
		dns_find(s, FINDING_HARMFUL, "make one of them",
		    "there are %zu records, and receivers then use none "
		    "(permerror)",
		    count);
		return;
	}
	check_stranger(h, s, look, "240.0.0.1");
	if (s->finding == FINDING_RIGHT)
		check_stranger(h, s, look, "100::1");
	if (s->finding != FINDING_HARMFUL)
		check_own(h, s, look);
}

/* ---- DKIM ---- */

static bool same_key(struct str a, struct str b)
{
	struct buf one = buf_new(8192), other = buf_new(8192);
	struct tags tags;
	bool same = tags_parse(a, &tags) == 0 &&
	    tags_base64(tags_value(&tags, "p", STR_EMPTY), &one) == 0 &&
	    tags_parse(b, &tags) == 0 &&
	    tags_base64(tags_value(&tags, "p", STR_EMPTY), &other) == 0 &&
	    str_eq(buf_str(&one), buf_str(&other));

	buf_free(&one);
	buf_free(&other);
	return same;
}

/* The one record of a key of ours. */
static void check_key_record(
    struct record_set *s, const struct house_key *ours, struct str text)
{
	struct dkim_key_flags flags;
	const char *why = "";
	struct dkim_key *key = dkim_key_parse(
	    text, dkim_key_algorithm(ours->key), &flags, &why);

	bool usable = key != NULL;
	dkim_key_free(&key);
	if (flags.revoked && ours->active)
		dns_find(s, FINDING_HARMFUL,
		    "publish the key, or retire it (posthouse dkim)",
		    "the published key is revoked (p= is empty), while mail is "
		    "signed with it: every such signature fails");
	else if (!usable && !flags.revoked)
		dns_find(s, FINDING_HARMFUL, "replace it",
		    "receivers cannot use it: %s", why);
	else if (!same_key(s->want[0], text))
		dns_find(s, FINDING_DIFFERENT, "replace it",
		    "this is another key: signatures made with ours fail");
	else if (flags.testing)
		dns_find(s, FINDING_DIFFERENT, "take t=y away",
		    "t=y says that the domain only tries DKIM: receivers may "
		    "treat its mail as not signed");
}

void dns_check_dkim(
    struct dns_plan *plan, struct record_set *s, struct dns_look *look)
{
	struct dns_house *h = plan->house;
	struct str text;
	size_t count;

	if (s->key == NULL && plan->keys_problem.len > 0) {
		dns_find(s, FINDING_UNKNOWN, "run this as root", "%s",
		    plan->keys_problem.p);
		return;
	}
	if (s->key == NULL) {
		struct buf next = buf_new(512);
		buf_printf(&next, "\"posthouse dkim new %s\" makes one",
		    plan->domain.p);
		dns_find(s, FINDING_MISSING, buf_text(&next),
		    "the domain has no key yet, so that its mail is not "
		    "signed");
		buf_free(&next);
		return;
	}
	if (s->want_count == 0) {
		dns_find(s, FINDING_UNKNOWN, "run this as root",
		    "the private key cannot be read");
		return;
	}
	const struct dns_reply *r = dns_look_up(look, s->owner, DNS_TXT);
	if (!take_texts(h, s, r, is_any, &count, &text))
		return;
	if (s->key->retired) {
		s->hidden = count == 0;
		dns_find(s, FINDING_OPTIONAL,
		    "take it away when the mail that it signed has arrived, "
		    "about a week after it was retired",
		    "the key signs no more");
	} else if (count == 0) {
		dns_find(s, FINDING_MISSING, "publish it",
		    s->key->active
			? "mail is signed with the key, and every such "
			  "signature fails"
			: "the key is new: publish it, then activate it");
	} else if (count > 1) {
		dns_find(s, FINDING_HARMFUL, "leave the one that is wanted",
		    "there are %zu records: which one a receiver takes is "
		    "chance",
		    count);
	} else {
		check_key_record(s, s->key, text);
	}
}

/* ---- DMARC ---- */

static bool mentions_dmarc(struct str text)
{
	for (size_t i = 0; i + 6 <= text.len; i++)
		if (str_case_eq(str_sub(text, i, 6), STR("dmarc1")))
			return true;
	return false;
}

static bool has_recipient(const struct dns_house *h, struct str uris)
{
	while (uris.len > 0) {
		struct str uri = str_trim(str_cut(&uris, ','));
		uri = str_sub(uri, 0, str_find(uri, '!'));
		if (str_case_starts(uri, STR("mailto:")) &&
		    dns_takes_reports(h, str_skip(uri, 7)))
			return true;
	}
	return false;
}

/* No record of its own: is there one above? */
static void check_inherited(
    struct dns_plan *plan, struct record_set *s, struct dns_look *look)
{
	struct dmarc_request r = {
	    .author = plan->domain, .spf_domain = STR_EMPTY};
	struct dmarc_verdict v;

	while (dmarc_check(dns_look_questions(look), &r, &plan->house->arena,
		   &v) == DMARC_PENDING)
		dns_look_wait(look);
	if (v.result == DMARC_TEMPERROR)
		dns_find(s, FINDING_UNKNOWN, "ask again later",
		    "DNS did not answer (%s)", v.problem);
	else if (v.policy_domain.len > 0)
		dns_find(s, FINDING_RIGHT, NULL,
		    "none of its own, so the record of %.*s applies (%s)",
		    STR_FMT(v.policy_domain), dmarc_policy_name(v.published));
	else
		dns_find(s, FINDING_MISSING, "publish it",
		    "receivers do not know what to do with forged mail, and "
		    "some large ones refuse mail of domains without DMARC");
}

static void check_reports(
    struct dns_plan *plan, struct record_set *s, const struct dmarc_record *d)
{
	struct dns_house *h = plan->house;

	if (plan->reports.len > 0 && !has_recipient(h, d->reports))
		dns_find(s, FINDING_DIFFERENT,
		    "add the address to rua= (see report_recipients)",
		    "reports do not come to %.*s", STR_FMT(plan->reports));
	if (d->testing && d->policy > DMARC_POLICY_NONE)
		dns_find(s, FINDING_RIGHT, "take t=y away when all is well",
		    "t=y: receivers go one step milder than p=");
	else if (d->policy == DMARC_POLICY_NONE)
		dns_find(s, FINDING_RIGHT,
		    "when the reports show that all of your mail passes, "
		    "p=quarantine, then p=reject",
		    "p=none only watches: forged mail is delivered");
}

void dns_check_dmarc(
    struct dns_plan *plan, struct record_set *s, struct dns_look *look)
{
	const struct dns_reply *r = dns_look_up(look, s->owner, DNS_TXT);
	struct dmarc_record d;
	struct str text, policy;
	struct tags tags;
	size_t count;

	if (!take_texts(plan->house, s, r, mentions_dmarc, &count, &text))
		return;
	if (count == 0) {
		check_inherited(plan, s, look);
		return;
	}
	if (count > 1) {
		dns_find(s, FINDING_HARMFUL, "make one of them",
		    "there are %zu records, and receivers then use none",
		    count);
		return;
	}
	if (!dmarc_record_is(text)) {
		dns_find(s, FINDING_HARMFUL, "replace it",
		    "receivers do not read it: it must begin with v=DMARC1, in "
		    "capitals");
		return;
	}
	bool usable = dmarc_record_parse(text, &d) == 0;
	policy = tags_parse(text, &tags) == 0
	    ? tags_value(&tags, "p", STR_EMPTY)
	    : STR("?");
	if (policy.len == 0)
		dns_find(s, FINDING_HARMFUL,
		    "add p=none, p=quarantine or p=reject behind v=DMARC1",
		    "p= is missing: receivers take it for p=none%s",
		    usable ? "" : ", or for no record at all");
	else if (!usable ||
	    !str_case_eq(policy, str_from(dmarc_policy_name(d.policy))))
		dns_find(s, FINDING_HARMFUL, "replace it",
		    "p=, sp= and np= are none, quarantine or reject: receivers "
		    "take this record for p=none%s",
		    usable ? "" : ", or for no record at all");
	else
		check_reports(plan, s, &d);
}

void dns_check_dmarc_report(
    struct dns_plan *plan, struct record_set *s, struct dns_look *look)
{
	const struct dns_reply *r = dns_look_up(look, s->owner, DNS_TXT);
	struct str text;
	size_t count;

	if (!take_texts(plan->house, s, r, dmarc_record_is, &count, &text))
		return;
	if (count == 0)
		dns_find(s, FINDING_MISSING,
		    "publish it in the zone of the address",
		    "reports of this domain to an address of another one are "
		    "not sent without its consent");
}

/* ---- TLS on the way here ---- */

static bool is_sts(struct str text)
{
	return str_case_starts(text, STR("v=STSv1"));
}

static bool is_tls_rpt(struct str text)
{
	return str_case_starts(text, STR("v=TLSRPT"));
}

/* RFC 8461 section 3.1: letters and digits, 1 to 32 of them. */
static bool is_sts_id(struct str id)
{
	for (size_t i = 0; i < id.len; i++)
		if (!ascii_alnum(id.p[i]))
			return false;
	return id.len >= 1 && id.len <= 32;
}

void dns_check_mta_sts(
    struct dns_plan *plan, struct record_set *s, struct dns_look *look)
{
	struct dns_house *h = plan->house;
	const struct dns_reply *r = dns_look_up(look, s->owner, DNS_TXT);
	struct str host = dns_text(h, "mta-sts.%s", plan->domain.p);
	struct tags tags;
	struct str text;
	size_t count;

	if (!take_texts(h, s, r, is_sts, &count, &text))
		return;
	if (count == 0) {
		dns_find(s, FINDING_OPTIONAL, NULL,
		    "not to be published yet: it promises the file "
		    "https://%s/.well-known/mta-sts.txt, which needs a web "
		    "server with a certificate for that name, and Posthouse "
		    "has none",
		    host.p);
		return;
	}
	if (count > 1 || tags_parse(text, &tags) < 0 ||
	    !str_eq(tags_value(&tags, "v", STR_EMPTY), STR("STSv1")) ||
	    !is_sts_id(tags_value(&tags, "id", STR_EMPTY)))
		dns_find(s, FINDING_DIFFERENT, "replace it",
		    "senders do not read it: one record, \"v=STSv1; id=\" and "
		    "at most 32 letters and digits");
	else if (dns_look_up(look, host, DNS_A)->status != DNS_OK &&
	    dns_look_up(look, host, DNS_AAAA)->status != DNS_OK)
		dns_find(s, FINDING_HARMFUL,
		    "take the record away, or let a web server have the file",
		    "%s has no address, so nobody finds the policy that this "
		    "promises",
		    host.p);
	else
		dns_find(s, FINDING_RIGHT, NULL,
		    "the policy itself is not looked at here: "
		    "https://%s/.well-known/mta-sts.txt must name %s",
		    host.p, h->host.p);
}

void dns_check_tls_rpt(
    struct dns_plan *plan, struct record_set *s, struct dns_look *look)
{
	struct dns_house *h = plan->house;
	const struct dns_reply *r = dns_look_up(look, s->owner, DNS_TXT);
	struct tags tags;
	struct str text;
	size_t count;

	if (!take_texts(h, s, r, is_tls_rpt, &count, &text))
		return;
	if (count == 0 && plan->reports.len == 0) {
		dns_find(s, FINDING_OPTIONAL, NULL,
		    "others would report failures of TLS, but this house has "
		    "no address for reports");
		return;
	}
	if (count == 0) {
		dns_find(s, FINDING_MISSING, "publish it",
		    "nobody reports failures of TLS on the way here");
		return;
	}
	if (count > 1 || tags_parse(text, &tags) < 0 ||
	    !str_eq(tags_value(&tags, "v", STR_EMPTY), STR("TLSRPTv1")) ||
	    tags_value(&tags, "rua", STR_EMPTY).len == 0)
		dns_find(s, FINDING_DIFFERENT, "replace it",
		    "senders do not read it: one record, \"v=TLSRPTv1; rua=\" "
		    "and an address (RFC 8460 section 3)");
	else if (plan->reports.len > 0 &&
	    !has_recipient(h, tags_value(&tags, "rua", STR_EMPTY)))
		dns_find(s, FINDING_DIFFERENT,
		    "add the address to rua=", "reports do not come to %.*s",
		    STR_FMT(plan->reports));
}
