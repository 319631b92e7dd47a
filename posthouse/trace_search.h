/* SPDX-License-Identifier: ISC */
/*
 * Finds in logd's hourly files (trace(5)) the events that belong to what one
 * looks for: a queue id, a session's id, a Message-ID, an address, a domain or
 * a client; and from there whatever these lead to: the sessions, other
 * messages of a session that was asked for, notifications and their causes.
 */
#ifndef POSTHOUSE_TRACE_SEARCH_H
#define POSTHOUSE_TRACE_SEARCH_H

#include "core/table.h"
#include "posthouse/trace_files.h"

#define TRACE_EVENTS_MAX 200000

/* What one looks for. */
struct trace_query {
	struct str key;
	uint64_t since_us, until_us; /* of events that the key is found in */
	size_t most;                 /* messages and sessions, the newest */
};

/* A message or a session that belongs to it. */
struct trace_thing {
	struct id id;
	bool matched;    /* the key is in it, or is its id */
	bool whole;      /* a session: with all its messages */
	bool child;      /* a message: a notification about another one */
	bool ended;      /* removed from the queue, or the session's end */
	bool seen;       /* a message of which there is an event */
	uint64_t end_us; /* nothing of it is much later */
};

struct trace_found {
	uint64_t time_us;
	size_t file;
	uint32_t cell;
	struct trace_record
	    *record; /* on the heap; text only as long as used */
};

struct trace_search {
	struct trace_files files;
	const struct trace_query *query;
	struct str keys[2]; /* the key, and "@" before it; "": none */
	char text[2][TRACE_KEY_MAX + 2];
	struct table messages, sessions; /* of struct trace_thing */
	struct trace_thing **things;     /* all of them */
	size_t thing_count;
	struct trace_found *found; /* by time */
	size_t found_count, found_room;
	struct table seen; /* file and cell */
	bool is_id;        /* the key is an id */
	bool cut;          /* there is more than was asked for */
};

/* 0, or -1 with errno when the directory cannot be read. Ended by
 * trace_search_free in any case. */
int trace_search(struct trace_search *s, const char *directory,
    const struct trace_query *query);
void trace_search_free(struct trace_search *s);

/*
 * Takes up events that were written since. Things that they lead to belong to
 * it from then on. Returns how many events were found before: what is new
 * stands behind them, by time.
 */
size_t trace_search_more(struct trace_search *s);

/* An address, a domain or a client, of which more messages may come. */
bool trace_search_goes_on(const struct trace_search *s);
/* Whether all messages that were found have ended, and there are any. */
bool trace_search_ended(const struct trace_search *s);

/* NULL: it does not belong to it. */
struct trace_thing *trace_search_message(
    const struct trace_search *s, const struct id *id);
struct trace_thing *trace_search_session(
    const struct trace_search *s, const struct id *id);

#endif
