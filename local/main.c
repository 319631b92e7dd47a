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
#include "daemon/pool.h"

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

/* ---- one request ---- */

static int begin(const struct deliver *head)
{
	request_begin(&request, head);
	return 0;
}

static int add(const struct deliver_to *to)
{
	return request_add(&request, to);
}

static int run(struct ipc *c, int fd)
{
	request.fd = fd;
	if (request_read(&request) == 0)
		request.why = NULL;
	for (size_t i = 0; i < request.count; i++) {
		int64_t began = observe_begin();
		struct dsn dsn = deliver_one(
		    &request, &request.to[i], &boxes, &conf);

		observe_end("delivery", began);
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

static void rest(void)
{
	cache_maintain(&boxes);
}

static void serve(struct conn *conn)
{
	static const struct pool_agent agent = {.begin = begin,
	    .add = add,
	    .run = run,
	    .clear = clear,
	    .rest = rest};

	pool_serve(conn, &agent);
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
