/* SPDX-License-Identifier: ISC */
/*
 * The story of a message, made of its events: what happened to it, where it
 * waited and why, and what has become of each recipient. Pure.
 */
#ifndef POSTHOUSE_TRACE_STORY_H
#define POSTHOUSE_TRACE_STORY_H

#include "core/buf.h"
#include "ipc/trace_record.h"

enum story_state {
	STORY_UNKNOWN, /* it was named and no more */
	STORY_QUEUED,  /* waits for its turn or for an attempt */
	STORY_TRYING,
	STORY_HELD,
	STORY_DELIVERED,
	STORY_FAILED,
	STORY_DELETED, /* by the operator */
	STORY_REFUSED  /* the client was told so, and has it still */
};

struct story_recipient {
	struct str address;
	enum story_state state;
	const struct trace_record *last; /* that made it so; or NULL */
	unsigned attempts;
	uint64_t next; /* attempt, seconds since 1970, 0: none is set */
};

/* A stretch of time in which nothing could happen. */
struct story_wait {
	uint64_t from_us, until_us;
	struct str recipient; /* "": all of it */
	const struct trace_record *reason;
	size_t before; /* the event that ended it; count: it still lasts */
};

struct story {
	const struct trace_record **events; /* by time */
	size_t count;
	struct story_recipient *recipients;
	size_t recipient_count;
	struct story_wait *waits; /* by their end */
	size_t wait_count;
	const struct trace_record *queued; /* NULL: it never was */
	struct str dsn;                    /* a notification's id, "" */
	enum story_state state;            /* of the whole message */
	bool partly;  /* some recipients failed, some did not */
	bool removed; /* it is not in the queue */
};

/* events (with room for `count`) are borrowed, and must be by time. */
void story_make(
    struct story *s, const struct trace_record **events, size_t count);
void story_free(struct story *s);

const char *story_state_name(enum story_state state); /* "delivered" */

/* The event in words, one line. */
void story_say(const struct trace_record *r, struct buf *out);
/* Why a wait was: "450 4.7.1 greylisted (mx.example[192.0.2.1]:25)". */
void story_reason(const struct trace_record *r, struct buf *out);
/* "12 min 3 s"; "0.210 s" */
void story_duration(uint64_t us, struct buf *out);

#endif
