/* SPDX-License-Identifier: ISC */
/* What conf.c, expand.c and check.c share. */
#ifndef CONF_CONF_PRIVATE_H
#define CONF_CONF_PRIVATE_H

#include "conf/conf.h"
#include "core/table.h"

#define CONF_FILE_MAX  (1024u * 1024u) /* octets of main.cf */
#define CONF_DEPTH_MAX 32              /* $name within $name */

struct conf_entry {
	char *name;
	char *value;          /* as written */
	unsigned line;        /* 0: set by -o */
	unsigned option_line; /* of the -o in master.cf, 0: not known */
};

struct conf {
	char *file; /* for messages */
	struct conf_entry *entries;
	size_t count, room;
	struct table by_name;             /* name -> position + 1 */
	const struct conf_param **tables; /* seen by conf_fill, for defaults */
	size_t table_count;
	char **texts; /* handed out by conf_fill */
	size_t text_count;
	struct buf warnings;
	bool stressed; /* conf_stress */
};

struct conf_entry *conf_entry(const struct conf *conf, const char *name);
/* "main.cf:12: " or "main.cf: -o " in front of an error about a name. */
void conf_where(const struct conf *conf, const char *name, struct buf *out);
/* The default of a name in the tables that conf knows, or NULL. */
const char *conf_default(const struct conf *conf, const char *name);
void conf_know(struct conf *conf, const struct conf_param *params);
const struct conf_param *conf_row(
    const struct conf_param *params, struct str name);

/*
 * Calls name() for each $name of a value, also within ${name?text}. depth
 * bounds the nesting. 0, or -1 and *why when the value is malformed.
 */
int conf_names(const char *value, void (*each)(struct str name, void *arg),
    void *arg, const char **why);

/* Appends text with its references replaced; -1 with the reason in why. */
int conf_expand(const struct conf *conf, const char *text, struct buf *out,
    struct buf *why);

/* Parses text as the row wants it and puts it at into + offset (into may be
 * NULL: only checks). TEXT is not stored here. 0, or -1 with the reason. */
int conf_store(const struct conf_param *row, const char *text, void *into,
    struct buf *why);

#endif
