/* SPDX-License-Identifier: ISC */
/* The words of IMAP commands before the login. Pure. */
#ifndef LOGIN_IMAP_WORDS_H
#define LOGIN_IMAP_WORDS_H

#include "core/buf.h"

/* 1 to TAG_MAX octets of what a tag is made of (RFC 9051 section 9). */
bool imap_is_tag(struct str s);

/*
 * Whether a line ends with the announcement of a literal: {n}, or without
 * *waits {n+} and {n-} of RFC 7888. A number beyond 2^32 gives the largest.
 */
bool imap_literal(struct str line, uint64_t *len, bool *waits);

/*
 * Cuts an astring off *args and appends what it says to out: an atom, a
 * quoted string, or a literal, whose octets follow its "{n}" CRLF. No NUL, CR
 * or LF comes out. -1, and *args may have moved, when there is none.
 */
int imap_cut_astring(struct str *args, struct buf *out);
/* One blank. */
int imap_cut_blank(struct str *args);

/* Frees what may have held a password. */
void imap_wipe(struct buf *b);

#endif
