/* SPDX-License-Identifier: ISC */
/*
 * Cut-through: delivering a message that cleanup has finished but not queued,
 * while its client waits for the answer (lib/ipc/qmgr.h, cleanup/cut_through.c).
 *
 * It is a message like any other: the same record, carried by the same requests
 * to the same agents, its outcomes written into the slots of its file. Only
 * that cleanup has asked lookup for the mailboxes when it expanded aliases, so
 * that they need not be asked for again, and that it is not in the queue:
 * struct direct hangs on it. When nothing is under way any more it is not
 * notified, put to sleep or removed, but judged (direct_settled).
 *
 * done    every recipient was delivered;
 * refuse  every recipient failed with the same status, for good or because its
 *         mailbox is full. Of local these are refusals made before anything is
 *         written;
 * commit  anything else, and at once when it is clear that it will not be one
 *         of the two: an agent lost (it may have stored the message without
 *         saying so), too much to do, draining.
 *
 * After commit the message stays in memory, with what became of it so far, until
 * cleanup offers it as queued: then struct direct goes, and it is an ordinary
 * message that goes on where it was. An offer that comes before the verdict
 * (cleanup did not wait longer) does the same. When cleanup goes away, or turns
 * to another message, it is forgotten: if it stands in the queue nevertheless,
 * the walk finds it. Whatever was stored already folds to nothing when it is
 * delivered again, since the delivery id begins with the queue id. The operator
 * does not see it before it is queued.
 */
#ifndef QMGR_DIRECT_H
#define QMGR_DIRECT_H

#include "qmgr/outcome.h"
#include "qmgr/server.h"

/* A recipient of the proposal that follows; false: the peer does not keep to
 * the exchange. */
bool direct_propose_to(struct client *c, const struct qmgr_propose_to *to);
/* The proposal; fd is taken over. */
void direct_propose(struct client *c, const struct qmgr_propose *p, int fd);
/* m is in the queue now: it goes on as an ordinary message. False: it was one
 * already. */
bool direct_offered(struct qmgr *q, struct message *m);
/* The client's proposal is over: a new one comes, or the client is gone. */
void direct_forget(struct client *c);
/* No verdict but commit from now on; for draining. */
void direct_commit_all(struct qmgr *q);

/* Nothing of a proposed message is under way. m may be gone afterwards. */
void direct_settled(struct qmgr *q, struct message *m);
/* Its agent was lost. */
void direct_lost(struct qmgr *q, struct message *m);
/* Nobody waits for it any more: what was not sent stays here. */
bool direct_is_over(const struct message *m);
/* What an agent said of a recipient of a request that was sent for a proposed
 * message: local leaves the log line to us. */
void direct_log(
    struct message *m, const struct recipient *r, const struct outcome *o);
/* Whether failures are logged with the verdict and not when they happen. */
bool direct_keeps_words(const struct message *m);

#endif
