/* SPDX-License-Identifier: ISC */
/*
 * Mailboxes: what local, imapd and pop3d see of the store (doc: STORE rules
 * in doc/store.md; store(5)).
 *
 * A box is one account. It is opened after fork, by one thread, and holds the
 * folded state of the account's log up to some position; box_refresh brings
 * it up to date. Every change is decided under the box's lock on the newest
 * state and durable when it returns STORE_OK; a refusal costs no sync. A
 * session works on a view: a selected mailbox whose sequence numbers change
 * only when the session asks.
 *
 * No locations leave lib/store: bytes are named by (mailbox, uid).
 */
#ifndef STORE_MAILBOX_H
#define STORE_MAILBOX_H

#include <sys/uio.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/str.h"

enum store_result {
	STORE_OK = 0,
	STORE_DUPLICATE, /* delivery id stored before: success, nothing done */
	STORE_NO_MAILBOX,
	STORE_EXISTS, /* create, rename: the name is taken */
	STORE_BAD_NAME,
	STORE_OVER_QUOTA,
	STORE_LIMIT,   /* too many keywords, mailboxes ...; store_why */
	STORE_GONE,    /* message expunged, uidvalidity changed */
	STORE_BUSY,    /* locked past the deadline: 4xx, NO [INUSE] */
	STORE_UNKNOWN, /* a sync failed: it may or may not be there */
	STORE_NO_SPACE,
	STORE_CORRUPT, /* set aside, read-only at the durable mark */
	STORE_ERROR    /* I/O, permission: store_why */
};

#define FLAG_SEEN     1u
#define FLAG_ANSWERED 2u
#define FLAG_FLAGGED  4u
#define FLAG_DELETED  8u
#define FLAG_DRAFT    16u

#define MAILBOX_KEYWORDS_MAX 64
#define MAILBOX_NAME_MAX     1000 /* octets of UTF-8; levels divided by '/' */
#define MAILBOXES_MAX        10000

struct store; /* one for each process; made before fork is fine */
struct box;
struct view;

/* root: mail_store_directory. notify_dir: where sessions' wake-up sockets
 * stand (NULL: nobody is told). NULL and *why. */
struct store *store_open(
    const char *root, const char *notify_dir, const char **why);
void store_close(struct store **s);
/* Messages of so many octets and more are stored compressed where that saves
 * something; 0 (the default): none. Those that are stored stay as they are. */
void store_set_compression(struct store *s, uint64_t octets);
/* How long a message may stay in the queue, in milliseconds: delivery ids are
 * kept a week longer. Without it 5 days. Every process that changes boxes says
 * the same. */
void store_set_queue_lifetime(struct store *s, int64_t ms);
/* For how long expunged mail can be brought back, which decides what snapshots
 * are kept. Without it a week. Every process that changes boxes says the
 * same. */
#define UNDELETE_DEFAULT (7 * 86400)
void store_set_undelete(struct store *s, int64_t seconds);
/* About the last result that was not STORE_OK: a phrase. */
const char *store_why(const struct box *b);
const char *store_result_name(enum store_result r);

/*
 * Opens an account ("user@domain", any bytes but NUL and '/', up to 512). An
 * account without mail has nothing on disk and an INBOX all the same; the
 * first change creates it. Where *out is not NULL (STORE_CORRUPT, STORE_ERROR)
 * it is for store_why, and to be closed.
 */
enum store_result box_open(
    struct store *s, struct str account, int64_t deadline, struct box **out);
void box_close(struct box **b);
/* The account's directory, for a Landlock rule: borrowed, -1 while the account
 * has none. box_prepare makes it. */
int box_directory(struct box *b);
enum store_result box_prepare(struct box *b);
/* Reads what others wrote; with nothing new it costs one small read. */
enum store_result box_refresh(struct box *b);
/* The newest change that was read, as wake-ups name it (notify.h). */
uint64_t box_modseq(const struct box *b);
/* Removes the account and everything in it. */
enum store_result store_remove_account(struct store *s, struct str account);

/* ---- mailboxes ---- */
enum special_use {
	USE_NONE,
	USE_ALL,
	USE_ARCHIVE,
	USE_DRAFTS,
	USE_FLAGGED,
	USE_JUNK,
	USE_SENT,
	USE_TRASH
};

struct mailbox_info {
	uint32_t id;     /* unique in the box for good */
	struct str name; /* UTF-8, '/' between levels; "INBOX" */
	uint32_t uidvalidity;
	uint32_t uidnext;
	uint64_t highest_modseq;
	uint64_t messages, unseen, deleted;
	uint64_t octets; /* of all messages */
	int use;         /* enum special_use */
	bool subscribed;
	bool selectable; /* false: only a level above others */
	struct str keywords[MAILBOX_KEYWORDS_MAX];
	size_t keyword_count;
	char mailbox_id[24]; /* RFC 8474 MAILBOXID */
};

/* All mailboxes, by name; valid until the next call that changes or
 * refreshes the box. INBOX is always there. */
size_t box_mailboxes(struct box *b, const struct mailbox_info *const **out);
/* By name ("inbox" in any case is INBOX) or id; NULL when there is none. */
const struct mailbox_info *box_find(struct box *b, struct str name);
const struct mailbox_info *box_find_id(struct box *b, uint32_t id);
/* Names subscribed without a mailbox behind them count too (RFC 9051 6.3.7). */
size_t box_subscriptions(
    struct box *b, struct arena *arena, struct str **names);

enum store_result box_create(
    struct box *b, struct str name, enum special_use use);
enum store_result box_delete(struct box *b, struct str name);
/* Renaming INBOX moves its messages (RFC 9051 6.3.6); levels below move
 * along. */
enum store_result box_rename(struct box *b, struct str from, struct str to);
enum store_result box_subscribe(struct box *b, struct str name, bool on);

struct box_usage {
	uint64_t octets, messages;
};
struct box_usage box_usage(struct box *b);
/* What append, copy and deliver are held to; 0: no limit. Kept in memory. */
void box_set_quota(struct box *b, uint64_t octets, uint64_t messages);
/* So much more would fit now; for refusals before the octets come. */
bool box_quota_allows(struct box *b, uint64_t octets, uint64_t messages);

/* ---- bodies ---- */
/*
 * Bytes on their way in: memory while they are small, a blob's temporary
 * file beyond inline_max. CRLF line ends are the caller's duty. NUL octets
 * are kept.
 */
struct store_body;
struct store_body *store_body_new(struct box *b);
int store_body_add(struct store_body *body, const void *p, size_t len);
/* Copies from a file, for delivery from the queue. */
int store_body_add_file(
    struct store_body *body, int fd, uint64_t offset, uint64_t len);
uint64_t store_body_len(const struct store_body *body);
void store_body_free(struct store_body **body);

/* ---- changes ---- */
struct append_item {
	struct store_body *body; /* stays the caller's */
	uint32_t flags;
	const struct str *keywords; /* names */
	size_t keyword_count;
	int64_t internal_date; /* seconds since 1970; 0: now */
	uint32_t uid;          /* out */
};

/* APPEND, MULTIAPPEND: all or nothing in one frame. uids and *uidvalidity
 * out. */
enum store_result box_append(struct box *b, struct str mailbox,
    struct append_item *items, size_t count, uint32_t *uidvalidity);

/*
 * Delivery: one body filed into one or more mailboxes, exactly once for each
 * delivery id. A mailbox that does not exist is created when create is set,
 * else the item goes to INBOX. With a use that is not USE_NONE the mailbox of
 * this use is meant, whatever its name; one that is created has it.
 */
struct deliver_item {
	struct str mailbox;
	uint32_t flags;
	const struct str *keywords;
	size_t keyword_count;
	bool create;
	enum special_use use;
	uint32_t uid; /* out */
};
/* since: when the message entered the queue, in seconds since 1970; its id
 * cannot have been stored before. 0: unknown. */
enum store_result box_deliver(struct box *b, struct str delivery_id,
    int64_t since, struct store_body *body, int64_t internal_date,
    struct deliver_item *items, size_t count);

/* A sorted set of uids. */
struct uid_set {
	const uint32_t *uids;
	size_t count;
};

enum flag_op { FLAGS_SET, FLAGS_ADD, FLAGS_REMOVE };
/*
 * STORE. unchanged_since: 0 for none; messages beyond it are left alone and
 * their uids given in modified (arena). One frame. *modseq: of this change.
 */
enum store_result box_store(struct box *b, uint32_t mailbox, struct uid_set set,
    enum flag_op op, uint32_t flags, const struct str *keywords,
    size_t keyword_count, uint64_t unchanged_since, struct arena *arena,
    struct uid_set *modified, uint64_t *modseq);

/* Messages of set (NULL: all) with \Deleted are removed; vanished (arena). */
enum store_result box_expunge(struct box *b, uint32_t mailbox,
    const struct uid_set *set, struct arena *arena, struct uid_set *vanished);
/* Removes messages whatever their flags (POP3's DELE). */
enum store_result box_remove(
    struct box *b, uint32_t mailbox, struct uid_set set);

/* COPY and MOVE in one frame; from_uids and to_uids pair up (arena). */
enum store_result box_copy(struct box *b, uint32_t from, struct uid_set set,
    struct str to, bool move, struct arena *arena, struct uid_set *from_uids,
    struct uid_set *to_uids, uint32_t *uidvalidity);

/* ---- views: a selected mailbox ---- */
struct message {
	uint32_t uid;
	uint32_t flags;
	uint64_t keywords; /* bits, by mailbox_info.keywords */
	uint64_t modseq;
	uint64_t size; /* octets, RFC822.SIZE */
	int64_t internal_date;
};

enum store_result view_open(struct box *b, uint32_t mailbox, struct view **out);
/*
 * The same without the messages, so that it costs the same for a large
 * mailbox as for a small one: view_message and all that read a message have
 * none until view_rows. Counts are right, and view_sync works.
 */
enum store_result view_open_late(
    struct box *b, uint32_t mailbox, struct view **out);
/* Looks up what was left out. STORE_GONE when it cannot be had any more. */
enum store_result view_rows(struct view *v);
/* The first message without \Seen, 0 when all have it; a late view reads no
 * more for it than it must. */
enum store_result view_first_unseen(struct view *v, uint32_t *seq);
void view_close(struct view **v);
uint32_t view_mailbox(const struct view *v);
/* Sequence numbers run from 1 to view_count. */
uint32_t view_count(const struct view *v);
/* As of the last view_sync; NULL beyond the end. */
const struct message *view_message(const struct view *v, uint32_t seq);
/* The sequence number of a uid, 0 when it is not in the view. */
uint32_t view_seq(const struct view *v, uint32_t uid);
/* The first sequence number whose uid is >= uid; count + 1 beyond. */
uint32_t view_seq_from(const struct view *v, uint32_t uid);

/*
 * Brings the view to the box's state (call box_refresh first). The handlers
 * are called in this order: expunged with falling sequence numbers (only when
 * allow_expunge; what is then not told waits for the next sync), flags for
 * each known message whose flags changed, and at the end the new count is in
 * view_count. Handlers may be NULL. Returns STORE_GONE when the mailbox was
 * deleted.
 */
struct view_events {
	void (*expunged)(uint32_t seq, uint32_t uid, void *arg);
	void (*flags)(uint32_t seq, const struct message *m, void *arg);
	void *arg;
};
enum store_result view_sync(
    struct view *v, bool allow_expunge, const struct view_events *events);

/*
 * Uids that were expunged after modseq, for QRESYNC and VANISHED; sorted, in
 * the arena. When modseq lies below what is remembered, *complete is false
 * and every absent uid counts as vanished.
 */
enum store_result view_vanished(struct view *v, uint64_t modseq,
    struct arena *arena, struct uid_set *out, bool *complete);

/*
 * A view as a few numbers, to be opened again by another process: the messages
 * with uids below uidnext but for those expunged at or before expunged_at,
 * flags as of flags_at; count and hash to verify it.
 */
struct view_formula {
	uint32_t mailbox, uidvalidity;
	uint32_t uidnext, count;
	uint64_t expunged_at, flags_at; /* modseq */
	uint64_t hash;
};
/* STORE_GONE: the mailbox is gone, or the view cannot be said so now. */
enum store_result view_formula(struct view *v, struct view_formula *out);
/* The view as it was; the next view_sync tells what happened since. STORE_GONE
 * when it cannot be had any more. */
enum store_result view_reopen(
    struct box *b, const struct view_formula *formula, struct view **out);
/* Expunges wait for a view_sync that allows them. */
bool view_is_waiting(const struct view *v);

/* ---- reading messages ---- */
/* The cached ENVELOPE and BODYSTRUCTURE (with extensions), wire-ready; views
 * into the arena. */
struct message_cache {
	struct str envelope, bodystructure, body; /* body: BODY without
	                                           * extensions */
};
enum store_result view_cache(struct view *v, uint32_t seq, struct arena *arena,
    struct message_cache *out);
/* The sort keys (mail/sort_keys.h), likewise; empty: there are none. */
enum store_result view_sort_keys(
    struct view *v, uint32_t seq, struct arena *arena, struct str *out);

/*
 * Bytes [offset, offset+len) of a message, appended to out; clipped to its
 * end. STORE_GONE when they were erased meanwhile.
 */
enum store_result view_read(struct view *v, uint32_t seq, uint64_t offset,
    uint64_t len, struct buf *out);
/*
 * For sendfile: a descriptor (borrowed, valid until the next call with the
 * box) and the offset where the message begins. STORE_ERROR when the engine
 * has none; then use view_read.
 */
enum store_result view_file(
    struct view *v, uint32_t seq, int *fd, uint64_t *offset);
/* Octets of header with its empty line, from the cache. */
enum store_result view_header_len(struct view *v, uint32_t seq, uint64_t *len);

/* ---- one session at a time (POP3's lock) ---- */
/* Takes or gives the account's POP3 lock; STORE_BUSY when another has it.
 * Ends with the process. */
enum store_result box_pop3_lock(struct box *b);
void box_pop3_unlock(struct box *b);

/* ---- background; never needed for correctness ---- */
/* Takes a snapshot and seals or drops generations when due. local and imapd
 * call it when idle. */
enum store_result box_maintain(struct box *b);

#endif
