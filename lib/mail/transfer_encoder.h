/* SPDX-License-Identifier: ISC */
/* base64 and quoted-printable (RFC 2045 section 6) of a body that streams by,
 * in pieces of any size; lines of 76 octets at most. Pure. */
#ifndef MAIL_TRANSFER_ENCODER_H
#define MAIL_TRANSFER_ENCODER_H

#include "core/buf.h"

/* Starts all zeroes, for one body. */
struct transfer_encoder {
	unsigned char group[57]; /* base64: of a line */
	size_t filled;
	size_t column;
	char blank; /* quoted-printable: held back, it may end a line; or 0 */
	bool any;   /* base64: there is a line */
};

/* Octets; in quoted-printable not the line ends of the text. */
void base64_stream(struct transfer_encoder *e, struct str in, struct buf *out);
void qp_stream(struct transfer_encoder *e, struct str in, struct buf *out);
/* The end of a line of the text. */
void qp_stream_line(struct transfer_encoder *e, struct buf *out);
/* What is still held back; the last line has no end then. */
void base64_stream_end(struct transfer_encoder *e, struct buf *out);
void qp_stream_end(struct transfer_encoder *e, struct buf *out);
/* What is quoted-printable already, in shorter lines and without octets above
 * 127; it means the same. */
void qp_rewrap(struct transfer_encoder *e, struct str in, struct buf *out);
void qp_rewrap_end(struct transfer_encoder *e, struct buf *out); /* a line's */
/* The same for base64. */
void base64_rewrap(struct transfer_encoder *e, struct str in, struct buf *out);

#endif
