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
 * Appends a signature field, given as what stands before and behind the value
 * of its b=: signs digest, which covers the field as it is given. With the
 * line end; the signature's lines have at most line octets. -1 as dkim_sign.
 */
int dkim_finish_field(const struct dkim_key *key, const uint8_t digest[32],
    struct str before, struct str behind, size_t line, struct buf *out);
/* Appends the value of h=, its lines broken behind colons. */
void dkim_add_names(struct str names, struct buf *out);
#endif
