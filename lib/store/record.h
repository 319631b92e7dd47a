/* SPDX-License-Identifier: ISC */
/*
 * Records: the facts that frames and snapshots are made of.
 *
 *	0  type   2 octets
 *	2  flags  2 octets: RECORD_MANDATORY: who does not know it must stop
 *	4  length 4 octets, all of the record, a multiple of 8
 *	8  the fields of the type; a later version may add fields at the end
 *
 * Little-endian. Nothing in a record is assigned by who reads it.
 */
#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include "core/buf.h"
#include "store/engine.h"
#include "store/mailbox.h"

#define RECORD_MANDATORY 1u

enum record_type {
	/* in frames */
	RECORD_MAILBOX = 1, /* created */
	RECORD_RENAME,
	RECORD_DELETE,
	RECORD_SUBSCRIBE,
	RECORD_MESSAGE, /* added, copied, moved in */
	RECORD_FLAGS,
	RECORD_EXPUNGE,
	RECORD_KEYWORD,
	RECORD_DELIVERY, /* an id that was stored */
	RECORD_SNAPSHOT, /* announced */
	RECORD_HORIZON,  /* what was expunged before cannot come back */
	RECORD_ERASED,   /* and its bytes are gone */
	RECORD_RESTATE,  /* forget everything: what follows says all */
	RECORD_UIDNEXT, /* of a mailbox that is restated, behind its messages */
	/* in snapshots, besides SUBSCRIBE, KEYWORD */
	RECORD_BOX = 64,
	RECORD_SUMMARY, /* of a mailbox */
	RECORD_SEGMENT
};

/* What is known of a message that is not in struct message: 112 octets on
 * disk. */
struct message_place {
	uint64_t a, b; /* generation and offset, or the id of a blob */
	uint32_t crc;  /* of the message */
	uint32_t kind; /* PLACE_* */
	uint64_t cache_generation, cache_offset;
	uint32_t header_len; /* with the empty line */
	uint32_t envelope_len, structure_len, body_len; /* of the cache */
	uint32_t cache_crc;
	uint32_t keys_len;   /* sort keys, the cache's fourth part */
	int64_t saved;       /* when it came into this mailbox */
	uint64_t message_id; /* hash of Message-ID, 0: none */
	uint64_t reference;  /* hash of the message it answers, 0: none */
	uint64_t email_id;   /* the same for all copies (RFC 8474) */
	uint64_t delivery;   /* the first half of its delivery id, 0: none */
	uint64_t stored;     /* octets on disk: the message's size, or what
	                      * PLACE_ZSTD made of it */
};
#define PLACE_OCTETS 112
#define PLACE_BLOB   1u
#define PLACE_ZSTD   2u /* compressed (body_zstd.h) */

/* A message that is gone, as it was. Its bytes stay until its modseq is at or
 * below state.erased. On disk 168 octets: M and D, the place, modseq, time. */
struct expunged {
	struct message m;
	struct message_place place;
	uint64_t modseq; /* of the expunge */
	int64_t time;    /* likewise */
};
#define EXPUNGED_OCTETS 168

struct record_mailbox {
	uint32_t id, uidvalidity, use, options;
	uint64_t modseq;
	struct str name;
};
#define MAILBOX_UNSELECTABLE 1u
#define MAILBOX_DEAD         2u /* in snapshots: deleted, not erased yet */

struct record_rename {
	uint32_t id;
	uint64_t modseq;
	struct str name;
};

struct record_delete {
	uint32_t id;
	uint64_t modseq, messages, octets; /* that went with it */
	int64_t time;
};

/* HORIZON, ERASED: all expunges and deleted mailboxes up to this modseq. */
struct record_horizon {
	uint64_t modseq;
	int64_t gone_since; /* ERASED: state.gone_since from now on, unless
	                     * nothing is gone any more */
};

/* RESTATE: the counters; mailboxes, messages and all follow in the frame. */
struct record_restate {
	uint32_t next_mailbox, last_uidvalidity;
	uint64_t horizon, erased;
};

struct record_uidnext {
	uint32_t mailbox, uidnext;
};

struct record_subscribe {
	bool on;
	struct str name;
};

struct record_message {
	uint32_t mailbox;
	struct message m;
	struct message_place place;
};

/* The uids are ranges: count pairs of first and last, rising. */
struct record_flags {
	uint32_t mailbox, flags;
	uint64_t keywords, modseq;
	int64_t unseen, deleted; /* deltas of the mailbox's counts */
	uint32_t count;
	const char *ranges;
};

struct record_expunge {
	uint32_t mailbox;
	uint64_t modseq;
	int64_t time;
	uint64_t messages, octets, unseen, deleted; /* that are gone */
	uint32_t count;
	const char *ranges;
};

struct record_keyword {
	uint32_t mailbox, index;
	struct str name;
};

struct record_delivery {
	uint64_t id[2];
	int64_t time;
};

struct record_snapshot {
	uint64_t number;
	struct engine_pos at;
};

struct record_box {
	uint32_t next_mailbox, last_uidvalidity;
	uint64_t octets, messages;
	uint64_t horizon, erased;
	uint64_t gone_last;
	int64_t gone_since;
};

struct record_summary {
	uint32_t id, uidvalidity, use, options, uidnext;
	uint64_t highest_modseq, messages, unseen, deleted, octets;
	uint64_t vanish_floor; /* expunges at or before it are forgotten */
	uint64_t dead_modseq;  /* MAILBOX_DEAD: when it was deleted */
	int64_t dead_time;
	struct str name;
};

/* Where a column of a segment stands. */
struct column {
	uint64_t snapshot; /* 0: there is none */
	uint64_t offset;
	uint32_t length, crc;
	uint64_t hash;
};

enum column_kind {
	COLUMN_M, /* uid, flags, keywords, modseq: 24 octets */
	COLUMN_D, /* size, date: 16 */
	COLUMN_I, /* message_place: 112 */
	COLUMN_V, /* vanished uids: uid, 0, modseq, time: 24 */
	COLUMN_X, /* delivery ids, in blocks (deliveries.h) */
	COLUMN_U, /* expunged messages: 168 (struct expunged) */
	COLUMN_C, /* ENVELOPE, BODYSTRUCTURE, BODY; compressed */
	COLUMN_K, /* sort keys; compressed */
	COLUMN_R, /* which rows of D, I, C and K those of M are; none: all */
	COLUMNS
};

struct record_segment {
	uint32_t mailbox; /* 0: of the box (X) */
	uint32_t count;   /* of rows */
	uint64_t modseq;  /* U, V: of the last row */
	uint32_t uid;     /* M: no row has a lower one */
	struct column columns[COLUMNS];
	int64_t newest; /* X: the latest time in it */
};

struct record {
	enum record_type type;
	union {
		struct record_mailbox mailbox;
		struct record_rename rename;
		struct record_delete delete;
		struct record_subscribe subscribe;
		struct record_message message;
		struct record_flags flags;
		struct record_expunge expunge;
		struct record_keyword keyword;
		struct record_delivery delivery;
		struct record_snapshot snapshot;
		struct record_horizon horizon; /* HORIZON, ERASED */
		struct record_restate restate;
		struct record_uidnext uidnext;
		struct record_box box;
		struct record_summary summary;
		struct record_segment segment;
	};
};

/* Appends r; the buffer's overflow tells whether it fitted. */
void record_put(struct buf *out, const struct record *r);

/*
 * Cuts the next known record off *rest. Unknown records that are not
 * mandatory are skipped. Strings and ranges are views. 1, 0 at the end, -1
 * malformed, -2 unknown and mandatory. *whole (may be NULL): its octets.
 */
int record_next(struct str *rest, struct record *r, struct str *whole);

void range_get(const char *ranges, uint32_t i, uint32_t *first, uint32_t *last);
/* Compresses rising uids to ranges, appended to out; how many. */
uint32_t ranges_put(struct buf *out, const uint32_t *uids, size_t count);

void place_encode(const struct message_place *in, unsigned char *p);
void place_decode(const unsigned char *p, struct message_place *out);

/* Rows of columns M and D. */
#define M_OCTETS 24u
#define D_OCTETS 16u
void message_encode(
    const struct message *in, unsigned char *m, unsigned char *d);
void message_decode(
    const unsigned char *m, const unsigned char *d, struct message *out);
/* A row of column U. */
void expunged_encode(const struct expunged *in, unsigned char *p);
void expunged_decode(const unsigned char *p, struct expunged *out);

#endif
