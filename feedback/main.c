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
#include "feedback/folder.h"
#include "feedback/request.h"
#include "ipc/limits.h"

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

static int answer(
    struct ipc *c, const struct deliver_to *to, const struct dsn *dsn)
{
	struct deliver_result result = {
	    .request = request.head.request,
	    .queue_id = request.head.queue_id,
	    .index = to->index,
	    .action = (int)dsn->action,
	    .dsn = str_from(dsn->code),
	    .text = str_sub(str_from(dsn->text), 0, IPC_REPLY_MAX),
	    .remote = STR_EMPTY,
	};

	return ipc_put(c, &deliver_result, &result);
}

static int flush(struct ipc *c)
{
	return ipc_flush(c, deadline_in(daemon_house()->ipc_timeout)) == IPC_OK
	    ? 0
	    : -1;
}

/* All recipients of a mail here are one: the report is stored once. */
static int run(struct ipc *c, uint64_t count)
{
	struct dsn dsn;

	if (request.head.request == 0 || count == 0 || count != request.count) {
		log_warning("deliver: %llu recipients said, %zu given",
		    (unsigned long long)count, request.count);
		return -1;
	}
	dsn = request_run(&request, &conf);
	for (size_t i = 0; i < request.count; i++) {
		report(&request.to[i], &dsn);
		if (answer(c, &request.to[i], &dsn) < 0)
			return -1;
	}
	request_clear(&request);
	return flush(c);
}

/* -1: the connection ends. */
static int take(struct ipc *c, const struct ipc_type *type, const void *msg)
{
	if (type == &deliver)
		return request_begin(&request, msg);
	if (type == &deliver_to)
		return request_add(&request, msg);
	if (type == &deliver_end) {
		const struct deliver_end *end = msg;

		request.fd = ipc_take_fd(c);
		return end->request == request.head.request ? run(c, end->count)
							    : -1;
	}
	if (type == &deliver_collect) {
		/* Nothing is ever held: it was answered, or is tried again. */
		const struct deliver_collect *collect = msg;
		struct deliver_collected done = {collect->epoch};

		return ipc_put(c, &deliver_collected, &done) < 0 ? -1
								 : flush(c);
	}
	return type == &deliver_ack ? 0 : -1;
}

static void serve(struct conn *conn)
{
	struct ipc *c = ipc_server(conn->fd, &deliver_exchange);
	enum ipc_result r = IPC_OK;

	while (r == IPC_OK) {
		const struct ipc_type *type;
		const void *msg;

		if (!ipc_has_input(c) && request.head.request == 0 &&
		    daemon_idle(ipc_fd(c)) == 0)
			break;
		r = ipc_wait(
		    c, &type, &msg, deadline_in(daemon_house()->ipc_timeout));
		if (r == IPC_OK && take(c, type, msg) < 0)
			break;
		if (r == IPC_BROKEN)
			log_warning("queue manager: %s", ipc_why(c));
	}
	request_clear(&request);
	ipc_close(&c);
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
