/* SPDX-License-Identifier: ISC */
/* What this process is and has; made at the start. */
#ifndef PICKUP_PICKUP_H
#define PICKUP_PICKUP_H

#include "conf/users.h"
#include "core/id.h"
#include "daemon/daemon.h"
#include "pickup/pickup_conf.h"

struct pickup {
	const struct pickup_conf *conf;
	const struct house_conf *house;
	struct loop *loop;
	struct user_list submit, mailq, flush; /* authorized_*_users */
};

extern struct pickup pickup;

/* Whether the list names the user; root and our own uid are always meant. */
bool user_may(const struct user_list *list, unsigned uid);

/* What became of a submission. */
struct outcome {
	unsigned code; /* as SMTP's reply; 250: it is in the queue */
	struct id id;  /* 250 */
	const char *dsn;
	struct str text;
};

#endif
