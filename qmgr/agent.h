/* SPDX-License-Identifier: ISC */
/*
 * The delivery agents: hands them requests (lib/ipc/deliver.h) as the
 * schedule says, and takes their answers. local is a pool of workers, one
 * request at a time on each connection, and so is feedback, of one; smtp is
 * one front with all requests on one connection, which is asked first what it
 * still knows.
 */
#ifndef QMGR_AGENT_H
#define QMGR_AGENT_H

#include "qmgr/qmgr.h"

void agents_open(struct qmgr *q);
/* The spool is ours: connects to smtp and collects. */
void agents_start(struct qmgr *q);
void agents_close(struct qmgr *q);
/* The transport of a name; NULL when there is none. */
struct transport *agents_transport(struct qmgr *q, struct str name);
/* Hands out what may be handed out. */
void agents_dispatch(struct qmgr *q);
/* Recipients that wait for local; as many as can be while it is away. */
size_t agents_local_waiting(const struct qmgr *q);
/* Requests under way at local and feedback; while draining their answers are
 * awaited. */
size_t agents_pools_under_way(const struct qmgr *q);

/* What the operator is told of an agent. */
struct agent_view {
	const char *name;    /* "smtp", "local", "feedback" */
	bool ready;          /* it takes requests */
	uint64_t away_since; /* seconds since 1970, 0: it is there */
	const char *why;     /* it is away, or not ready */
	const char *window_parameter, *limit_parameter;
};
struct agent_view agents_view(struct qmgr *q, struct destination *d);
/* The schedule's destination of these names, or NULL. */
struct destination *agents_destination(
    struct qmgr *q, const char *transport, const char *nexthop);
/* When the request that carries r was sent; seconds since 1970, 0: by an
 * earlier queue manager. */
uint64_t agents_begun(struct qmgr *q, const struct recipient *r);

#endif
