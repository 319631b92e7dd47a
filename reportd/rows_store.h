/* SPDX-License-Identifier: ISC */
/*
 * Records by key, in a Berkeley DB of which this process is the only owner
 * (rows/ in report_directory). Keys are in the order of their octets.
 *
 * Changes belong to one transaction, which rows_store_commit ends: from then
 * on they survive the end of this process, however it ends, and from
 * rows_store_sync on that of the machine.
 *
 * The jail has no files: the folder is opened before it, and Berkeley DB,
 * which knows paths only, is called with the folder as working directory.
 */
#ifndef REPORTD_ROWS_STORE_H
#define REPORTD_ROWS_STORE_H

#include "core/buf.h"

/* Still privileged: holds the folder open. -1, logged. */
int rows_store_prepare(const char *directory);
/* In the jail. What is damaged is set aside, with a line in the log, and a new
 * one begun. -1, logged: nothing can be stored. */
int rows_store_open(void);
void rows_store_close(void);

/* 1, 0 when there is no such key, -1 when it failed, logged. */
int rows_store_get(struct str key, struct buf *value);
int rows_store_put(struct str key, struct str value); /* 0, -1 */
int rows_store_remove(struct str key);                /* 0, -1 */
/* The first record behind *key, which becomes its key: 1, 0 at the end, -1. */
int rows_store_next(struct buf *key, struct buf *value);

/* 0, or -1, logged: then all since the last one is undone. */
int rows_store_commit(void);
void rows_store_undo(void);
int rows_store_sync(void);

#endif
