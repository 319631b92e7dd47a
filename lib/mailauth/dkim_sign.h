/* SPDX-License-Identifier: ISC */
/*
 * Making signatures (RFC 6376 section 5): the body is hashed while it streams
 * (canonical.h), the header is signed when it is final. Several keys sign the
 * same message, each a field of its own.
 */
#ifndef MAILAUTH_DKIM_SIGN_H
#define MAILAUTH_DKIM_SIGN_H

#include "mailauth/dkim_signature.h"

struct dkim_signing {
	const struct dkim_key *key;
	struct str domain, selector;
	struct str identity; /* i=, or "" */
	/* Names of fields, separated by blanks, commas or colons: those to sign
	 * as often as they are there, and those to sign once more than that,
	 * so that nobody can add one. */
	struct str fields, oversigned;
	enum canonical header_form, body_form;
	int64_t now;      /* seconds since 1970 */
	int64_t lifetime; /* seconds until it expires; 0: never */
};

/*
 * Appends the whole field "DKIM-Signature: ...", folded, with CRLF; it is to
 * stand on top of the header that fields are of. body_digest: of body_form.
 * -1 when the key refuses or out is full.
 */
int dkim_sign(const struct dkim_signing *s, const struct header_fields *fields,
    const uint8_t body_digest[BODY_HASH_LEN], struct buf *out);

/* The names of h= for this header, joined by colons. */
void dkim_names(const struct dkim_signing *s,
    const struct header_fields *fields, struct buf *out);
/*
 * Appends a signature field, given up to its "b=": signs it with the header
 * and appends the signature and the line end. What DKIM and ARC do alike.
 */
int dkim_finish_field(const struct dkim_key *key,
    const struct header_fields *fields, struct str names, enum canonical form,
    struct str unsigned_field, struct buf *out);
/* Appends a long text without blanks, folded. */
void dkim_fold(struct str text, size_t column, struct buf *out);

#endif
