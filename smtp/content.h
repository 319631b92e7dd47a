/* SPDX-License-Identifier: ISC */
/*
 * The content of a message on its way: header and body from the queue file in
 * pieces, dots at line starts doubled (RFC 5321 section 4.5.2), and the dot
 * that ends it. This is the one place that does so.
 */
#ifndef SMTP_CONTENT_H
#define SMTP_CONTENT_H

#include "core/buf.h"
#include "queue/queue_file.h"

/* Where in a line the encoder is. */
struct dots {
	bool in_line; /* an octet of the line was sent */
	bool cr;      /* the last octet was CR */
};

/* Appends len octets, dots doubled. At most 2 * len octets are added. */
void dots_add(struct dots *d, const char *p, size_t len, struct buf *out);
/* The end of the data; completes a line that was left open. */
void dots_end(struct dots *d, struct buf *out);

struct content {
	struct queue_file file; /* fd: read-only, borrowed */
	uint64_t done;          /* octets of header and body read */
	uint32_t crc;           /* of the extent that is being read */
	struct dots dots;
};

/* 0, or -1 and *why: not the queue file of this message. */
int content_open(
    struct content *c, int fd, const struct id *id, const char **why);
/* From the beginning, for another server. */
void content_rewind(struct content *c);
/*
 * Appends the next piece, encoded, and behind the last one the final dot.
 * 1: there is more; 0: all is appended; -1 with errno: EBADMSG when a
 * checksum is wrong, which is known before the final dot.
 */
int content_next(struct content *c, struct buf *out);
/* Whether octets above 127 stand in it: in the header, and anywhere. -1: it
 * cannot be read. */
int content_is_8bit(const struct content *c, bool *header, bool *any);

#endif
