/* SPDX-License-Identifier: ISC */
/*
 * The log daemon, a front: takes log lines and trace events of all processes
 * as datagrams and writes them to their files.
 *
 *	record.c  what a datagram consists of
 *	line.c    what a line of the log is, as each destination wants it
 *	output.c  the log, the trace files
 *	protocol.c  what clients said that the operator asked about
 *	remote.c  the sockets of syslogd and the journal
 *	index.c   what makes trace files quick to search
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/file.h"
#include "core/log.h"
#include "daemon/daemon.h"
#include "logd/line.h"
#include "logd/logd_conf.h"
#include "logd/output.h"
#include "logd/protocol.h"
#include "logd/record.h"

#define BATCH         32 /* datagrams of one recvmmsg(2) */
#define GATHER_MS     5  /* lines gather before they are read */
#define GATHER_MANY   64 /* where the kernel keeps fewer: */
#define GATHER_FEW_MS 4
#define QUEUE_LENGTH  "/proc/sys/net/unix/max_dgram_qlen"
#define SWEEP_MS      60000
#define INDEX_MS      1000 /* events gather before they are indexed */
#define INDEX_MORE_MS 5    /* between steps, others have their turn */

static struct logd_conf conf;
static int log_fd = -1;
static int gather_ms = GATHER_FEW_MS;
static struct loop_timer *sweeper, *indexer;
static bool indexing; /* its timer is set */

/* ---- datagrams ----------------------------------------------------------- */

static char space[BATCH][LOG_DATAGRAM_MAX];

#define CONTROL_SIZE CMSG_SPACE(sizeof(struct ucred))

static pid_t sender(struct msghdr *m)
{
	struct cmsghdr *h = CMSG_FIRSTHDR(m);
	struct ucred who;

	for (; h != NULL; h = CMSG_NXTHDR(m, h)) {
		if (h->cmsg_level != SOL_SOCKET ||
		    h->cmsg_type != SCM_CREDENTIALS)
			continue;
		memcpy(&who, CMSG_DATA(h), sizeof(who));
		return who.pid;
	}
	return 0;
}

static void take_line(const struct record *r, pid_t pid)
{
	struct str text = r->text;

	if (!str_eq(r->level, STR(LOG_PROTOCOL))) {
		output_line(line_level(r->level), r->program, pid, text);
		daemon_count("lines", 1);
		return;
	}
	struct str name = str_cut(&text, '\t');

	if (protocol_line(name, r->program, pid, text))
		daemon_count("protocol lines", 1);
	else
		daemon_count("bad", 1);
}

static void take(struct str rest, pid_t pid)
{
	struct record r;
	char text[80];
	int n;

	for (;;) {
		switch (record_cut(&rest, &r)) {
		case RECORD_END:
			return;
		case RECORD_TRACE:
			output_trace(r.cells, r.cell_count);
			daemon_count("events", 1);
			break;
		case RECORD_LINE:
			if (r.lost > 0) {
				n = snprintf(text, sizeof(text),
				    "warning: %llu log records were lost",
				    (unsigned long long)r.lost);
				output_line(LOG_LEVEL_WARNING, r.program, pid,
				    str_of(text, (size_t)n));
				daemon_count("lost", r.lost);
			}
			take_line(&r, pid);
			break;
		case RECORD_BAD:
			daemon_count("bad", 1);
			log_warning(
			    "process %d sent a record that is none", (int)pid);
			return;
		}
	}
}

/* Everything that has arrived. */
static void receive(int fd)
{
	static struct mmsghdr messages[BATCH];
	static struct iovec iov[BATCH];
	static _Alignas(struct cmsghdr) char control[BATCH][CONTROL_SIZE];
	int n;

	do {
		for (int i = 0; i < BATCH; i++) {
			iov[i] = (struct iovec){space[i], LOG_DATAGRAM_MAX};
			messages[i].msg_hdr = (struct msghdr){
			    .msg_iov = &iov[i],
			    .msg_iovlen = 1,
			    .msg_control = control[i],
			    .msg_controllen = sizeof(control[i])};
		}
		n = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
		for (int i = 0; i < n; i++)
			take(str_of(space[i], messages[i].msg_len),
			    sender(&messages[i].msg_hdr));
	} while (n == BATCH);
	output_flush();
	if (output_is_unindexed() && !indexing) {
		indexing = true;
		loop_timer_set(indexer, INDEX_MS);
	}
}

/* Reading each line as it comes would wake this process for each. */
static void datagram(int fd)
{
	log_fd = fd;
	poll(NULL, 0, gather_ms);
	receive(fd);
}

/* ---- our own lines ------------------------------------------------------- */

static void own_line(enum log_level level, struct str line, void *arg)
{
	(void)arg;
	output_line(level, STR("logd"), getpid(), line);
	output_flush();
}

static void sweep(void *arg)
{
	(void)arg;
	output_sweep();
	protocol_sweep();
	daemon_gauge("lines not taken", output_unsent());
	loop_timer_set(sweeper, SWEEP_MS);
}

static void make_index(void *arg)
{
	(void)arg;
	indexing = output_index();
	if (indexing)
		loop_timer_set(indexer, INDEX_MORE_MS);
}

/* ---- the daemon ---------------------------------------------------------- */

/* How many datagrams the kernel keeps for us; with few of them senders would
 * have to hold their lines back while we wait. */
static void choose_gather(void)
{
	struct buf text = buf_new(64);
	uint64_t n;

	if (file_read(QUEUE_LENGTH, &text) == 0 &&
	    str_to_u64(str_trim(buf_str(&text)), UINT32_MAX, &n) == 0 &&
	    n >= GATHER_MANY)
		gather_ms = GATHER_MS;
	buf_free(&text);
}

/* Files are made by start, as the user whose they are to be. */
static int before_jail(void)
{
	const char *path;
	char *folder;

	if (output_destinations(&conf) < 0)
		log_fatal("log_destination = %s: file, syslog and journal are "
			  "known",
		    conf.log_destination);
	folder = output_find(&conf, daemon_house()->log_directory, &path);
	if (folder == NULL)
		log_fatal("%s: %s", path, strerror(errno));
	daemon_allow(folder, true);
	choose_gather();
	return 0;
}

static int start(void)
{
	const struct house_conf *house = daemon_house();
	struct str name = str_from(house->myhostname);
	const char *path;
	char *host = str_dup(str_cut(&name, '.'));

	if (output_open(host, house->syslog_name, &path) < 0)
		log_fatal("%s: %s", path, strerror(errno));
	log_set_sink(own_line, NULL);
	sweeper = loop_timer_new(daemon_loop(), sweep, NULL);
	loop_timer_set(sweeper, SWEEP_MS);
	indexer = loop_timer_new(daemon_loop(), make_index, NULL);
	indexing = true;
	loop_timer_set(indexer, INDEX_MS);
	return 0;
}

/* What was sent before the end is still written. */
static void drain(void)
{
	if (log_fd >= 0)
		receive(log_fd);
	daemon_done();
}

int main(int argc, char **argv)
{
	static const struct daemon logd = {
	    .name = "logd",
	    .kind = DAEMON_FRONT,
	    .params = logd_params,
	    .conf = &conf,
	    .before_jail = before_jail,
	    .start = start,
	    .datagram = datagram,
	    .drain = drain,
	};

	return daemon_main(&logd, argc, argv);
}
