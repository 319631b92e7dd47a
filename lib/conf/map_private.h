/* SPDX-License-Identifier: ISC */
/* What the table types share. map.c finds the type and watches the files. */
#ifndef CONF_MAP_PRIVATE_H
#define CONF_MAP_PRIVATE_H

#include "conf/map.h"
#include "core/table.h"

#define MAP_TEXT_MAX  (256u * 1024u * 1024u) /* octets of a text table */
#define MAP_KEY_MAX   4096                   /* octets */
#define MAP_VALUE_MAX (1024u * 1024u)        /* octets, of a place */

struct map_kind {
	const char *name;
	bool is_file;
	/*
	 * Reads the table at `where` (a path, or what stands behind the
	 * colon) into new data; NULL with the reason in why.
	 */
	void *(*load)(const char *where, struct buf *why);
	/* MAP_ERROR with the reason in why. */
	enum map_result (*find)(
	    void *data, struct str key, struct buf *out, struct buf *why);
	void (*unload)(void *data);
	/* As map_check does; NULL: what load says is all that can be wrong. */
	int (*check)(const char *where, struct buf *errors);
	/* The line of the entry that answers key, 0 for none; what it says is
	 * appended to value. NULL: the table is no file. */
	unsigned (*line)(
	    void *data, const char *where, struct str key, struct buf *value);
};

extern const struct map_kind map_hash, map_btree, map_text, map_texthash,
    map_aliases, map_inline, map_static, map_cidr, map_pcre;

/* Text tables in memory, keys folded; map_db falls back on them. */
struct table *map_text_load(const char *path, struct buf *why);
void map_text_unload(struct table *t);
/* The first of two equal keys counts, as postmap has it. */
void map_text_add(struct table *t, struct str key, struct str value);
enum map_result map_text_find(
    void *table, struct str key, struct buf *out, struct buf *why);
unsigned map_text_line(
    void *data, const char *where, struct str key, struct buf *value);

int map_text_check(const char *path, struct buf *errors);

/* The key in lower case into space (MAP_KEY_MAX octets); len 0 and p NULL
 * when it is too long to be in any table. */
struct str map_fold(struct str key, char *space);

#endif
