/* SPDX-License-Identifier: ISC */
/*
 * A signature field as text: DKIM-Signature (RFC 6376 section 3.5) and
 * ARC-Message-Signature (RFC 8617 section 4.1.2), which differ in v= and i=
 * alone; and the hash of the header that it signs.
 */
#ifndef MAILAUTH_DKIM_SIGNATURE_H
#define MAILAUTH_DKIM_SIGNATURE_H

#include "core/arena.h"
#include "core/buf.h"
#include "mail/header.h"
#include "mailauth/canonical.h"
#include "mailauth/dkim_key.h"
#include "mailauth/tags.h"

#define HEADER_FIELDS_MOST 1024 /* of a message; what is beyond is not seen */

/* The fields of a header, top to bottom; they point into its text. */
struct header_fields {
	struct header_field *list;
	size_t count;
	bool cut; /* there are more */
};

/* header: with or without its empty line. The caller frees with
 * header_fields_free. */
void header_fields_of(struct str header, struct header_fields *out);
void header_fields_free(struct header_fields *f);

enum signature_kind { SIGNATURE_DKIM, SIGNATURE_ARC };

/* Views into the field's text, or the arena's; but for what is decoded. */
struct dkim_signature {
	struct str field;          /* the whole field */
	struct str algorithm_text; /* a=, as it was written; "" */
	enum dkim_algorithm algorithm;
	enum canonical header_form, body_form;
	struct str domain, selector; /* d=, s=, as DNS has them */
	struct str identity;         /* i=, of DKIM; "" */
	struct str identity_domain;  /* its domain, as DNS has it; "" */
	struct str names;            /* h= */
	bool historic;               /* rsa-sha1 (RFC 8301 section 3.1) */
	uint64_t limit;              /* l=, or BODY_WHOLE */
	uint64_t instance;           /* i= of ARC */
	int64_t made, expires;       /* seconds since 1970; -1: not said */
	uint8_t body_digest[BODY_HASH_LEN];
	struct str signature; /* b=, still in base64 */
	struct str place;     /* of b=, with the blanks around it */
};

/*
 * A name of d= or s= as DNS has it: as it is written, or in the arena with
 * A-labels for U-labels (RFC 8616 section 5). "" when it is none. labels: how
 * many it has at least, 2 for a domain (section 3.5, d=).
 */
struct str dkim_name(struct str written, size_t labels, struct arena *names);

/*
 * Whether the field is a signature that can be checked; now: seconds since
 * 1970; names: for what is not written as DNS has it. -1 with *why; what was
 * understood of domain and selector is set all the same.
 */
int dkim_signature_parse(struct str field, enum signature_kind kind,
    int64_t now, struct arena *names, struct dkim_signature *out,
    const char **why);

/*
 * The SHA-256 digest of the header as the signature covers it: the fields of
 * names, taken from the bottom of the header (section 5.4.2), then the
 * signature field itself with nothing in its b= (a view of it is place).
 */
void dkim_header_digest(const struct header_fields *fields, struct str names,
    enum canonical form, struct str signature_field, struct str place,
    uint8_t digest[32]);
/* Appends the signature field with b= emptied. */
void dkim_without_b(
    struct str field, struct str place, enum canonical form, struct buf *out);

#endif
