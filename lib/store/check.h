/* SPDX-License-Identifier: ISC */
/*
 * Inside the check of a box (recovery.h). Nothing is written and no lock is
 * taken; the log is folded once, with everything in memory.
 *
 * check.c has the order of things and the findings, check_log.c the frames,
 * check_record.c their records, check_snapshots.c the files of snapshots,
 * check_compare.c what they say, check_bodies.c where the bytes of messages
 * are, check_content.c copies of them.
 */
#ifndef STORE_CHECK_H
#define STORE_CHECK_H

#include "store/box.h"
#include "store/deliveries.h"
#include "store/recovery.h"
#include "store/snapshot.h"

#define FINDINGS_MOST 1000 /* kept to be told; more are only counted */
#define SAME_MOST     20   /* differences told of one snapshot */
#define LEFTOVER_AGE  3600 /* seconds: younger files may be in use */

struct check_at { /* where a finding is */
	char file[64];
	uint64_t offset;
	uint32_t mailbox, uid;
};

/* A snapshot that was there when the check began. */
struct check_snapshot {
	struct snapshot_header h;
	bool usable; /* as far as was looked: header, summary, columns */
	bool kept;   /* not only for what others point into: it must be */
	bool met;    /* the log came to its position */
};

enum bytes_state {
	BYTES_KEPT,    /* of a message that is there or can be undeleted */
	BYTES_WAITING, /* beyond the horizon: there or not */
	BYTES_ERASED,  /* must not be readable */
	BYTES_NOWHERE  /* that was told: they are not read */
};

/* Bytes that belong to a message: itself, or its cached structure. */
struct check_bytes {
	bool blob;
	uint64_t a, b; /* generation and offset, or the blob's id */
	uint64_t length;
	uint32_t crc;
	bool cache;
	bool packed;   /* PLACE_ZSTD */
	uint64_t size; /* of the message */
	enum bytes_state state;
	uint32_t mailbox, uid;
	uint64_t modseq; /* of the expunge, 0: it is there */
};

struct check_delivery {
	struct delivery d;
	uint64_t generation, offset; /* of the frame */
};

struct check {
	struct store *store;
	struct str account;
	bool deep;
	struct box *log;   /* what was folded, with all messages loaded */
	struct box *other; /* a snapshot, to be compared with it */
	struct box *now;   /* as the box is by now: see check_still */
	uint64_t oldest, first, newest; /* generations */

	/* ---- reading the log ---- */
	struct engine_pos seen;
	bool folding;   /* false: what these frames follow is not known */
	bool senseless; /* a frame was refused for what it says */
	bool damaged;   /* something of the log is missing */
	bool no_state;  /* no state for the log's end */
	bool again;     /* upkeep took something away: look once more */
	const struct engine_frame_info *frame; /* being read */
	struct engine_pos behind;              /* it */
	struct check_at named;                 /* the damage found last */
	uint64_t resumed; /* the last generation tried behind damage */
	/* Where frames and bodies of a generation begin; 0: not known. */
	uint64_t frames_at, bodies_at;
	uint64_t announced; /* the snapshot that was last */
	bool restated;      /* the frame being read begins the log anew */
	/* Mailbox ids and UIDVALIDITYs ever given; below the floors all. */
	struct table ids, validities;
	uint32_t ids_floor, validities_floor;
	struct check_delivery *deliveries;
	size_t delivery_count, delivery_room;

	struct check_snapshot *snapshots; /* by position */
	size_t snapshot_count;
	struct check_bytes *bytes;
	size_t bytes_count, bytes_room;
	struct check_blob *blobs; /* by id */
	size_t blob_count, blob_room;

	struct store_finding *findings;
	size_t finding_count;
	struct check_result out;
};

/* ---- findings (check.c) ---- */
void check_found(struct check *c, enum finding_kind kind,
    const struct check_at *at, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
struct check_at at_generation(uint64_t number, uint64_t offset);
struct check_at at_snapshot(uint64_t number, uint64_t offset);
struct check_at at_box(void);
/* "message 17 of INBOX", for a finding. */
struct check_name {
	char text[100];
};
struct check_name check_message_name(
    const struct state *s, uint32_t mailbox, uint32_t uid);
struct check_name check_folder_name(const struct folder *f);
/* Remembers why the check cannot go on; returns r. */
enum store_result check_fail(
    struct check *c, enum store_result r, const char *why);
/* Upkeep may have taken away what we did not find. False, and nothing of it
 * is a finding, when that is so. gone: the modseq of the message's expunge,
 * 0: it was there. */
bool check_still(
    struct check *c, uint32_t mailbox, uint32_t uid, uint64_t gone);
/* For a snapshot: it is kept even now. */
bool check_still_kept(struct check *c, uint64_t number);
bool check_still_announced(struct check *c, uint64_t number);

/* Every folder, the deleted ones too. NULL behind the last one. */
struct folder *check_folder(const struct state *s, size_t i);

/* ---- check_log.c ---- */
enum store_result check_log(struct check *c);
void check_log_clear(struct check *c);

/* ---- check_record.c ---- */
struct check_at check_here(const struct check *c); /* the frame being read */
/* What is wrong with the record being looked at. */
#define record_found(c, mailbox_id, uid_, ...)                                 \
	do {                                                                   \
		struct check_at at_ = check_here(c);                           \
		at_.mailbox = (mailbox_id);                                    \
		at_.uid = (uid_);                                              \
		check_found((c), FINDING_DAMAGE, &at_, __VA_ARGS__);           \
	} while (0)

/* A record that is about to be folded. */
void check_record(struct check *c, const struct record *r);
/* Folding refuses it: why, in words that name the message. */
void check_refused(struct check *c, const struct record *r);
/* Everything up to the state's counters counts as given. */
void check_forget_given(struct check *c);
void check_remember_delivery(struct check *c, const struct delivery *d);
/* Counts and quota are the sum of the messages. */
void check_counts(
    struct check *c, const struct state *s, const struct check_at *at);

/* ---- check_snapshots.c ---- */
/* Lists them and reads every column that must hold. */
enum store_result check_snapshots(struct check *c);
/* The log came to a position: snapshots taken there are compared with what
 * was folded; without that they are where folding begins. */
void check_arrive(struct check *c, const struct engine_pos *at);
/* A snapshot that is there for its own sake, not only for what others point
 * into. */
bool check_kept(struct box *b, uint64_t number);
/* Also one that came after the list was made. */
bool check_exists(struct check *c, uint64_t number);
/* Makes a snapshot the state of a box, all of it in memory. */
enum store_result check_load(struct check *c, struct box *b, uint64_t number);
enum store_result check_load_all(struct box *b);
/* With the whole log read: snapshots that it never came to, the newest with
 * the frames behind it, the one that is announced. */
void check_snapshots_end(struct check *c);

/* ---- check_compare.c ---- */
/* c->other, a snapshot, with c->log. what: "", or of what it is a part. */
void check_compare(struct check *c, uint64_t number, const char *what);

/* ---- check_bodies.c ---- */
/* Messages that ERASED is about to forget. */
void check_erase(struct check *c, uint64_t modseq);
void check_bodies(struct check *c);
bool check_is_erased(const struct check *c, const struct message_place *p);
enum store_result check_files(struct check *c);
void check_bodies_clear(struct check *c);

/* ---- check_content.c ---- */
/* With the bytes known: what snapshots have of them. */
void check_content(struct check *c);

#endif
