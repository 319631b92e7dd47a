/* SPDX-License-Identifier: ISC */
/*
 * What a storage engine promises to lib/store. A second engine can be written
 * against these comments alone; the tests of lib/store run against any.
 *
 * A box is one account's log of frames, plus blobs for large bodies and
 * snapshots. The engine knows bytes, positions and durability; it does not
 * know mailboxes, uids or flags. engine_file*.c is the engine of local files
 * (doc/store.md has its format); no type of an engine leaks through here.
 *
 * The log is a sequence of generations, numbered from 1 without gaps. The
 * newest takes frames; the others are sealed and only lose bytes (erase) or
 * go as a whole, oldest first (drop). Bodies lie in the generation of their
 * frame, or in blobs. The engine seals on its own when a generation is large
 * (engine_set_seal): then the frame that follows begins the next one.
 *
 * One thread, opened after fork. A handle may be used by one process only;
 * any number of processes may have the same box open. A handle costs a few
 * descriptors and no memory to speak of.
 *
 * Durable is what survives a power loss: what a call that returns ENGINE_OK
 * was for, unless it says otherwise below. What a call wrote that returns
 * anything else is not seen by anybody, but for ENGINE_UNKNOWN. Reading waits
 * for nobody; a reader sees durable frames only, and never fewer than before.
 *
 * Callbacks may not call the engine with the same box, but decide may read
 * bodies, blobs and snapshots.
 */
#ifndef STORE_ENGINE_H
#define STORE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/str.h"

enum engine_status {
	ENGINE_OK,
	ENGINE_REFUSED,  /* decide said no; nothing was written or synced. Or
	                  * as the call says */
	ENGINE_BUSY,     /* the box stayed locked past the deadline */
	ENGINE_UNKNOWN,  /* a sync failed: the frame may or may not be there */
	ENGINE_NO_SPACE, /* nothing of the frame is visible */
	ENGINE_CORRUPT,  /* a bad frame below the durable mark, a bad body */
	ENGINE_GONE,     /* the account was removed, or what follows *seen was
	                  * dropped: forget what was folded and start again,
	                  * from a snapshot or from nothing; or these bytes
	                  * are no more */
	ENGINE_NEWER,    /* written by a newer version */
	ENGINE_DOWN      /* I/O error, permission: engine_why */
};

/*
 * Where a frame ends. All zero: before the first frame. Only the engine makes
 * positions; who keeps one (in a snapshot) may read on from it for as long as
 * its generation is there, or when it is the end of the one that was dropped
 * last. generation and modseq never fall from one frame to the next.
 */
struct engine_pos {
	uint64_t generation;
	uint64_t length; /* offset of the next frame in its generation */
	uint64_t chain;  /* hash over all frames so far */
	uint64_t modseq; /* of the last frame; 0: nothing was read */
	uint64_t bodies; /* offset of the next body in its generation */
};

/* Where bytes lie: (generation, offset), or a blob. */
struct engine_place {
	bool blob;
	uint64_t generation, offset;
	unsigned char id[16]; /* of the blob */
	uint64_t length;
	uint32_t crc; /* CRC-32C of all of it */
};

/* One atomic group of records: all or nothing. */
struct engine_frame {
	/* Told to decide: where the first body will begin. Bodies follow each
	 * other without gaps. */
	uint64_t generation, body_offset;
	/* Filled by decide; must live until the call returns. heads: at most
	 * 256 MiB. */
	struct str heads; /* encoded records */
	uint32_t count;   /* of records */
	const struct iovec *bodies;
	size_t body_count;
	/* The frame's modification sequence: 0 for the next one, or any above
	 * end->modseq (a new epoch). */
	uint64_t modseq;
	/* It frees space: on a full disk the reserve may be spent on it. */
	bool may_use_reserve;
};

/* About a frame that was read. */
struct engine_frame_info {
	struct engine_pos at; /* where it stands: the end of the one before */
	struct engine_pos after;
	uint64_t time_us; /* wall clock when it was written */
	uint32_t count;   /* of records */
};

/*
 * Called once under the box's lock, after every frame up to *end was given to
 * on_frame: the caller's folded state is the state that this frame follows.
 * Fills the frame, which is zero but for what it is told, and returns 0, or
 * -1 to refuse.
 */
typedef int engine_decide(
    void *arg, const struct engine_pos *end, struct engine_frame *frame);

/* Called for each durable frame, in order; heads live until it returns.
 * Non-zero: reading stops, *seen being before this frame. 1: the records make
 * no sense, ENGINE_CORRUPT; 2: a newer version wrote them, ENGINE_NEWER; 3: the
 * caller has enough, ENGINE_OK from engine_read. Whoever writes must want all:
 * there 3 is ENGINE_REFUSED. Non-zero for the frame just written, which is in
 * the log all the same, is ENGINE_UNKNOWN. */
typedef int engine_on_frame(
    void *arg, struct str heads, const struct engine_frame_info *info);

struct engine;
struct engine_box;

/* root must exist: for local files mail_store_directory. NULL and *why. */
struct engine *engine_open(const char *root, const char **why);
void engine_close(struct engine **e);
/* When generations are sealed: offsets where frames and bodies end. Tests
 * lower them. */
void engine_set_seal(struct engine *e, uint64_t frames, uint64_t bodies);

/* Opens an account; creates nothing and reads nothing. account: see
 * box_open. */
enum engine_status engine_box_open(
    struct engine *e, struct str account, struct engine_box **out);
void engine_box_close(struct engine_box **b);
/* About the last status that was not ENGINE_OK: a phrase. */
const char *engine_why(const struct engine_box *b);
/* Makes the account's directory, should it not be there; no frame. */
enum engine_status engine_box_prepare(struct engine_box *b);
/* The account's directory (borrowed), -1 when there is none. */
int engine_box_directory(struct engine_box *b);
/* Random, of this life of the account; 0 while nothing is on disk. */
uint64_t engine_incarnation(const struct engine_box *b);

/*
 * Reads from *seen to the durable end and moves *seen, also when it fails: to
 * the end of the last frame that on_frame took. An account without anything:
 * ENGINE_OK, and *seen stays zero. Takes no lock, but for a box that a crash
 * left with frames behind its mark. With nothing new it costs one small read.
 * From zero, and the start of the log was dropped: ENGINE_CORRUPT, for then
 * some snapshot must be there that says what it said. Elsewhere, and what
 * follows was dropped: ENGINE_GONE.
 */
enum engine_status engine_read(struct engine_box *b, struct engine_pos *seen,
    engine_on_frame *on_frame, void *arg);

/*
 * Lock, catch up, decide, write, sync, release. ENGINE_OK means durable, and
 * the new frame was given to on_frame too. One sync, but for the first frame
 * of a generation. What decide sees is what this frame follows: nobody's frame
 * comes between. The first frame makes the account.
 *
 * ENGINE_REFUSED, ENGINE_BUSY, ENGINE_NO_SPACE: the frame is not there and
 * never will be. ENGINE_UNKNOWN: it may be; the next call that writes, or the
 * next one who opens the box, completes it or makes sure that it is not.
 * deadline: for the lock (core/clock.h).
 */
enum engine_status engine_append(struct engine_box *b, struct engine_pos *seen,
    engine_on_frame *on_frame, engine_decide *decide, void *arg,
    int64_t deadline);

/* Any part of a place; a read of all of it is checked against its CRC:
 * ENGINE_CORRUPT, also when it was erased. ENGINE_GONE: its generation was
 * dropped, or its blob. */
enum engine_status engine_get(struct engine_box *b,
    const struct engine_place *place, uint64_t offset, void *p, size_t len);
/* A descriptor (borrowed until the next call) and the offset of a place. An
 * engine that has none: ENGINE_DOWN, and engine_get does. */
enum engine_status engine_file(struct engine_box *b,
    const struct engine_place *place, int *fd, uint64_t *offset);

/*
 * Ends the newest generation, unless it has no frame: the next frame begins a
 * new one. That is durable, and *seen stands in the new one. The caller's
 * state is brought up to date on the way. Nothing on disk: ENGINE_OK.
 */
enum engine_status engine_seal(struct engine_box *b, struct engine_pos *seen,
    engine_on_frame *on_frame, void *arg, int64_t deadline);

/*
 * Begins the log anew: a generation whose first frame is what decide gives,
 * visible as a whole or not at all; else as engine_append. Who reads from the
 * start begins there. Who was further back reads what stands between as far as
 * it can be read, and then this frame: it must say everything. Bodies before
 * it stay where they are, until their generations are dropped. It may be done
 * to a healthy log and to an account without anything.
 *
 * decide gets the end of the log as far as it could be read; end->modseq is
 * then the highest that stands in any frame that can be read at all. With
 * damaged set, a log that cannot be read to its end is no hindrance; without,
 * it is ENGINE_CORRUPT. Never over what a newer version wrote.
 */
enum engine_status engine_restart(struct engine_box *b, struct engine_pos *seen,
    engine_on_frame *on_frame, engine_decide *decide, void *arg, bool damaged,
    int64_t deadline);

/* The oldest generation that exists, the one from which the log is read when
 * nothing is known yet (1, or where it was begun anew), and the newest. All 0
 * when nothing is on disk. first_read < oldest: what was before is dropped,
 * and the log alone does not say everything any more. */
enum engine_status engine_generations(struct engine_box *b, uint64_t *oldest,
    uint64_t *first_read, uint64_t *newest);
/* Where the generation before this one ended, as this one says: reading on
 * from there needs nothing that is older. ENGINE_GONE: no such generation. */
enum engine_status engine_previous(
    struct engine_box *b, uint64_t generation, struct engine_pos *end);
/* Drops a sealed generation, which must be the oldest, bodies and all.
 * ENGINE_REFUSED otherwise. It is gone for all handles at once, but a power
 * loss may bring back the one that was dropped last. */
enum engine_status engine_drop(struct engine_box *b, uint64_t generation);
/*
 * Overwrites bytes for good and gives their space back: when it returns
 * ENGINE_OK they cannot be read any more, after a power loss neither. In any
 * order, also overlapping. When one of them lies in the newest generation:
 * ENGINE_REFUSED, and nothing was done (seal it first). Blobs are removed. What
 * is gone already is no error. Takes no lock. After any failure some of them
 * may be gone: it is repeated.
 */
enum engine_status engine_erase(
    struct engine_box *b, const struct engine_place *places, size_t count);

/* ---- blobs: bodies that are files of their own ---- */
/* A new one, open for reading and writing; *fd is the caller's, to close(2).
 * Makes the account's directory, should it not be there. */
enum engine_status engine_blob_new(
    struct engine_box *b, unsigned char id[16], int *fd);
enum engine_status engine_blob_write(
    struct engine_box *b, int fd, const void *p, size_t len, uint64_t at);
/* Before the frame that names it: the file and its directory entry. */
enum engine_status engine_blob_sync(struct engine_box *b, int fd);
/* Of one that no frame names. Nothing is promised: there is a sweep. */
void engine_blob_drop(struct engine_box *b, const unsigned char id[16]);
/* Under the lock, by who names a new blob: ENGINE_GONE when it was taken for
 * an orphan and dropped meanwhile. */
enum engine_status engine_blob_there(
    struct engine_box *b, const unsigned char id[16]);
/* Every blob that exists, in no order. modified: seconds since 1970. */
enum engine_status engine_blobs(struct engine_box *b,
    void (*found)(void *arg, const unsigned char id[16], uint64_t octets,
	int64_t modified),
    void *arg);

/* ---- snapshots: immutable objects with a number, never used twice ---- */
/* Writes, syncs, links: seen by others, and durable, when it is there as a
 * whole. ENGINE_REFUSED when the number is taken. */
enum engine_status engine_snapshot_put(struct engine_box *b, uint64_t number,
    const struct iovec *parts, size_t count);
/* ENGINE_GONE when there is no such snapshot. */
enum engine_status engine_snapshot_get(struct engine_box *b, uint64_t number,
    uint64_t offset, void *p, size_t len);
/* The highest number not above most, 0 when there is none. */
enum engine_status engine_snapshot_newest(
    struct engine_box *b, uint64_t most, uint64_t *number);
/* Every one that exists, in no order; found may drop it. */
enum engine_status engine_snapshots(
    struct engine_box *b, void (*found)(void *arg, uint64_t number), void *arg);
void engine_snapshot_drop(struct engine_box *b, uint64_t number);
/* Overwrites a range of a snapshot that nobody points at any more, as
 * engine_erase does. No snapshot of this number: ENGINE_OK. */
enum engine_status engine_snapshot_erase(
    struct engine_box *b, uint64_t number, uint64_t offset, uint64_t length);

/* ---- looking without touching: for checks ---- */
/* From now on nothing is written through this handle and no lock is taken:
 * what a crash left behind the durable end stays as it is. Where the durable
 * end is not known (its mark is damaged) whole frames count as durable. */
void engine_look_only(struct engine_box *b);
struct engine_end {
	bool lost;     /* the mark that says where the log ends is damaged */
	bool more;     /* something stands behind the end: a frame that is
	                * being written, or what a crash left */
	uint64_t mark; /* offset of the mark in its generation */
};
/* What stands behind end, where engine_read ended. */
enum engine_status engine_end(
    struct engine_box *b, const struct engine_pos *end, struct engine_end *out);
/* Files of the account that are not the log's, blobs or snapshots: what a
 * crash left half made. modified: seconds since 1970. */
enum engine_status engine_leftovers(struct engine_box *b,
    void (*found)(void *arg, const char *name, int64_t modified), void *arg);
/* Removes one of them. ENGINE_REFUSED: it may be somebody else's. */
enum engine_status engine_leftover_drop(struct engine_box *b, const char *name);
/* What was dropped so far, by whomever, does not come back with a power
 * loss. */
enum engine_status engine_sync_drops(struct engine_box *b);

/* ---- what a damaged log still says: for repair ---- */
struct engine_salvage {
	/* A frame whose checksum holds. gap: something before it is missing;
	 * info->at.bodies is where its bodies begin. */
	void (*frame)(void *arg, struct str heads,
	    const struct engine_frame_info *info, bool gap);
	/* Octets of the log that make no sense, or something that is not
	 * there (0 octets), at an offset of a generation. */
	void (*lost)(void *arg, uint64_t generation, uint64_t offset,
	    uint64_t octets, const char *what);
	/* Bodies of frames that were lost, and what else stands between those
	 * of others. */
	void (*bodies)(
	    void *arg, uint64_t generation, uint64_t offset, uint64_t octets);
	void *arg;
};
/*
 * Reads what can be read from *from on, to the end of the log, and moves
 * *from, so that a second call gives what came since. All zero: from the
 * oldest generation that there is. Frames come in order. Takes no lock and
 * writes nothing.
 */
enum engine_status engine_salvage(struct engine_box *b, struct engine_pos *from,
    const struct engine_salvage *to);
/* Without a good header nothing of a generation can be used: writes it anew,
 * as the log around it shows, and keeps what stood there in a file. */
enum engine_status engine_mend_headers(struct engine_box *b, int64_t deadline,
    void (*mended)(void *arg, uint64_t generation), void *arg);
/* Keeps a generation although it may be dropped, under another name. */
enum engine_status engine_set_aside(struct engine_box *b, uint64_t generation);

/* ---- the store as a whole ---- */
/* What an account has on disk; nothing: all 0. */
struct engine_size {
	uint64_t octets; /* allocated */
	uint64_t files, generations, snapshots, blobs;
};
enum engine_status engine_box_size(
    struct engine_box *b, struct engine_size *out);

#define ENGINE_SHARDS 256
/* Every account of a shard (0 to ENGINE_SHARDS - 1) that has anything on disk,
 * in no order. Stops at the first non-zero result of found, which may take
 * its time, open boxes and remove accounts. Accounts that come or go meanwhile
 * are told of or not. */
enum engine_status engine_scan(struct engine *e, unsigned shard,
    int (*found)(void *arg, struct str account), void *arg);

/*
 * Makes `to`, a box of another store of the same kind, hold what `from` holds
 * up to its durable end, and says where that is; *written: octets that it took.
 * Only what is new since the last time is written. `to` is a box that can be
 * opened at any moment, also after a crash: it then holds what it held, or
 * more. `from` is not locked: what comes while it is copied is in the next
 * copy. Generations, blobs and snapshots that `from` dropped go, and what it
 * erased is erased.
 *
 * If `to` holds another life of the account, or frames that `from` never had,
 * or lacks what `from` has dropped, it is set aside, where no account is, and
 * all is copied; nothing removes it. An account without anything: ENGINE_OK,
 * *end is zero, and `to` stays as it is. ENGINE_CORRUPT: `from` is damaged
 * where something would have been copied. ENGINE_BUSY: `to` is locked, or
 * `from` changes too fast. engine_why(to) says why.
 */
enum engine_status engine_copy(struct engine_box *from, struct engine_box *to,
    struct engine_pos *end, uint64_t *written);

/* Brings the reserve for full disks to so many octets, as far as there is
 * room and as much again stays free; *have: what it is now. An append with
 * may_use_reserve, and sealing, spend it, in any process. */
enum engine_status engine_reserve(
    struct engine *e, uint64_t octets, uint64_t *have);

/* Removes the account, at once and durably; open boxes of others see
 * ENGINE_GONE with their next call, and may make it anew. Nothing there:
 * ENGINE_OK. */
enum engine_status engine_remove(
    struct engine *e, struct str account, int64_t deadline);

/* The lock of a session that wants the account for itself (POP3). It keeps
 * out other such sessions and nobody else. ENGINE_BUSY at once when another has
 * it. It ends with the handle. */
enum engine_status engine_session_lock(struct engine_box *b, bool on);

#endif
