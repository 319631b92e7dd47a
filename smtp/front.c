/* SPDX-License-Identifier: ISC */
#include "smtp/front.h"

#include <stdlib.h>

#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "ipc/wire.h"

struct front {
	struct loop *loop;
	struct delivery *delivery;
	struct job *jobs;
	struct caller *callers;
	struct caller *qmgr; /* who asked last: gets the answers */
};

/* One connection; there is more than one when a queue manager follows
 * another. */
struct caller {
	struct caller *next;
	struct front *front;
	struct wire *wire;
	struct job *incoming; /* its recipients are still coming */
	uint64_t ignored;     /* a request that we have already */
};

/* ---- jobs ---- */

static struct job *find(struct front *f, uint64_t request)
{
	for (struct job *j = f->jobs; j != NULL; j = j->next)
		if (j->request == request)
			return j;
	return NULL;
}

static void drop(struct front *f, struct job *j)
{
	if (j->prev != NULL)
		j->prev->next = j->next;
	else
		f->jobs = j->next;
	if (j->next != NULL)
		j->next->prev = j->prev;
	job_free(&j);
}

size_t front_busy(const struct front *f)
{
	size_t n = 0;

	for (const struct job *j = f->jobs; j != NULL; j = j->next)
		n += j->complete && j->open > 0;
	return n;
}

/* ---- to qmgr ---- */

static void put_result(
    struct wire *w, const struct job *j, const struct rcpt *r)
{
	const struct answer *a = r->answer;
	struct deliver_result res = {.request = j->request,
	    .queue_id = id_str(&j->queue_id),
	    .index = r->index,
	    .action = (int)a->dsn.action,
	    .dsn = str_from(a->dsn.code),
	    .code = a->code <= 599 ? a->code : 0,
	    .text = str_from(a->dsn.text),
	    .remote = str_from(a->remote),
	    .phase = str_from(a->phase),
	    .tls = str_from(a->tls),
	    .whole_hop = a->whole_hop};

	if (wire_put(w, &deliver_result, &res) < 0)
		log_warning(
		    "%s: an answer does not fit to qmgr", j->queue_id.text);
}

void front_send_result(struct job *j, const struct rcpt *r)
{
	struct caller *c = j->front->qmgr;

	if (c == NULL)
		return; /* kept until it is collected */
	put_result(c->wire, j, r);
	wire_push(c->wire);
}

static void collect(struct caller *c, const struct deliver_collect *ask)
{
	struct deliver_collected end = {ask->epoch};

	for (struct job *j = c->front->jobs; j != NULL; j = j->next) {
		if (!j->complete)
			continue;
		for (size_t i = 0; i < j->count; i++) {
			struct deliver_pending p = {id_str(&j->queue_id),
			    j->request, j->rcpts[i].index};

			if (j->rcpts[i].answer != NULL)
				put_result(c->wire, j, &j->rcpts[i]);
			else
				wire_put(c->wire, &deliver_pending, &p);
		}
	}
	wire_put(c->wire, &deliver_collected, &end);
	wire_push(c->wire);
}

/* ---- from qmgr ---- */

static void caller_free(struct caller *c)
{
	struct front *f = c->front;
	struct caller **p = &f->callers;

	while (*p != NULL && *p != c)
		p = &(*p)->next;
	if (*p == c)
		*p = c->next;
	if (f->qmgr == c)
		f->qmgr = NULL;
	if (c->incoming != NULL)
		drop(f, c->incoming);
	wire_close(&c->wire);
	free(c);
}

/* false: this is not how qmgr speaks. */
static bool begin(struct caller *c, const struct deliver *d)
{
	struct front *f = c->front;
	struct job *j;

	if (c->incoming != NULL)
		return false;
	if (find(f, d->request) != NULL) { /* asked twice */
		c->ignored = d->request;
		return true;
	}
	j = job_new(f, d);
	if (j == NULL)
		return false;
	j->next = f->jobs;
	if (j->next != NULL)
		j->next->prev = j;
	f->jobs = j;
	c->incoming = j;
	return true;
}

static bool add(struct caller *c, const struct deliver_to *to)
{
	if (c->ignored != 0 && to->request == c->ignored)
		return true;
	return c->incoming != NULL && c->incoming->request == to->request &&
	    job_add(c->incoming, to) == 0;
}

static bool complete(struct caller *c, const struct deliver_end *end)
{
	int fd = ipc_take_fd(wire_ipc(c->wire));
	struct job *j = c->incoming;
	const char *why;

	if (c->ignored != 0 && end->request == c->ignored) {
		c->ignored = 0;
		file_close(&fd);
		return true;
	}
	if (j == NULL || j->request != end->request || j->count != end->count) {
		file_close(&fd);
		return false;
	}
	c->incoming = NULL;
	j->complete = true;
	if (job_open(j, fd, &why) == 0) {
		deliver_start(c->front->delivery, j);
		return true;
	}
	struct answer a = answer_make(
	    DSN_DEFERRED, "4.3.0", "the queue file cannot be used: %s", why);

	log_error("%s: %s", j->queue_id.text, a.dsn.text);
	job_answer_all(j, &a);
	deliver_done(c->front->delivery, j);
	return true;
}

static void acknowledged(struct front *f, const struct deliver_ack *ack)
{
	struct job *j = find(f, ack->request);

	if (j != NULL && j->complete && j->open == 0 && !deliver_uses(j))
		drop(f, j);
}

static void message(
    struct wire *w, void *arg, const struct ipc_type *type, const void *msg)
{
	struct caller *c = arg;
	bool good = true;

	(void)w;
	c->front->qmgr = c;
	if (type == &deliver)
		good = begin(c, msg);
	else if (type == &deliver_to)
		good = add(c, msg);
	else if (type == &deliver_end)
		good = complete(c, msg);
	else if (type == &deliver_ack)
		acknowledged(c->front, msg);
	else if (type == &deliver_collect)
		collect(c, msg);
	else
		good = false;
	if (!good) {
		log_warning("qmgr: unexpected %s", type->name);
		caller_free(c);
	}
}

static void lost(struct wire *w, void *arg, const char *why)
{
	struct caller *c = arg;

	(void)w;
	if (why[0] != '\0')
		log_warning("qmgr: %s", why);
	c->wire = NULL;
	caller_free(c);
}

void front_accepted(struct front *f, struct conn *conn)
{
	static const struct wire_calls calls = {
	    .message = message, .lost = lost};
	struct caller *c = NEW(struct caller);

	c->front = f;
	c->wire = wire_new(
	    f->loop, ipc_server(conn->fd, &deliver_exchange), &calls, c);
	c->next = f->callers;
	f->callers = c;
}

struct delivery *front_delivery(const struct job *j)
{
	return j->front->delivery;
}

struct front *front_open(struct loop *loop, struct delivery *delivery)
{
	struct front *f = NEW(struct front);

	f->loop = loop;
	f->delivery = delivery;
	return f;
}
