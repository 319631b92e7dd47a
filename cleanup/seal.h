/* SPDX-License-Identifier: ISC */
/*
 * ARC seals (RFC 8617) on mail from outside that an alias sends on to another
 * host: what smtpd found of it, vouched for by us, since the way through this
 * house breaks SPF. One file has one header, so all recipients get it.
 */
#ifndef CLEANUP_SEAL_H
#define CLEANUP_SEAL_H

#include "core/buf.h"

struct cleanup;
struct message;
struct id;

/* The header has come in whole, and the message is not ours: the body is
 * hashed when it may be sealed. After keys_begin. */
void seal_begin(struct cleanup *c, struct message *m);
/* header is final, recipients are known: puts a set on top, where one is
 * due. */
void seal_header(struct cleanup *c, struct message *m, struct buf *header);
void seal_trace(
    const struct message *m, const struct id *session, const struct id *id);

#endif
