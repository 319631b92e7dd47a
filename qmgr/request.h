/* SPDX-License-Identifier: ISC */
/*
 * Requests that agents work on: sending one, and what its answers mean. The
 * connections are agent.c's.
 */
#ifndef QMGR_REQUEST_H
#define QMGR_REQUEST_H

#include "ipc/deliver.h"
#include "ipc/wire.h"
#include "qmgr/qmgr.h"

struct request {
	uint64_t number;
	struct message *message;
	struct destination *destination; /* NULL: of an earlier process */
	struct wire *wire; /* NULL: lost, and not heard of since */
	int64_t deadline;  /* monotonic ms */
	uint32_t begun;    /* seconds since 1970, 0: by an earlier process */
	bool good, hop_failed;
	bool direct;  /* the log lines are ours */
	char *reason; /* of hop_failed */
	size_t left, room;
	struct recipient **recipients; /* those without an answer */
};

struct requests {
	uint64_t next;      /* number */
	struct table table; /* by number */
};

/* Numbers that no earlier queue manager used. */
void requests_open(struct requests *rs);
void requests_close(struct requests *rs);

struct request *request_find(struct requests *rs, uint64_t number);
/* The one that carries r, or NULL. */
const struct request *request_of(
    const struct requests *rs, const struct recipient *r);
/* An empty one under a number of an earlier process. */
struct request *request_adopt(
    struct requests *rs, uint64_t number, struct message *m);
void request_add(struct request *rq, struct recipient *r);

/*
 * Sends what the schedule gave. Those on hold or deleted meanwhile are left
 * out. Returns the request; NULL when there was nothing left to do or the
 * file could not be opened, and everything is settled. The message may then
 * be gone.
 */
struct request *request_send(struct qmgr *q, struct requests *rs,
    struct wire *wire, const struct work *w);
/* One answer. true: it was the last, and the request is gone. */
bool request_result(struct qmgr *q, struct requests *rs, struct request *rq,
    const struct deliver_result *res);
/* An answer to a request of an earlier process. */
void request_stray_result(struct qmgr *q, const struct deliver_result *res);
/* The agent is lost: what has no answer is tried again. The request ends. */
void request_lost(
    struct qmgr *q, struct requests *rs, struct request **rq, const char *why);

#endif
