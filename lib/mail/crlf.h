/* SPDX-License-Identifier: ISC */
/*
 * Line ends of local mail. Programs write LF, some CRLF; what is queued has
 * CRLF (RFC 5322 section 2.3). A CR that ends no line becomes a space, as
 * smtpd does: nothing that could end a line for somebody else stays. Pure.
 */
#ifndef MAIL_CRLF_H
#define MAIL_CRLF_H

#include "core/buf.h"

struct crlf {
	bool cr;      /* the input ended with a CR, not yet decided */
	bool in_line; /* the output ends within a line */
};

/*
 * Appends in with its line ends made CRLF; out needs room for twice in.len
 * and two octets. What has passed once passes again unchanged.
 */
void crlf_feed(struct crlf *c, struct str in, struct buf *out);
/* The input is over: a line without an end gets one. */
void crlf_end(struct crlf *c, struct buf *out);

#endif
