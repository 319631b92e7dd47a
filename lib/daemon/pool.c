/* SPDX-License-Identifier: ISC */
#include "daemon/pool.h"

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "ipc/limits.h"

struct pool {
	const struct pool_agent *agent;
	struct ipc *c;
	uint64_t request, count; /* that is arriving, 0: none; its recipients */
};

static int flush(struct pool *p)
{
	return ipc_flush(p->c, deadline_in(daemon_house()->ipc_timeout)) ==
		IPC_OK
	    ? 0
	    : -1;
}

static void clear(struct pool *p)
{
	p->agent->clear();
	p->request = p->count = 0;
}

static int begin(struct pool *p, const struct deliver *head)
{
	clear(p);
	p->request = head->request;
	return p->agent->begin(head);
}

static int add(struct pool *p, const struct deliver_to *to)
{
	if (p->request == 0 || to->request != p->request)
		return -1;
	p->count++;
	return p->agent->add(to);
}

static int run(struct pool *p, const struct deliver_end *end)
{
	int fd = ipc_take_fd(p->c);

	if (p->request == 0 || end->request != p->request ||
	    end->count != p->count) {
		log_warning("deliver: %llu recipients said, %llu given",
		    (unsigned long long)end->count,
		    (unsigned long long)p->count);
		file_close(&fd);
		return -1;
	}
	if (p->agent->run(p->c, fd) < 0)
		return -1;
	clear(p);
	if (flush(p) < 0)
		return -1;
	if (p->agent->rest != NULL)
		p->agent->rest();
	return 0;
}

static int take(struct pool *p, const struct ipc_type *type, const void *msg)
{
	if (type == &deliver)
		return begin(p, msg);
	if (type == &deliver_to)
		return add(p, msg);
	if (type == &deliver_end)
		return run(p, msg);
	if (type == &deliver_collect) {
		/* Nothing is ever held: it was answered, or is tried again. */
		const struct deliver_collect *collect = msg;
		struct deliver_collected done = {collect->epoch};

		return ipc_put(p->c, &deliver_collected, &done) < 0 ? -1
								    : flush(p);
	}
	return type == &deliver_ack ? 0 : -1;
}

void pool_serve(struct conn *conn, const struct pool_agent *agent)
{
	struct pool p = {
	    .agent = agent, .c = ipc_server(conn->fd, &deliver_exchange)};
	enum ipc_result r = IPC_OK;

	while (r == IPC_OK) {
		const struct ipc_type *type;
		const void *msg;

		if (!ipc_has_input(p.c) && p.request == 0 &&
		    daemon_idle(ipc_fd(p.c)) == 0)
			break;
		r = ipc_wait(
		    p.c, &type, &msg, deadline_in(daemon_house()->ipc_timeout));
		if (r == IPC_OK && take(&p, type, msg) < 0)
			break;
		if (r == IPC_BROKEN)
			log_warning("queue manager: %s", ipc_why(p.c));
	}
	clear(&p);
	ipc_close(&p.c);
}

int pool_answer(struct ipc *c, const struct deliver *head,
    const struct deliver_to *to, const struct dsn *dsn)
{
	struct deliver_result result = {
	    .request = head->request,
	    .queue_id = head->queue_id,
	    .index = to->index,
	    .action = (int)dsn->action,
	    .dsn = str_from(dsn->code),
	    .text = str_sub(str_from(dsn->text), 0, IPC_REPLY_MAX),
	    .remote = STR_EMPTY,
	};

	return ipc_put(c, &deliver_result, &result);
}
