/* SPDX-License-Identifier: ISC */
/*
 * What was seen of each domain that asks for reports, counted: a period for
 * each policy domain (a day of UTC, or what the operator made of it), and in
 * it a row for each kind of message, with how many there were.
 *
 * Stored as "P" domain NUL begin, and "R" domain NUL begin row: all rows of a
 * period stand together. Periods that are open are in memory too, and go to
 * the store with the next commit.
 */
#ifndef REPORTD_ROWS_H
#define REPORTD_ROWS_H

#include "ipc/report.h"
#include "reportd/reportd_conf.h"

#define ROWS_DAY         86400
#define ROWS_DONE_MAX    4096 /* octets of the list of addresses done */
#define ROWS_PROBLEM_MAX 400

/* A period, as it is stored; texts are the holder's. */
struct period {
	struct str domain;   /* where the policy stands, lower case */
	uint64_t begin, end; /* seconds since 1970; end is not in it */
	struct str id;       /* of the report */
	struct str record;   /* the policy that was seen last */
	int discovery;
	uint64_t rows, octets; /* of their keys */
	uint64_t messages, left_out;
	uint64_t attempts, next; /* next: seconds, 0: not decided */
	struct str done;    /* a line for each address that has the report */
	struct str problem; /* what happened last */
};

/* Opens the store and finds the periods that are open. -1, logged: rows are
 * dropped. */
int rows_open(const struct reportd_conf *conf);
void rows_close(void);
/* All that was counted is in the store; periods that are over are no longer
 * in memory. */
void rows_settle(uint64_t now);
/* The same, and on the disk. */
void rows_sync(uint64_t now);

/* Whether a period has begun since the last call. */
bool rows_begun(void);

/* Counts one message; what it cannot count it drops, and counts that. */
void rows_count(const struct report_row *row, uint64_t now);
/* Ends the open period of a domain at `now`; false when there is none. */
bool rows_end_period(struct str domain, uint64_t now);

/* The next period behind *at, which begins empty: true until the end. *p is
 * valid until the next call. After rows_settle. */
bool rows_next_period(struct buf *at, struct period *p);
/* The period with that domain and begin. */
bool rows_find_period(struct str domain, uint64_t begin, struct period *p);
void rows_save_period(const struct period *p);
/* Its rows too. */
void rows_remove_period(const struct period *p);

/* One stored row; policy_domain, record and discovery are the period's. */
struct counted_row {
	struct report_row row;
	uint64_t count;
};
/* The next row of the period behind *at, which begins empty. *out is valid
 * until the next call. */
bool rows_next(const struct period *p, struct buf *at, struct counted_row *out);

/* The policy domain of a period's key or row's is never longer. */
#define ROWS_KEY_MAX 8192

#endif
