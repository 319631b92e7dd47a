/* SPDX-License-Identifier: ISC */
/*
 * What the queue manager remembers: a compact record of every queued message
 * and of each of its recipients. Texts stay in the file; senders are kept
 * once (they come again and again). What a message needs only while it is
 * being delivered stands in struct active.
 */
#ifndef QMGR_MESSAGE_H
#define QMGR_MESSAGE_H

#include "core/arena.h"
#include "core/id.h"
#include "core/table.h"
#include "qmgr/schedule.h"
#include "queue/queue_file.h"

/* A string that is kept once however often it is used. */
struct interned {
	uint32_t uses;
	uint32_t len;
	char p[];
};

struct hop;

/* How a recipient is delivered, from lookup; while it is active. */
struct route {
	uint64_t quota_storage, quota_messages;
	struct destination *destination;
	int64_t since;  /* it is in its phase; loop_now */
	bool local;     /* it ends here: in a mailbox, as a report */
	char account[]; /* NUL-terminated */
};

/* What is happening to a recipient right now. */
enum phase {
	PHASE_IDLE,      /* nothing; see next */
	PHASE_RESOLVING, /* lookup is asked */
	PHASE_QUEUED,    /* waits in the schedule */
	PHASE_TRYING     /* an agent has it */
};

struct recipient {
	struct item item; /* in the schedule, in lookup's queue, in a request;
	                   * first, so that the item is the recipient */
	struct message *message;
	struct route *route; /* or NULL */
	struct hop *hop;     /* where it goes, or went last (hop.h), or NULL */
	uint32_t next;       /* seconds since 1970: the next attempt */
	uint32_t attempts;
	uint16_t round;           /* of the notification, 0: none yet */
	uint8_t state;            /* enum queue_state */
	uint8_t phase;            /* enum phase */
	uint8_t notify, notified; /* QUEUE_NOTIFY_* */
	uint8_t trouble;          /* times our own house failed it in a row */
	uint8_t reason : 4;       /* why it waits: figures_reason */
	bool hold : 1;
	bool deleted : 1; /* by the operator while it was being tried */
	bool dirty : 1;   /* state is not yet in the file */
	bool ours : 1;    /* the last deferral was our own house's trouble */
	bool counted : 1; /* among those that wait for its hop */
};

/* Where a message stands. */
enum place {
	PLACE_NEW,   /* in line for its first attempt */
	PLACE_RETRY, /* in line for another */
	PLACE_ACTIVE,
	PLACE_HEAP, /* sleeps until `due` */
	PLACE_HELD  /* nothing to do until the operator says so */
};

struct active {
	struct arena arena;
	struct queue_file file; /* fd -1: opened when needed */
	struct queue_envelope envelope;
	struct direct *direct; /* only proposed, not yet queued; or NULL */
	bool put_off;          /* bounce could not be asked in this pass */
};

#define MESSAGE_NO_OWNER UINT32_MAX

struct message {
	struct id id;
	uint8_t place;    /* enum place */
	bool verified;    /* its content was checked since it was read */
	bool logged;      /* "queue active" stands in the log */
	uint32_t arrived; /* seconds since 1970 */
	uint32_t due;     /* seconds since 1970, in the heap */
	uint64_t size;    /* octets of header and body */
	struct interned *sender;
	struct recipient *recipients;
	uint32_t count;
	uint32_t busy; /* recipients in another phase than idle, and
	                       * notifications under way */
	uint32_t heap_at;
	uint32_t owner; /* uid of the local user who submitted it, else
	                 * MESSAGE_NO_OWNER */
	struct message *prev, *next; /* in line */
	struct active *active;
};

struct line {
	struct message *first, *last;
	size_t count;
};

struct messages {
	struct table by_id;
	struct table senders;
	struct line fresh, retries;
	struct message **heap; /* by due */
	size_t heap_count, heap_room;
	size_t active;
	unsigned turns;
	struct table hops; /* hop.h */
};

struct interned *intern(struct table *t, struct str s);
void intern_drop(struct table *t, struct interned **s);
static inline struct str interned_str(const struct interned *s)
{
	return str_of(s->p, s->len);
}

struct message *messages_find(const struct messages *ms, struct str id);
/* A new record with `count` recipients, all zero; place is PLACE_HELD. */
struct message *messages_add(
    struct messages *ms, const struct id *id, struct str sender, size_t count);
/* Forgets the message, wherever it stands; `active` must be gone. */
void messages_remove(struct messages *ms, struct message **m);
/* Moves it; due only counts for PLACE_HEAP. */
void messages_place(
    struct messages *ms, struct message *m, enum place place, uint32_t due);
/* The next one in line: new ones first, every fifth a retry; NULL. */
struct message *messages_next(struct messages *ms);
/* The one that sleeps and is due first, or NULL. */
struct message *messages_first_due(const struct messages *ms);
void messages_free(struct messages *ms);

/* Proposed for cut-through: no message of the queue yet (direct.h). */
static inline bool message_is_proposed(const struct message *m)
{
	return m->active != NULL && m->active->direct != NULL;
}
static inline uint32_t recipient_index(const struct recipient *r)
{
	return (uint32_t)(r - r->message->recipients);
}
/*
 * The sender that the next hop sees: recipients that an alias sent to another
 * host have one of their own (SRS), unless it is to a mailbox here after all.
 * The recipient is being delivered to; a view into the envelope.
 */
struct str recipient_sender(const struct recipient *r);
bool recipient_is_rewritten(const struct recipient *r);
/* Nothing is left to do for it. */
static inline bool recipient_done(const struct recipient *r)
{
	return r->state == QUEUE_DELIVERED || r->state == QUEUE_NOTIFIED;
}
static inline bool recipient_waits(const struct recipient *r)
{
	return r->state == QUEUE_PENDING && r->phase == PHASE_IDLE;
}

#endif
