/* SPDX-License-Identifier: ISC */
/*
 * The tables that are open, each once, whoever asks. A table that cannot be
 * opened is tried again by a look-up a second later.
 */
#ifndef LOOKUP_TABLES_H
#define LOOKUP_TABLES_H

#include "conf/map.h"
#include "core/table.h"

#define TABLES_MAX 500

struct tables {
	struct table by_spec; /* "hash:users" -> struct open_table */
	const char *base;     /* for relative names */
};

struct tables tables_new(const char *base);
void tables_free(struct tables *t);

/* One key in one table. Appends the value; MAP_ERROR with *why, which lasts
 * until the next call. What is wrong is logged, once for each reason. */
enum map_result tables_find(struct tables *t, struct str spec, struct str key,
    struct buf *out, const char **why);

/* The first of a parameter's tables that has the key. */
enum map_result tables_find_any(struct tables *t, const char *maps,
    struct str key, struct buf *out, const char **why);

/*
 * Whether another daemon may ask for this table: a file of the configuration
 * directory, an inline or static table, or one of `allowed`; never the file
 * `secrets`.
 */
bool tables_may_ask(const struct tables *t, struct str spec,
    const char *allowed, const char *secrets);

#endif
