/* SPDX-License-Identifier: ISC */
/* Passwords of the operator's command: asking, making, hashing. */
#ifndef POSTHOUSE_PASSWORD_H
#define POSTHOUSE_PASSWORD_H

#include "core/buf.h"

#define PASSWORD_MAX      512 /* octets; libxcrypt's most */
#define PASSWORD_HASH_MAX 384 /* with its NUL */

/*
 * Hashes for the passwords file, without "{CRYPT}". scheme: a name of
 * password_schemes. 0, or -1 with *why.
 */
int password_hash(const char *password, const char *scheme,
    char out[PASSWORD_HASH_MAX], const char **why);

/* 20 letters and digits, without those that look alike. */
void password_make(char out[21]);

/*
 * From the terminal, without echo and twice; from standard input, its first
 * line. 0, or -1 with *why. The caller wipes out.
 */
int password_ask(
    const char *prompt, char out[PASSWORD_MAX + 1], const char **why);

/* The same, once: for a password that is known. */
int password_ask_once(
    const char *prompt, char out[PASSWORD_MAX + 1], const char **why);

/* NULL, or why this cannot be a password. */
const char *password_check(const char *password);

#endif
