/* SPDX-License-Identifier: ISC */
/*
 * A day of trace events, written by the code that logd writes them with; never
 * part of a suite. Run by tests/bench/trace.py (make bench-trace).
 *
 *	trace_day LOG_DIRECTORY MESSAGES   a day that ends with the last hour
 *	trace_day LOG_DIRECTORY drop       nothing of it stays in memory
 *
 * Prints what it cost, and keys to look for: one message in each hour has a
 * sender of its own.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/memory.h"
#include "logd/output.h"

#define UNDER_WAY 256 /* messages at a time */
#define LATE_MOST 65536
#define BATCH     4096 /* cells that are given to logd's code together */

struct mail {
	uint64_t number, us;
	struct id session, id;
	int stage;
	bool remote, needle;
	unsigned attempts;
};

static struct {
	struct mail under_way[UNDER_WAY];
	struct mail late[LATE_MOST]; /* put off into the next hour */
	size_t late_count;
	struct trace_cell batch[BATCH + TRACE_CELLS_MAX];
	size_t lengths[BATCH];
	size_t events, cells;
	uint64_t all_events, all_cells;
	double cpu; /* of logd's code, seconds */
	uint64_t random;
} day = {.random = 88172645463325252u};

static struct logd_conf conf = {
    .trace_events = true, .trace_lifetime = 14 * 86400000LL};

static uint64_t rnd(uint64_t most)
{
	day.random ^= day.random << 13;
	day.random ^= day.random >> 7;
	day.random ^= day.random << 17;
	return day.random % most;
}

static double cpu_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What logd does with the datagrams of some time, and its timer. */
static void hand_over(void)
{
	double before = cpu_now();
	size_t at = 0;

	for (size_t i = 0; i < day.events; i++) {
		output_trace(&day.batch[at], day.lengths[i]);
		at += day.lengths[i];
		if (i % 64 == 63)
			output_flush();
	}
	output_flush();
	while (output_index())
		;
	day.cpu += cpu_now() - before;
	day.all_events += day.events;
	day.all_cells += day.cells;
	day.events = day.cells = 0;
}

static void emit(struct mail *m, enum trace_kind kind, const char *daemon,
    bool queued, struct trace_fields says)
{
	struct trace_record r = {.kind = kind, .pid = 1000, .says = says};
	size_t n;

	if (day.cells + TRACE_CELLS_MAX > BATCH)
		hand_over();
	m->us += rnd(2000);
	r.time_us = m->us;
	snprintf(r.daemon, sizeof(r.daemon), "%s", daemon);
	r.session = m->session;
	if (queued)
		r.message = m->id;
	n = trace_encode(&r, &day.batch[day.cells]);
	day.lengths[day.events++] = n;
	day.cells += n;
}

/* An id as it would have been made at that time. */
static struct id id_at(uint64_t us)
{
	static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	struct id id;

	for (size_t i = 0; i < 9; i++)
		id.text[i] = alphabet[(us / 1000 >> (5 * (8 - i))) & 31];
	for (size_t i = 9; i < ID_LEN; i++)
		id.text[i] = alphabet[rnd(32)];
	id.text[ID_LEN] = '\0';
	return id;
}

struct words {
	char client[32], sender[80], to[80], id[80], host[80];
};

static struct words words_of(const struct mail *m)
{
	uint64_t n = m->number;
	struct words w;

	snprintf(w.client, sizeof(w.client), "198.%u.%u.%u",
	    (unsigned)(n % 40503 % 199), (unsigned)(n % 199),
	    (unsigned)(n % 40503 % 251));
	snprintf(w.sender, sizeof(w.sender), "user%u@dom%u.example",
	    (unsigned)(n * 2654435761u % 200000),
	    (unsigned)(n % 3 == 0 ? n % 7 : n % 19993));
	if (m->needle) {
		snprintf(w.sender, sizeof(w.sender), "needle%u@seek%u.example",
		    (unsigned)n, (unsigned)n);
		snprintf(w.client, sizeof(w.client), "203.0.113.%u",
		    (unsigned)(n % 24));
	}
	snprintf(w.to, sizeof(w.to), "person%u@%s.example",
	    (unsigned)(n * 40503 % 100000), m->remote ? "far" : "here");
	snprintf(w.id, sizeof(w.id), "<%016llx.%u@mail.example>",
	    (unsigned long long)n * 11400714819323198485ULL, (unsigned)n);
	snprintf(w.host, sizeof(w.host), "mx%u.far.example[192.0.2.%u]:25",
	    (unsigned)(n % 5), (unsigned)(n % 200));
	return w;
}

static void connects(struct mail *m, const struct words *w)
{
	m->session = id_at(m->us);
	if (m->needle)
		printf("session %s\nsender %s\nmessage-id %s\nclient %s\n",
		    m->session.text, w->sender, w->id, w->client);
	emit(m, TRACE_SCREENED, "screen", false,
	    (struct trace_fields){
		.who = str_from(w->client), .why = STR("PASS OLD")});
	emit(m, TRACE_CONNECT, "smtpd", false,
	    (struct trace_fields){.who = str_from(w->client),
		.where = STR("unknown"),
		.why = STR("PASS OLD")});
}

static void is_queued(struct mail *m, const struct words *w)
{
	m->id = id_at(m->us);
	if (m->needle)
		printf("queue-id %s\n", m->id.text);
	emit(m, TRACE_QUEUED, "cleanup", true,
	    (struct trace_fields){.who = str_from(w->id),
		.where = str_from(w->sender),
		.number = 4096});
}

static void is_tried(struct mail *m, const struct words *w)
{
	if (m->remote)
		emit(m, TRACE_ATTEMPT, "qmgr", true,
		    (struct trace_fields){
			.where = STR("smtp:far.example"), .number = 1});
	else
		emit(m, TRACE_STORED, "local", true,
		    (struct trace_fields){.who = str_from(w->to),
			.where = str_from(w->to),
			.why = STR("delivered to mailbox")});
}

/* false: deferred. */
static bool is_answered(struct mail *m, const struct words *w)
{
	m->us += m->remote ? rnd(2000000) : 5000;
	if (m->remote && m->attempts++ == 0 && rnd(50) == 0) {
		emit(m, TRACE_DEFERRED, "qmgr", true,
		    (struct trace_fields){.who = str_from(w->to),
			.where = str_from(w->host),
			.code = STR("450 4.7.1"),
			.why = STR("450 4.7.1 greylisted, please try again in "
				   "five minutes"),
			.number = m->us / 1000000 + 3600});
		m->stage = 4;
		if (day.late_count < LATE_MOST)
			day.late[day.late_count++] = *m;
		return false;
	}
	emit(m, TRACE_DELIVERED, "qmgr", true,
	    (struct trace_fields){.who = str_from(w->to),
		.where = m->remote ? str_from(w->host) : STR_EMPTY,
		.code = m->remote ? STR("250 2.0.0") : STR("2.1.5"),
		.why = m->remote ? STR("2.0.0 Ok: queued as 4F2A1B3C")
				 : STR("delivered to mailbox"),
		.wait_ms = 900});
	return true;
}

/* One more event of a message; false: it was the last. */
static bool advance(struct mail *m)
{
	struct words w = words_of(m);

	switch (m->stage++) {
	case 0:
		connects(m, &w);
		return true;
	case 1:
		emit(m, TRACE_ENVELOPE, "smtpd", false,
		    (struct trace_fields){.who = str_from(w.sender)});
		return true;
	case 2:
		emit(m, TRACE_RECIPIENT, "smtpd", false,
		    (struct trace_fields){.who = str_from(w.to)});
		return true;
	case 3:
		is_queued(m, &w);
		return true;
	case 4:
		emit(m, TRACE_SCHEDULED, "qmgr", true,
		    (struct trace_fields){.who = str_from(w.to),
			.where = m->remote ? STR("smtp:far.example")
					   : STR("local:here.example")});
		return true;
	case 5:
		is_tried(m, &w);
		return true;
	case 6:
		return is_answered(m, &w);
	case 7:
		emit(m, TRACE_REMOVED, "qmgr", true,
		    (struct trace_fields){.number = 0});
		return true;
	default:
		emit(m, TRACE_SESSION_END, "smtpd", false,
		    (struct trace_fields){.who = str_from(w.client),
			.where = STR("smtp"),
			.why = STR("quit")});
		return false;
	}
}

static void begin(struct mail *m, uint64_t number, uint64_t us, bool needle)
{
	*m = (struct mail){.number = number,
	    .us = us,
	    .remote = rnd(2) == 0,
	    .needle = needle};
}

/* One hour: `count` new messages and those that were put off. */
static void write_hour(uint64_t first, uint64_t count, uint64_t start_us)
{
	size_t late = day.late_count, taken = 0, open = 0;
	uint64_t begun = 0;
	static struct mail old[LATE_MOST];

	memcpy(old, day.late, late * sizeof(old[0]));
	day.late_count = 0;
	while (begun < count || taken < late || open > 0) {
		uint64_t us = start_us +
		    begun * 3500000000u / (count > 0 ? count : 1);
		struct mail *m;

		if (open < UNDER_WAY && taken < late &&
		    begun * late >= taken * count) {
			m = &day.under_way[open++];
			*m = old[taken++];
			m->us = us;
			continue;
		}
		if (open < UNDER_WAY && begun < count) {
			begin(&day.under_way[open++], first + begun, us,
			    begun == count / 2);
			begun++;
			continue;
		}
		m = &day.under_way[rnd(open)];
		if (!advance(m))
			*m = day.under_way[--open];
	}
	hand_over();
}

static void write_day(const char *log_directory, uint64_t messages)
{
	int64_t now = clock_seconds(), moved = 0;
	int64_t first = (now / 3600 - 23) * 3600;
	struct rusage usage;
	const char *path;
	char *folder;

	conf.maillog_file = "/dev/null";
	conf.log_destination = "file";
	output_destinations(&conf);
	folder = output_find(&conf, log_directory, &path);
	if (folder == NULL || output_open("bench", "posthouse", &path) < 0) {
		perror(path);
		exit(1);
	}
	free(folder);
	for (int64_t hour = 0; hour < 24; hour++) {
		int64_t step = first + hour * 3600 + 1 - now - moved;
		uint64_t from = messages * (uint64_t)hour / 24;
		uint64_t to = messages * (uint64_t)(hour + 1) / 24;

		clock_step(step);
		moved += step;
		write_hour(
		    from, to - from, (uint64_t)(first + hour * 3600) * 1000000);
	}
	output_close();
	getrusage(RUSAGE_SELF, &usage);
	printf("events %llu\ncells %llu\ncpu_ns_per_event %.0f\nmost_kb %ld\n",
	    (unsigned long long)day.all_events,
	    (unsigned long long)day.all_cells,
	    day.cpu * 1e9 / (double)day.all_events, usage.ru_maxrss);
}

static void drop(const char *log_directory)
{
	char path[4200];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/trace", log_directory);
	dir = opendir(path);
	while (dir != NULL && (e = readdir(dir)) != NULL) {
		int fd = openat(dirfd(dir), e->d_name, O_RDONLY | O_CLOEXEC);

		fsync(fd);
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		file_close(&fd);
	}
	if (dir != NULL)
		closedir(dir);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	if (strcmp(argv[2], "drop") == 0)
		drop(argv[1]);
	else
		write_day(argv[1], strtoull(argv[2], NULL, 10));
	return 0;
}
