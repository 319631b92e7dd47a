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

#define BATCH_MAX  (4u << 20)
#define LINE_MOST  (LOG_LINE_MAX + 200)
#define INDEX_STEP 8192 /* cells */

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

static void make_stamp(void)
{
	uint64_t us = clock_us();
	time_t now = (time_t)(us / 1000000);
	struct tm tm;
	size_t n;

	if (out.conf->log_timestamps == TIMESTAMPS_SYSLOG) {
		if ((int64_t)now == out.stamped)
			return;
		localtime_r(&now, &tm);
		strftime(out.stamp, sizeof(out.stamp), "%b %e %H:%M:%S", &tm);
	} else {
		localtime_r(&now, &tm);
		n = strftime(
		    out.stamp, sizeof(out.stamp), "%Y-%m-%dT%H:%M:%S", &tm);
		n += (size_t)snprintf(out.stamp + n, sizeof(out.stamp) - n,
		    ".%06u", (unsigned)(us % 1000000));
		strftime(out.stamp + n, sizeof(out.stamp) - n, "%z", &tm);
		/* +0100 to +01:00 */
		n = strlen(out.stamp);
		if (n >= 5 && n + 2 < sizeof(out.stamp)) {
			memmove(out.stamp + n - 1, out.stamp + n - 2, 3);
			out.stamp[n - 2] = ':';
		}
	}
	out.stamped = (int64_t)now;
}

static void add_escaped(struct str s)
{
	for (size_t i = 0; i < s.len && i < LOG_LINE_MAX; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < ' ' || c == 127)
			buf_printf(&out.lines, "\\x%02x", c);
		else
			buf_add_char(&out.lines, s.p[i]);
	}
}

void output_line(struct str program, pid_t pid, struct str text)
{
	if (out.lines.len + 4 * LINE_MOST > BATCH_MAX)
		output_flush();
	make_stamp();
	buf_printf(&out.lines, "%s %s %s/%.*s[%d]: ", out.stamp, out.host,
	    out.prefix, STR_FMT(program), (int)pid);
	add_escaped(text);
	buf_add_char(&out.lines, '\n');
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
	output_line(STR("logd"), getpid(), str_of(text, (size_t)n));
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
	*path = out.conf->maillog_file;
	if (open_log() < 0)
		return -1;
	*path = "trace";
	out.trace_dir = -1;
	if (mkdirat(dir, "trace", 0750) == 0 || errno == EEXIST)
		out.trace_dir = openat(
		    dir, "trace", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	file_close(&dir);
	if (out.trace_dir < 0)
		return -1;
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
	buf_free(&out.lines);
	buf_free(&out.events);
}
