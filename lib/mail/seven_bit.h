/* SPDX-License-Identifier: ISC */
/*
 * A message brought to 7 bits and to lines of at most 998 octets while it
 * streams by, so that no relay has a reason to change it (RFC 6376 section
 * 5.3): each part that needs it becomes quoted-printable or base64 (RFC 2045,
 * RFC 6152), encoded parts get shorter lines. Signed and encrypted parts are
 * left as they are, and so is what has no such form (header fields of 8 bits).
 * Pure; memory is bounded by `look` and the size of a part's header.
 */
#ifndef MAIL_SEVEN_BIT_H
#define MAIL_SEVEN_BIT_H

#include "core/buf.h"

#define SEVEN_BIT_LINE 998 /* RFC 5322 section 2.1.1, without the line end */

struct seven_bit;

/*
 * header: of the message, without its empty line. look: octets of a part of
 * unencoded text that are kept until it is clear whether it needs encoding;
 * what shows later is left as it is. put gets the octets of the new body.
 */
struct seven_bit *seven_bit_new(struct str header, size_t look,
    void (*put)(struct str octets, void *arg), void *arg);
void seven_bit_free(struct seven_bit **s);

/* The body, in pieces; CRLF line ends. */
void seven_bit_add(struct seven_bit *s, struct str octets);
/* Behind the last piece, once. */
void seven_bit_end(struct seven_bit *s);

/* After the end: appends the message's header as it is to be now. */
void seven_bit_header(struct seven_bit *s, struct str header, struct buf *out);
/* After that: whether anything is other than it was. */
bool seven_bit_changed(const struct seven_bit *s);
/* Why some of it still has 8 bits or long lines; NULL: nothing has. */
const char *seven_bit_left(const struct seven_bit *s);

#endif
