/* SPDX-License-Identifier: ISC */
/*
 * DMARC (RFC 9989): whether SPF or DKIM speak for the domain that the reader
 * sees, and what its owner asks to be done when they do not. Records that were
 * written for RFC 7489 are read as RFC 9989 says. A function of DNS answers.
 */
#ifndef MAILAUTH_DMARC_H
#define MAILAUTH_DMARC_H

#include "core/arena.h"
#include "mailauth/public_suffixes.h"
#include "mailauth/questions.h"

#define DMARC_WALK_MOST 8 /* queries of one walk, RFC 9989 section 4.10 */

enum dmarc_policy { DMARC_POLICY_NONE, DMARC_QUARANTINE, DMARC_REJECT };

/* A policy record; its texts are views into the record. */
struct dmarc_record {
	bool has_policy, has_subdomain_policy, has_absent_policy;
	enum dmarc_policy policy;           /* p= */
	enum dmarc_policy subdomain_policy; /* sp= */
	enum dmarc_policy absent_policy;    /* np= */
	char psd;                           /* y n u */
	bool testing;                       /* t=y */
	bool strict_dkim, strict_spf;       /* adkim=s, aspf=s */
	struct str reports, failures;       /* rua=, ruf=; "" */
	struct str options;                 /* fo= */
};

/* Whether a TXT record begins with v=DMARC1. */
bool dmarc_record_is(struct str text);
/* -1 when the text is no policy record (it does not begin with v=DMARC1), or
 * is one that asks for nothing (section 4.10.1), with *out filled in as far as
 * it goes. */
int dmarc_record_parse(struct str text, struct dmarc_record *out);

enum dmarc_result {
	DMARC_PENDING,
	DMARC_NONE, /* no policy applies */
	DMARC_PASS,
	DMARC_FAIL,
	DMARC_TEMPERROR /* DNS, or what would have decided is not known */
};

struct dmarc_request {
	struct str author;              /* the domain of From, A-labels */
	struct str spf_domain;          /* of MAIL FROM, when SPF passed; "" */
	const struct str *dkim_domains; /* of the signatures that passed */
	size_t dkim_count;
	/* Those whose SPF and DKIM ended with a temporary error: only one that
	 * would be aligned leaves the result open. Else a stranger whose own
	 * DNS is silent could spare himself every refusal. */
	struct str spf_unknown;
	const struct str *dkim_unknown;
	size_t dkim_unknown_count;
	const struct public_suffixes *suffixes; /* NULL: the tree walk */
};

/* Texts belong to the arena given. */
struct dmarc_verdict {
	enum dmarc_result result;
	bool spf_aligned, dkim_aligned;
	enum dmarc_policy published; /* for this domain */
	enum dmarc_policy asked;     /* after t=y */
	bool testing;
	struct str policy_domain; /* where the record stands */
	struct str organization;  /* of the author; "" when not needed */
	struct str record;        /* its text */
	const char *problem;      /* why temperror; "" */
};

/* DMARC_PENDING leaves *out untouched. */
enum dmarc_result dmarc_check(struct questions *q,
    const struct dmarc_request *r, struct arena *arena,
    struct dmarc_verdict *out);

/* The organisational domain by the tree walk (section 4.10.2) or, where
 * suffixes is not NULL, by that list; a view into domain: 1, 0 while answers
 * are on their way, -1 when DNS does not say. */
int dmarc_organization(struct questions *q,
    const struct public_suffixes *suffixes, struct str domain, struct str *out);

const char *dmarc_result_name(enum dmarc_result result); /* "pass" */
const char *dmarc_policy_name(enum dmarc_policy policy); /* "reject" */

#endif
