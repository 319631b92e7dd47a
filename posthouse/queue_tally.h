/* SPDX-License-Identifier: ISC */
/* Counting recipients by a name: a domain, a reason. */
#ifndef POSTHOUSE_QUEUE_TALLY_H
#define POSTHOUSE_QUEUE_TALLY_H

#include "core/table.h"

#define TALLY_AGES 10   /* columns, as qshape's; the last has no end */
#define TALLY_MOST 5000 /* names; the rest are counted as one */

extern const unsigned tally_ages[TALLY_AGES - 1]; /* minutes */

struct tally_line {
	char *name;
	uint64_t total;
	uint64_t ages[TALLY_AGES];
	uint64_t oldest; /* arrival, seconds since 1970 */
	uint64_t last;   /* the latest attempt */
};

struct tally {
	struct table names;
	struct tally_line all;
};

/* Of one recipient. */
void tally_add(struct tally *t, struct str name, uint64_t arrived,
    uint64_t last, uint64_t now);
/* The lines, most recipients first; the caller frees the array. */
struct tally_line **tally_sorted(const struct tally *t, size_t *count);
void tally_free(struct tally *t);

/* A reason without what differs from host to host and from attempt to attempt
 * (our own words about whom we asked), so that equal ones count as one. */
struct str tally_reason(struct str reason);

#endif
