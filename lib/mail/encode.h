/* SPDX-License-Identifier: ISC */
/* Transfer encodings: base64, quoted-printable, xtext, hex. Pure. */
#ifndef MAIL_ENCODE_H
#define MAIL_ENCODE_H

#include "core/buf.h"

/* base64 of RFC 4648 without line ends. Decoding is strict (for SASL):
 * padding right, no foreign octets; -1 otherwise, with out as before. */
void base64_encode(struct str in, struct buf *out);
int base64_decode(struct str in, struct buf *out);
/* For MIME bodies (RFC 2045): foreign octets and line ends are skipped. */
void base64_decode_mime(struct str in, struct buf *out);
/* Lines of 76 octets with CRLF. */
void base64_encode_mime(struct str in, struct buf *out);

/* RFC 2045 6.7; decoding is tolerant. */
void qp_decode(struct str in, bool header, struct buf *out);
void qp_encode(struct str in, struct buf *out); /* body text, CRLF kept */

/* xtext of RFC 3461 section 4. -1 when malformed, with out as before. */
void xtext_encode(struct str in, struct buf *out);
int xtext_decode(struct str in, struct buf *out);

bool utf8_valid(struct str s);
/* Octets at the start of s that are whole, valid UTF-8 (RFC 3629). */
size_t utf8_valid_length(struct str s);

#endif
