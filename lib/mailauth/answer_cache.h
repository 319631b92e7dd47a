/* SPDX-License-Identifier: ISC */
/*
 * Answers of DNS that the next message may need again: keys and policies of
 * those who send much. Bounded in octets, the oldest go first; an answer lives
 * as long as its TTL says, failures are not kept. It belongs to its caller, for
 * the life of a process.
 */
#ifndef MAILAUTH_ANSWER_CACHE_H
#define MAILAUTH_ANSWER_CACHE_H

#include "net/dns.h"

struct answer_cache;

/* most: octets in all; longest_ms: that an answer lives, whatever its TTL. */
struct answer_cache *answer_cache_new(size_t most, int64_t longest_ms);
void answer_cache_free(struct answer_cache **cache);
/* key: type and name; the caller's. The reply is valid until the next call;
 * NULL when there is none. */
const struct dns_reply *answer_cache_get(
    struct answer_cache *cache, struct str key);
/* Copies the reply, when it is one to keep. */
void answer_cache_put(
    struct answer_cache *cache, struct str key, const struct dns_reply *reply);
/* Octets that are kept. */
size_t answer_cache_size(const struct answer_cache *cache);

#endif
