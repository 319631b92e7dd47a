/* SPDX-License-Identifier: ISC */
/*
 * Lists in a parameter: words, and lookup tables (conf/map.h) between them,
 * parted by blanks or commas. "!" before a word means all but it; the first
 * that matches decides. A table matches when it has the key, whatever it says
 * of it.
 */
#ifndef CONF_LISTED_H
#define CONF_LISTED_H

#include "conf/map.h"

struct listed {
	/* Whether a word, which is no table, stands for what is looked for. */
	bool (*is)(const void *what, struct str word);
	const void *what;
	/* For the tables: LF between them, the first that is there counts. */
	struct str keys;
	/* Who asks a table for the keys; NULL: all tables are away. */
	enum map_result (*ask)(void *arg, struct str table, struct str keys);
	void *arg;
	struct str by; /* out: the word that decided, of the list; or "" */
};

/* MAP_FOUND: it is in the list; MAP_ERROR: a table before that could not be
 * asked. */
enum map_result listed_find(struct str list, struct listed *l);

/* "example.org" is that domain, ".example.org" those below it. For struct
 * listed: what is a struct str. */
bool listed_is_domain(const void *domain, struct str word);
/* The keys of a domain, appended: itself, then what is above it with a dot
 * before it; in lower case. */
void listed_domain_keys(struct str domain, struct buf *keys);
/* Octets that the keys of a domain of DNS may take. */
#define LISTED_KEYS_MAX 17000

/* Whether a domain is in a list that has no tables. */
bool listed_domain(struct str list, struct str domain);

#endif
