/* SPDX-License-Identifier: ISC */
/*
 * Keys of DKIM and ARC: public ones from DNS (RFC 6376 section 3.6.1), private
 * ones from PEM files; RSA with SHA-256 (RFC 8301) and Ed25519 (RFC 8463).
 */
#ifndef MAILAUTH_DKIM_KEY_H
#define MAILAUTH_DKIM_KEY_H

#include "core/buf.h"

#define RSA_BITS_LEAST 1024 /* RFC 8301 section 3.2 */
#define RSA_BITS_MOST  8192 /* what a stranger may make us calculate with */

enum dkim_algorithm { DKIM_RSA_SHA256, DKIM_ED25519_SHA256 };

struct dkim_key; /* one key, public or private */

/* What a key record says beside the key. */
struct dkim_key_flags {
	bool testing;      /* t=y */
	bool exact_domain; /* t=s: i= has no subdomain of d= */
	bool revoked;      /* an empty p= */
};

/*
 * A record of selector._domainkey.domain. NULL with *why when it is no key
 * for mail of that algorithm, malformed, too short or too long. The caller
 * frees the key.
 */
struct dkim_key *dkim_key_parse(struct str record,
    enum dkim_algorithm algorithm, struct dkim_key_flags *flags,
    const char **why);
/* A private key in PEM; NULL with *why. */
struct dkim_key *dkim_key_private(struct str pem, const char **why);
/* A new private key; bits for RSA. NULL when OpenSSL makes none. */
struct dkim_key *dkim_key_new(enum dkim_algorithm algorithm, unsigned bits);
void dkim_key_free(struct dkim_key **key);

enum dkim_algorithm dkim_key_algorithm(const struct dkim_key *key);
unsigned dkim_key_bits(const struct dkim_key *key);
/* Appends the private key as PEM (PKCS #8); the caller wipes it. */
int dkim_key_pem(const struct dkim_key *key, struct buf *out);
/* Appends the text of the TXT record that publishes the key. */
int dkim_key_record(const struct dkim_key *key, struct buf *out);

/* digest: SHA-256 of what is signed. */
bool dkim_key_verify(
    const struct dkim_key *key, const uint8_t digest[32], struct str signature);
/* Appends the raw signature; -1 when OpenSSL refuses. */
int dkim_key_sign(
    const struct dkim_key *key, const uint8_t digest[32], struct buf *out);

/* "rsa-sha256"; false when it is another one. */
bool dkim_algorithm_parse(struct str name, enum dkim_algorithm *out);
const char *dkim_algorithm_name(enum dkim_algorithm algorithm);

#endif
