/* SPDX-License-Identifier: ISC */
/*
 * Sender Policy Framework (RFC 7208): may this client send mail in the name
 * of this domain? A function of DNS answers (questions.h); no other side
 * effect, no state between calls.
 *
 * smtpd asks at MAIL, once for the HELO name and once for the sender; the
 * command that explains asks the same way.
 */
#ifndef MAILAUTH_SPF_H
#define MAILAUTH_SPF_H

#include "core/arena.h"
#include "mailauth/questions.h"

#define SPF_LOOKUPS_MOST 10 /* RFC 7208 section 4.6.4 */
#define SPF_VOIDS_MOST   2
#define SPF_NAMES_MOST   10 /* of one mx or ptr */

enum spf_result {
	SPF_PENDING, /* run it again when more answers have come */
	SPF_NONE,
	SPF_NEUTRAL,
	SPF_PASS,
	SPF_FAIL,
	SPF_SOFTFAIL,
	SPF_TEMPERROR,
	SPF_PERMERROR
};

struct spf_request {
	struct netaddr client;
	struct str helo;     /* as the client said it */
	struct str sender;   /* of MAIL; "": the HELO name is checked */
	struct str receiver; /* our name, for %{r} */
	int64_t now;         /* seconds since 1970, for %{t} */
};

/* Texts belong to the arena given. */
struct spf_verdict {
	enum spf_result result;
	bool of_helo;           /* there was no sender */
	bool of_local_part;     /* the policy looked at it: %{l} or %{s} */
	struct str domain;      /* whose policy was asked; A-labels */
	struct str term;        /* what decided: "ip4:192.0.2.0/24" */
	struct str term_domain; /* in whose record it stands */
	struct str problem;     /* why temperror, permerror; "" */
	struct str explanation; /* the domain's own words for a fail; "" */
	unsigned lookups, voids;
};

/*
 * check_host() of RFC 7208 section 4. SPF_PENDING leaves *out untouched; any
 * other result fills it and is out->result. Without memory in arena texts are
 * missing.
 */
enum spf_result spf_check(struct questions *q, const struct spf_request *r,
    struct arena *arena, struct spf_verdict *out);

/* "pass"; as in Authentication-Results (RFC 8601 section 2.7.2). */
const char *spf_result_name(enum spf_result result);

#endif
