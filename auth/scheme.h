/* SPDX-License-Identifier: ISC */
/* Password schemes: what stands in the passwords file. Pure but for libcrypt;
 * safe in any thread. */
#ifndef AUTH_SCHEME_H
#define AUTH_SCHEME_H

#include "core/str.h"

#define SCHEME_PASSWORD_MAX 512 /* octets; libcrypt's most */

enum scheme_result { SCHEME_MATCH, SCHEME_MISMATCH, SCHEME_UNKNOWN };

/*
 * Whether a password is the stored one: "{CRYPT}$y$..." (also BLF-CRYPT,
 * SHA512-CRYPT, SHA256-CRYPT, or $... alone), "{PLAIN}words". Compared in
 * constant time. SCHEME_UNKNOWN: the entry is of no scheme that is known here,
 * or broken. Takes as long as the scheme's hash does.
 */
enum scheme_result scheme_verify(struct str stored, struct str password);

/* A hash that no password has, for logins that are nobody's, so that they
 * take as long as others. Fills out, NUL-terminated. */
void scheme_dummy(char *out, size_t size);

#endif
