/* SPDX-License-Identifier: ISC */
/*
 * Finds in logd's hourly files (trace(5)) the events that belong to what one
 * looks for: a queue id, a session's id, a Message-ID or an address.
 */
#ifndef POSTHOUSE_TRACE_SEARCH_H
#define POSTHOUSE_TRACE_SEARCH_H

#include "core/table.h"
#include "ipc/trace.h"

struct trace_search {
	struct trace_record **events; /* by time */
	size_t count, room;
	struct table messages; /* ids that belong to it */
	struct table sessions;
	struct str key;
	bool cut; /* more matched than MESSAGES_MAX */
};

/* 0, or -1 with errno when the directory cannot be read. Ended by
 * trace_search_free in any case. */
int trace_search(struct trace_search *s, const char *directory, struct str key);
void trace_search_free(struct trace_search *s);

#endif
