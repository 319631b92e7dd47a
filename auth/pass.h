/* SPDX-License-Identifier: ISC */
/*
 * Passes: with one, a session that was parked comes back without a password.
 * A pass is an HMAC over the service, the login, the session, the time and
 * the stored password, so it is worth nothing for another account or session,
 * after pass_lifetime, or once the password was changed; nothing is kept for
 * it. The key lives in a file of the running instance: a new auth goes on
 * with it.
 *
 * From the same key comes one for each session, to seal what it leaves with
 * login.
 */
#ifndef AUTH_PASS_H
#define AUTH_PASS_H

#include "core/str.h"

#define PASS_KEY_LEN 32 /* octets */
#define PASS_MAX     96 /* characters of a pass */
#define PASS_SEAL    64 /* characters of a session's key, in hex */

struct passes {
	unsigned char key[PASS_KEY_LEN];
	int64_t lifetime; /* seconds */
};

/* Reads the key, or makes the file. Before the jail: it belongs to who starts
 * us, and nobody else can read it. -1 with errno. */
int passes_open(struct passes *p, const char *path);

struct pass_holder {
	struct str service, login, session;
};

/* now: seconds since 1970. */
void pass_make(const struct passes *p, const struct pass_holder *h,
    struct str stored, int64_t now, char out[PASS_MAX + 1]);
bool pass_is_good(const struct passes *p, const struct pass_holder *h,
    struct str stored, int64_t now, struct str pass);
void pass_seal_key(const struct passes *p, const struct pass_holder *h,
    char out[PASS_SEAL + 1]);

#endif
