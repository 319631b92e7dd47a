/* SPDX-License-Identifier: ISC */
/*
 * DKIM signatures on what leaves in our name (RFC 6376 section 5), and through
 * seal.h ARC seals on what passes through. Who signs
 * is decided when the header is whole, so that the body is hashed while it
 * streams; the header is signed when nothing changes it any more.
 */
#ifndef CLEANUP_SIGN_H
#define CLEANUP_SIGN_H

#include "cleanup/keys.h"
#include "mailauth/canonical.h"

#define SIGNERS_MOST 8 /* signatures of one message */

struct cleanup;
struct message;
struct id;

struct signer {
	struct str domain; /* in the message's arena */
	const struct signing_key *key;
};

/* Starts empty, all zeroes. */
struct signing {
	bool begun, done;
	bool ours; /* it leaves in our name, and should be signed */
	struct signer list[SIGNERS_MOST];
	size_t count;
	struct str author; /* the author's domain; "" */
	const char *why;   /* nobody signs: why not; or NULL */
	bool broken;       /* who should sign cannot */
	struct body_hashes bodies;
	int form; /* of bodies */
};

/* A seal; starts empty, all zeroes. */
struct sealing {
	struct str domain;
	const struct signing_key *key; /* NULL: none is made */
	int form;                      /* of signing.bodies */
	unsigned instance;
	bool done;
};

/* Opens the keys, before the jail. */
void sign_open(struct cleanup *c);

/* The header of the message has come in whole: decides who signs it. */
void sign_begin(struct cleanup *c, struct message *m);
/* Whether it is to be brought to 7 bits before it is signed. */
bool sign_wants_seven_bit(const struct cleanup *c, const struct message *m);
void sign_body(struct message *m, struct str octets);
/*
 * header is final: puts signatures on top. When it cannot be done the message
 * goes as it is, or is refused (dkim_failure_action).
 */
void sign_header(struct cleanup *c, struct message *m, struct buf *header);
/* The trace has by whom it was signed, or why not. */
void sign_trace(
    const struct message *m, const struct id *session, const struct id *id);
void sign_clear(struct message *m);

#endif
