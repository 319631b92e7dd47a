/* SPDX-License-Identifier: ISC */
/*
 * The private keys that this process has read, by domain; of a domain without
 * keys, that it has none. The folder is looked at again once a second, so that
 * what `posthouse dkim` does needs no reload.
 */
#ifndef CLEANUP_KEYS_H
#define CLEANUP_KEYS_H

#include "mailauth/key_folder.h"

#define KEYS_MOST 8 /* active ones of a domain */

struct keys;

struct signing_key {
	char selector[KEY_SELECTOR_MAX + 1];
	struct dkim_key *key;
};

struct domain_keys {
	char domain[KEY_DOMAIN_MAX + 1];
	struct signing_key list[KEYS_MOST]; /* by selector */
	size_t count;
	bool broken; /* one could not be read: it stands in the log */
};

/* folder: of dkim_key_directory, open, or -1; most: domains that are kept. */
struct keys *keys_new(int folder, size_t most);
/* What keys_find gave so far may go: call it between two messages. */
void keys_begin(struct keys *k);
/* The active keys of a domain, in lower case; valid until keys_begin. Never
 * NULL. */
const struct domain_keys *keys_find(struct keys *k, struct str domain);

#endif
