/* SPDX-License-Identifier: ISC */
/*
 * main.cf as a set of values: `name = value`, $name and ${name} (also
 * ${name?text}, ${name:text} and ${name?{text}:{other}}) in values, lines that begin with a blank
 * continue the one before, # starts a comment line; the last of two equal
 * names wins (with a warning), as in Postfix.
 *
 * Who reads it: master and the posthouse command, from the file; daemons,
 * from the sealed snapshot that master hands them (all the text, so that what
 * runs is what was checked).
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include "conf/param.h"
#include "core/buf.h"

struct conf;

/*
 * Problems are appended to errors, one line each ("/etc/posthouse/main.cf:12:
 * unknown parameter smtpd_time_out; did you mean smtpd_timeout?"); reading
 * goes on behind an error, so that all are told at once. NULL only when the
 * file cannot be read.
 */
struct conf *conf_read(const char *path, struct buf *errors);
/* name: what error lines call it. */
struct conf *conf_parse(struct str text, const char *name, struct buf *errors);
void conf_free(struct conf **conf);
/* What is odd but works (a name set twice), one line each; belongs to conf. */
struct str conf_warnings(const struct conf *conf);

/* -o name=value of master.cf. -1 with an error line. */
int conf_override(
    struct conf *conf, const char *assignment, struct buf *errors);

/* The same of the row of master.cf that begins in this line. */
int conf_override_at(struct conf *conf, const char *assignment,
    unsigned master_line, struct buf *errors);

/* Where a value comes from. */
enum conf_source {
	CONF_BY_DEFAULT,
	CONF_BY_FILE,  /* main.cf */
	CONF_BY_OPTION /* -o in master.cf, or of the command line */
};
struct conf_origin {
	enum conf_source source;
	const char *file; /* "main.cf", "master.cf"; NULL: no file */
	unsigned line;    /* 0: not known */
};
struct conf_origin conf_origin(const struct conf *conf, const char *name);
/*
 * The same in words, with what the value's $names come from: "main.cf:12",
 * "master.cf:30 -o", "default", "default: $mynetworks, main.cf:5".
 */
void conf_origin_text(
    const struct conf *conf, const char *name, struct buf *out);

/* The value as written, NULL when it is not set; and expanded into out
 * (0, or -1 with an error line: unknown $name, recursion). fallback serves
 * when the name is not set. */
const char *conf_raw(const struct conf *conf, const char *name);
int conf_value(const struct conf *conf, const char *name, const char *fallback,
    struct buf *out, struct buf *errors);

/*
 * From now on ${stress?...} in values counts as under stress, or not. An
 * explicit stress=yes counts always.
 */
void conf_stress(struct conf *conf, bool stressed);

/*
 * Fills a struct from a table, defaults where nothing is set. Text values
 * belong to conf, which must outlive the struct. Returns 0, or -1 with error
 * lines; the struct is then complete all the same, with defaults in place of
 * what is wrong.
 */
int conf_fill(struct conf *conf, const struct conf_param *params, void *into,
    struct buf *errors);

/* Octets of a struct that a table fills, up to its last member in the table. */
size_t conf_extent(const struct conf_param *params);

/*
 * Every name that is set against the registry (conf/registry.h): unknown
 * names (nearest known one), values that do not parse. 0 or -1.
 */
int conf_check(struct conf *conf, struct buf *errors);
struct mastercf;
/*
 * The same with master.cf: names that only an -o refers to are known, and
 * every -o name=value itself is checked. m may be NULL.
 */
int conf_check_services(
    struct conf *conf, const struct mastercf *m, struct buf *errors);
/* Whether name takes this value (after expansion with what conf has set).
 * 0, or -1 with an error line; also when there is no such parameter. */
int conf_check_value(
    struct conf *conf, const char *name, const char *value, struct buf *errors);

/* Walks what is set, in the file's order: start with *at = 0. */
bool conf_next(const struct conf *conf, size_t *at, const char **name,
    const char **value, unsigned *line);

/* One value by kind, for -o, set and checks. 0, or -1 and *why. */
int conf_parse_time(const char *text, int64_t *ms, const char **why);
int conf_parse_size(const char *text, uint64_t *octets, const char **why);
int conf_parse_bool(const char *text, bool *value, const char **why);

#endif
