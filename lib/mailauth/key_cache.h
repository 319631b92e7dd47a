/* SPDX-License-Identifier: ISC */
/*
 * Public keys that have been read: OpenSSL takes several times as long to read
 * an RSA key as to verify with it, and most mail is signed with the keys of a
 * few. A key is found by the whole text of its record, so it is never out of
 * date. Bounded, the oldest go first; it belongs to its caller, for the life of
 * a process.
 *
 * Records come from strangers, who may write 64 KB of notes beside a key. One
 * that is larger than the longest key we verify with (RSA_BITS_MOST, 1,440
 * octets in base64) needs is read each time, so that the whole has a bound in
 * octets too: most records of this size, and their keys.
 */
#ifndef MAILAUTH_KEY_CACHE_H
#define MAILAUTH_KEY_CACHE_H

#include "mailauth/dkim_key.h"

#define KEY_CACHE_RECORD_MOST 2048 /* octets of a record that is kept */

struct key_cache;

/* most: keys, at least one. Never NULL. */
struct key_cache *key_cache_new(size_t most);
void key_cache_free(struct key_cache **cache);
/*
 * As dkim_key_parse, but the key is the cache's, and valid until the next
 * call. What is no key, or has too large a record, is not kept.
 */
const struct dkim_key *key_cache_parse(struct key_cache *cache,
    struct str record, enum dkim_algorithm algorithm,
    struct dkim_key_flags *flags, const char **why);
/* Keys that are kept. */
size_t key_cache_count(const struct key_cache *cache);

#endif
