/* SPDX-License-Identifier: ISC */
/*
 * Records by key, in a Berkeley DB of which this process is the only owner, a
 * folder of its own. A process has one at most. Keys are in the order of their octets.
 *
 * Changes belong to one transaction, which database_commit ends: from then
 * on they survive the end of this process, however it ends, and from
 * database_sync on that of the machine.
 *
 * The jail has no files: the folder is opened before it, and Berkeley DB,
 * which knows paths only, is called with the folder as working directory.
 */
#ifndef DAEMON_DATABASE_H
#define DAEMON_DATABASE_H

#include "core/buf.h"

/* Still privileged: holds the directory open, the value of that parameter; in
 * it the folder `name` is the database ("rows"). Both names stay the caller's
 * and must last. -1, logged. */
int database_prepare(
    const char *parameter, const char *directory, const char *name);
/* In the jail. What is damaged is set aside, with a line in the log, and a new
 * one begun. Waits a few seconds for another process that has it open. -1,
 * logged: nothing can be stored. */
int database_open(void);
void database_close(void);

/* 1, 0 when there is no such key, -1 when it failed, logged. */
int database_get(struct str key, struct buf *value);
int database_put(struct str key, struct str value); /* 0, -1 */
int database_remove(struct str key);                /* 0, -1 */
/* The first record behind *key, which becomes its key: 1, 0 at the end, -1. */
int database_next(struct buf *key, struct buf *value);

/* 0, or -1, logged: then all since the last one is undone. */
int database_commit(void);
void database_undo(void);
int database_sync(void);

#endif
