/* SPDX-License-Identifier: ISC */
/*
 * The folder of private keys (dkim_key_directory): a folder for each domain,
 * in it a file for each key, DOMAIN/SELECTOR.STATE, PEM. A key changes its
 * state by rename(2), so that whoever lists the folder sees it in one of them.
 * The time of the file's last change is when it came into its state.
 */
#ifndef MAILAUTH_KEY_FOLDER_H
#define MAILAUTH_KEY_FOLDER_H

#include "mailauth/dkim_key.h"

#define KEY_SELECTOR_MAX 128
#define KEY_DOMAIN_MAX   253
#define KEY_FILE_MAX     32768 /* octets of a file */

enum key_state {
	KEY_NEW,     /* made, perhaps published; signs nothing */
	KEY_ACTIVE,  /* signs */
	KEY_RETIRED, /* signs no more; mail that it signed is on its way */
	KEY_STATES
};
extern const char *const key_state_names[KEY_STATES]; /* "new" */

/* A domain in lower case, or a selector, that may name a file. */
bool key_domain_valid(struct str domain);
bool key_selector_valid(struct str selector);

/* "SELECTOR.STATE"; false when a file is named otherwise. */
bool key_file_parse(
    struct str name, struct str *selector, enum key_state *state);

#define KEY_PATH_MAX (KEY_DOMAIN_MAX + 1 + KEY_SELECTOR_MAX + 16)
/* "DOMAIN/SELECTOR.STATE"; both are valid. */
void key_path(struct str domain, struct str selector, enum key_state state,
    char out[KEY_PATH_MAX]);

/*
 * Calls found for each key of a domain, in no order, until it returns non-zero;
 * returns that. No such domain: 0. -1 with errno when the folder cannot be
 * read.
 */
int key_folder_each(int folder, struct str domain,
    int (*found)(struct str selector, enum key_state state, void *arg),
    void *arg);

/* Reads a private key; NULL with *why, a phrase that ends with the next
 * call. */
struct dkim_key *key_folder_read(int folder, struct str domain,
    struct str selector, enum key_state state, const char **why);

#endif
