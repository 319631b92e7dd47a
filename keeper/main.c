/* SPDX-License-Identifier: ISC */
/*
 * keeper looks after the mailbox store: snapshots, expiry by age, erasure,
 * what nothing refers to any more. It serves nobody, and nobody needs it:
 * while it is away mailboxes open slower and keep what should be gone.
 *
 *	due.c    accounts that want a visit, by time: hints, and what it saw
 *	walk.c   the slow walk over all accounts
 *	visit.c  one account: what is done, counted and logged
 *	pace.c   octets in a second
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "daemon/confine.h"
#include "daemon/daemon.h"
#include "daemon/house_store.h"
#include "store/notify.h"
#include "store/store_conf.h"

#include "keeper/due.h"
#include "keeper/pace.h"
#include "keeper/visit.h"
#include "keeper/walk.h"

#define DUE_MOST      100000
#define HINTS_AT_ONCE 256
#define LOOK_MS       60000 /* the longest rest */
#define RESERVE_MS    60000 /* between two looks at the reserve */
#define NICE          10
/* linux/ioprio.h: best effort, its lowest level. Idle would be too low: who
 * waits for the disk with a box locked keeps its mail waiting. */
#define IOPRIO_WHO_PROCESS 1
#define IOPRIO_LOWEST      ((2 << 13) | 7)

static struct store_conf conf;
static struct upkeep_policy policy;
static char notify_dir[4200];
static int hints = -1, accounting = -1;
static struct store *store;
static struct pace pace;
static struct due due;
static struct walk walk;

/* ---- the pace ---- */

/* Octets that this process has read and written so far. */
static uint64_t spent(void)
{
	char text[1024];
	ssize_t n = pread(accounting, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return pace_parse(text);
}

/* Whether it shows that nothing was read or written of late. */
static bool gauge(void)
{
	static uint64_t shown;
	uint64_t per_second;

	if (pace_measure(&pace, spent(), clock_ms(), &per_second)) {
		/* The account itself is a few hundred octets. */
		shown = per_second < 1024 ? 0 : per_second;
		daemon_gauge("octets_per_second", shown);
	}
	return shown == 0;
}

/* Between two steps of the store; not 0: an end is wanted. */
static int keep_pace(void *arg)
{
	int64_t wait;

	(void)arg;
	do {
		gauge();
		wait = pace_wait(&pace, spent(), clock_ms());
		if (daemon_rest(-1,
			deadline_in(
			    wait < PACE_MEASURE_MS ? wait : PACE_MEASURE_MS)) <
		    0)
			return -1;
	} while (wait > 0);
	return 0;
}

/* ---- work ---- */

static void hear_hints(void)
{
	char space[NOTIFY_ACCOUNT_MAX + 32];
	struct str account;
	uint64_t modseq;
	int got = 1;

	for (int i = 0; i < HINTS_AT_ONCE && hints >= 0 && got != 0; i++) {
		got = notify_receive(hints, space, &account, &modseq);
		if (got <= 0)
			continue;
		daemon_count("hints", 1);
		due_add(&due, account, clock_ms());
	}
}

static void visit_and_remember(struct str account)
{
	int64_t next = visit(account), now = clock_seconds();

	/* What lies beyond the walk's next round is the walk's. */
	if (next != 0 && next - now <= conf.store_upkeep_interval / 1000)
		due_add(&due, account,
		    clock_ms() + (next > now ? (next - now) * 1000 : 0));
	keep_pace(NULL);
}

static void visit_due(void)
{
	char *account = due_take(&due, clock_ms());

	if (account == NULL)
		return;
	visit_and_remember(str_from(account));
	free(account);
}

static void walk_on(void)
{
	enum store_result r;
	bool began;
	struct str account = walk_take(&walk, store, clock_ms(), &began, &r);

	if (r != STORE_OK)
		visit_trouble("the store's accounts cannot be listed", r);
	if (began)
		daemon_gauge("walk_percent", walk_percent(&walk));
	if (account.len == 0)
		return;
	daemon_count("accounts_walked", 1);
	visit_and_remember(account);
}

static void keep_reserve(void)
{
	static int64_t next;
	enum store_result r;
	uint64_t have = 0;

	if (clock_ms() < next)
		return;
	next = deadline_in(RESERVE_MS);
	r = store_reserve(store, conf.store_reserve_size, &have);
	if (r != STORE_OK)
		visit_trouble("the reserve for a full disk", r);
	daemon_gauge("reserve_octets", have);
}

static int64_t next_work(void)
{
	int64_t next = deadline_in(LOOK_MS);

	if (due_next(&due) < next)
		next = due_next(&due);
	if (walk_next(&walk) < next)
		next = walk_next(&walk);
	return next;
}

/* For long only when the gauge says that nothing was done. */
static int rest(void)
{
	int64_t next = next_work();

	if (!gauge() && deadline_left(next) > PACE_MEASURE_MS)
		next = deadline_in(PACE_MEASURE_MS);
	return daemon_rest(hints, next);
}

/* A visit that was asked for and one of the walk take turns. */
static void work(void)
{
	while (rest() >= 0) {
		hear_hints();
		keep_reserve();
		visit_due();
		if (!daemon_draining())
			walk_on();
	}
}

/* ---- beginning ---- */

/* What only root may open; the kernel's account of a process that has changed
 * its user is root's. */
static int before_jail(void)
{
	const char *why;

	if (store_conf_policy(
		&conf, daemon_house()->mail_undelete_time, &policy, &why) < 0)
		log_fatal("mailbox_expire: %s", why);
	accounting = open("/proc/self/io", O_RDONLY | O_CLOEXEC);
	if (accounting < 0)
		log_warning("/proc/self/io: %s; store_upkeep_rate is not kept",
		    strerror(errno));
	snprintf(notify_dir, sizeof(notify_dir), "%s/notify",
	    daemon_house()->run_directory);
	hints = notify_listen(notify_dir, NOTIFY_KEEPER, NULL);
	if (hints < 0)
		log_warning("%s: %s; boxes that are due wait for the walk",
		    notify_dir, strerror(errno));
	return 0;
}

static void step_back(void)
{
	errno = 0;
	if (nice(NICE) < 0 && errno != 0)
		log_debug("nice: %s", strerror(errno));
	if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_LOWEST) < 0)
		log_debug("ioprio_set: %s", strerror(errno));
}

/* It sees the store, and the directory of those it notifies. */
static int confine(const char *root)
{
	int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -1 : confine_to(fd, NULL, notify_dir);

	if (r < 0)
		log_error("%s: Landlock: %s", root, strerror(errno));
	if (fd >= 0)
		close(fd);
	return r;
}

static int start(void)
{
	const struct house_conf *house = daemon_house();
	const char *root = house->mail_store_directory, *why;

	step_back();
	store = house_store_open(house, true, &why);
	if (store == NULL)
		log_fatal("mail_store_directory %s: %s", root, why);
	if (confine(root) < 0)
		return -1;
	policy.pace = keep_pace;
	visit_open(store, &policy);
	pace_init(&pace, accounting < 0 ? 0 : conf.store_upkeep_rate, spent(),
	    clock_ms());
	due_init(&due, DUE_MOST);
	walk_init(&walk, conf.store_upkeep_interval,
	    (int64_t)(clock_us() / 1000), clock_ms());
	return 0;
}

int main(int argc, char **argv)
{
	static const struct daemon keeper = {
	    .name = "keeper",
	    .kind = DAEMON_ALONE,
	    .params = store_params,
	    .conf = &conf,
	    .before_jail = before_jail,
	    .start = start,
	    .work = work,
	};

	return daemon_main(&keeper, argc, argv);
}
