/* SPDX-License-Identifier: ISC */
#include "auth/peer.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/table.h"
#include "ipc/wire.h"

#define CONNECT_MS 200 /* a connect to a busy neighbour may wait so long */
#define RETRY_MS   1000
#define REST_MS    5000 /* after an answer that did not come */
#define TRIES      4    /* at a neighbour that is being replaced */

struct question {
	uint64_t number;
	peer_answer *done;
	void *arg;
	int64_t deadline;
	struct buf line;     /* as it was asked */
	uint64_t connection; /* where it was asked */
	int tries;
	struct question *next, *before;
};

struct peer {
	struct loop *loop;
	const char *name;
	const struct ipc_exchange *exchange;
	struct wire *wire;
	struct loop_timer *timer;
	struct table by_number;
	struct question *first, *last; /* in the order of their deadlines */
	uint64_t number;
	int64_t next_try;
	uint64_t connection; /* number of the newest */
	bool again;          /* the questions are to be asked once more */
};

static struct str key_of(const uint64_t *number)
{
	return str_of(number, sizeof(*number));
}

static void take_out(struct peer *p, struct question *q)
{
	if (q->before != NULL)
		q->before->next = q->next;
	else
		p->first = q->next;
	if (q->next != NULL)
		q->next->before = q->before;
	else
		p->last = q->before;
	table_remove(&p->by_number, key_of(&q->number));
}

static void question_free(struct question *q)
{
	buf_free(&q->line);
	free(q);
}

static void finish(struct peer *p, struct question *q,
    const struct ipc_type *type, const void *msg)
{
	struct question was = *q;

	take_out(p, q);
	question_free(q);
	was.done(type, msg, was.arg);
}

static void fail_all(struct peer *p)
{
	while (p->first != NULL)
		finish(p, p->first, NULL, NULL);
}

static void message(
    struct wire *w, void *arg, const struct ipc_type *type, const void *msg)
{
	struct peer *p = arg;
	uint64_t number;

	(void)w;
	memcpy(&number, msg, sizeof(number));
	struct question *q = table_get(&p->by_number, key_of(&number));
	if (q != NULL) /* else it was cancelled, or its time was over */
		finish(p, q, type, msg);
}

static void lost(struct wire *w, void *arg, const char *why)
{
	struct peer *p = arg;

	(void)w;
	p->wire = NULL;
	if (why[0] != '\0')
		log_warning("the connection to %s broke: %s", p->name, why);
	/* By the loop: the old wire must have gone. */
	p->again = p->first != NULL;
	if (p->again)
		loop_timer_set(p->timer, 0);
}

static const struct wire_calls calls = {message, lost, NULL};

static void watch_time(struct peer *p)
{
	if (p->first != NULL)
		loop_timer_set(p->timer, deadline_left(p->first->deadline));
}

static void connect_peer(struct peer *p);

/* A neighbour that is being replaced has closed: the next one answers. */
static void ask_again(struct peer *p)
{
	struct question *q;

	p->again = false;
	connect_peer(p);
	for (q = p->first; q != NULL;) {
		if (q->connection == p->connection) {
			q = q->next; /* asked since */
		} else if (p->wire != NULL && ++q->tries < TRIES &&
		    ipc_put_bytes(wire_ipc(p->wire), q->line.p, q->line.len) ==
			0) {
			q->connection = p->connection;
			q = q->next;
		} else {
			finish(p, q, NULL, NULL);
			q = p->first; /* others may be gone too */
		}
	}
	if (p->wire != NULL)
		wire_push(p->wire);
}

/* An answer is overdue: the connection is of no use any more. */
static void overdue(void *arg)
{
	struct peer *p = arg;

	if (p->again)
		ask_again(p);
	if (p->first == NULL || deadline_left(p->first->deadline) > 0) {
		watch_time(p);
		return;
	}
	log_warning("%s does not answer", p->name);
	wire_close(&p->wire);
	/* Each further question would wait as long in vain. */
	p->next_try = deadline_in(REST_MS);
	fail_all(p);
}

static void connect_peer(struct peer *p)
{
	int64_t now = clock_ms();
	const char *why = "";
	struct ipc *c;

	if (p->wire != NULL || now < p->next_try)
		return;
	c = ipc_connect(p->name, p->exchange, deadline_in(CONNECT_MS), &why);
	if (c == NULL) {
		p->next_try = now + RETRY_MS;
		log_warning("%s is away: %s", p->name, why);
		return;
	}
	p->wire = wire_new(p->loop, c, &calls, p);
	p->connection++;
}

struct peer *peer_new(
    struct loop *loop, const char *name, const struct ipc_exchange *exchange)
{
	struct peer *p = NEW(struct peer);

	p->loop = loop;
	p->name = name;
	p->exchange = exchange;
	p->timer = loop_timer_new(loop, overdue, p);
	return p;
}

void peer_free(struct peer **pp)
{
	struct peer *p = *pp;

	*pp = NULL;
	wire_close(&p->wire);
	while (p->first != NULL) {
		struct question *q = p->first;

		take_out(p, q);
		question_free(q);
	}
	table_free(&p->by_number);
	loop_timer_free(&p->timer);
	free(p);
}

uint64_t peer_ask(struct peer *p, const struct ipc_type *type, void *msg,
    peer_answer *done, void *arg)
{
	struct question *q;

	connect_peer(p);
	p->number++;
	memcpy(msg, &p->number, sizeof(p->number));
	if (p->wire == NULL || wire_put(p->wire, type, msg) < 0)
		return 0;
	q = NEW(struct question);
	*q = (struct question){.number = p->number,
	    .done = done,
	    .arg = arg,
	    .deadline = deadline_in(PEER_TIMEOUT_MS),
	    .line = buf_new(IPC_LINE_MAX),
	    .connection = p->connection,
	    .before = p->last};
	ipc_encode(&q->line, type, msg);
	if (p->last != NULL)
		p->last->next = q;
	else
		p->first = q;
	p->last = q;
	table_put(&p->by_number, key_of(&q->number), q);
	wire_push(p->wire);
	if (p->first == q)
		watch_time(p);
	return q->number;
}

void peer_cancel(struct peer *p, uint64_t question)
{
	struct question *q = table_get(&p->by_number, key_of(&question));

	if (q == NULL)
		return;
	take_out(p, q);
	question_free(q);
}
