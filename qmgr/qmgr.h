/* SPDX-License-Identifier: ISC */
/*
 * The queue manager's one state. Each member belongs to the module that is
 * named beside it; main.c makes and ends them.
 */
#ifndef QMGR_QMGR_H
#define QMGR_QMGR_H

#include <sys/types.h>

#include "core/clock.h"
#include "daemon/house_conf.h"
#include "net/loop.h"
#include "qmgr/message.h"
#include "qmgr/qmgr_conf.h"
#include "qmgr/schedule.h"

struct qmgr {
	const struct qmgr_conf *conf;
	const struct house_conf *house;
	struct loop *loop;
	uid_t owner;  /* of the instance, who may operate on the queue */
	uid_t pickup; /* who asks for local users */
	bool working; /* holds the spool's lock */
	/* smtp has told what it works on for an earlier queue manager */
	bool collected;
	bool draining;
	struct messages messages;
	struct schedule *schedule;
	struct spool *spool;       /* spool.c, scan.c */
	struct flow *flow;         /* flow.c */
	struct resolver *resolver; /* resolve.c */
	struct agents *agents;     /* agent.c */
	struct notifier *notifier; /* notify.c */
	struct server *server;     /* server.c */
	struct backlog *backlog;   /* backlog.c */
	size_t proposed;           /* messages; direct.c */
};

/* Seconds since 1970, as the records keep them. */
static inline uint32_t qmgr_now(void)
{
	return (uint32_t)clock_seconds();
}

#endif
