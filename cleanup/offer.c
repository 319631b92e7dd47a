/* SPDX-License-Identifier: ISC */
#include "cleanup/offer.h"

#include <fcntl.h>

#include "cleanup/message.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "daemon/daemon.h"
#include "queue/queue_file.h"

#define PENDING    32 /* offers remembered */
#define LOOK       8  /* so many at once are looked at for answers */
#define TRIES      3
#define CONNECT_MS 200
#define RETRY_MS   1000  /* after a failed connect */
#define REPEAT_MS  20000 /* an answer that takes longer was lost */
#define PROBE_MS   200   /* for a sign of life */
#define BEHIND_MS  5000  /* for how long a word about being behind counts */

#define UNCLAIMED "unclaimed"

struct pending {
	struct id id;
	int tries;
	int64_t at; /* of the last try */
};

static struct ipc *qmgr;
static int64_t retry_at;
static int64_t behind_until;
static struct pending pending[PENDING]; /* oldest first */
static size_t count;

void offer_close(void)
{
	ipc_close(&qmgr);
}

static void forget(size_t index)
{
	count--;
	memmove(&pending[index], &pending[index + 1],
	    (count - index) * sizeof(pending[0]));
}

static void answered(const struct qmgr_offered *o)
{
	struct str id = o->queue_id;

	behind_until = o->behind ? deadline_in(BEHIND_MS) : 0;
	if (offer_unclaimed() > 0)
		daemon_gauge(UNCLAIMED, 0);
	for (size_t i = 0; i < count; i++)
		if (str_eq(id_str(&pending[i].id), id)) {
			forget(i);
			return;
		}
}

/* Takes the answers that have come, without waiting. A verdict among them
 * came too late. */
static void take_answers(void)
{
	const struct ipc_type *type;
	const void *msg;
	enum ipc_result r = ipc_fill(qmgr);

	if (r == IPC_OK || r == IPC_EOF)
		while ((r = ipc_next(qmgr, &type, &msg)) == IPC_OK)
			if (type == &qmgr_offered)
				answered(msg);
	if (r != IPC_AGAIN)
		ipc_close(&qmgr);
}

static void put(const struct id *id, int fd)
{
	struct qmgr_offer offer = {.queue_id = id_str(id)};

	if (qmgr != NULL && ipc_put_fd(qmgr, &qmgr_offer, &offer, fd) < 0)
		ipc_close(&qmgr);
}

/* Once more what is unanswered: all on a new connection, else what is old. */
static void repeat(int spool_fd, int64_t now, bool all)
{
	for (size_t i = 0; qmgr != NULL && i < count;) {
		struct pending *p = &pending[i];
		char path[QUEUE_PATH_MAX];

		if (!all && now - p->at < REPEAT_MS) {
			i++;
			continue;
		}
		queue_path(&p->id, path);
		int fd = p->tries >= TRIES
		    ? -1
		    : openat(spool_fd, path, O_RDWR | O_CLOEXEC);
		if (fd < 0) {
			forget(i); /* delivered by now, or left to the walk */
			continue;
		}
		put(&p->id, fd);
		file_close(&fd);
		p->tries++;
		p->at = now;
		i++;
	}
}

static void ensure_connected(int spool_fd, int64_t now)
{
	const char *why = "";

	if (qmgr != NULL || now < retry_at)
		return;
	qmgr = ipc_connect(
	    "qmgr", &qmgr_exchange, deadline_in(CONNECT_MS), &why);
	if (qmgr == NULL) {
		log_warning("qmgr is away: %s; mail waits in the queue", why);
		retry_at = now + RETRY_MS;
		return;
	}
	repeat(spool_fd, now, true);
}

/* The next message of a type; what comes before it is taken. NULL with *r. */
static const void *await(
    const struct ipc_type *wanted, int64_t deadline, enum ipc_result *r)
{
	const struct ipc_type *type;
	const void *msg;

	while ((*r = ipc_wait(qmgr, &type, &msg, deadline)) == IPC_OK) {
		if (type == &qmgr_offered)
			answered(msg);
		if (type == wanted)
			return msg;
	}
	return NULL;
}

/* 0 when all of it is sent. */
static enum ipc_result propose(
    const struct id *id, const struct message *m, int64_t deadline)
{
	struct qmgr_propose p = {
	    .queue_id = id_str(id), .count = m->recipient_count};

	for (size_t i = 0; i < m->recipient_count; i++) {
		const struct local_box *b = &m->mailboxes[i];
		struct qmgr_propose_to to = {.queue_id = id_str(id),
		    .index = i,
		    .account = b->account,
		    .nexthop = b->nexthop,
		    .quota_storage = b->quota_storage,
		    .quota_messages = b->quota_messages};

		if (ipc_put(qmgr, &qmgr_propose_to, &to) < 0)
			return IPC_BROKEN;
	}
	if (ipc_lend_fd(qmgr, &qmgr_propose, &p, queue_writer_fd(m->writer)) <
	    0)
		return IPC_BROKEN;
	return ipc_flush(qmgr, deadline);
}

const struct qmgr_verdict *offer_propose(int spool_fd, const struct id *id,
    const struct message *m, int64_t deadline, bool *late)
{
	const struct qmgr_verdict *v = NULL;
	enum ipc_result r = IPC_BROKEN;

	*late = false;
	ensure_connected(spool_fd, clock_ms());
	if (qmgr != NULL)
		r = propose(id, m, deadline);
	/* What could not be sent must not be sent later, without the file. */
	if (r != IPC_OK)
		ipc_close(&qmgr);
	while (r == IPC_OK && (v = await(&qmgr_verdict, deadline, &r)) != NULL)
		if (str_eq(v->queue_id, id_str(id)))
			return v; /* and not that of an earlier one */
	*late = r == IPC_TIMEOUT;
	if (!*late)
		ipc_close(&qmgr);
	return NULL;
}

void offer_withdraw(void)
{
	/* The end of the connection says it. */
	ipc_close(&qmgr);
}

void offer_message(int spool_fd, const struct id *id, int fd)
{
	int64_t now = clock_ms();

	daemon_count(UNCLAIMED, 1);
	if (qmgr != NULL &&
	    (count >= LOOK || (count > 0 && now - pending[0].at > REPEAT_MS)))
		take_answers();
	ensure_connected(spool_fd, now);
	if (qmgr != NULL)
		repeat(spool_fd, now, false);
	if (count == PENDING)
		forget(0);
	pending[count++] = (struct pending){*id, 1, now};
	put(id, fd);
	if (qmgr == NULL || ipc_push(qmgr) != IPC_BROKEN)
		return;
	/* The kept connection was dead: once more on a new one. */
	ipc_close(&qmgr);
	ensure_connected(spool_fd, now);
	if (qmgr != NULL && ipc_push(qmgr) == IPC_BROKEN)
		ipc_close(&qmgr);
}

bool offer_is_behind(void)
{
	if (qmgr != NULL && count > 0)
		take_answers();
	return clock_ms() < behind_until;
}

uint64_t offer_unclaimed(void)
{
	return daemon_figure(UNCLAIMED);
}

bool offer_probe(int spool_fd)
{
	struct id nobody = id_new();
	struct qmgr_offer offer = {.queue_id = id_str(&nobody)};
	int64_t deadline = deadline_in(PROBE_MS);
	enum ipc_result r;

	ensure_connected(spool_fd, clock_ms());
	if (qmgr != NULL && ipc_put(qmgr, &qmgr_offer, &offer) == 0 &&
	    ipc_flush(qmgr, deadline) == IPC_OK &&
	    await(&qmgr_offered, deadline, &r) != NULL)
		return true;
	ipc_close(&qmgr);
	return false;
}
