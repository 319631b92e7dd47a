/* SPDX-License-Identifier: ISC */
/*
 * The spool as the queue manager uses it: its lock, reading messages into
 * memory, slots, and the notes that keep the remote's words.
 *
 * A note is a record of 1024 octets for a recipient behind everything else in
 * the queue file: what the last attempt said, where, and in which phase of the
 * conversation. Notes are best-effort: a full disk or a damaged note costs the
 * words and nothing else.
 */
#ifndef QMGR_SPOOL_H
#define QMGR_SPOOL_H

#include "ipc/limits.h"
#include "qmgr/qmgr.h"

struct note {
	char text[512];   /* NUL-terminated */
	char remote[344]; /* NUL-terminated */
	char phase[IPC_PHASE_MAX + 1], tls[IPC_TLS_MAX + 1];
	/* Where it was to go; "" when the other texts leave no room for it. */
	char transport[IPC_NAME_MAX + 1], nexthop[512];
};

struct outcome;

/* Opens queue_directory and its lock file, still privileged. 0, or -1 after
 * a log line. */
int spool_open(struct qmgr *q);
void spool_close(struct qmgr *q);
/* 0 when the lock is ours, -1 while another queue manager has it. */
int spool_lock(struct qmgr *q);
void spool_unlock(struct qmgr *q);
int spool_fd(const struct qmgr *q);

/*
 * Reads a message into memory. fd: of its file, taken over, or -1; fresh: it
 * was queued just now, so its slots need no reading. Returns the record (the
 * one that is there already, too; not yet in any line), or NULL: it is gone,
 * or was damaged and is set aside, or was finished and is removed.
 */
struct message *spool_load(
    struct qmgr *q, const struct id *id, int fd, bool fresh);

/*
 * The record of a message that is only proposed: its file stands in new/. fd
 * is taken over. m->active is made. NULL when the file cannot be read or is
 * gone (logged where that is strange).
 */
struct message *spool_take(struct qmgr *q, const struct id *id, int fd);

/* Makes m->active with the envelope; checks the content of what was read
 * after a restart. -1: the message is gone from memory too. */
int spool_activate(struct qmgr *q, struct message *m);
/* The same for who only looks: does not read the content. */
int spool_look(struct qmgr *q, struct message *m);
/* Ends m->active. */
void spool_rest(struct qmgr *q, struct message *m);
/* m->active's file with an open descriptor, or NULL (logged). */
const struct queue_file *spool_file(struct qmgr *q, struct message *m);
/* A read-only descriptor for an agent, the caller's to close; -1. */
int spool_open_readonly(struct qmgr *q, const struct message *m);

/*
 * Writes what memory knows of a recipient into its slot; dsn, code and last
 * describe the last attempt (dsn "" keeps what is there). The message must be
 * active. Failures are logged: the outcome is then only in memory.
 */
void spool_write_slot(struct qmgr *q, struct recipient *r, struct str dsn,
    unsigned code, uint32_t last);
void spool_write_note(
    struct qmgr *q, struct recipient *r, const struct outcome *o);
/* "" where there is none. */
void spool_read_note(
    const struct queue_file *f, uint32_t index, struct note *out);

/* When what the disk refused is tried again, in seconds since 1970. */
uint32_t spool_try_again(const struct qmgr *q);
/* Unlinks the file. 0 also when it was gone already; -1 after a log line. */
int spool_unlink(struct qmgr *q, const struct message *m);
/* Moves a damaged file to corrupt/ and says so in the log. */
void spool_set_aside(struct qmgr *q, const struct id *id, const char *reason);

#endif
