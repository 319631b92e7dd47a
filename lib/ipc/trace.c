/* SPDX-License-Identifier: ISC */
#include "ipc/trace.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "ipc/ipc.h"

#define WAITING_MAX 65536 /* octets that wait for logd */

static struct {
	int fd; /* -1: no logd, lines go to stderr */
	struct buf waiting;
	uint64_t lost;   /* since the start */
	uint64_t untold; /* of them not yet reported */
	uint32_t pid;    /* 0: to be asked */
	enum logsink_gather gather;
	void (*waits)(void);
	log_sink *also;
	void *also_arg;
} sink = {.fd = -1};

/* ---- sending ------------------------------------------------------------ */

/* The end of the first records of what waits, at most LOG_DATAGRAM_MAX. */
static size_t datagram_end(struct str s)
{
	size_t end = 0;

	while (end < s.len) {
		struct trace_cell first;
		size_t n;

		if (trace_cell_looks(str_skip(s, end))) {
			memcpy(&first, s.p + end, sizeof(first));
			n = trace_cell_begins(&first) * sizeof(first);
		} else {
			n = str_find(str_skip(s, end), '\n') + 1;
		}
		if (end + n > LOG_DATAGRAM_MAX || end + n > s.len)
			break;
		end += n;
	}
	return end;
}

bool logsink_flush(void)
{
	while (sink.waiting.len > 0) {
		size_t n = datagram_end(buf_str(&sink.waiting));

		if (sink.fd < 0 || n == 0) {
			buf_clear(&sink.waiting);
			break;
		}
		if (send(sink.fd, sink.waiting.p, n,
			MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
			if (errno == EINTR)
				continue;
			return false;
		}
		buf_drop(&sink.waiting, n);
	}
	sink.waiting.overflow = false;
	return true;
}

uint64_t logsink_lost(void)
{
	return sink.lost;
}

void logsink_on_wait(void (*waits)(void))
{
	sink.waits = waits;
}

void logsink_also(log_sink *also, void *arg)
{
	sink.also = also;
	sink.also_arg = arg;
}

void logsink_gather(enum logsink_gather what)
{
	sink.gather = what;
}

static void deliver(struct str record, enum logsink_gather from)
{
	if (buf_add(&sink.waiting, record) < 0) {
		sink.lost++;
		sink.untold++;
	}
	if (sink.gather >= from && sink.waiting.len < LOGSINK_GATHER_MOST) {
		if (sink.waits != NULL)
			sink.waits();
		return;
	}
	if (!logsink_flush() && sink.waits != NULL)
		sink.waits();
}

static void to_logd(enum log_level level, struct str line, void *arg)
{
	char record[LOG_LINE_MAX + 128];
	int n;

	(void)arg;
	if (sink.also != NULL)
		sink.also(level, line, sink.also_arg);
	n = snprintf(record, sizeof(record),
	    LOG_RECORD "\t%s\t%s\t%llu\t%.*s\n", log_level_name(level),
	    log_program(), (unsigned long long)sink.untold, STR_FMT(line));
	if (n <= 0 || (size_t)n >= sizeof(record))
		return;
	if (sink.waiting.len + (size_t)n <= WAITING_MAX)
		sink.untold = 0;
	deliver(str_of(record, (size_t)n), GATHER_ALL);
}

bool logsink_protocol(const char *name, struct str line)
{
	char record[LOG_LINE_MAX + 512];
	int n;

	if (sink.fd < 0)
		return false;
	n = snprintf(record, sizeof(record),
	    LOG_RECORD "\t" LOG_PROTOCOL "\t%s\t0\t%s\t%.*s\n", log_program(),
	    name, STR_FMT(line));
	if (n > 0 && (size_t)n < sizeof(record))
		deliver(str_of(record, (size_t)n), GATHER_ALL);
	return true;
}

static void in_child(void)
{
	sink.pid = 0;
	buf_clear(&sink.waiting); /* the parent's to send */
}

/* What still waits gets a last, short chance. */
static void at_exit(void)
{
	int64_t deadline = deadline_in(200);

	while (!logsink_flush() && errno == EAGAIN && deadline_left(deadline))
		usleep(5000);
}

int logsink_open(const char *socket_path)
{
	static bool prepared;
	int fd = ipc_unix_connect(
	    socket_path, SOCK_DGRAM | SOCK_NONBLOCK, deadline_in(1000));

	if (fd < 0)
		return -1;
	file_close(&sink.fd);
	sink.fd = fd;
	if (!prepared) {
		sink.waiting = buf_new(WAITING_MAX);
		pthread_atfork(NULL, NULL, in_child);
		atexit(at_exit);
		prepared = true;
	}
	log_set_sink(to_logd, NULL);
	return 0;
}

/* ---- trace events ------------------------------------------------------- */

void trace_event(enum trace_kind kind, const struct id *session,
    const struct id *message, const struct trace_fields *says)
{
	struct trace_cell cells[TRACE_CELLS_MAX];
	struct trace_record r;
	size_t n;

	if (sink.fd < 0)
		return;
	if (sink.pid == 0)
		sink.pid = (uint32_t)getpid();
	r.time_us = clock_us();
	r.kind = kind;
	r.pid = sink.pid;
	snprintf(r.daemon, sizeof(r.daemon), "%s", log_program());
	r.session = session != NULL ? *session : (struct id){""};
	r.message = message != NULL ? *message : (struct id){""};
	r.says = *says;
	n = trace_encode(&r, cells);
	deliver(str_of(cells, n * sizeof(cells[0])), GATHER_EVENTS);
}

void trace_bare(
    enum trace_kind kind, const struct id *session, const struct id *message)
{
	static const struct trace_fields nothing;

	trace_event(kind, session, message, &nothing);
}
