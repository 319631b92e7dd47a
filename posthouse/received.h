/* SPDX-License-Identifier: ISC */
/* The reports that feedback keeps, for posthouse report. */
#ifndef POSTHOUSE_RECEIVED_H
#define POSTHOUSE_RECEIVED_H

#include "posthouse/posthouse.h"
#include "report/report.h"

#define RECEIVED_ID         12 /* characters of a key that are shown */
#define RECEIVED_LIMIT      1000
#define RECEIVED_LIMIT_MOST 100000

/* What is asked for. Fill with received_options. */
struct received_query {
	struct str domain; /* it and what is below it; "": all */
	int kind;          /* enum report_kind, -1: all */
	uint64_t since;    /* received, seconds since 1970 */
	uint64_t until;    /* the same; UINT64_MAX */
	size_t most;       /* reports of a list */
	struct str key;    /* the start of a key; "": all */
	const char *verb;
};

/*
 * Reads --domain, --since, --until, --kind and --limit; one other argument is
 * the key when takes_key. argv begins with the verb. 0, or -1 after a message
 * on stderr.
 */
int received_options(struct received_query *q, int argc, char **argv,
    bool takes_key, uint64_t now);

/* What is said when there is none. */
const char *received_none(const struct received_query *q);

/* Of each only its head is read. */
typedef int received_head(
    const struct report_head *h, const char *key, void *arg);

/* A report and its key; both end with the call. Non-zero ends the walk. */
typedef int received_found(
    const struct report *r, const char *key, const char *path, void *arg);

/*
 * Calls found for each report that is asked for, in no order. Those older than
 * feedback_lifetime are not. 0, or 1 after a message on stderr: the folder
 * cannot be read.
 */
int received_each(struct posthouse *p, const struct received_query *q,
    uint64_t now, received_found *found, void *arg);
int received_heads(struct posthouse *p, const struct received_query *q,
    uint64_t now, received_head *found, void *arg);

/* Whether a domain is another one or below it. */
bool received_is_below(struct str domain, struct str of);

/* "2026-11-21 09:03:04 +0100" */
void received_put_time(struct buf *out, uint64_t seconds);

#endif
