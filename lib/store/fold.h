/* SPDX-License-Identifier: ISC */
/*
 * The folded state of a box: what its log says up to a position. Folding
 * only repeats what records state; every choice was made by who wrote them.
 *
 * The summary (mailboxes, counts, quota) is always there. Messages of a
 * mailbox are loaded from the snapshot when somebody asks (snapshot.h); until
 * then records about them wait, as they are, in `pending`.
 */
#ifndef STORE_FOLD_H
#define STORE_FOLD_H

#include "core/table.h"
#include "store/deliveries.h"
#include "store/rows.h"

#define WHERE_FRESH  0x80000000u /* else segment << 13 | row */
#define SEGMENT_ROWS 8192u

struct vanished {
	uint32_t uid;
	uint64_t modseq;
	int64_t time;
};

/* Up to SEGMENT_ROWS consecutive messages as the snapshot has them. */
struct segment {
	uint32_t count;       /* of rows in the snapshot's M */
	uint32_t rows;        /* of D, I, C and K: more when there is an R */
	uint64_t last_modseq; /* of U and V: of the last row */
	uint32_t uid;         /* of M: no row has a lower one */
	struct column columns[COLUMNS];
	struct message_place *places; /* column I, or NULL: not read yet */
	bool flagged;                 /* M differs from the snapshot's */
	bool left_out;                /* by folder_load_changed */
	bool bad_content;             /* C or K cannot be read */
};

/* An expunged message whose place may not have been read yet. */
struct gone {
	struct message m;
	uint32_t where; /* as folder.where */
	uint64_t modseq;
	int64_t time;
};

struct folder {
	struct mailbox_info info; /* name and keywords are ours */
	uint64_t version;         /* rises with each change of a message */
	bool loaded;
	/* When loaded: messages by uid, and where the rest of each stands. */
	struct message *messages;
	struct lent_rows *lent; /* NULL: the messages are ours alone */
	uint32_t *where;
	size_t count, room;
	struct message_place *fresh; /* of messages beyond the snapshot */
	size_t fresh_count, fresh_room;
	struct vanished *vanished; /* by modseq */
	size_t vanished_count, vanished_room;
	/* Expunged since the snapshot, by modseq: the message and where its
	 * place stands. Older ones are in segments with a column U. */
	struct gone *gone;
	size_t gone_count, gone_room;
	/* A deleted mailbox whose messages are not erased yet: not in
	 * state.folders, but in state.dead. */
	uint64_t dead_modseq; /* 0: alive */
	int64_t dead_time;
	/* From the snapshot. */
	struct segment *segments;
	size_t segment_count;
	uint64_t vanish_floor;
	struct buf pending; /* records not applied to messages */
	unsigned views;
};

struct state {
	struct engine_pos pos;
	uint64_t incarnation;
	uint64_t time_us; /* the latest of all frames so far */
	bool virtual;     /* nothing on disk: the default mailboxes only */
	uint32_t next_mailbox, last_uidvalidity;
	struct box_usage usage;
	struct folder **folders; /* by name */
	size_t folder_count, folder_room;
	const struct mailbox_info **list; /* the same (state_list) */
	bool list_stale;
	struct folder **by_id; /* the same, hashed; a power of two of them */
	size_t by_id_room;
	struct folder **dead; /* deleted, not erased; by modseq */
	size_t dead_count, dead_room;
	/* Expunges up to here cannot be undone; up to here they are erased. */
	uint64_t horizon, erased;
	/* So that nobody reads columns to learn that nothing is to be erased:
	 * modseq of the last EXPUNGE, or DELETE of messages (0: none), and the
	 * time of the first that is not erased, or an earlier one. Folding
	 * sets both when gone_last <= erased, later only gone_last; ERASED
	 * sets gone_since to what it says. */
	uint64_t gone_last;
	int64_t gone_since;
	struct table subscriptions;
	struct deliveries deliveries;
	/* The newest announced snapshot. */
	struct record_snapshot snapshot;
	uint64_t base;  /* number of the one that this state began with, or 0 */
	uint64_t epoch; /* counts lives of the state: versions never repeat */
	size_t pending_octets;
	const char *why;
};

void state_init(struct state *s);
void state_clear(struct state *s);
/* What an account has before its first frame. */
void state_default(struct state *s);
/* The records that make it so on disk; how many. */
uint32_t state_default_put(
    const struct state *s, struct buf *out, uint64_t modseq);

/* Applies a frame's records: 0; 1 and s->why when they make no sense; 2 when
 * they are of a newer version. */
int state_fold(
    struct state *s, struct str heads, const struct engine_frame_info *info);

/* One record of a frame; whole: its octets. -1 and s->why. */
int state_fold_one(struct state *s, const struct record *r, struct str whole);

/* Applies one record to a loaded folder's messages. -1: no sense. */
int folder_apply(struct folder *f, const struct record *r);
struct folder *folder_new(
    struct state *s, uint32_t id, struct str name, const char **why);
/* From a snapshot: a mailbox that was deleted at a modseq, at a time. */
struct folder *folder_new_dead(struct state *s, uint32_t id, struct str name,
    uint64_t modseq, int64_t time, const char **why);
void folder_unload(struct folder *f);
/* Room for so many messages at once; a hint. */
void folder_reserve(struct folder *f, uint64_t count);
/* Adds a message at the end, with `where` as it is. */
void folder_push(struct folder *f, const struct message *m, uint32_t where);
void folder_vanish(struct folder *f, const struct vanished *v);
/* Adds a keyword's name; -1 when index is not the next one. */
int folder_keyword(struct folder *f, uint32_t index, struct str name);

/* Something of the mailbox could be undeleted if it were deleted now: it has
 * messages, or had some that are not erased. */
bool folder_remains(const struct state *s, const struct folder *f);

/* All that are alive, by name; valid until there is another. */
const struct mailbox_info **state_list(struct state *s);
struct folder *state_folder(const struct state *s, uint32_t id);
/* A deleted one that is not erased. */
struct folder *state_dead(const struct state *s, uint32_t id);
/* Forgets what is gone and erased. */
void folder_forget_erased(struct folder *f, uint64_t erased);
struct folder *state_folder_named(const struct state *s, struct str name);
/* Position of the first message with a uid >= uid. */
size_t folder_search(const struct folder *f, uint32_t uid);
/* NULL when it is not there. */
struct message *folder_message(const struct folder *f, uint32_t uid);

#endif
