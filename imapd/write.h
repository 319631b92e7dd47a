/* SPDX-License-Identifier: ISC */
/*
 * IMAP's data as octets: numbers, dates, strings, sets (RFC 9051 section 4).
 * Pure. The write_ functions take a pointer into room that is large enough
 * and return where they stopped; they serve the loops that must be fast. The
 * put_ functions append to a buffer.
 */
#ifndef IMAPD_WRITE_H
#define IMAPD_WRITE_H

#include "core/buf.h"

#define WRITE_NUMBER_MAX 20 /* octets of any uint64_t */
#define WRITE_DATE_MAX   28 /* octets of a quoted date-time */
#define WRITE_FLAGS_MAX  48 /* octets of the five system flags */

char *write_number(char *p, uint64_t value);
char *write_str(char *p, struct str s);
/* "21-Nov-2026 19:22:18 +0000" with its quotes; seconds since 1970. */
char *write_date(char *p, int64_t seconds);
/* The system flags (FLAG_SEEN ... of store/mailbox.h), blanks in between. */
char *write_system_flags(char *p, uint32_t flags);

/* "..." or, when s has octets that no quoted string can hold, a literal;
 * utf8: UTF-8 may stand in quotes (after ENABLE IMAP4rev2). */
void put_string(struct buf *out, struct str s, bool utf8);
/* An atom where s is one, else as put_string. */
void put_astring(struct buf *out, struct str s, bool utf8);
/* "{n}" CRLF; the octets follow. */
void put_literal_head(struct buf *out, uint64_t len);
/* Rising or pairwise uids in the shortest set: "1:4,7"; order is kept. */
void put_uids(struct buf *out, const uint32_t *uids, size_t count);

#endif
