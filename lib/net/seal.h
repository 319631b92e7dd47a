/* SPDX-License-Identifier: ISC */
/*
 * Authenticated encryption of small things that others keep for us
 * (AES-256-GCM with a random nonce, OpenSSL).
 */
#ifndef NET_SEAL_H
#define NET_SEAL_H

#include "core/buf.h"

#define SEAL_KEY      32 /* octets */
#define SEAL_OVERHEAD 28 /* octets that a sealed thing is longer */

/* Appends the sealed octets to out. -1: out is full, or no random bits. */
int seal_close(
    const unsigned char key[SEAL_KEY], struct str plain, struct buf *out);
/* Appends what was sealed to out. -1: it was not sealed with this key, or out
 * is full; out is then as before. */
int seal_open(
    const unsigned char key[SEAL_KEY], struct str sealed, struct buf *out);

#endif
