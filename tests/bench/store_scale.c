/* SPDX-License-Identifier: ISC */
/*
 * How the mailbox store behaves at size (`make bench-store`):
 *
 *	store_scale accounts N
 *	store_scale large MESSAGES MAILBOXES [nosync] [burst]
 *
 * accounts: N accounts with one small message each, and as many that were
 * only looked at: what they cost on disk. large: one account filled by
 * deliveries into its mailboxes, with what each costs as it grows; nosync
 * counts syncs but leaves them out, which shows the store's own time. The clock
 * is moved on by a second with each delivery, so that a million is twelve days
 * of them; with burst it is not.
 *
 * Everything stands below TMPDIR (or /tmp) and is removed at the end.
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/memory.h"
#include "store/box.h"
#include "store/engine_file.h"

#define STEPS 20 /* lines of a table */

static char root[4096];
static struct store *store;
static struct engine_io calls;
static bool nosync, burst;

/* ---- what the system calls do ---- */

static struct {
	uint64_t syncs, written, reads;
} counts;

static int counted_fdatasync(int fd)
{
	counts.syncs++;
	return nosync ? 0 : fdatasync(fd);
}

static int counted_fsync(int fd)
{
	counts.syncs++;
	return nosync ? 0 : fsync(fd);
}

static ssize_t counted_pwritev(int fd, const struct iovec *v, int n, off_t at)
{
	ssize_t done = pwritev(fd, v, n, at);

	counts.written += done > 0 ? (uint64_t)done : 0;
	return done;
}

static ssize_t counted_pread(int fd, void *p, size_t len, off_t at)
{
	counts.reads++;
	return pread(fd, p, len, at);
}

static void stop(const char *what, struct box *b)
{
	fprintf(stderr, "store_scale: %s: %s\n", what,
	    b == NULL ? "" : store_why(b));
	exit(1);
}

static int remove_one(
    const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void clean_up(void)
{
	store_close(&store);
	nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void begin(void)
{
	const char *tmp = getenv("TMPDIR"), *why = "no engine";
	struct engine *e;

	snprintf(root, sizeof(root), "%s/store_scale.XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(root) == NULL)
		stop(root, NULL);
	calls = engine_io_system;
	calls.fdatasync = counted_fdatasync;
	calls.fsync = counted_fsync;
	calls.pwritev = counted_pwritev;
	calls.pread = counted_pread;
	e = engine_file_open(root, &calls, &why);
	if (e == NULL)
		stop(why, NULL);
	store = store_open_with(e, NULL);
	if (atexit(clean_up) != 0)
		stop("atexit", NULL);
}

static uint64_t cpu_us(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (uint64_t)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000 +
	    (uint64_t)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

static uint64_t resident_kib(void)
{
	char line[128] = "", *second;
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long resident;

	if (f != NULL && fgets(line, sizeof(line), f) == NULL)
		line[0] = '\0';
	if (f != NULL)
		fclose(f);
	second = strchr(line, ' ');
	resident = second == NULL ? 0 : strtoul(second, NULL, 10);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
}

/* ---- what is on disk ---- */

static struct {
	uint64_t files, directories, octets; /* allocated */
	uint64_t snapshots, snapshot_octets;
} disk;

static int measure_one(
    const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	disk.octets += (uint64_t)st->st_blocks * 512;
	disk.directories += type == FTW_D;
	disk.files += type == FTW_F;
	if (type == FTW_F && strncmp(path + ftw->base, "s.", 2) == 0) {
		disk.snapshots++;
		disk.snapshot_octets += (uint64_t)st->st_blocks * 512;
	}
	return 0;
}

static void measure(void)
{
	memset(&disk, 0, sizeof(disk));
	nftw(root, measure_one, 16, FTW_PHYS);
}

/* ---- deliveries ---- */

static struct box *opened(const char *account)
{
	struct box *b;

	if (box_open(store, str_from(account), DEADLINE_NEVER, &b) != STORE_OK)
		stop(account, b);
	return b;
}

/* About 600 octets. */
static void deliver_one(struct box *b, unsigned n, const char *mailbox)
{
	struct deliver_item item = {
	    .mailbox = str_from(mailbox), .create = true};
	struct store_body *body = store_body_new(b);
	char text[700], id[64];
	int len = snprintf(text, sizeof(text),
	    "Return-Path: <sender%u@example.com>\r\n"
	    "Received: from example.com by example.org with ESMTPS id %u\r\n"
	    "Date: Mon, 4 May 2026 10:00:00 +0200\r\n"
	    "From: \"Sender %u\" <sender%u@example.com>\r\n"
	    "To: user@example.org\r\n"
	    "Subject: The message of number %u\r\n"
	    "Message-ID: <%u.message@example.com>\r\n"
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: text/plain; charset=utf-8\r\n\r\n"
	    "%0200u\r\n",
	    n % 1000, n, n % 1000, n % 1000, n, n, n);
	int id_len = snprintf(id, sizeof(id), "Q%u\tuser\tuser", n);

	if (store_body_add(body, text, (size_t)len) < 0 ||
	    box_deliver(b, str_of(id, (size_t)id_len), clock_seconds(), body, 0,
		&item, 1) != STORE_OK)
		stop("a delivery", b);
	store_body_free(&body);
}

/* ---- many accounts ---- */

static int accounts(unsigned count)
{
	uint64_t us = clock_us(), cpu = cpu_us();
	char name[64];
	struct box *b;

	for (unsigned i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "user%u@example.org", i);
		b = opened(name);
		deliver_one(b, i, "INBOX");
		box_maintain(b);
		box_close(&b);
	}
	us = clock_us() - us;
	cpu = cpu_us() - cpu;
	for (unsigned i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "empty%u@example.org", i);
		b = opened(name);
		box_maintain(b);
		box_close(&b);
	}
	measure();
	printf("accounts  us each  CPU us  syncs  octets each  files each  "
	       "directories\n%8u %8.0f %7.0f %6.2f %12.0f %11.2f %12.0f\n",
	    count, (double)us / count, (double)cpu / count,
	    (double)counts.syncs / count, (double)disk.octets / count,
	    (double)disk.files / count, (double)disk.directories);
	return 0;
}

/* ---- a large one ---- */

static double open_us(void)
{
	uint64_t us = clock_us();
	struct box *b = opened("user@example.org");

	us = clock_us() - us;
	box_close(&b);
	return (double)us;
}

struct step {
	uint64_t us, cpu, syncs, written, reads; /* when it began */
	struct {
		uint64_t us, cpu, written, longest_us, count;
	} snapshots;
};

/* clock_us without the steps. */
static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static struct step step_begin(void)
{
	return (struct step){.us = now_us(),
	    .cpu = cpu_us(),
	    .syncs = counts.syncs,
	    .written = counts.written,
	    .reads = counts.reads};
}

static void maintain(struct box *b, struct step *s)
{
	uint64_t us = now_us(), cpu = cpu_us(), written = counts.written;

	if (box_maintain(b) != STORE_OK)
		stop("a snapshot", b);
	us = now_us() - us;
	s->snapshots.us += us;
	s->snapshots.cpu += cpu_us() - cpu;
	s->snapshots.written += counts.written - written;
	s->snapshots.count += counts.written > written;
	if (us > s->snapshots.longest_us)
		s->snapshots.longest_us = us;
}

static void step_end(const struct step *s, unsigned messages, unsigned done)
{
	double n = done, of = (double)s->snapshots.count;
	uint64_t us = now_us() - s->us - s->snapshots.us;
	uint64_t cpu = cpu_us() - s->cpu - s->snapshots.cpu;
	uint64_t written = counts.written - s->written - s->snapshots.written;

	of = of > 0 ? of : 1;
	measure();
	printf("%8u %6.0f %6.0f %6.2f %6.1f %6.0f | %6.0f %6.0f %7.0f %8.1f "
	       "%7.1f | %6llu %6.0f %6llu %7.0f %7llu\n",
	    messages, (double)us / n, (double)cpu / n,
	    (double)(counts.syncs - s->syncs) / n,
	    (double)(counts.reads - s->reads) / n, (double)written / n, n / of,
	    (double)s->snapshots.cpu / n, (double)s->snapshots.written / n,
	    (double)s->snapshots.us / 1000 / of,
	    (double)s->snapshots.longest_us / 1000,
	    (unsigned long long)disk.snapshots,
	    (double)disk.snapshot_octets / 1048576,
	    (unsigned long long)disk.files, open_us(),
	    (unsigned long long)resident_kib());
	fflush(stdout);
}

static int large(unsigned messages, unsigned mailboxes)
{
	struct box *b = opened("user@example.org");
	unsigned each = messages < STEPS ? 1 : messages / STEPS;
	struct step s = step_begin();

	printf("         a delivery                         | snapshots: each "
	       "delivery              | on disk\n"
	       "messages     us CPU us  syncs  reads octets |  every CPU us  "
	       "octets  ms each longest | snaps.    MiB  files open us RSS "
	       "KiB\n");
	for (unsigned i = 1; i <= messages; i++) {
		char name[32] = "INBOX";
		/* In no order, but the same each time. */
		unsigned where = i * 2654435761u % mailboxes;

		if (where > 0)
			snprintf(name, sizeof(name), "Lists/%u", where);
		clock_step(!burst);
		deliver_one(b, i, name);
		maintain(b, &s);
		if (i % each == 0) {
			step_end(&s, i, each);
			s = step_begin();
		}
	}
	box_close(&b);
	return 0;
}

/* 0: not a number. */
static unsigned count_of(const char *word)
{
	uint64_t n;

	return str_to_u64(str_from(word), UINT32_MAX, &n) == 0 ? (unsigned)n
							       : 0;
}

int main(int argc, char **argv)
{
	unsigned first = argc > 2 ? count_of(argv[2]) : 0;
	unsigned second = argc > 3 ? count_of(argv[3]) : 0;

	if (argc == 3 && strcmp(argv[1], "accounts") == 0 && first > 0) {
		begin();
		return accounts(first);
	}
	if (strcmp(argc > 1 ? argv[1] : "", "large") == 0 && first > 0 &&
	    second > 0) {
		for (int i = 4; i < argc; i++) {
			nosync = nosync || strcmp(argv[i], "nosync") == 0;
			burst = burst || strcmp(argv[i], "burst") == 0;
		}
		begin();
		return large(first, second);
	}
	fprintf(stderr,
	    "usage: store_scale accounts N\n"
	    "       store_scale large MESSAGES MAILBOXES [nosync] "
	    "[burst]\n");
	return 64;
}
