/* SPDX-License-Identifier: ISC */
/*
 * reportd, a front: the reports that domains want about mail in their name.
 *
 * rows.c counts what smtpd saw of messages (daemon/database.h keeps it, in
 * a Berkeley DB), send.c says which report goes out when (schedule.c), sending.c
 * has the one that is under way: destinations.c finds who gets it, aggregate.c
 * makes the file and aggregate_mail.c the message, which handover.c brings into
 * the queue. operator.c answers posthouse report.
 */
#include "core/clock.h"
#include "core/log.h"
#include "daemon/database.h"
#include "daemon/desk.h"
#include "reportd/operator.h"
#include "reportd/rows.h"
#include "reportd/send.h"
#include "reportd/sending.h"

#define SETTLE_MS 200
#define SYNC_MS   5000

static struct reportd_conf conf;
static struct loop_timer *settling, *syncing;
static bool settle_waits, sync_waits;

static void settle(void *arg)
{
	(void)arg;
	settle_waits = false;
	rows_settle((uint64_t)clock_seconds());
	if (rows_begun())
		send_look_later();
}

static void sync_rows(void *arg)
{
	(void)arg;
	sync_waits = false;
	rows_sync((uint64_t)clock_seconds());
}

/* Rows that come together are one transaction. */
static void count(const struct report_row *row)
{
	rows_count(row, (uint64_t)clock_seconds());
	if (!settle_waits)
		loop_timer_set(settling, SETTLE_MS);
	if (!sync_waits)
		loop_timer_set(syncing, SYNC_MS);
	settle_waits = sync_waits = true;
}

static int answer(
    struct wire *w, void *peer, const struct ipc_type *type, const void *msg)
{
	(void)peer;
	if (type == &report_row) {
		count(msg);
		return 0;
	}
	return operator_asks(w, type, msg);
}

/* A peer is known by its wire. */
static void *come(struct wire *w)
{
	return w;
}

static void gone(void *peer)
{
	send_forget(peer);
}

static const struct desk_calls calls = {answer, come, gone};

/* Still privileged: the jail has no files. */
static int before_jail(void)
{
	return database_prepare("report_directory",
		   daemon_house()->report_directory, "rows") < 0
	    ? -1
	    : sending_prepare();
}

static int start(void)
{
	rows_open(&conf);
	settling = loop_timer_new(daemon_loop(), settle, NULL);
	syncing = loop_timer_new(daemon_loop(), sync_rows, NULL);
	send_start(&conf);
	desk_open(&report_exchange, &calls);
	return 0;
}

static void drain(void)
{
	loop_timer_stop(syncing);
	loop_timer_stop(settling);
	send_stop();
	rows_close();
	desk_drain();
}

int main(int argc, char **argv)
{
	static const struct daemon reportd = {
	    .name = "reportd",
	    .kind = DAEMON_FRONT,
	    .params = reportd_params,
	    .conf = &conf,
	    .before_jail = before_jail,
	    .start = start,
	    .accepted = desk_accepted,
	    .drain = drain,
	};

	return daemon_main(&reportd, argc, argv);
}
