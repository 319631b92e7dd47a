/* SPDX-License-Identifier: ISC */
/*
 * posthouse conf import: reads the configuration of a Postfix and says of
 * each line what it becomes. import_names.c is the table of what is known
 * about each parameter, import_restrictions.c that of the restrictions;
 * import_read.c reads the files, import_values.c translates parameters,
 * import_tables.c the tables that they name, import_master.c the services;
 * import_write.c writes the new directory. Only facts about Postfix 3.7
 * stand here.
 */
#ifndef POSTHOUSE_IMPORT_H
#define POSTHOUSE_IMPORT_H

#include "conf/conf.h"
#include "core/arena.h"
#include "core/buf.h"
#include "core/table.h"

enum import_verdict {
	IMPORT_SAME,        /* name and meaning are ours too */
	IMPORT_TRANSLATED,  /* it becomes something else of the same meaning */
	IMPORT_BUILT_IN,    /* always so here */
	IMPORT_DEFAULT,     /* not set there, and the defaults differ */
	IMPORT_MACRO,       /* a name of the user's own */
	IMPORT_IGNORED,     /* means nothing here, and nothing is lost */
	IMPORT_UNSUPPORTED, /* something is lost; the note says what to do */
	IMPORT_UNKNOWN,     /* Postfix has no such thing either */
	IMPORT_VERDICTS
};
extern const char *const import_verdict_names[];

struct import_finding {
	const char *file; /* "": no line says it */
	unsigned line;
	enum import_verdict verdict;
	const char *what; /* as it stands there */
	const char *to;   /* "": nothing */
	const char *note; /* "": none */
};

/* Where a part of a logical line began in the file. */
struct import_spot {
	size_t at;
	unsigned line;
};

/* A logical line: "name = value" of main.cf, or a service of master.cf. */
struct import_entry {
	const char *name, *value;
	struct import_spot *spots;
	size_t spot_count;
	bool overruled; /* set again below */
};

struct import_file {
	const char *path;
	struct import_entry *entries;
	size_t count;
};

/* A file that the new directory gets besides the usual ones. */
struct import_copy {
	const char *name;
	struct buf text;
	bool is_secret;
};

struct import {
	const char *directory;
	/* Reads a file, whole; -1 with errno. */
	int (*read)(const char *path, struct buf *text);
	struct arena arena; /* all the texts */
	struct conf *known; /* nothing set: for the checks of values */
	struct import_file main, master;
	struct table by_name; /* the entries of main.cf */
	struct import_finding *findings;
	size_t finding_count, finding_room;

	/* What will be written. */
	struct buf main_cf;                 /* in the order of theirs */
	struct table settings;              /* names that stand in it */
	struct buf domains, users, aliases; /* entries */
	struct table domain_names, user_names, alias_names;
	struct buf alias_maps; /* tables of patterns, besides aliases */
	struct buf dnsbl_sites;
	const char *chain[4];     /* key and certificate, twice */
	struct buf services;      /* rows of master.cf */
	const char *smtpd_limit;  /* maxproc of smtpd */
	struct buf smtpd_options; /* behind screen */
	struct import_copy *copies;
	size_t copy_count;
};

/* What a line is about, for findings and settings. */
struct import_place {
	const char *file;
	unsigned line;
	const char *service; /* "": main.cf */
	struct buf *options; /* of the service; NULL: main.cf */
	bool is_submission;
};

/* ---- the tables of what is known ---- */

enum import_form {
	IMPORT_AS_IT_IS,
	IMPORT_CERT,
	IMPORT_USE_TLS,
	IMPORT_TLS_LEVEL,
	IMPORT_PROTOCOLS,
	IMPORT_DOMAINS,
	IMPORT_USERS,
	IMPORT_MAPS,
	IMPORT_ALIASES,
	IMPORT_TRANSPORTS,
	IMPORT_RECIPIENTS,
	IMPORT_TRANSPORT,
	IMPORT_PROTOCOL_FAMILY,
	IMPORT_NETWORKS,
	IMPORT_NETWORKS_STYLE,
	IMPORT_QUOTA,
	IMPORT_SIZE_LIMIT,
	IMPORT_EXTENSIONS,
	IMPORT_BARE,
	IMPORT_FORBIDDEN,
	IMPORT_YES,
	IMPORT_LOG,
	IMPORT_ACCESS,
	IMPORT_RESTRICTIONS,
	IMPORT_CLASSES,
	IMPORT_SENDERS, /* tables that rewrite addresses; postsrsd's is one */
	IMPORT_SENDER_CLASSES, /* for which of them */
	IMPORT_DAYS,           /* a bare number counts days */
	IMPORT_HOURS
};

struct import_name {
	const char *name;
	enum import_verdict verdict;
	enum import_form form;
	const char *to;       /* our name, where it is another */
	const char *fallback; /* Postfix's default; NULL: of no interest */
	const char *note;     /* NULL: none */
};

struct import_group {
	enum import_verdict verdict;
	const char *note;
	const char *names; /* blanks between them */
};

extern const struct import_name import_names[];   /* ends with name NULL */
extern const struct import_group import_groups[]; /* ends with names NULL */

/* What is known of a parameter; out->name NULL: nothing. Also TRANSPORT_ and
 * the end of a default_ parameter. */
void import_known(struct str name, struct import_name *out);
/* The parameter of Postfix that is nearest to name, into out; false when none
 * is near. */
bool import_nearest(struct str name, char *out, size_t size);

/* One restriction with its argument (may be ""). */
void import_restriction(struct import *im, const struct import_place *at,
    const char *list, struct str name, struct str argument);
/* Whether this restriction takes an argument. */
bool import_restriction_has_argument(struct str name);

/* ---- reading ---- */

#define IMPORT_TEXT_MAX  (16u << 20) /* octets of one file */
#define IMPORT_VALUE_MAX 65536u      /* octets of an expanded value */

/* read: see above. path: the directory. -1 with *why when main.cf cannot be
 * read. */
int import_open(struct import *im, const char *path,
    int (*read)(const char *path, struct buf *text), const char **why);
void import_close(struct import *im);
/* The logical lines of a text; is_main: "name = value". */
void import_lines(
    struct import *im, struct str text, bool is_main, struct import_file *out);
unsigned import_line(const struct import_entry *e, size_t at);
/* The value with its $names replaced, as Postfix does it. */
void import_expand(struct import *im, struct str value, struct buf *out);
/* The expanded value of a name: set, or Postfix's default. */
void import_value(struct import *im, const char *name, struct buf *out);
const struct import_entry *import_entry(struct import *im, const char *name);
/* A path of Postfix's configuration directory, when that was copied
 * elsewhere, as a path of the copy. */
const char *import_path(struct import *im, struct str path);
const char *import_text(struct import *im, struct str s);
const char *import_format(struct import *im, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- findings and settings ---- */

void import_say(struct import *im, const struct import_place *at,
    enum import_verdict verdict, const char *what, const char *to,
    const char *note);
/* Into main.cf, or into the options of the service. */
void import_set(struct import *im, const struct import_place *at,
    const char *name, const char *value);
/* The next word of a list from *at on: blanks and commas part words, { } keep
 * them together. */
struct str import_word(struct str value, size_t *at);

/* ---- the parts ---- */

void import_parameter(struct import *im, const struct import_place *at,
    const struct import_entry *e, struct str value, size_t offset);
void import_services(struct import *im);
/* A list of domains for our file domains; class: its word there. */
void import_domains(struct import *im, const struct import_place *at,
    const struct import_entry *e, const char *class);
/* Tables for the files users and aliases, and those that are copied. */
void import_users(struct import *im, const struct import_place *at,
    const struct import_entry *e);
void import_aliases(struct import *im, const struct import_place *at,
    const struct import_entry *e, bool is_local);
void import_maps(struct import *im, const struct import_place *at,
    const struct import_entry *e, bool is_transport);
/* transport:nexthop as we know it; NULL: *note says why not. */
const char *import_transport(
    struct import *im, struct str value, const char **note);
void import_add_domain(struct import *im, struct str domain, const char *class);
/* A file of the new directory with this name; a secret is not for everybody.
 * -1 when there are too many, or one of the name is there. */
int import_copy_text(
    struct import *im, const char *name, struct str text, bool is_secret);
/* What postsrsd was told, once; false when its file is not there. */
bool import_postsrsd(struct import *im);
/* What no line says: defaults that differ, and what was gathered. */
void import_finish(struct import *im);
/* All of it. */
void import_run(struct import *im);
/* Writes the new directory, which must not be there or be empty. 0, or -1
 * after a message. */
int import_write(struct import *im, const char *directory);

#endif
