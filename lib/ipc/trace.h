/* SPDX-License-Identifier: ISC */
/*
 * Log lines and trace events on their way to logd, by datagrams that are sent
 * without waiting. While logd is slow (the kernel keeps as few as ten
 * datagrams for it) records collect in a bounded buffer and go together with
 * the next one; what no longer fits is dropped and counted, and the next one
 * that gets through says how many were lost.
 *
 * A datagram is one or more records. A trace event is a fixed record of 256
 * octets, the same here and in logd's hourly files (trace(5)). A log line is
 *
 *	LOG_RECORD TAB level TAB program TAB lost TAB text LF
 *
 * and never contains other control octets. Who sent it logd asks the kernel.
 */
#ifndef IPC_TRACE_H
#define IPC_TRACE_H

#include "core/id.h"
#include "core/log.h"

#define LOG_RECORD       "PHL1"
#define LOG_DATAGRAM_MAX 32768       /* octets of records sent together */
#define TRACE_MAGIC      0x31525450u /* "PTR1", little-endian */
#define TRACE_TEXT_MAX   160

enum trace_kind {
	TRACE_CONNECT = 1, /* a client connected; text: address */
	TRACE_ENVELOPE,    /* MAIL accepted; text: sender */
	TRACE_RECIPIENT,   /* RCPT accepted or refused; text: recipient, why */
	TRACE_QUEUED,      /* 250 was said; text: message-id */
	TRACE_REFUSED,     /* text: reply */
	TRACE_SCHEDULED,   /* qmgr took it up; text: recipient, transport */
	TRACE_ATTEMPT,     /* handed to an agent; text: nexthop */
	TRACE_DELIVERED,   /* text: recipient, remote's words */
	TRACE_DEFERRED,    /* text: recipient, why, next attempt */
	TRACE_FAILED,      /* text: recipient, why */
	TRACE_BOUNCED,     /* DSN made; text: the DSN's queue id */
	TRACE_STORED,      /* in the mailbox; text: mailbox, uid */
	TRACE_REMOVED,     /* gone from the queue */
	TRACE_LOGIN,       /* text: user, method */
	TRACE_SESSION_END,
	TRACE_OPERATOR /* hold, release, delete, flush; text */
};

/* Little-endian on the wire and on disk; 256 octets. */
struct trace_record {
	uint32_t magic;
	uint32_t crc; /* CRC-32C of everything behind this member */
	uint64_t time_us;
	uint16_t kind; /* enum trace_kind */
	uint16_t text_len;
	uint32_t pid;
	char daemon[12];          /* NUL-padded */
	char session[ID_LEN + 2]; /* NUL-padded; empty: none */
	char message[ID_LEN + 2]; /* queue id, NUL-padded; empty: none */
	char text[TRACE_TEXT_MAX];
	char reserved[12]; /* zero */
};

/*
 * Connects to logd's datagram socket by path and sets the log's sink, before
 * the jail. Without a logd lines go to stderr too. Returns 0 or -1 (the sink
 * then stays at stderr).
 */
int logsink_open(const char *socket_path);
/*
 * Tries to send what is waiting; the skeleton calls it before it waits and
 * at the end. False when some of it still has to wait.
 */
bool logsink_flush(void);
/*
 * What may wait for what comes next, so that several records are one datagram
 * and logd wakes up less: nothing (as it begins), trace events, or lines too.
 * It waits for the next record that may not, for LOGSINK_GATHER_MOST octets, or
 * for a flush, which the caller sees to. What a process that is killed had not
 * sent is lost.
 */
enum logsink_gather { GATHER_NOTHING, GATHER_EVENTS, GATHER_ALL };
#define LOGSINK_GATHER_MOST 8192
void logsink_gather(enum logsink_gather what);
/* Called when records begin to wait: a loop then sets a timer for
 * logsink_flush. */
void logsink_on_wait(void (*waits)(void));
/* Shows each line to another sink as well. */
void logsink_also(log_sink *also, void *arg);
/* Records lost since the start because logd did not take them. */
uint64_t logsink_lost(void);

/* session and message may be NULL. Text is cut at TRACE_TEXT_MAX. */
void trace_event(enum trace_kind kind, const struct id *session,
    const struct id *message, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Fills a record; for tests and for what writes trace files itself. */
void trace_fill(struct trace_record *r, enum trace_kind kind,
    const struct id *session, const struct id *message, struct str text);
/* Whether magic, length and CRC are right. */
bool trace_is_valid(const struct trace_record *r);
const char *trace_kind_name(unsigned kind); /* "connect"; "unknown" */

#endif
