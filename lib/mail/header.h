/* SPDX-License-Identifier: ISC */
/* Header fields of RFC 5322. Pure; works on CRLF and on LF. */
#ifndef MAIL_HEADER_H
#define MAIL_HEADER_H

#include "core/arena.h"
#include "core/buf.h"

struct header_field {
	struct str name;  /* without colon and blanks */
	struct str value; /* raw, folded, without the final line end; blanks at
	                   * its start taken off */
	struct str whole; /* name to line end, as it stands */
};

/*
 * Cuts the next field off *header. Returns 1, 0 at the end of the header
 * (empty line, which is consumed, or end of input), -1 when the line is no
 * field (*field.whole is the line; consumed, so that a caller may go on).
 */
int header_next(struct str *header, struct header_field *field);

/* The first field of the name; false when there is none. */
bool header_find(
    struct str header, struct str name, struct header_field *field);

/* Where the body starts: octets of header with its empty line. A message
 * without empty line is all header. */
size_t header_length(struct str message);

/* Appends the value unfolded: line ends taken out, blanks kept. */
void header_unfold(struct str value, struct buf *out);

/* Appends "Name: value" folded at 78 octets where blanks allow, with CRLF. */
void header_put(struct buf *out, const char *name, struct str value);

/* The decoded text of an unstructured field (RFC 2047, RFC 2231 not), as
 * UTF-8; unknown charsets stay as they are. Bounded by out. */
void header_decode(struct str value, struct buf *out);

/* Message-ID: the part between < and >, "" when malformed. */
struct str header_message_id(struct str value);

#endif
