/* SPDX-License-Identifier: ISC */
/*
 * Log lines and trace events on their way to logd, by datagrams that are sent
 * without waiting. While logd is slow (the kernel keeps as few as ten
 * datagrams for it) records collect in a bounded buffer and go together with
 * the next one; what no longer fits is dropped and counted, and the next one
 * that gets through says how many were lost.
 *
 * A datagram is one or more records. A trace event is as in trace_record.h,
 * the same here and in logd's hourly files. A log line is
 *
 *	LOG_RECORD TAB level TAB program TAB lost TAB text LF
 *
 * and never contains other control octets. With the level LOG_PROTOCOL the text
 * is "name TAB line", for the file of that name, and lost is 0. Who sent it
 * logd asks the kernel.
 */
#ifndef IPC_TRACE_H
#define IPC_TRACE_H

#include "core/log.h"
#include "ipc/trace_record.h"

#define LOG_RECORD       "PHL1"
#define LOG_PROTOCOL     "protocol"
#define LOG_DATAGRAM_MAX 32768 /* octets of records sent together */

/*
 * Connects to logd's datagram socket by path and sets the log's sink, before
 * the jail. Without a logd lines go to stderr too. Returns 0 or -1 (the sink
 * then stays at stderr).
 */
int logsink_open(const char *socket_path);
/*
 * A line of what a session and its client say, for the file of this name and
 * not for the log (logd/protocol.h). name: whom the operator asked about; it
 * has no tab. false: there is no logd, by hand.
 */
bool logsink_protocol(const char *name, struct str line);
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

/* Sends an event; session and message may be NULL. */
void trace_event(enum trace_kind kind, const struct id *session,
    const struct id *message, const struct trace_fields *says);
/* An event that says nothing but that it happened. */
void trace_bare(
    enum trace_kind kind, const struct id *session, const struct id *message);

#endif
