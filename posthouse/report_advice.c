/* SPDX-License-Identifier: ISC */
#include "posthouse/report_advice.h"

enum advice advice_of(const struct advice_source *s)
{
	if (s->failed == 0)
		return ADVICE_FINE;
	if (s->own)
		return s->broken ? ADVICE_OWN_BROKEN : ADVICE_OWN_UNSIGNED;
	/* A signature of ours that no longer fits: it was ours once. */
	if (s->broken || s->forwarded * 2 > s->failed)
		return ADVICE_FORWARDED;
	if (s->spf_domain.len > 0 || s->dkim_domain.len > 0)
		return ADVICE_OTHER_DOMAIN;
	return ADVICE_UNKNOWN_SENDER;
}

const char *advice_name(enum advice advice)
{
	static const char *const names[] = {
	    [ADVICE_FINE] = "fine",
	    [ADVICE_OWN_UNSIGNED] = "own-unsigned",
	    [ADVICE_OWN_BROKEN] = "own-broken",
	    [ADVICE_FORWARDED] = "forwarded",
	    [ADVICE_OTHER_DOMAIN] = "other-domain",
	    [ADVICE_UNKNOWN_SENDER] = "unknown-sender",
	};

	return names[advice];
}

static void put_count(struct buf *out, uint64_t n, const char *what)
{
	buf_printf(
	    out, "%llu %s%s", (unsigned long long)n, what, n == 1 ? "" : "s");
}

static void put_vouched(const struct advice_source *s, struct buf *out)
{
	if (s->spf_domain.len > 0)
		buf_printf(out, "; SPF passed for %.*s, which is not aligned",
		    STR_FMT(s->spf_domain));
	if (s->dkim_domain.len > 0)
		buf_printf(out, "; signed by %.*s, which is not aligned",
		    STR_FMT(s->dkim_domain));
	if (s->broken)
		buf_printf(out, "; a signature of %.*s did not verify",
		    STR_FMT(s->domain));
}

void advice_say(const struct advice_source *s, struct buf *out)
{
	buf_printf(out, "%.*s%s sent ", STR_FMT(s->source),
	    s->own ? " (this house)" : "");
	put_count(out, s->messages, "message");
	buf_printf(out, " as %.*s; ", STR_FMT(s->domain));
	if (s->failed == 0) {
		buf_add_text(
		    out, s->messages == 1 ? "it passed" : "all passed");
		return;
	}
	if (s->failed == s->messages)
		buf_add_text(
		    out, s->messages == 1 ? "it failed" : "all failed");
	else
		buf_printf(out, "%llu failed", (unsigned long long)s->failed);
	if (s->rejected > 0)
		buf_printf(
		    out, ", %llu refused", (unsigned long long)s->rejected);
	if (s->quarantined > 0)
		buf_printf(
		    out, ", %llu to Junk", (unsigned long long)s->quarantined);
	put_vouched(s, out);
}

static bool is_open(const struct advice_source *s)
{
	return s->policy.len == 0 || str_eq(s->policy, STR("none"));
}

void advice_put(const struct advice_source *s, struct buf *out)
{
	int d = str_fmt_len(s->domain);
	const char *p = s->domain.p;

	switch (advice_of(s)) {
	case ADVICE_FINE:
		return;
	case ADVICE_OWN_UNSIGNED:
		buf_printf(out,
		    "this house sent it without what %.*s needs: see "
		    "\"posthouse dkim list\" for a key and \"posthouse dns "
		    "%.*s\" for the SPF record",
		    d, p, d, p);
		return;
	case ADVICE_OWN_BROKEN:
		buf_printf(out,
		    "this house signed it and the signature did not verify: "
		    "\"posthouse dkim test\" compares the keys with DNS; else "
		    "something behind us changes mail");
		return;
	case ADVICE_FORWARDED:
		buf_printf(out,
		    "most likely forwarded or sent through a list, which "
		    "breaks SPF and sometimes the signature: nothing to do "
		    "while these are few");
		return;
	case ADVICE_OTHER_DOMAIN:
		buf_printf(out,
		    "if this is a service of yours, have it sign as %.*s or "
		    "use an envelope sender of %.*s; if not, somebody sends in "
		    "your name%s",
		    d, p, d, p,
		    is_open(s) ? ", and p=none lets it through" : "");
		return;
	case ADVICE_UNKNOWN_SENDER:
		buf_printf(out,
		    "nothing vouches for it: forged, or a host of yours that "
		    "neither the SPF record of %.*s nor a signature covers%s",
		    d, p, is_open(s) ? "; p=none lets it through" : "");
		return;
	}
}

const char *advice_tls(struct str result)
{
	static const struct {
		const char *result, *words;
	} rows[] = {
	    {"starttls-not-supported",
		"the host did not offer STARTTLS: smtpd_tls_security_level, or "
		"something between that takes it out"},
	    {"certificate-host-mismatch",
		"the certificate is not for that host's name: it needs the "
		"name in the MX record"},
	    {"certificate-expired", "the certificate has expired: renew it"},
	    {"certificate-not-trusted",
		"the certificate's issuer is not trusted, or the chain is "
		"incomplete: smtpd_tls_chain_files needs the whole of it"},
	    {"validation-failure", "TLS failed for another reason"},
	    {"tlsa-invalid",
		"the TLSA record does not fit the certificate: publish the new "
		"one before a certificate changes (posthouse dns)"},
	    {"dnssec-invalid",
		"DNSSEC of the domain does not verify: ask who signs the zone"},
	    {"dane-required", "DANE was demanded and there is no TLSA record"},
	    {"sts-policy-fetch-error",
		"the MTA-STS policy could not be fetched: is the web server of "
		"mta-sts.DOMAIN there, with a valid certificate?"},
	    {"sts-policy-invalid", "the MTA-STS policy has errors"},
	    {"sts-webpki-invalid",
		"the web server of the MTA-STS policy has no valid "
		"certificate"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (str_eq(result, str_from(rows[i].result)))
			return rows[i].words;
	return "a reason that RFC 8460 does not have";
}
