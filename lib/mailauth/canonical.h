/* SPDX-License-Identifier: ISC */
/*
 * What is hashed of a message (RFC 6376 section 3.4): header fields and body
 * in their canonical forms. A body is hashed while it streams through, once
 * for each form that some signature asks for.
 */
#ifndef MAILAUTH_CANONICAL_H
#define MAILAUTH_CANONICAL_H

#include "core/buf.h"
#include "mail/header.h"

#define BODY_HASH_LEN   32 /* SHA-256 */
#define BODY_WHOLE      UINT64_MAX
#define BODY_FORMS_MOST 8

enum canonical { CANONICAL_SIMPLE, CANONICAL_RELAXED };

/* Appends a field, without its line end when it is the signature itself. */
void canonical_field(
    struct str whole, enum canonical form, bool line_end, struct buf *out);

struct body_hash;

struct body_hashes {
	struct body_hash *forms[BODY_FORMS_MOST];
	size_t count;
};

/* Starts empty ("= {0}"). The number of the form, the same for the same; limit
 * is how many canonical octets count. -1 when there are too many. */
int body_hash_want(struct body_hashes *h, enum canonical form, uint64_t limit);
/* The next octets of the body; lines end with CRLF. */
void body_hash_add(struct body_hashes *h, struct str octets);
/* Behind the last octets, once. */
void body_hash_end(struct body_hashes *h);
/* The digest, and how many octets the canonical form has in all. */
const uint8_t *body_hash_digest(
    const struct body_hashes *h, int form, uint64_t *octets);
void body_hashes_free(struct body_hashes *h);

#endif
