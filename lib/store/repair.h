/* SPDX-License-Identifier: ISC */
/*
 * Inside lib/store: repair.
 *
 * repair.c puts the steps together, repair_fold.c takes what the log still
 * says, repair_holes.c what a bad snapshot says, repair_recover.c looks for
 * messages without records, repair_bytes.c looks at every message,
 * repair_restate.c writes all of it as the beginning of a new log.
 */
#ifndef STORE_REPAIR_H
#define STORE_REPAIR_H

#include "core/table.h"
#include "store/box.h"
#include "store/recovery.h"

#define KEYWORD_DAMAGED STR("$Damaged")

/* What was found out about the bytes of a message, and of all its copies. */
struct verdict {
	enum { BYTES_GOOD, BYTES_DAMAGED, BYTES_MISSING } content;
	uint32_t crc; /* damaged, and all there: as they are */
	/* Stored anew: what could be read of them, the rest blank. */
	struct store_body *body;
	bool cached; /* what was computed of the whole message is good */
	/* Their cache is stored anew; it makes sense with these lengths. */
	bool reparsed;
	struct buf cache;
	struct message_place lengths;
	/* Where that is in the frame that is being decided. */
	uint64_t decided; /* its modseq, 0: nowhere yet */
	struct message_place place;
};

struct unnamed {
	uint64_t generation, offset, octets;
};

struct repair {
	struct store *store;
	struct str account;
	void (*found)(void *arg, const struct store_finding *f);
	void *arg;
	struct repair_result *out;
	struct box
	    *b; /* its state is what could be read; counts mean nothing */
	struct engine_pos pos; /* up to here the log was read */
	uint64_t modseq;       /* the highest that was seen */
	uint64_t beyond;       /* a generation that was there once, behind all
	                        * that are there; 0: none */
	/* Something is missing in the log, so any mailbox may lack anything;
	 * or in these mailboxes only. */
	bool gap;
	uint32_t *doubtful;
	size_t doubtful_count;
	bool newer; /* records that we do not know */
	/* Bodies of which the records are lost. */
	struct unnamed *unnamed;
	size_t unnamed_count;
	uint32_t recovered;    /* the mailbox for their messages, 0: none yet */
	struct table verdicts; /* by place; good ones are not freed */
	bool looked;           /* once, at everything */
	bool bad;              /* a verdict that is not good */
	enum store_result trouble; /* while looking at messages */
};

/* ---- repair.c ---- */
void repair_found(struct repair *p, enum finding_kind kind, const char *file,
    uint64_t offset, uint32_t mailbox, uint32_t uid, const char *format, ...)
    __attribute__((format(printf, 7, 8)));

/* ---- repair_fold.c ---- */
/* Takes what engine_salvage tells. */
struct engine_salvage repair_listener(struct repair *p);
/* Nobody knows what is missing in it: it needs a new UIDVALIDITY. */
void repair_doubt(struct repair *p, uint32_t mailbox);
bool repair_is_doubtful(const struct repair *p, uint32_t mailbox);
/* A mailbox of this name, which nobody has; made with a new id. */
struct folder *repair_make_folder(
    struct repair *p, uint32_t id, struct str name);

/* ---- repair_holes.c ---- */
/* With the state of a snapshot of which only the summary is known to hold:
 * loads what can be read of its messages, and fills the gaps from the log. */
enum store_result repair_load_rest(struct repair *p);

/* ---- repair_recover.c ---- */
/* Messages in the bodies of lost frames, and blobs that nobody names, into a
 * mailbox of their own. */
enum store_result repair_recover(struct repair *p);

/* ---- repair_bytes.c ---- */
/* Reads every message that is there or is not erased yet, which was not read
 * before. */
enum store_result repair_look(struct repair *p);
/* What is known of a message that was looked at. */
struct verdict *repair_verdict(
    const struct repair *p, const struct message_place *place);
void repair_forget(struct repair *p);

/* ---- repair_restate.c ---- */
/* Begins the log anew with everything. */
enum store_result repair_restate(struct repair *p);

/* ---- rebuild.c ---- */
/* Takes new snapshots of a log that was begun anew. Older ones, which show the
 * box as it was, stay, but for those that are bad. */
enum store_result box_renew_snapshots(struct box *b);

#endif
