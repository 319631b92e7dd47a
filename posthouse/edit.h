/* SPDX-License-Identifier: ISC */
/*
 * Editing main.cf and text tables: one entry changes, everything else, with
 * comments and order, stays. A lock on the configuration directory keeps two
 * commands from editing at once; a file is replaced as a whole or not at all.
 */
#ifndef POSTHOUSE_EDIT_H
#define POSTHOUSE_EDIT_H

#include <sys/types.h>

#include "posthouse/posthouse.h"

struct edit {
	char *path;
	bool is_conf; /* name = value; else key, blanks, value */
	struct buf text;
	bool exists;
};

/* Waits up to 10 s for the others. The descriptor, which ends the lock when
 * it is closed, or -1 after a message. */
int edit_lock(const struct posthouse *p, const char *command);

/* Reads a file of the configuration directory; one that is missing is empty.
 * -1 after a message. */
int edit_open(struct edit *e, const struct posthouse *p, const char *command,
    const char *name);
void edit_close(struct edit *e);

/* The last entry's value, its lines joined; keys in any case. */
bool edit_get(const struct edit *e, struct str key, struct buf *value);
/* Replaces the last entry of this key, or adds one at the end. */
void edit_set(struct edit *e, struct str key, struct str value);
/* Removes every entry of this key; whether there was one. */
bool edit_delete(struct edit *e, struct str key);

/* Writes the file; a table is compiled too. -1 after a message. mode is for
 * a file that is new. */
int edit_save(struct edit *e, const char *command, mode_t mode);

/* Entries in order; each returns 0 to go on. */
void edit_each(const struct edit *e,
    int (*each)(struct str key, struct str value, void *arg), void *arg);

/* ---- for the operator ---- */

/* Lines, or JSON; which, each entry's function looks at. */
struct edit_listing {
	struct buf out;
	struct json json;
	bool as_json;
};

/* Prints every entry of a table: each is given the listing. 0, or 1 after a
 * message. */
int edit_list(const struct posthouse *p, const char *command, const char *name,
    int (*each)(struct str key, struct str value, void *listing));

/* ---- the directory's files ---- */

/* The class and the rest of a domain's entry; false when it is not ours. */
bool edit_domain(const struct posthouse *p, const char *command,
    struct str domain, struct buf *entry);

#endif
