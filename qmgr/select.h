/* SPDX-License-Identifier: ISC */
/*
 * Which messages and recipients the operator means: a queue_ask's filters, all
 * of which must hold. Pure. What memory knows is asked first, so that a file
 * is only read for a message that may be meant.
 */
#ifndef QMGR_SELECT_H
#define QMGR_SELECT_H

#include "ipc/qmgr.h"
#include "qmgr/spool.h"

/* What the filters ask about a recipient, beyond the record. */
struct facts {
	struct str address;
	struct str transport, nexthop; /* "" where not known */
	const char *state;
	struct str reason; /* the last answer with its code */
};

/* No filter is set: everything is meant. */
bool select_is_all(const struct queue_ask *ask);
/* By what stands in the record alone. */
bool select_message(const struct queue_ask *ask, const struct message *m);
bool select_recipient(const struct queue_ask *ask, const struct facts *f);
/* Whether a destination of these names is meant (transport and nexthop). */
bool select_hop(
    const struct queue_ask *ask, struct str transport, struct str nexthop);

/* "incoming", "active", "deferred", "hold" or "bouncing". */
const char *select_state(const struct recipient *r);

#endif
