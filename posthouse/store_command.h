/* SPDX-License-Identifier: ISC */
/*
 * posthouse store: what its verbs share. cmd_store.c has the tables of verbs
 * and options and becomes the owner of the store; store_common.c opens boxes
 * and says what went wrong; each cmd_store_*.c is a verb or two.
 *
 * The exit status is one of sysexits(3); 1: a check found damage.
 */
#ifndef POSTHOUSE_STORE_COMMAND_H
#define POSTHOUSE_STORE_COMMAND_H

#include <stdio.h>
#include <sysexits.h>

#include "core/arena.h"
#include "posthouse/posthouse.h"
#include "posthouse/time_point.h"
#include "store/recovery.h"
#include "store/store_conf.h"

struct store_options {
	bool all, deep, list;
	const char *mailbox, *since, *uid, *at, *from, *message_id,
	    *undelete_time; /* NULL: not given */
};

struct store_command {
	struct posthouse *p;
	const char *verb;
	struct store_options given;
	char **words; /* that are no options */
	int word_count;
	int64_t now; /* microseconds since 1970 */
	struct store_conf conf;
	struct store *store;
	int status; /* EX_OK, or of the last that went wrong */
	/* What --json will print. */
	struct buf out;
	struct json json;
};

typedef void store_verb(struct store_command *c);
store_verb store_stat_verb, store_check_verb, store_repair_verb,
    store_rebuild_verb, store_undelete_verb, store_restore_verb,
    store_backup_verb, store_upkeep_verb;
/* While still root: makes the directory of a backup, the owner's. The words
 * are absolute paths afterwards. -1 after a message. */
int store_backup_prepare(struct store_command *c, unsigned uid, unsigned gid);

/* ---- store_common.c ---- */

/* Says "posthouse store VERB: ..." on stderr; the status is remembered. */
void store_fail(struct store_command *c, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same of an account, for the reason why (may be ""). What to do is
 * added. */
void store_fail_why(struct store_command *c, struct str account,
    const char *why, enum store_result r);
/* The same, for the reason that b knows; NULL: that it cannot be opened. */
void store_fail_box(struct store_command *c, struct str account,
    const struct box *b, enum store_result r);

/* The account that a word means: addresses in their normal form. The result
 * lives as long as *space. */
struct str store_account(const char *word, struct buf *space);
/* Opens an account that has something on disk. NULL after a message. */
struct box *store_box(
    struct store_command *c, struct store *s, struct str account);
/* Whether it has something on disk, damaged or not; a message where not. */
bool store_exists(struct store_command *c, struct str account);
/* Calls visit for each account: those of words[first] and on, or with --all
 * every account of the store. */
void store_each(struct store_command *c, int first,
    void (*visit)(struct store_command *c, struct str account));

/* Text of strangers, fit for a terminal; cut to the room of out. */
const char *store_text(struct str s, char *out, size_t size);
/* Prints what the JSON is so far. */
void store_flush(struct store_command *c);
static inline bool store_as_json(const struct store_command *c)
{
	return c->p->json;
}
/* A time that an option gives. -1 after a message. */
int store_time(
    struct store_command *c, const char *option, const char *text, int64_t *us);
/* "time": as text and as seconds since 1970. */
void store_json_time(struct store_command *c, const char *name, int64_t us);
static inline unsigned long long store_number(uint64_t n)
{
	return (unsigned long long)n;
}
/* "1 message", "2 messages", for "%llu %s". */
#define STORE_MANY(n, one) store_number(n), (n) == 1 ? one : one "s"

#endif
