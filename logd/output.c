/* SPDX-License-Identifier: ISC */
#include "logd/output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "ipc/trace_index.h"
#include "logd/index.h"
#include "logd/line.h"
#include "logd/protocol.h"
#include "logd/remote.h"

#define BATCH_MAX    (4u << 20)
#define LINE_MOST    (LOG_LINE_MAX + 200)
#define DATAGRAM_MAX 16384
#define INDEX_STEP   8192 /* cells */

static struct {
	const struct logd_conf *conf;
	const char *host, *prefix;
	const char *log_name;               /* below log_dir */
	int log, log_dir, trace, trace_dir; /* descriptors */
	int64_t hour;                       /* of the trace file, since 1970 */
	int64_t looked;           /* second of the last look at the log */
	struct buf lines, events; /* the batch */
	int64_t stamped;          /* the second that stamp says */
	char stamp[40];
	uint64_t lost; /* lines that could not be written */
	bool to_file;
	struct remote syslog, journal; /* path NULL: not wanted */
	struct buf datagram;
	struct indexer *indexer;
	bool unindexed; /* events were written since its last step */
} out = {.log = -1, .log_dir = -1, .trace = -1, .trace_dir = -1};

/* ---- the log ------------------------------------------------------------- */

static int open_log(void)
{
	file_close(&out.log);
	out.log = openat(out.log_dir, out.log_name,
	    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	return out.log < 0 ? -1 : 0;
}

/* Renamed or removed by logrotate(8) or by hand? */
static void look_at_log(int64_t now)
{
	struct stat there, ours;

	if (now == out.looked)
		return;
	out.looked = now;
	if (out.log >= 0 && fstat(out.log, &ours) == 0 &&
	    fstatat(out.log_dir, out.log_name, &there, 0) == 0 &&
	    there.st_ino == ours.st_ino && there.st_dev == ours.st_dev)
		return;
	open_log();
}

/* A second has one stamp, unless it has microseconds. */
static void make_stamp(uint64_t us)
{
	time_t now = (time_t)(us / 1000000);
	struct tm tm;

	if (out.conf->log_timestamps != TIMESTAMPS_SYSLOG) {
		line_time(us, out.stamp, sizeof(out.stamp));
		return;
	}
	if ((int64_t)now == out.stamped)
		return;
	localtime_r(&now, &tm);
	strftime(out.stamp, sizeof(out.stamp), "%b %e %H:%M:%S", &tm);
	out.stamped = (int64_t)now;
}

static void to_file(const struct log_line *l)
{
	if (out.lines.len + 4 * LINE_MOST > BATCH_MAX)
		output_flush();
	if (out.conf->log_format == FORMAT_JSON) {
		line_json(&out.lines, l);
	} else {
		make_stamp(l->us);
		buf_printf(&out.lines, "%s %s %s/%.*s[%d]: ", out.stamp,
		    out.host, out.prefix, STR_FMT(l->program), (int)l->pid);
		line_escape(&out.lines, l->text);
		buf_add_char(&out.lines, '\n');
	}
}

static bool send_line(struct remote *r, const struct log_line *l)
{
	buf_clear(&out.datagram);
	if (r == &out.journal)
		line_journal(&out.datagram, l, out.conf->syslog_facility);
	else
		line_syslog(&out.datagram, l, out.conf->syslog_facility,
		    out.conf->log_format == FORMAT_JSON);
	return remote_send(r, buf_str(&out.datagram));
}

/* What it did not take before is told first. */
static void to_remote(struct remote *r, const struct log_line *l)
{
	struct log_line told = *l;
	uint64_t lost = r->lost;
	char text[100];
	int n;

	if (lost > 0) {
		n = snprintf(text, sizeof(text),
		    "warning: %llu lines could not be sent to %s",
		    (unsigned long long)lost, r->name);
		told.level = LOG_LEVEL_WARNING;
		told.program = STR("logd");
		told.pid = getpid();
		told.text = str_of(text, (size_t)n);
		r->lost = send_line(r, &told) ? 0 : lost;
	}
	send_line(r, l);
}

void output_line(
    enum log_level level, struct str program, pid_t pid, struct str text)
{
	struct log_line l = {.us = clock_us(),
	    .level = level,
	    .host = out.host,
	    .prefix = out.prefix,
	    .program = program,
	    .pid = pid,
	    .text = text};

	if (out.to_file)
		to_file(&l);
	if (out.syslog.path != NULL)
		to_remote(&out.syslog, &l);
	if (out.journal.path != NULL)
		to_remote(&out.journal, &l);
}

uint64_t output_unsent(void)
{
	return out.syslog.lost + out.journal.lost;
}

static uint64_t count_lines(struct str s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += s.p[i] == '\n';
	return n;
}

/* What a full disk cut off is told as soon as a line gets through. */
static void say_lost(void)
{
	char text[100];
	int n;

	if (out.lost == 0)
		return;
	n = snprintf(text, sizeof(text),
	    "warning: %llu lines could not be "
	    "written",
	    (unsigned long long)out.lost);
	out.lost = 0;
	to_file(&(struct log_line){.us = clock_us(),
	    .level = LOG_LEVEL_WARNING,
	    .host = out.host,
	    .prefix = out.prefix,
	    .program = STR("logd"),
	    .pid = getpid(),
	    .text = str_of(text, (size_t)n)});
}

static void flush_lines(void)
{
	if (out.lines.len == 0)
		return;
	look_at_log(clock_seconds());
	if (file_write_full(out.log, out.lines.p, out.lines.len) < 0)
		out.lost += count_lines(buf_str(&out.lines));
	else if (out.lost > 0) {
		buf_clear(&out.lines);
		say_lost();
		flush_lines();
	}
	buf_clear(&out.lines);
}

/* ---- trace events -------------------------------------------------------- */

/* What a crash cut off a write is no cell. */
static void open_trace(int64_t hour)
{
	char name[TRACE_NAME_MAX];
	struct stat st;

	trace_file_name(hour, ".trace", name);
	file_close(&out.trace);
	out.trace = openat(out.trace_dir, name,
	    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	out.hour = hour;
	if (out.trace >= 0 && fstat(out.trace, &st) == 0 &&
	    st.st_size % TRACE_CELL != 0 &&
	    ftruncate(out.trace, st.st_size - st.st_size % TRACE_CELL) < 0)
		file_close(&out.trace);
}

/* A write that was cut leaves no half record behind. */
static void flush_events(void)
{
	int64_t hour = clock_seconds() / 3600;
	struct stat st;

	if (out.events.len == 0)
		return;
	if (hour != out.hour || out.trace < 0)
		open_trace(hour);
	if (out.trace >= 0 &&
	    file_write_full(out.trace, out.events.p, out.events.len) < 0 &&
	    fstat(out.trace, &st) == 0 && st.st_size % TRACE_CELL != 0 &&
	    ftruncate(out.trace, st.st_size - st.st_size % TRACE_CELL) < 0)
		file_close(&out.trace);
	index_written(out.indexer, hour);
	out.unindexed = true;
	buf_clear(&out.events);
}

void output_trace(const struct trace_cell *cells, size_t count)
{
	size_t len = count * sizeof(*cells);

	if (!out.conf->trace_events)
		return;
	if (out.events.len + len > BATCH_MAX)
		flush_events();
	buf_add_bytes(&out.events, cells, len);
}

void output_flush(void)
{
	flush_lines();
	flush_events();
}

bool output_index(void)
{
	out.unindexed = false;
	return index_step(out.indexer, INDEX_STEP);
}

bool output_is_unindexed(void)
{
	return out.unindexed;
}

void output_sweep(void)
{
	int64_t oldest = (clock_seconds() - out.conf->trace_lifetime / 1000) /
	    3600;
	struct dirent *e;
	DIR *dir;
	int fd = openat(out.trace_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (dir == NULL) {
		file_close(&fd);
		return;
	}
	// cppcheck-suppress readdirCalled
	while ((e = readdir(dir)) != NULL) {
		int64_t hour = trace_file_hour(e->d_name, ".trace");

		if (hour < 0)
			hour = trace_file_hour(e->d_name, ".index");
		if (hour >= 0 && hour < oldest)
			unlinkat(out.trace_dir, e->d_name, 0);
	}
	closedir(dir);
}

/* ---- opening ------------------------------------------------------------- */

/* The folder of the log; its name without it. */
static char *split_log(const char *path)
{
	const char *slash = strrchr(path, '/');

	out.log_name = slash == NULL ? path : slash + 1;
	if (slash == NULL)
		return str_dup(STR("."));
	return str_dup(
	    str_of(path, slash == path ? 1 : (size_t)(slash - path)));
}

/* A socket that is not there is no reason not to start: lines are counted. */
static void find_remote(struct remote *r, const char *path)
{
	if (remote_find(r, path) < 0)
		log_warning(
		    "%s: %s: lines for it are lost", path, strerror(errno));
}

int output_destinations(const struct logd_conf *conf)
{
	struct str list = str_from(conf->log_destination), word;

	out.to_file = false;
	while ((word = str_word(&list, " ,\t\r\n")).len > 0) {
		if (str_eq(word, STR("file")))
			out.to_file = true;
		else if (str_eq(word, STR("syslog")))
			find_remote(&out.syslog, conf->syslog_socket);
		else if (str_eq(word, STR("journal")))
			find_remote(&out.journal, conf->journal_socket);
		else
			return -1;
	}
	return out.to_file || out.syslog.path != NULL ||
		out.journal.path != NULL
	    ? 0
	    : -1;
}

char *output_find(
    const struct logd_conf *conf, const char *log_directory, const char **path)
{
	char *folder = split_log(conf->maillog_file);

	out.conf = conf;
	*path = folder;
	out.log_dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (out.log_dir < 0)
		return NULL;
	*path = log_directory;
	out.trace_dir = open(log_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (out.trace_dir < 0)
		return NULL;
	return folder;
}

int output_open(const char *host, const char *prefix, const char **path)
{
	int dir = out.trace_dir;

	out.host = host;
	out.prefix = prefix;
	out.lines = out.events = buf_new(BATCH_MAX);
	out.datagram = buf_new(DATAGRAM_MAX);
	*path = out.conf->maillog_file;
	if (out.to_file && open_log() < 0)
		return -1;
	*path = "trace";
	out.trace_dir = -1;
	if (mkdirat(dir, "trace", 0750) == 0 || errno == EEXIST)
		out.trace_dir = openat(
		    dir, "trace", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*path = out.trace_dir < 0 ? *path : "protocol";
	if (out.trace_dir < 0 || protocol_open(out.conf, dir) < 0) {
		file_close(&dir);
		return -1;
	}
	file_close(&dir);
	out.indexer = index_new(out.trace_dir);
	out.unindexed = true; /* by a process before this one */
	return 0;
}

void output_close(void)
{
	output_flush();
	index_free(&out.indexer);
	file_close(&out.log);
	file_close(&out.trace);
	file_close(&out.trace_dir);
	file_close(&out.log_dir);
	remote_close(&out.syslog);
	remote_close(&out.journal);
	buf_free(&out.datagram);
	buf_free(&out.lines);
	buf_free(&out.events);
}
