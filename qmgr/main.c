/* SPDX-License-Identifier: ISC */
/*
 * The queue manager, a front: the only owner of queued messages.
 *
 * message.c   what is remembered of each message and recipient
 * spool.c     the files: reading, slots, notes; scan.c walks over them
 * flow.c      the way of a message: in line, active, asleep, gone
 * direct.c    messages whose clients wait: cut-through
 * resolve.c   asks lookup how a recipient is delivered
 * schedule.c  who is next (pure)
 * agent.c     connections to the delivery agents; request.c what they carry
 * outcome.c   what became of a recipient, and what follows
 * notify.c    asks bounce for notifications
 * hop.c       what is remembered of each destination; backlog.c warns of it
 * server.c    offers of cleanup
 * operator.c  the operator's questions and orders: select.c which messages
 *             they mean, roll.c in which order, why.c what keeps them waiting
 * figures.c   the queue in figures
 */
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "daemon/daemon.h"
#include "daemon/roles.h"
#include "qmgr/agent.h"
#include "qmgr/backlog.h"
#include "qmgr/direct.h"
#include "qmgr/figures.h"
#include "qmgr/flow.h"
#include "qmgr/notify.h"
#include "qmgr/resolve.h"
#include "qmgr/scan.h"
#include "qmgr/server.h"
#include "qmgr/spool.h"

#define LOCK_RETRY_MS 100
#define LOCK_MOST_MS  60000 /* for the old queue manager to end */
#define DRAIN_MS      5000  /* for the answers of local */

static struct qmgr_conf conf;
static struct qmgr qmgr;
static struct loop_timer *timer;
static int64_t until; /* monotonic ms: the end of a wait */

/* Still privileged: the spool's directory, who owns the instance, and which
 * user pickup is. */
static int before_jail(void)
{
	unsigned uid = geteuid(), gid;
	struct stat st;
	char why[160];

	qmgr.conf = &conf;
	qmgr.house = daemon_house();
	qmgr.owner = geteuid();
	if (stat(qmgr.house->run_directory, &st) == 0)
		qmgr.owner = st.st_uid;
	if (geteuid() == 0 &&
	    role_ids(qmgr.house, "pickup", &uid, &gid, why, sizeof(why)) < 0)
		log_warning("%s", why);
	qmgr.pickup = uid;
	return spool_open(&qmgr);
}

/* One queue manager at a time: the old one may still be at work. */
static void take_over(void *arg)
{
	(void)arg;
	if (qmgr.draining)
		return;
	if (spool_lock(&qmgr) < 0) {
		if (clock_ms() > until)
			log_fatal("another queue manager has held the spool "
				  "%s for a minute",
			    qmgr.house->queue_directory);
		loop_timer_set(timer, LOCK_RETRY_MS);
		return;
	}
	qmgr.working = true;
	agents_start(&qmgr);
}

static int start(void)
{
	qmgr.loop = daemon_loop();
	qmgr.schedule = schedule_new();
	flow_open(&qmgr);
	resolve_open(&qmgr);
	agents_open(&qmgr);
	notify_open(&qmgr);
	server_open(&qmgr);
	figures_open(&qmgr);
	backlog_open(&qmgr);
	until = deadline_in(LOCK_MOST_MS);
	timer = loop_timer_new(qmgr.loop, take_over, NULL);
	loop_timer_set(timer, 0);
	return 0;
}

static void accepted(struct conn *conn)
{
	server_accepted(&qmgr, conn);
}

/* What local has is awaited for a moment; smtp keeps its answers for the next
 * queue manager. */
static void finish(void *arg)
{
	struct str key;
	size_t at = 0;
	void *m;

	(void)arg;
	if (agents_pools_under_way(&qmgr) > 0 && clock_ms() < until) {
		loop_timer_set(timer, 20);
		return;
	}
	scan_stop(&qmgr);
	figures_close(&qmgr);
	server_close(&qmgr);
	backlog_close(&qmgr);
	notify_close(&qmgr);
	agents_close(&qmgr);
	resolve_close(&qmgr);
	flow_close(&qmgr);
	while (table_next(&qmgr.messages.by_id, &at, &key, &m))
		spool_rest(&qmgr, m);
	messages_free(&qmgr.messages);
	schedule_free(&qmgr.schedule);
	if (qmgr.working)
		spool_unlock(&qmgr);
	spool_close(&qmgr);
	daemon_done();
}

static void drain(void)
{
	qmgr.draining = true;
	direct_commit_all(&qmgr);
	until = deadline_in(DRAIN_MS);
	loop_timer_free(&timer);
	timer = loop_timer_new(qmgr.loop, finish, NULL);
	loop_timer_set(timer, 0);
}

int main(int argc, char **argv)
{
	static const struct daemon qmgr_daemon = {
	    .name = "qmgr",
	    .kind = DAEMON_FRONT,
	    .params = qmgr_params,
	    .conf = &conf,
	    .before_jail = before_jail,
	    .start = start,
	    .accepted = accepted,
	    .drain = drain,
	};

	return daemon_main(&qmgr_daemon, argc, argv);
}
