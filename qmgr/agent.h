/* SPDX-License-Identifier: ISC */
/*
 * The delivery agents: hands them requests (lib/ipc/deliver.h) as the
 * schedule says, and takes their answers. local is a pool of workers, one
 * request at a time on each connection; smtp is one front with all requests
 * on one connection, which is asked first what it still knows.
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
/* Requests under way at local; while draining their answers are awaited. */
size_t agents_local_under_way(const struct qmgr *q);

#endif
