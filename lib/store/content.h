/* SPDX-License-Identifier: ISC */
/*
 * Columns C and K of a segment: what FETCH and SORT want of every message,
 * side by side. Both are copies of caches that stand in the generations; what
 * cannot be read here is read there.
 *
 *	0  rows (4 octets)
 *	4  for each block of 256 rows: its octets here, and as they were (4, 4)
 *	   the blocks, each compressed (zstd): for each row the lengths of its
 *	   parts (4 each), then the parts of all rows
 *
 * C has three parts (ENVELOPE, BODYSTRUCTURE, BODY), K one. A row without
 * octets was left out: it is gone, too large, or could not be read.
 */
#ifndef STORE_CONTENT_H
#define STORE_CONTENT_H

#include "store/snapshot.h"

/* Segments of so many octets of content in one snapshot; the next ones go
 * on. */
#define CONTENT_BUDGET ((size_t)256 << 20)

/*
 * Writes C and K for a segment of `rows` rows, of which the messages
 * [at, at + count) of f are left (all of them, when it is new). Without keys
 * there is no K. Past the budget there is neither.
 */
void content_put(struct snapshot_writer *w, struct folder *f, size_t at,
    size_t count, uint32_t rows, struct column *column_c,
    struct column *column_k);

/*
 * A row of a column C or K; its parts are views that end with the next call.
 * The column that was read last is kept. 1; 0 when the row was left out; -1
 * when the column cannot be read.
 */
int content_row(struct box *b, enum column_kind kind, const struct column *c,
    uint32_t row, struct str parts[3]);
/* Frees what is kept. */
void content_forget(struct box *b);

#endif
