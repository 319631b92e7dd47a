/* SPDX-License-Identifier: ISC */
/* Authentication-Results (RFC 8601) and Received-SPF (RFC 7208 section 9.1):
 * the verdict as text, and the forged ones of strangers. */
#ifndef MAILAUTH_RESULTS_H
#define MAILAUTH_RESULTS_H

#include "mailauth/verdict.h"

struct results_context {
	struct str server; /* authserv-id: who says so */
	struct netaddr client;
	bool name_asked; /* DNS was asked for the client's name, and said: */
	struct str client_name;      /* verified, or "unknown" */
	enum dns_status name_status; /* of dns_client_name */
	struct str helo, sender;
	struct str user; /* who logged in; "" */
};

/*
 * Appends what follows the field's name, folded, without the final line end:
 * "mx.example.org;" CRLF TAB "spf=pass ...". v may be NULL: nothing was
 * checked, or only the user.
 */
void results_write(
    struct verdict *v, const struct results_context *c, struct buf *out);
/* Appends the value of a Received-SPF field. */
void results_write_spf(const struct spf_verdict *spf,
    const struct results_context *c, struct buf *out);

/*
 * What may not stay in a message from outside (section 5). Whether an
 * Authentication-Results field claims to be of this server; whether it is of the
 * version of RFC 8601, or else nobody knows what it says; whether Received-SPF
 * claims to be of this server, or does not say whose it is (receiver=).
 */
bool results_are_of(struct str value, struct str server);
bool results_are_readable(struct str value);
bool results_spf_is_of(struct str value, struct str server);
/* Whether ARC-Authentication-Results (or Authentication-Results) say that mail
 * of this author's domain passed DMARC: dmarc=pass header.from=author. */
bool results_passed_dmarc(struct str value, struct str author);

#endif
