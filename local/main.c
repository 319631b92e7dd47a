/* SPDX-License-Identifier: ISC */
/*
 * Local delivery into the mailbox store, a worker: it serves one queue
 * manager's connection at a time, one request after the other.
 *
 * request.c collects a request and reads the content once, deliver.c brings
 * it into one mailbox, cache.c keeps boxes open. Nothing is held back between
 * requests: a delivery that is asked for again finds its id in the box.
 */
#include <stdio.h>

#include "daemon/daemon.h"
#include "daemon/house_store.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/observe.h"
#include "ipc/explain.h"
#include "ipc/limits.h"
#include "ipc/trace.h"
#include "local/local_conf.h"
#include "local/request.h"

#define ASKED_MS 10000 /* for the operator's command */

static struct local_conf conf;
static struct store *store;
static struct cache boxes;
static struct request request;

static int before_jail(void)
{
	const struct house_conf *house = daemon_house();
	const char *why;

	store = house_store_open(house, true, &why);
	if (store == NULL) {
		log_error("mail_store_directory %s: %s",
		    house->mail_store_directory, why);
		return -1;
	}
	return 0;
}

static int start(void)
{
	cache_init(&boxes, store, (size_t)conf.local_open_boxes);
	request_init(&request);
	return 0;
}

static void report(const struct deliver_to *to, const struct dsn *dsn)
{
	static const char *const status[] = {
	    [DSN_DELIVERED] = "sent",
	    [DSN_DEFERRED] = "deferred",
	    [DSN_FAILED] = "bounced",
	};
	uint64_t since = id_time_ms(&request.queue_id);
	uint64_t now = clock_us() / 1000;
	double delay = now > since ? (double)(now - since) / 1000 : 0;
	char where[TRACE_WHERE_MAX + 1];

	snprintf(where, sizeof(where), "%.*s %.*s", STR_FMT(to->account),
	    STR_FMT(request_mailbox(&request)));
	if (dsn->action == DSN_DELIVERED)
		trace_event(TRACE_STORED, &request.session, &request.queue_id,
		    &(struct trace_fields){.who = to->address,
			.where = str_from(where),
			.why = str_from(dsn->text)});
	if (!request.head.direct)
		log_info("%s: to=<%.*s>, relay=local, delay=%.2f, "
			 "delays=%.2f/0/0/0, dsn=%s, "
			 "status=%s (%s)",
		    request.queue_id.text, STR_FMT(to->address), delay, delay,
		    dsn->action == DSN_DELIVERED ? "2.0.0" : dsn->code,
		    status[dsn->action], dsn->text);
	daemon_count(status[dsn->action], 1);
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

static int run(struct ipc *c, uint64_t count)
{
	if (request.head.request == 0 || count != request.count) {
		log_warning("deliver: %llu recipients said, %zu given",
		    (unsigned long long)count, request.count);
		return -1;
	}
	if (request_read(&request) == 0)
		request.why = NULL;
	for (size_t i = 0; i < request.count; i++) {
		int64_t began = observe_begin();
		struct dsn dsn = deliver_one(
		    &request, &request.to[i], &boxes, &conf);

		observe_end("delivery", began);
		report(&request.to[i], &dsn);
		if (answer(c, &request.to[i], &dsn) < 0)
			return -1;
	}
	request_clear(&request);
	if (ipc_flush(c, deadline_in(daemon_house()->ipc_timeout)) != IPC_OK)
		return -1;
	cache_maintain(&boxes); /* the answers are on their way */
	return 0;
}

static int take(struct ipc *c, const struct ipc_type *type, const void *msg)
{
	if (type == &deliver) {
		request_begin(&request, msg);
		return 0;
	}
	if (type == &deliver_to)
		return request_add(&request, msg);
	if (type == &deliver_end) {
		const struct deliver_end *end = msg;

		if (end->request != request.head.request)
			return -1;
		request.fd = ipc_take_fd(c);
		return run(c, end->count);
	}
	if (type == &deliver_collect) {
		/* Nothing is ever held: it was answered, or is tried again. */
		const struct deliver_collect *collect = msg;
		struct deliver_collected done = {collect->epoch};

		if (ipc_put(c, &deliver_collected, &done) < 0)
			return -1;
		return ipc_flush(c, deadline_in(daemon_house()->ipc_timeout)) ==
			IPC_OK
		    ? 0
		    : -1;
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

/* posthouse route: would this mailbox take a message? */
static void explain(struct ipc *asker)
{
	struct explain_end end = {.dsn = STR_EMPTY, .text = STR_EMPTY};
	struct explain_usage usage = {.exists = false};
	const struct ipc_type *type;
	enum store_result result;
	struct dsn dsn;
	const void *msg;

	if (ipc_wait(asker, &type, &msg, deadline_in(ASKED_MS)) != IPC_OK ||
	    type != &explain_mailbox)
		return;
	const struct explain_mailbox *q = msg;
	struct box *b = cache_get(&boxes, q->account, &result);
	if (b != NULL && box_directory(b) >= 0) {
		usage.exists = true;
		usage.octets = box_usage(b).octets;
		usage.messages = box_usage(b).messages;
	}
	if (b != NULL)
		box_set_quota(b, q->quota_storage, q->quota_messages);
	if (b != NULL && !box_quota_allows(b, q->size, 1))
		result = STORE_OVER_QUOTA;
	else if (b != NULL)
		result = STORE_OK;
	dsn = deliver_result_of(result, b, &conf);
	end.passed = dsn.action == DSN_DELIVERED;
	end.temporary = dsn.action == DSN_DEFERRED;
	if (!end.passed) {
		end.dsn = str_from(dsn.code);
		end.text = str_from(dsn.text);
	}
	ipc_put(asker, &explain_usage, &usage);
	ipc_put(asker, &explain_end, &end);
	ipc_flush(asker, deadline_in(ASKED_MS));
}

int main(int argc, char **argv)
{
	static const struct daemon local = {
	    .name = "local",
	    .kind = DAEMON_WORKER,
	    .params = local_params,
	    .conf = &conf,
	    .before_jail = before_jail,
	    .start = start,
	    .serve = serve,
	    .explain = explain,
	};

	return daemon_main(&local, argc, argv);
}
