/* SPDX-License-Identifier: ISC */
/*
 * What became of a recipient, and what follows from it: state, next attempt,
 * expiry, slot, note, log line and trace event.
 */
#ifndef QMGR_OUTCOME_H
#define QMGR_OUTCOME_H

#include "core/dsn.h"
#include "qmgr/qmgr.h"
#include "qmgr/spool.h"

struct outcome {
	enum dsn_action action;
	struct str dsn, text, remote;
	struct str phase, tls; /* of the conversation with remote */
	unsigned code;
	bool whole_hop;
};

/* A route is known: into the schedule, or deferred when the destination is
 * dead. r is PHASE_RESOLVING or idle with m->busy counted. */
void outcome_scheduled(struct qmgr *q, struct recipient *r);
/*
 * An agent's answer; the agent has written the log line. The caller calls
 * outcome_close when it is through with the request.
 */
void outcome_settle(
    struct qmgr *q, struct recipient *r, const struct outcome *o);
/* Writes what stands only in memory while others of the message are still
 * under way, else ends the pass. m may be gone afterwards. */
void outcome_close(struct qmgr *q, struct message *m);
/* The log line of an attempt, where no agent writes it. */
void outcome_log(
    const struct recipient *r, const struct outcome *o, const char *relay);
/* The end of a failure that nobody is told: of mail without a sender. */
void outcome_log_dropped(const struct recipient *r, const struct outcome *o);
/* Our own decision, with a log line. */
void outcome_ours(struct qmgr *q, struct recipient *r, const struct outcome *o);
/* Our own house is in trouble: again soon, which is no attempt. */
void outcome_trouble(struct qmgr *q, struct recipient *r, const char *why);
/* The agent was lost: the first time again at once, then as trouble. */
void outcome_again(struct qmgr *q, struct recipient *r, const char *why);
/* All that waits at a destination that died. */
void outcome_evict(struct qmgr *q, struct destination *d);
/* When the message will be given up; seconds since 1970. */
uint64_t outcome_expiry(const struct qmgr *q, const struct message *m);
/* Idle and unhappy, or deleted: state and notification without an agent. */
void outcome_delete(struct recipient *r);
/* It was taken out of the schedule because it is deleted or on hold. */
void outcome_left(struct recipient *r);
/* Takes all out of the schedule that was deleted or put on hold since it was
 * queued there: its agent may be away for long. Messages may be gone
 * afterwards. */
void outcome_withdraw(struct qmgr *q);
/* The operator gives up a recipient that is idle and pending: as if its time
 * were over; slot and note tell its last attempt. */
void outcome_give_up(struct qmgr *q, struct recipient *r,
    const struct queue_slot *slot, const struct note *note);

#endif
