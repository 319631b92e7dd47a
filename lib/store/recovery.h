/* SPDX-License-Identifier: ISC */
/*
 * What an operator does to a box: look at it, check it, bring back what is
 * gone, copy it elsewhere, mend it. `posthouse store` is in front of it.
 *
 * stat.c, check.c, at.c (a box as it was), undelete.c, restore.c, repair.c,
 * backup.c.
 */
#ifndef STORE_RECOVERY_H
#define STORE_RECOVERY_H

#include "store/mailbox.h"

/* ---- stat ---- */
struct store_stat {
	struct box_usage usage;
	uint64_t mailboxes;
	uint64_t disk_octets, files, generations, snapshots, blobs;
	uint64_t modseq;
	uint64_t snapshot;        /* number of the newest, 0: none */
	uint64_t frames_behind;   /* octets of frames that it lacks */
	uint64_t expunged;        /* messages that can be undeleted ... */
	uint64_t expunged_octets; /* ... or wait for erasure */
	/* The earliest time that box_open_at can show, in seconds since 1970;
	 * 0: none, or not known. */
	int64_t oldest;
};
enum store_result box_stat(struct box *b, struct store_stat *out);

/* ---- check ---- */
enum finding_kind {
	FINDING_DAMAGE,   /* mail is lost or may be: repair */
	FINDING_DERIVED,  /* a snapshot or cache is bad: rebuild */
	FINDING_LEFTOVER, /* harmless: a crash left it, upkeep removes it */
	FINDING_READABLE, /* was to be erased for good, and can be read */
};
struct store_finding {
	enum finding_kind kind;
	char file[64];         /* "g.3", "s.12", "b/0f...", "" the box */
	uint64_t offset;       /* in the file */
	uint32_t mailbox, uid; /* of the message, 0: none */
	char text[200];        /* a phrase */
};
struct check_result {
	uint64_t frames, records, messages, octets, snapshots, findings;
	char why[160]; /* when the result is not STORE_OK */
};
/*
 * Proves every invariant of doc/store.md ("What check proves") for one box,
 * without the lock and without changing anything, while mail arrives: a
 * position is taken first, and what comes later is not looked at. deep: every
 * body and cache against its checksum, and what was erased is not readable;
 * it reads all of the box. Memory: about 400 octets for a message.
 *
 * STORE_OK when it could look at everything; what is wrong is told to `found`
 * (may be NULL), 1,000 findings at most; out->findings counts all. STORE_BUSY:
 * upkeep took away what was being looked at, again and again. STORE_ERROR:
 * the box cannot be read (out->why), or a newer version wrote it.
 */
enum store_result box_check(struct store *s, struct str account, bool deep,
    void (*found)(void *arg, const struct store_finding *f), void *arg,
    struct check_result *out);

/* ---- a box as it was ---- */
/*
 * Opens an account as it was at a time (microseconds since 1970), or right
 * after a modseq (with time_us 0). It can be looked at like any box, but not
 * changed (STORE_ERROR) and never refreshed. STORE_GONE when that lies before
 * everything that is kept.
 */
enum store_result box_open_at(struct store *s, struct str account,
    int64_t time_us, uint64_t modseq, struct box **out);

/* ---- undelete ---- */
struct expunged_message {
	uint32_t mailbox;
	struct str mailbox_name;
	bool mailbox_deleted;
	struct message m;    /* as it was */
	int64_t expunged;    /* seconds since 1970 */
	struct str envelope; /* wire-ready, "" when it cannot be read */
};
/* What can be brought back, by time, newest last; in the arena. */
enum store_result box_expunged(struct box *b, struct arena *arena,
    struct expunged_message **out, size_t *count);

struct undelete_choice {
	struct str mailbox;   /* "": all */
	int64_t since;        /* expunged at or after it; 0: any */
	const uint32_t *uids; /* NULL: all; else uids in `mailbox`, rising */
	size_t uid_count;
};
/* Brings messages back, in one frame: with new uids, without \Deleted, into
 * the mailbox where they were; that is made anew if it is gone. Messages that
 * are there already (undeleted before) are not doubled. *count: how many. */
enum store_result box_undelete(
    struct box *b, const struct undelete_choice *choice, uint64_t *count);

/* ---- restore ---- */
struct restore_choice {
	struct str mailbox;    /* "": every mailbox and the subscriptions */
	uint32_t uid;          /* 0: the whole mailbox; else one message */
	struct str message_id; /* "": none; else messages with this one */
};
struct restore_result {
	uint64_t mailboxes, messages, copied_octets;
	uint64_t lost; /* messages whose bytes are erased or damaged */
};
/*
 * Makes mailboxes or messages what they are in `from`: the same account at an
 * earlier time (box_open_at), or a box of another store (a backup).
 *
 * A message is appended with a new uid. A mailbox is made anew under its name
 * with the uids, flags and dates it had, a new UIDVALIDITY and a new epoch of
 * MODSEQ; what came into it since stays, behind them. A mailbox that does not
 * differ is left alone. One frame, unless bytes must be copied: then what is
 * restored becomes visible in one frame all the same. Mail that arrives
 * meanwhile is delivered.
 */
enum store_result box_restore(struct box *b, struct box *from,
    const struct restore_choice *choice, struct restore_result *out);

/* ---- repair, rebuild ---- */
struct repair_result {
	uint64_t messages;       /* there afterwards */
	uint64_t lost_records;   /* that made no sense any more */
	uint64_t skipped_octets; /* of frames that could not be read */
	uint64_t damaged;   /* messages whose bytes fail their checksum: kept,
	                   * with the keyword $Damaged */
	uint64_t dropped;   /* messages of which nothing is there any more */
	uint64_t recovered; /* messages whose records are lost: in a mailbox
	                     * named Recovered */
	bool restarted;     /* the log was begun anew, with a new epoch */
};
/*
 * Mends a box that STORE_CORRUPT was said of. What snapshots and frames say
 * is taken as far as it can be read, frames behind a bad one too if their
 * checksums hold; then the log is begun anew with all of it, a new epoch, and
 * a new UIDVALIDITY for each mailbox where something may be missing. Nothing
 * damaged is deleted. A message that is there, and of which nothing else is
 * known any more, comes into a mailbox named Recovered. A healthy box is left
 * alone.
 */
enum store_result box_repair(struct store *s, struct str account,
    void (*found)(void *arg, const struct store_finding *f), void *arg,
    struct repair_result *out);
/* Throws snapshots away and takes a new one from the log; where the log does
 * not reach back to its start, from the oldest snapshot that holds. */
enum store_result box_rebuild(
    struct store *s, struct str account, struct repair_result *out);

/* ---- backup ---- */
struct backup_result {
	uint64_t modseq;  /* the position that the copy has; 0: there is no
	                   * mail, and the copy stays as it is */
	uint64_t written; /* octets */
	char why[160];    /* when the result is not STORE_OK */
};
/*
 * Brings the account's copy in another store up to date: consistent at one
 * position, while mail arrives; only what is new is written. The copy is then
 * opened and compared with the box; it is a box like any other, at every
 * moment, also when this is interrupted. STORE_BUSY: the box lost generations
 * again and again while it was copied, or another process copies it.
 */
enum store_result store_backup(struct store *from, struct store *to,
    struct str account, struct backup_result *out);

#endif
