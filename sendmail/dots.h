/* SPDX-License-Identifier: ISC */
/* The line with a single dot, which ends a message on standard input. Pure. */
#ifndef SENDMAIL_DOTS_H
#define SENDMAIL_DOTS_H

#include "core/buf.h"

struct dots {
	bool unstuff; /* SMTP: the first dot of a line is taken off (RFC 5321
	               * section 4.5.2) */
	enum { LINE_START, DOT, DOT_CR, IN_LINE } state;
};

/*
 * Appends content up to the end; out needs room for in.len and two octets.
 * Lines end with LF or CRLF. Returns the octets taken: all, or with *ended
 * those up to and with the line of the dot.
 */
size_t dots_feed(struct dots *d, struct str in, struct buf *out, bool *ended);
/* The input is over without a dot: what was held back is content. */
void dots_end(struct dots *d, struct buf *out);

#endif
