/* SPDX-License-Identifier: ISC */
/* Mailboxes, as SMTP and as headers write them. Pure. */
#ifndef MAIL_ADDRESS_H
#define MAIL_ADDRESS_H

#include "core/arena.h"
#include "core/buf.h"

struct address {
	struct str local;  /* as written, quotes and all; at most 255 octets */
	struct str domain; /* as written; at most 255 octets */
};

/*
 * Splits a mailbox into local part and domain (RFC 5321 section 4.1.2,
 * limits of section 4.5.3.1; address literals; UTF-8 of RFC 6531 when utf8).
 *
 * in    the mailbox without angle brackets; any bytes, any length
 * out   views into in, so in must outlive out; untouched on failure
 * why   on failure, a constant phrase fit for a log line and an SMTP reply
 *
 * Returns 0, or -1 when in is not a mailbox. Allocates nothing.
 */
int address_split(
    struct str in, bool utf8, struct address *out, const char **why);

/*
 * A host name (letters, digits, hyphens, dots; labels of 1 to 63 octets; 255
 * in all; U-labels when utf8), without final dot.
 */
bool address_is_domain(struct str domain, bool utf8);

/*
 * Path of MAIL FROM and RCPT TO at the start of *args: "<...>", source routes
 * ignored (RFC 5321 appendix F.2), blanks before it tolerated. Leaves *args
 * behind it. mailbox is empty for "<>". "<Postmaster>" (any case) gives
 * "Postmaster" without domain. 0, or -1 and *why.
 */
int address_cut_path(
    struct str *args, bool utf8, struct str *mailbox, const char **why);

/*
 * The form for comparing and for table keys: domain in lower case, quotes of
 * the local part taken off where they are not needed, local part in lower
 * case too when fold_local. Appends to out. 0, or -1 when no mailbox.
 */
int address_normalize(struct str in, bool fold_local, struct buf *out);

/* ---- RFC 5322 address lists ---- */
struct mailbox {
	struct str name;   /* display name, decoded from quoted-string and
	                    * comments but not from RFC 2047; "" */
	struct str local;  /* unquoted */
	struct str domain; /* "" for a group's start and end */
	bool group_start, group_end; /* group_start: name is the group's; both
	                              * as IMAP's ENVELOPE wants them */
};

/*
 * Parses an address-list as tolerant readers do (RFC 5322 3.4 and obsolete
 * syntax; what is hopeless is skipped). At most `most` entries. Returns the
 * number; *out in the arena.
 */
size_t address_list(
    struct str in, struct arena *arena, size_t most, struct mailbox **out);

#endif
