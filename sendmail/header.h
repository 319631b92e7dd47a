/* SPDX-License-Identifier: ISC */
/*
 * The header as a user's program wrote it: who is to get the message, and the
 * header as it should be. Pure: bytes in, bytes out.
 */
#ifndef SENDMAIL_HEADER_H
#define SENDMAIL_HEADER_H

#include "core/arena.h"
#include "core/buf.h"

#define HEADER_ADDRESSES_MAX 50000 /* of one field */

/* Addresses, in an arena. */
struct addresses {
	struct str *list;
	size_t count, room;
	struct str wrong; /* the first that is none; "" */
	bool full;        /* no memory for all of them */
};

/*
 * Adds the mailboxes of an address list (RFC 5322 section 3.4), one without a
 * domain with @origin behind it, for an envelope: local parts quoted where
 * they must be. Groups give their members.
 */
void header_addresses(struct str value, const char *origin, struct arena *arena,
    struct addresses *out);

/*
 * For -t: the same for To, Cc and Bcc; when the message was resent (it has a
 * Resent-To, Resent-Cc or Resent-Bcc), for those instead.
 */
void header_recipients(struct str header, const char *origin,
    struct arena *arena, struct addresses *out);

/*
 * Appends the header with @origin behind addresses that have no domain, and
 * with a From field, of the name and sender, if it had none (Date and
 * Message-ID are cleanup's to add). name is in UTF-8, or "".
 */
void header_finish(struct str header, const char *origin, const char *name,
    struct str sender, struct buf *out);

/* NULL, or why the suite would not take a message with this header. */
const char *header_wrong(struct str header);

#endif
