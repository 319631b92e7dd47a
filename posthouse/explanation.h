/* SPDX-License-Identifier: ISC */
/*
 * What route and explain ask, and the steps that come back. Nothing is decided
 * here: lookup is asked why (ipc/lookup.h), and the programs of services are
 * started for one question each (daemon/rehearsal.h). What is added is the
 * place of each entry of a table: the text is read for it, by the operator's
 * command and not by the daemon, which has others to serve.
 */
#ifndef POSTHOUSE_EXPLANATION_H
#define POSTHOUSE_EXPLANATION_H

#include "core/arena.h"
#include "daemon/config.h"
#include "ipc/explain.h"
#include "ipc/lookup.h"
#include "posthouse/posthouse.h"

struct told {
	struct explain_step step;
	struct str place; /* of an entry that was found: "aliases:4"; "" */
};

struct explanation {
	struct posthouse *p;
	const char *command; /* for messages */
	struct config *config;
	struct arena arena;
	struct told *steps;
	size_t count, room;
	struct explain_reply *replies;
	size_t reply_count;
	struct explain_target *targets; /* of the last hop that was asked for */
	size_t target_count;
	struct explain_usage usage; /* of the last mailbox */
	struct explain_end end;
	struct ipc *lookup;
	uint64_t asked; /* questions to lookup */
};

/* Reads the configuration. 0, or -1 after messages. */
int explanation_open(
    struct explanation *x, struct posthouse *p, const char *command);
void explanation_close(struct explanation *x);

/* The row of master.cf of "smtp", "submission", "submissions" or "lmtp", or
 * with that name; NULL when there is none. */
const struct service *explanation_service(
    const struct explanation *x, const char *name);
/* The first row with this program. */
const struct service *explanation_program(
    const struct explanation *x, const char *program);

/* The row with this name. */
const struct service *explanation_named(
    const struct explanation *x, const char *name);
/* Where mail of the row's clients comes from: enum mail_origin. */
int explanation_origin(const struct service *row);

/* A parameter as the first service with this program has it, with -o of its
 * row; a default that refers to other parameters may come out empty. */
void explanation_setting(const struct explanation *x, const char *program,
    const char *name, struct buf *value, struct buf *origin);

/*
 * Asks the program of a service. Its steps and replies are appended; targets
 * and end are this question's. 0, or -1 after a message.
 */
int explanation_ask(struct explanation *x, const struct service *row,
    const struct ipc_type *type, const void *question);

/* Asks lookup; the steps are appended. 0, or -1 after a message. */
int explanation_resolve(
    struct explanation *x, struct str address, struct lookup_resolved *out);
/* The sender that an alias's targets elsewhere would see: *out, "" when it
 * stays what it is; *status is ok or temporary. */
int explanation_forward(
    struct explanation *x, struct str sender, int *status, struct str *out);
/* out is an array in the arena. */
int explanation_expand(struct explanation *x, struct str address,
    struct str **out, size_t *count, struct lookup_expand_end *end);

/* The last step from `from` on with this rule and result, about this; NULL.
 * Empty texts stand for any. */
const struct told *explanation_find(const struct explanation *x, size_t from,
    const char *rule, const char *result, struct str about);
/* Where it is written: the place of the entry, else the origin of the rule. */
struct str told_place(const struct told *t);

/* What strangers and tables say, fit for a terminal. */
void explanation_put(struct str text);
/* Steps [from, to) for people, one line each, indented. */
void explanation_print(const struct explanation *x, size_t from, size_t to);
void explanation_json(const struct explanation *x, struct json *j,
    const char *name, size_t from, size_t to);

#endif
