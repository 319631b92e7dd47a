/* SPDX-License-Identifier: ISC */
/*
 * One aggregate report: the XML of RFC 9990 (appendix A has its schema),
 * compressed while it is written, so that no more than a row is ever there in
 * plain. Pure but for zlib.
 */
#ifndef REPORTD_AGGREGATE_H
#define REPORTD_AGGREGATE_H

#include "reportd/rows.h"

/* Who reports. */
struct aggregate_from {
	const char *org_name;
	const char *contact;  /* an address */
	const char *receiver; /* our host name */
	const char *software;
};

struct aggregate;

/* most: octets of the compressed report. NULL when the period's policy is
 * none. */
struct aggregate *aggregate_new(
    const struct period *p, const struct aggregate_from *from, size_t most);
void aggregate_free(struct aggregate **a);
/* False when it does not fit any more: this row is not in it. */
bool aggregate_add(struct aggregate *a, const struct counted_row *row);
/* The gzip file; ends with the next call. "" when that failed. */
struct str aggregate_end(struct aggregate *a);
/* Rows and messages that are in it. */
uint64_t aggregate_rows(const struct aggregate *a);
uint64_t aggregate_messages(const struct aggregate *a);

#endif
