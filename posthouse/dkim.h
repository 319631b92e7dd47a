/* SPDX-License-Identifier: ISC */
/* What `posthouse dkim` is made of: the folder of keys (mailauth/key_folder.h)
 * as its owner sees it, and DNS. */
#ifndef POSTHOUSE_DKIM_H
#define POSTHOUSE_DKIM_H

#include "core/arena.h"
#include "mailauth/key_folder.h"
#include "posthouse/posthouse.h"

/* ---- dkim_folder.c ---- */

struct key_row {
	struct str domain, selector;
	enum key_state state;
	int64_t since; /* of its state; seconds since 1970 */
	unsigned mode; /* of its file */
	struct dkim_key *key;
	const char *why; /* key is NULL: why */
};

struct key_rows {
	int folder; /* -1: not open */
	struct arena arena;
	struct key_row *list; /* by domain, state, selector */
	size_t count;
};

/*
 * Opens the folder and reads the keys, of one domain or, domain "", of all. For
 * a change nobody else may be changing it, and what was retired long ago
 * (dkim_retired_key_time) is removed first. Returns 0, or 1 after a message.
 */
int key_rows_open(struct key_rows *r, struct posthouse *p, struct str domain,
    bool for_change);
void key_rows_close(struct key_rows *r);
/* The row of a selector, or NULL. */
struct key_row *key_rows_find(struct key_rows *r, struct str selector);

/* Writes a new key; 0, or 1 after a message. */
int key_add(struct key_rows *r, const struct house_conf *house,
    struct str domain, struct str selector, const struct dkim_key *key);
/* Gives it another state, for good. */
int key_move(struct key_rows *r, struct key_row *row, enum key_state state);
int key_remove(struct key_rows *r, struct key_row *row);

/* ---- dkim_dns.c ---- */

/* The name of its record, with a final dot. */
void key_name(struct str domain, struct str selector, struct buf *out);
/* The record as a zone file has it, strings of 255 octets at most. */
void key_zone(const struct key_row *row, struct buf *out);

enum publication {
	PUBLISHED,
	PUBLISHED_TESTING,
	NOT_PUBLISHED,
	OTHER_KEY,
	SEVERAL_RECORDS,
	MALFORMED,
	DNS_UNAVAILABLE,
	UNREADABLE_KEY
};
/* "published", ... for --json. */
const char *publication_name(enum publication p);

struct dns_view; /* a resolver, and what it said */
struct dns_view *dns_view_open(struct posthouse *p, const char *command);
void dns_view_close(struct dns_view **v);
/* What DNS says of the key; *why, for people, ends with the next call. */
enum publication dns_view_look(
    struct dns_view *v, const struct key_row *row, const char **why);

#endif
