/* SPDX-License-Identifier: ISC */
/*
 * What a storage engine promises to lib/store.
 *
 * A box is one account's log of frames, plus blobs for large bodies and
 * snapshots. The engine knows bytes, positions and durability; it does not
 * know mailboxes, uids or flags. engine_file*.c is the engine of local files
 * (doc/store.md has its format); no type of an engine leaks through here.
 *
 * One thread, opened after fork.
 */
#ifndef STORE_ENGINE_H
#define STORE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/str.h"
#include "store/engine_io.h"

enum engine_status {
	ENGINE_OK,
	ENGINE_REFUSED,  /* decide said no; nothing was written or synced */
	ENGINE_BUSY,     /* the box stayed locked past the deadline */
	ENGINE_UNKNOWN,  /* a sync failed: the frame may or may not be there */
	ENGINE_NO_SPACE, /* nothing of the frame is visible */
	ENGINE_CORRUPT,  /* a bad frame below the durable mark, a bad body */
	ENGINE_GONE,     /* the account was removed: forget what was folded and
	                  * read from the start; or these bytes are no more */
	ENGINE_NEWER,    /* written by a newer version */
	ENGINE_DOWN      /* I/O error, permission: engine_why */
};

/* Where a frame ends. All zero: before the first frame. */
struct engine_pos {
	uint64_t generation;
	uint64_t length; /* offset of the next frame in its generation */
	uint64_t chain;  /* hash over all frames so far */
	uint64_t modseq; /* of the last frame */
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
	/* Filled by decide; must live until engine_append returns. */
	struct str heads; /* encoded records */
	uint32_t count;   /* of records */
	const struct iovec *bodies;
	size_t body_count;
};

/* About a frame that was read. */
struct engine_frame_info {
	struct engine_pos after;
	uint64_t time_us; /* wall clock when it was written */
	uint32_t count;   /* of records */
};

/*
 * Called under the box's lock, after every frame up to *end was given to
 * on_frame: the caller's folded state is the state that this frame follows.
 * Fills the frame and returns 0, or -1 to refuse.
 */
typedef int engine_decide(
    void *arg, const struct engine_pos *end, struct engine_frame *frame);

/* Called for each durable frame, in order. Non-zero: the records make no
 * sense, which is ENGINE_CORRUPT (1) or ENGINE_NEWER (2); reading stops
 * before this frame. */
typedef int engine_on_frame(
    void *arg, struct str heads, const struct engine_frame_info *info);

struct engine;
struct engine_box;

/* root must exist. io: NULL for the system's. NULL and *why. */
struct engine *engine_open(
    const char *root, const struct engine_io *io, const char **why);
void engine_close(struct engine **e);
/* When generations are sealed: offsets where frames and bodies end. Tests
 * lower them. */
void engine_set_seal(struct engine *e, uint64_t frames, uint64_t bodies);

/* Opens an account; creates nothing. account: see box_open. */
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
 * Reads from *seen to the durable end and moves *seen. Takes no lock, but
 * for a box that a crash left with frames behind its mark. With nothing new
 * it costs one small read.
 */
enum engine_status engine_read(struct engine_box *b, struct engine_pos *seen,
    engine_on_frame *on_frame, void *arg);

/*
 * Lock, catch up, decide, write, sync, release. ENGINE_OK means durable, and
 * the new frame was given to on_frame too. One sync, but for the first frame
 * of a generation.
 */
enum engine_status engine_append(struct engine_box *b, struct engine_pos *seen,
    engine_on_frame *on_frame, engine_decide *decide, void *arg,
    int64_t deadline);

/* Any part of a place; a read of all of it is checked against its CRC. */
enum engine_status engine_get(struct engine_box *b,
    const struct engine_place *place, uint64_t offset, void *p, size_t len);
/* A descriptor (borrowed until the next call) and the offset of a place. */
enum engine_status engine_file(struct engine_box *b,
    const struct engine_place *place, int *fd, uint64_t *offset);

/* ---- blobs: bodies that are files of their own ---- */
/* A new one, open for reading and writing; *fd is the caller's. */
enum engine_status engine_blob_new(
    struct engine_box *b, unsigned char id[16], int *fd);
enum engine_status engine_blob_write(
    struct engine_box *b, int fd, const void *p, size_t len, uint64_t at);
/* Before the frame that names it: the file and its directory entry. */
enum engine_status engine_blob_sync(struct engine_box *b, int fd);
void engine_blob_drop(struct engine_box *b, const unsigned char id[16]);

/* ---- snapshots: immutable objects with a number, never used twice ---- */
/* Writes, syncs, links. ENGINE_REFUSED when the number is taken. */
enum engine_status engine_snapshot_put(struct engine_box *b, uint64_t number,
    const struct iovec *parts, size_t count);
/* ENGINE_GONE when there is no such snapshot. */
enum engine_status engine_snapshot_get(struct engine_box *b, uint64_t number,
    uint64_t offset, void *p, size_t len);
/* The highest number not above most, 0 when there is none. */
enum engine_status engine_snapshot_newest(
    struct engine_box *b, uint64_t most, uint64_t *number);
void engine_snapshot_drop(struct engine_box *b, uint64_t number);

/* Removes the account; open boxes of others see ENGINE_GONE. */
enum engine_status engine_remove(
    struct engine *e, struct str account, int64_t deadline);

/* The lock of a session that wants the account for itself (POP3).
 * ENGINE_BUSY at once when another has it. */
enum engine_status engine_session_lock(struct engine_box *b, bool on);

#endif
