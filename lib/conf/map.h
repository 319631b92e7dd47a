/* SPDX-License-Identifier: ISC */
/*
 * Lookup tables, written "type:name": hash: and btree: (Berkeley DB, name.db
 * beside the text; a text that is newer, or alone, is read itself), text: (the file read into memory; texthash: is the same),
 * inline:{ key=value, ... }, static:value, cidr: and pcre: (files of
 * patterns, first match). Keys are folded to lower case in hash, btree and
 * text. A file that changed is opened anew by the next look-up (checked at
 * most once a second).
 */
#ifndef CONF_MAP_H
#define CONF_MAP_H

#include "core/buf.h"

struct map;

enum map_result { MAP_FOUND, MAP_NONE, MAP_ERROR };

/* NULL and *why (valid until the next call): unknown type, no such file,
 * bad line. Relative names are below base. */
struct map *map_open(const char *spec, const char *base, const char **why);
/*
 * Everything that is wrong with a table, a line each ("FILE:LINE: what"), where
 * map_open tells the first alone. Of hash: and btree: the text is read, and
 * the compiled form opened. 0 when nothing is wrong, else -1.
 */
int map_check(const char *spec, const char *base, struct buf *errors);
/* Whether the word is a table: "type:name", of a type that there is. */
bool map_is_spec(struct str word);
/* The types that there are: NULL behind the last. */
const char *map_type(size_t n);
/* The next table of a list ("hash:a, inline:{x=y z=1}"): blanks and commas
 * part tables, but not within braces. Empty at the end. */
struct str map_cut_spec(struct str *maps);
/* The table's file, for the caller to free; NULL when it is no file. */
char *map_path(const char *spec, const char *base);
/* Its folder: an editor puts another file in its place, so that counts. */
char *map_folder(const char *spec, const char *base);
void map_close(struct map **m);
/* Never looks again whether the file has changed: for a table that is opened
 * before a jail without files. Not for hash: and btree:. */
void map_keep(struct map *m);
/* Appends the value to out. MAP_ERROR: map_why. */
enum map_result map_find(struct map *m, struct str key, struct buf *out);
const char *map_why(const struct map *m);

/*
 * Where the entry stands that answers a key: for explanations. A text that is
 * compiled, or in memory, is read anew for it, which takes its time; the file
 * belongs to the map.
 */
struct map_place {
	const char *file; /* NULL: the table is no file */
	unsigned line;    /* 0: the text has no such entry */
	bool differs;     /* the text says something else: not compiled since */
};
void map_place(struct map *m, struct str key, struct map_place *out);

/* When a changed file could not be read, the old content goes on serving;
 * this appends the reason to out, once, and returns 1. Else 0. */
int map_take_warning(struct map *m, struct buf *out);

/*
 * Compiles a text table (key, blanks, value; # comments; continuation lines)
 * to name.db, as postmap does: temporary file, fsync, rename. 0, or -1 with
 * error lines. type: "hash" or "btree".
 */
int map_compile(const char *type, const char *text_path, struct buf *errors);
/* 1 when name.db is older than the text or missing, 0, or -1 (errno). */
int map_is_stale(const char *text_path);

/* Walks a text table, in order: for listings and editors. row returns 0 to go
 * on. */
int map_each(const char *text_path,
    int (*row)(struct str key, struct str value, unsigned line, void *arg),
    void *arg, struct buf *errors);

#endif
