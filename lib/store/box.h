/* SPDX-License-Identifier: ISC */
/*
 * Inside lib/store: an open box, and the one way to change it.
 *
 * box.c opens and refreshes, names.c has mailboxes, append.c what comes in,
 * change.c what happens to messages, body.c bytes on their way in, view.c
 * what sessions see, snapshot.c how a big box opens fast.
 */
#ifndef STORE_BOX_H
#define STORE_BOX_H

#include "store/fold.h"
#include "store/mailbox.h"
#include "store/notify.h"

#define INLINE_MAX   262144u /* larger bodies are blobs */
#define LOCK_WAIT_MS 10000
#define RECORD_FRAME 96 /* octets of a frame around its records */
#define HEADS_ROOM   ((size_t)200 << 20)
#define SNAPSHOT_DUE                                                           \
	65536u /* octets of frames behind the last one, and up
                           * to three times as many */
/* A keeper that was told is not waited for any longer. */
#define SNAPSHOT_OVERDUE  (8 * (uint64_t)SNAPSHOT_DUE)
#define QUEUE_LIFETIME_MS 432000000   /* until somebody says another */
#define DELIVERY_SLACK    (7 * 86400) /* seconds: ids outlive the queue */
#define HELD_VIEWED       1048576u    /* octets held while somebody looks */
#define ERASE_AT_ONCE     131072u     /* places that are looked at together */
#define VANISHED_KEPT     (7 * 86400) /* seconds */
#define CACHE_MAX         ((size_t)4 << 20)
#define EPOCH_STEP        (UINT64_C(1) << 32) /* of modseq */

struct store {
	struct engine *engine;
	struct notify *notify;
	uint64_t compress_from; /* octets of a message, 0: never */
	uint32_t segment_rows;  /* of new segments; tests lower it */
	uint32_t erase_at_once; /* places; likewise */
	int64_t lock_wait_ms;   /* likewise */
	int64_t undelete; /* seconds that expunged mail can be brought back */
	int64_t delivery_kept; /* seconds */
};

/* A change while it is decided. */
struct change {
	/* Decides on b->state; adds records. STORE_OK without a record means
	 * that there is nothing to do. */
	enum store_result (*decide)(struct change *c);
	void *arg;
	struct box *b;
	uint64_t modseq;         /* of what is decided */
	uint64_t generation, at; /* where the next body will begin */
	uint32_t records;
	bool frees;     /* removes: may spend the reserve of a full disk */
	bool new_epoch; /* the frame's modseq jumps by 2^32 */
	/* It begins the log anew, and must say everything; the state is not
	 * brought up to date, neither before nor afterwards. */
	bool restart;
	struct iovec *bodies;
	size_t body_count, body_room;
	/* Keywords defined in this very frame. */
	struct new_keyword {
		uint32_t mailbox, index;
		struct str name;
	} * keywords;
	size_t keyword_count, keyword_room;
	/* Mailboxes created in this very frame. */
	struct new_mailbox {
		struct str name;
		uint32_t id, uidvalidity;
	} * mailboxes;
	size_t mailbox_count, mailbox_room;
	struct arena arena; /* for names; freed by box_change */
	enum store_result refused;
};

/* The chunk that was read last; see body_zstd.h. */
struct chunk {
	struct engine_place place;
	uint64_t number;
	char *octets; /* NULL: none */
	size_t len;
};
void chunk_free(struct chunk *c);

struct box {
	struct store *store;
	struct engine_box *engine;
	struct state state;
	char *account;
	struct box_usage quota; /* 0: no limit */
	struct buf heads;       /* of the change being decided */
	struct change *change;
	uint64_t frames_octets; /* folded since the last snapshot */
	uint64_t snapshot_due;  /* how many ask for the next one, and as many
	                         * again as the last one's summary has: */
	uint64_t summary_octets;
	uint64_t last_snapshot; /* its number */
	uint64_t held_octets;   /* folded since the one that we began with */
	uint64_t lightened;     /* the newest one that box_lighten went for */
	/* frames_octets when a keeper was last told; 0: it was not. */
	uint64_t told_octets;
	bool without_snapshots; /* one was bad: the log is folded instead */
	unsigned views;
	struct chunk chunk;
	struct content *contents[2]; /* of C, of K: read last (content.h) */
	bool frozen; /* box_open_at: as it was, not to be changed */
	uint64_t until_time, until_modseq; /* where folding stops; 0: nowhere */
	char why[200];
};

struct store_body {
	struct box *b;
	struct buf bytes; /* all of it, or a blob's unwritten end */
	int fd;           /* of the blob, -1: none */
	unsigned char id[16];
	uint64_t len;
	uint32_t crc;
	bool failed, no_space;
	bool ready;                 /* synced (blob) and parsed */
	bool kept;                  /* a frame names the blob */
	struct buf packed;          /* compressed, empty: it is not */
	struct buf cache;           /* ENVELOPE, BODYSTRUCTURE, BODY */
	struct message_place place; /* lengths and hashes; places of the last
	                             * frame that it went into */
};

/* Where the octets of a message are: as they are stored, compressed or not.
 * No length: there are none. */
struct engine_place place_of_bytes(
    const struct message_place *p, const struct message *m);
/* ENVELOPE, BODYSTRUCTURE, BODY and sort keys, one behind the other. */
struct engine_place place_of_cache(const struct message_place *p);

/* What is worth knowing about a message for good: ENVELOPE, BODYSTRUCTURE, BODY
 * and sort keys into *cache, which is cleared first; their lengths, the
 * header's, and hashes into *p. */
void message_parse(
    struct str message, struct buf *cache, struct message_place *p);
/* Before the lock: sync the blob, parse, cache. */
enum store_result body_ready(struct store_body *body);
/* Puts it into the frame being decided and completes body->place.
 * STORE_ERROR when its blob was swept while we waited. */
enum store_result body_place(struct store_body *body, struct change *c);

/* An account whose log has not been read; see box_open. NULL: a bad name. */
enum store_result box_new(
    struct store *s, struct str account, struct box **out);
/* Remembers the words for store_why. */
void box_note(struct box *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The result r, with words. */
#define box_fail(b, r, ...) box_result((box_note(b, __VA_ARGS__), (r)))
static inline enum store_result box_result(enum store_result r)
{
	return r;
}
/* What the engine's trouble s is to the caller; never STORE_OK. */
enum store_result box_trouble(struct box *b, enum engine_status s);
static inline enum store_result box_status(struct box *b, enum engine_status s)
{
	enum store_result r;

	if (s == ENGINE_OK)
		return STORE_OK;
	r = box_trouble(b, s);
	return r == STORE_OK ? STORE_ERROR : r;
}

/* Lock, catch up, decide, write, sync, notify. */
enum store_result box_change(struct box *b, struct change *c);
/* Adds a record to the change. */
void change_put(struct change *c, const struct record *r);
/* Adds octets to the frame's bodies; returns their offset. */
uint64_t change_body(struct change *c, const void *p, size_t len);
/* The bits of keyword names; new ones are defined. STORE_LIMIT. */
enum store_result change_keywords(struct change *c, struct folder *f,
    const struct str *names, size_t count, uint64_t *bits);
/* STORE_OVER_QUOTA unless so much more is allowed. */
enum store_result change_quota(
    struct change *c, uint64_t octets, uint64_t messages);
/* Records that make a mailbox of this name, and the levels above; *id. */
enum store_result change_create(struct change *c, struct str name,
    enum special_use use, uint32_t *id, uint32_t *uidvalidity);
/* One mailbox, as it is said; its name is copied. */
enum store_result change_create_one(struct change *c, struct str name,
    enum special_use use, bool selectable, uint32_t *id, uint32_t *uidvalidity);
/* Removes messages (rising uids, all of them there). */
void change_expunge(struct change *c, const struct folder *f,
    const uint32_t *uids, size_t count);
/* Before the lock: reads where the messages of a set (NULL: all) of a mailbox
 * are. Under it the older snapshot that says so may be gone, and nothing can
 * be read anew. */
void box_warm(struct box *b, uint32_t mailbox, const struct uid_set *set);
/* Moves every message into a mailbox made in this frame, from uid 1 on. */
enum store_result change_move_all(
    struct change *c, struct folder *from, uint32_t to);
/* Nothing but the box's first frame, where there is none yet. */
enum store_result box_materialize(struct box *b);

/* "inbox/a" is "INBOX/a"; space has MAILBOX_NAME_MAX octets. False: no name
 * for a mailbox. */
bool name_normalize(struct str name, char *space, struct str *out);

/* ---- snapshots: snapshot_read.c, snapshot_write.c ---- */
#define SNAPSHOT_HEADER  512u
#define SNAPSHOT_VERSION 1u

struct snapshot_header {
	uint64_t number;
	struct engine_pos at;
	uint64_t incarnation;
	uint64_t time_us; /* the latest of the frames up to there */
	int64_t taken;    /* seconds since 1970 */
	/* Numbers: the announced one that it follows, and those that were
	 * kept when it was taken (snapshot.h); 0: none. */
	uint64_t before, base, candidate;
	uint64_t summary_offset;
	uint32_t summary_len, summary_crc;
};
void snapshot_header_encode(
    const struct snapshot_header *h, unsigned char p[SNAPSHOT_HEADER]);
enum store_result snapshot_header_read(
    struct box *b, uint64_t number, struct snapshot_header *h);
/* The records of a snapshot's summary, in *summary (to be freed). */
enum store_result snapshot_summary(struct box *b, uint64_t number,
    struct snapshot_header *h, struct buf *summary);

/* The newest readable snapshot becomes the state; without one it stays
 * empty. */
enum store_result snapshot_load(struct box *b);
/* The same with as few snapshots as there can be: none, or where the log is
 * cut the base (snapshot.h). */
enum store_result snapshot_load_base(struct box *b);
/* The log cannot be read from its start any more. */
bool box_is_cut(struct box *b);
/* This one, into an empty state; untidy when it cannot be read. */
enum store_result snapshot_load_one(struct box *b, uint64_t number);
/* The messages of a folder, from the snapshot and what came since. */
enum store_result folder_load(struct box *b, struct folder *f);
/* The first message without \Seen of a folder that is not loaded, 0 when all
 * have it. Reads segments until it is found. */
enum store_result folder_first_unseen(
    struct box *b, const struct folder *f, uint32_t *seq);
/*
 * What pending records touch of a folder that is not loaded, in *part (to be
 * emptied with folder_unload, also in failure; its names are f's): the segments
 * with messages that change, the last ones while they have less than `least`
 * rows and are to be joined with new messages, and vanished uids when there
 * are new ones. The others are marked left_out. f stays as it is.
 */
enum store_result folder_load_changed(
    struct box *b, const struct folder *f, uint32_t least, struct folder *part);
/* For repair: what can be read of a folder that is not loaded. Of messages
 * that cannot, lost is told the uids between which they stood. */
void folder_load_rest(struct box *b, struct folder *f,
    void (*lost)(void *arg, struct folder *f, uint32_t first, uint32_t last),
    void *arg);
/* What stands beside struct message, for the message at a position. NULL
 * when it cannot be read. */
const struct message_place *folder_place(
    struct box *b, struct folder *f, size_t at);
/* The same, for a value of folder.where or gone.where. */
const struct message_place *folder_place_at(
    struct box *b, struct folder *f, uint32_t where);
/*
 * Every message of a folder (alive or dead) that is gone and not erased, by
 * modseq: STORE_OK or the trouble. Of a dead one its last messages too, as if
 * the deletion had expunged them. *e lives as long as the call. The visitor
 * must not change or refresh the box.
 */
enum store_result folder_each_expunged(struct box *b, struct folder *f,
    void (*visit)(void *arg, const struct expunged *e), void *arg);
/* Octets of a message, appended to out; see view_read. Of those that were
 * erased zeroes are read: who may meet such asks place_erased. */
enum store_result place_read(struct box *b, const struct message *m,
    const struct message_place *p, uint64_t offset, uint64_t len,
    struct buf *out);
/* Reads all of it and compares its checksum. STORE_CORRUPT: they differ, or
 * bytes are missing; STORE_GONE: there is no such file. */
enum store_result place_verify(
    struct box *b, const struct message *m, const struct message_place *p);
bool place_erased(
    struct box *b, const struct message *m, const struct message_place *p);
/* A folder with its messages; should the snapshot fail, by folding the log.
 * STORE_GONE when there is none. Not while a change is decided. */
enum store_result box_folder(
    struct box *b, uint32_t mailbox, struct folder **out);
/* Forgets the state and reads it anew: from the newest snapshot, or without
 * any. */
enum store_result box_reload(struct box *b, bool without_snapshots);
/*
 * When much was folded since the snapshot that the state began with, and there
 * is a newer one: begins with that instead. So what is held in memory stays
 * small, however long the box is open.
 */
enum store_result box_lighten(struct box *b);
/* Ends the newest generation: its bytes can be erased then. */
enum store_result box_seal(struct box *b);
/* So much, and as much as its summary has, lies behind the last snapshot; or it
 * could not be read. */
bool box_snapshot_due(const struct box *b, uint64_t octets);
/* Writes, verifies, announces; drops those that are not kept (snapshot.h).
 * clean: nothing in it may hold bytes of messages that are gone. */
enum store_result snapshot_take(struct box *b, bool clean);
/* Folds on to a position of the log that was read, for box_open_at: up to a
 * time or a modseq (0: without bound). */
enum store_result box_fold_until(
    struct box *b, uint64_t time_us, uint64_t modseq);
/* What was written then lies behind the end of folding. */
bool box_is_beyond(const struct box *b, uint64_t time_us, uint64_t modseq);

/* For tests: with an engine of their own (which becomes the store's), and to
 * lower the engine's limits. */
struct store *store_open_with(struct engine *e, const char *notify_dir);
struct engine *store_engine(struct store *s);

#endif
