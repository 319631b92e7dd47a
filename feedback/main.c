/* SPDX-License-Identifier: ISC */
/*
 * feedback, a worker: takes the reports that others send about mail in our
 * name. To the queue manager it is a delivery agent, of the transport
 * "report" (ipc/deliver.h).
 *
 * request.c has a mail read by lib/report, folder.c keeps what came out. It
 * reads what strangers packed, so it has a folder and nothing else: no
 * network, nobody to call.
 */
#include "core/clock.h"
#include "core/log.h"
#include "daemon/daemon.h"
#include "daemon/pool.h"
#include "feedback/folder.h"
#include "feedback/request.h"

static struct feedback_conf conf;
static struct request request;

static int before_jail(void)
{
	return folder_open(daemon_house()->feedback_directory, &conf);
}

static int start(void)
{
	request_init(&request);
	folder_sweep(clock_seconds(), true);
	return 0;
}

static void report(const struct deliver_to *to, const struct dsn *dsn)
{
	uint64_t since = id_time_ms(&request.queue_id);
	uint64_t now = clock_us() / 1000;
	double delay = now > since ? (double)(now - since) / 1000 : 0;

	log_info("%s: to=<%.*s>, relay=feedback, delay=%.2f, "
		 "delays=%.2f/0/0/0, dsn=%s, status=%s (%s)",
	    request.queue_id.text, STR_FMT(to->address), delay, delay,
	    dsn->code, dsn->action == DSN_DELIVERED ? "sent" : "deferred",
	    dsn->text);
}

static int begin(const struct deliver *head)
{
	return request_begin(&request, head);
}

static int add(const struct deliver_to *to)
{
	return request_add(&request, to);
}

/* All recipients of a mail here are one: the report is stored once. */
static int run(struct ipc *c, int fd)
{
	struct dsn dsn;

	request.fd = fd;
	dsn = request_run(&request, &conf);
	for (size_t i = 0; i < request.count; i++) {
		report(&request.to[i], &dsn);
		if (pool_answer(c, &request.head, &request.to[i], &dsn) < 0)
			return -1;
	}
	return 0;
}

static void clear(void)
{
	request_clear(&request);
}

static void serve(struct conn *conn)
{
	static const struct pool_agent agent = {
	    .begin = begin, .add = add, .run = run, .clear = clear};

	pool_serve(conn, &agent);
}

int main(int argc, char **argv)
{
	static const struct daemon daemon = {
	    .name = "feedback",
	    .kind = DAEMON_WORKER,
	    .params = feedback_params,
	    .conf = &conf,
	    .before_jail = before_jail,
	    .start = start,
	    .serve = serve,
	};

	return daemon_main(&daemon, argc, argv);
}
