/* SPDX-License-Identifier: ISC */
/*
 * The directory: who is who, and where mail goes, decided from tables. It
 * sends nothing and knows no connection; main.c and answer.c do that.
 *
 * Addresses are compared in lower case, local parts too. The order for one
 * recipient: a rewritten sender (rewriting.h), an alias of the whole address, an alias without +detail, the
 * mailbox, the mailbox without +detail, the alias @domain, postmaster.
 */
#ifndef LOOKUP_DIRECTORY_H
#define LOOKUP_DIRECTORY_H

#include "core/arena.h"
#include "ipc/explain.h"
#include "ipc/lookup.h"
#include "lookup/lookup_conf.h"
#include "lookup/tables.h"

#define DIRECTORY_ARENA_MAX (64u * 1024u * 1024u)

struct rewriting;

struct directory {
	const struct lookup_conf *conf;
	const char *myorigin; /* domain of addresses without one */
	struct tables *tables;
	const char *readable; /* lists with the tables, wherever they stand,
	                       * that other daemons may ask for */
	struct rewriting *rewriting; /* rewriting.h; NULL: none */
	struct arena arena;      /* of the answer; cleared by each question */
	const char *routed_by;   /* the parameter that chose the route */
	const char *aliased_by;  /* the one that had the last alias */
	struct explain *explain; /* NULL: nobody asks why */
	struct str about;        /* the address that is being decided on */
	/* Where a parameter's value comes from; NULL: it is not told. */
	void (*origin)(const char *name, char *out, size_t size);
};

/* An address in its parts; views into the arena, in lower case. */
struct who {
	struct str address; /* local@domain */
	struct str local, domain;
	struct str base;   /* local without detail */
	struct str detail; /* with its delimiter; "" */
	struct str plain;  /* base@domain */
};

struct settings {
	bool enabled;
	uint64_t quota_storage, quota_messages;
	bool has_storage, has_messages; /* the entry says so, no default */
};

/* Fills out but for its request; its texts live until the next question. */
void directory_resolve(
    struct directory *d, struct str address, struct lookup_resolved *out);

/* The same in the middle of another question: the arena goes on. */
void directory_resolve_within(
    struct directory *d, struct str address, struct lookup_resolved *out);

struct expansion {
	int status;          /* ok, temporary, refused */
	const char *text;    /* why, when not ok */
	struct str *address; /* in the arena */
	size_t count;
};
void directory_expand(
    struct directory *d, struct str address, struct expansion *out);
/* The same in the middle of another question: the arena goes on. */
void directory_expand_within(
    struct directory *d, struct str address, struct expansion *out);

/* enum resolve_status: ok, refused, temporary. */
int directory_owns(struct directory *d, struct str login, struct str address);

/* ---- parts, for each other and for tests ---- */

/* 0, or -1 when it is no address. */
int directory_who(struct directory *d, struct str address, struct who *w);
/* The settings of a mailbox; w->address is tried before w->plain, *account is
 * the one that is there. */
enum map_result directory_user(struct directory *d, const struct who *w,
    struct str *account, struct settings *s);
/* 0, or -1 at a setting that does not parse (the rest is read all the same). */
int directory_settings(
    const struct directory *d, struct str text, struct settings *s);
/* What the domain is to us; relay is "transport:nexthop" or "". */
enum map_result directory_domain(struct directory *d, struct str domain,
    enum domain_class *class, struct str *relay);
enum alias_match { ALIAS_EXACT, ALIAS_BASE, ALIAS_CATCHALL };
/* The alias that counts for this recipient, catch-alls only when there is no
 * mailbox. */
enum map_result directory_alias(struct directory *d, const struct who *w,
    struct str *targets, enum alias_match *match);
/* Sets transport and nexthop; may turn status into refused (error:). */
void directory_route(struct directory *d, const struct who *w, struct str relay,
    struct lookup_resolved *out);

/* A parameter that lists tables: its name and its value, for
 * directory_find. */
#define MAPS(d, parameter) #parameter, (d)->conf->parameter
/* A key in the tables of a parameter; the value in the arena. */
enum map_result directory_find(struct directory *d, const char *parameter,
    const char *maps, struct str key, struct str *value);
/* The same in one table, for whichever parameter; the value is appended. */
enum map_result directory_look(struct directory *d, struct str parameter,
    struct str spec, struct str key, struct buf *out, const char **why);
/* Tells who asks why that a rule, mostly a parameter, decided so. */
void directory_tell(struct directory *d, const char *rule, const char *result,
    const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Copies that never have p NULL. */
struct str directory_text(struct directory *d, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
