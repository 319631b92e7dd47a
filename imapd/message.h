/* SPDX-License-Identifier: ISC */
/*
 * The message that FETCH or SEARCH looks into: its header, its bytes and its
 * structure, each read when first asked for. A session has one open message,
 * so that a client that fetches a part piece by piece reads it once.
 */
#ifndef IMAPD_MESSAGE_H
#define IMAPD_MESSAGE_H

#include "mail/mime.h"

#include "imapd/session.h"

struct opened {
	uint32_t mailbox, uid, seq;
	uint64_t size;
	bool has_header, has_bytes;
	struct buf header;
	struct buf bytes;
	struct arena arena;
	struct mime_part *root; /* NULL: not yet parsed */
};

/* The message with this sequence number, opened; nothing is read yet. */
struct opened *message_open(struct session *s, uint32_t seq);
/* Forgets the open message, if any. */
void message_close(struct session *s);

/* Octets of its header with the empty line. */
enum store_result message_header_len(
    struct session *s, struct opened *m, uint64_t *len);
/* The header; view until the message is closed. */
enum store_result message_header(
    struct session *s, struct opened *m, struct str *out);
/* All of it. */
enum store_result message_bytes(
    struct session *s, struct opened *m, struct str *out);
/* All of it, parsed. */
enum store_result message_parsed(
    struct session *s, struct opened *m, struct mime_part **root);

#endif
