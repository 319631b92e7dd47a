/* SPDX-License-Identifier: ISC */
/*
 * Modified UTF-7, in which IMAP4rev1 writes mailbox names (RFC 3501 section
 * 5.1.3; RFC 9051 appendix A.1). Pure.
 */
#ifndef IMAPD_UTF7_H
#define IMAPD_UTF7_H

#include "core/buf.h"

/*
 * Appends in as UTF-8. Returns 0, or -1 when in is not modified UTF-7 in its
 * one right form: octets beyond 0x7e, a shift that does not end or encodes
 * what needs none, surrogates without partner, bits left over.
 */
int utf7_decode(struct str in, struct buf *out);

/* Appends valid UTF-8 as modified UTF-7; -1 when in is no UTF-8. */
int utf7_encode(struct str in, struct buf *out);

#endif
