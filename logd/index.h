/* SPDX-License-Identifier: ISC */
/*
 * Keeps the index of trace files (ipc/trace_index.h), in small steps, by
 * reading what was written: one way for the hour that is being written, for an
 * hour that is over, and for what was left when logd last ended. What the
 * index lacks meanwhile costs who searches some time, nothing else.
 */
#ifndef LOGD_INDEX_H
#define LOGD_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct indexer;

/* dir: the folder of the trace files; it must outlive the indexer. All hours
 * in it are looked at. */
struct indexer *index_new(int dir);
void index_free(struct indexer **x);

/* Events were appended to the file of this hour. */
void index_written(struct indexer *x, int64_t hour);

/* Reads up to so many cells. True when there is more to do at once. */
bool index_step(struct indexer *x, size_t cells);

#endif
