/* SPDX-License-Identifier: ISC */
/* A line of the log, as its destinations want it. Pure, but for the time zone. */
#ifndef LOGD_LINE_H
#define LOGD_LINE_H

#include <sys/types.h>

#include "core/buf.h"
#include "core/log.h"

struct log_line {
	uint64_t us; /* since 1970 */
	enum log_level level;
	const char *host, *prefix; /* "posthouse" */
	struct str program;
	pid_t pid;
	struct str text; /* any octets */
};

/* The level of this name; info when there is none. */
enum log_level line_level(struct str name);
/* The priority of syslog(3): 3 for an error. */
int line_priority(enum log_level level);

/* With the year, microseconds and the time zone; out: 40 octets. */
void line_time(uint64_t us, char *out, size_t size);

/* The text with control octets as \xHH, so that nobody can forge a line. */
void line_escape(struct buf *out, struct str text);

/* The queue id that a text begins with ("ID: ..."), or "". */
struct str line_queue_id(struct str text);

/*
 * One JSON object: time, host, name, program, pid, level, text, queue_id if
 * there is one, and as fields what the text has of "key=value, ...". It ends
 * with a line feed.
 */
void line_json(struct buf *out, const struct log_line *l);

/* A datagram for /dev/log (RFC 3164 without the host). facility: 0 to 23. */
void line_syslog(
    struct buf *out, const struct log_line *l, int facility, bool as_json);

/* A datagram for the journal's native socket. */
void line_journal(struct buf *out, const struct log_line *l, int facility);

#endif
