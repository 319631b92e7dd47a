/* SPDX-License-Identifier: ISC */
/*
 * SASL mechanisms by GNU SASL (RFC 4422; PLAIN RFC 4616, LOGIN). They only
 * collect what the client says: who verifies it, and when, is exchange.c's
 * matter, so that no mechanism waits for a hash.
 */
#ifndef AUTH_SASL_H
#define AUTH_SASL_H

#include "core/buf.h"

#define SASL_DATA_MAX 12288 /* octets of one challenge or response */

struct sasl;
struct sasl_session;

/* Words of mechanisms parted by blanks, all of which must be known. NULL with
 * *why. One for each process. */
struct sasl *sasl_open(const char *mechanisms, const char **why);
void sasl_close(struct sasl **s);

/* NULL: the mechanism is not offered. */
struct sasl_session *sasl_start(struct sasl *s, struct str mechanism);
void sasl_end(struct sasl_session **x); /* wipes what it knows */

enum sasl_result {
	SASL_CHALLENGE,   /* in out: send it, the answer goes to sasl_step */
	SASL_CREDENTIALS, /* sasl_authid and sasl_password have them */
	SASL_MALFORMED    /* *why; also: authorization as somebody else */
};
/* response: what the client said, not base64. has_initial: at the first step,
 * whether the client said anything. */
enum sasl_result sasl_first(struct sasl_session *x, bool has_initial,
    struct str initial, struct buf *out, const char **why);
enum sasl_result sasl_step(struct sasl_session *x, struct str response,
    struct buf *out, const char **why);

/* Views that end with the session. */
struct str sasl_authid(const struct sasl_session *x);
struct str sasl_password(const struct sasl_session *x);

#endif
