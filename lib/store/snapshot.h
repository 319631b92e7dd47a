/* SPDX-License-Identifier: ISC */
/*
 * Inside lib/store: how a snapshot is put together (snapshot_write.c) and what
 * others add to it (deliveries.c).
 *
 * Which snapshots are kept: the newest two; the base, so old that everything
 * the undelete window covers lies behind it; the candidate that becomes the
 * base when it is old enough, and then the newest becomes candidate; and what
 * these point into. A box with one generation needs no base. Each snapshot
 * says in its header what was kept when it was taken.
 */
#ifndef STORE_SNAPSHOT_H
#define STORE_SNAPSHOT_H

#include "store/box.h"

struct snapshot_writer {
	struct box *b;
	uint64_t number;
	struct buf data;    /* columns; data[0] stands behind the header */
	struct buf summary; /* records */
	uint64_t *refs;     /* older ones pointed into; some repeat */
	size_t ref_count, ref_room;
	uint64_t before, base, candidate; /* as in the header */
	size_t content;                   /* octets of C and K, uncompressed */
	/* Segments with rows that are gone are written anew, so that nothing
	 * of the newest snapshot holds what shall be erased. */
	bool clean;
};

#define V_OCTETS 24u /* a row of column V */

/* A mailbox, alive or dead, with its messages and what is gone of them. */
enum store_result snapshot_put_folder(
    struct snapshot_writer *w, struct folder *f);
/* Adds a record to the summary. */
void snapshot_put(struct snapshot_writer *w, const struct record *r);
/* Declares what was appended to w->data since `start` as a column. */
struct column snapshot_column(struct snapshot_writer *w, size_t start);
/* An older snapshot is pointed into. */
void snapshot_refer(struct snapshot_writer *w, uint64_t number);
/* Decides what is kept once w is announced: w->before, base, candidate. */
void snapshot_choose(struct snapshot_writer *w);
/* Drops what is not kept. */
void snapshot_drop_others(struct snapshot_writer *w);
/*
 * Where the base is, that is, up to where the log is not needed any more; all
 * zero when there is none yet. All of it was read and is as it was written.
 */
enum store_result snapshot_base(struct box *b, struct engine_pos *at);
/* The base's number, as the newest snapshot has it; 0: none. */
uint64_t snapshot_base_number(struct box *b);
/*
 * After snapshot_take(b, true): overwrites the content (C and K) that other
 * snapshots hold, but for what the newest points at. Idempotent.
 */
enum store_result snapshot_scrub(struct box *b);
/* The same for one that was written, but will never be announced. */
void snapshot_scrub_own(struct snapshot_writer *w);
/* Reads all of a snapshot against its checksums, but for C and K. */
enum store_result snapshot_verify(
    struct box *b, uint64_t number, struct snapshot_header *h);
/* Reads a column whole, checked against its CRC; malloc'ed, *len octets. */
enum store_result column_get(
    struct box *b, const struct column *c, unsigned char **out, size_t *len);

#endif
