/* SPDX-License-Identifier: ISC */
/*
 * Passwords that were right, remembered by HMAC-SHA256 under a key that this
 * process made and never shows. The stored hash is part of what is hashed, so
 * a changed password is a miss.
 */
#ifndef AUTH_CACHE_H
#define AUTH_CACHE_H

#include "core/table.h"

#define CACHE_MARK 32 /* octets */

struct cache_slot;

struct cache {
	unsigned char key[32];
	struct table by_mark;
	struct cache_slot *slots; /* a ring: the oldest makes room */
	size_t size, next;
	int64_t ttl_ms; /* 0: off */
};

/* 0, or -1 without random bits. */
int cache_init(struct cache *c, size_t size, int64_t ttl_ms);
void cache_clear(struct cache *c);

/* What stands for (login, password, stored). */
void cache_mark(const struct cache *c, struct str login, struct str password,
    struct str stored, unsigned char mark[CACHE_MARK]);
bool cache_has(
    struct cache *c, const unsigned char mark[CACHE_MARK], int64_t now_ms);
void cache_add(
    struct cache *c, const unsigned char mark[CACHE_MARK], int64_t now_ms);

#endif
