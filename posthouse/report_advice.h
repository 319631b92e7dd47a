/* SPDX-License-Identifier: ISC */
/* What a report means, and what to do about it, in plain words. Pure. */
#ifndef POSTHOUSE_REPORT_ADVICE_H
#define POSTHOUSE_REPORT_ADVICE_H

#include "core/buf.h"

/* Mail of one source in the name of one domain, of all reports together. */
struct advice_source {
	struct str source, domain;
	bool own; /* an address of this host */
	uint64_t messages, failed;
	uint64_t rejected, quarantined; /* of those that failed */
	uint64_t forwarded; /* of those that failed: reporters say a list or a
	                     * forwarder */
	/* Of the messages that failed: what vouched for them, if not for the
	 * domain. "": nothing. */
	struct str spf_domain, dkim_domain; /* that passed */
	bool broken;       /* a signature of the domain failed */
	struct str policy; /* p of the domain, "" */
};

enum advice {
	ADVICE_FINE,
	ADVICE_OWN_UNSIGNED,
	ADVICE_OWN_BROKEN,
	ADVICE_FORWARDED,
	ADVICE_OTHER_DOMAIN,
	ADVICE_UNKNOWN_SENDER
};

enum advice advice_of(const struct advice_source *s);
const char *advice_name(enum advice advice); /* "own-unsigned" */
/* "192.0.2.5 sent 120 messages as example.org; all failed" */
void advice_say(const struct advice_source *s, struct buf *out);
/* What to do; nothing when all is fine. */
void advice_put(const struct advice_source *s, struct buf *out);

/* A result-type of a TLS report (RFC 8460 section 4.3): what it means and what
 * to do. */
const char *advice_tls(struct str result);

#endif
