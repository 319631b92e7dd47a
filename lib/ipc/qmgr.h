/* SPDX-License-Identifier: ISC */
/*
 * cleanup -> qmgr: a `propose_to` for each recipient, in order, and `propose`:
 * a message that is finished and stands in new/, not yet queued, its file
 * descriptor (O_RDWR) attached, whose recipients are all mailboxes of local,
 * as lookup said: cut-through (qmgr/direct.h). qmgr answers with one `verdict`:
 *
 *	done    every recipient has it, durably: the file may go
 *	refuse  no recipient has it or will get it, all for one reason: code,
 *	        dsn and text are the answer to the client, the file may go
 *	commit  all else: cleanup queues the message and offers it
 *
 * cleanup waits for a bounded time; no verdict means commit. A message that
 * is proposed is the queue manager's only until the connection's next
 * `propose`, its end, or an `offer` of another message; the `offer` of the same
 * message makes it a queued one, with what has become of it so far.
 *
 * cleanup -> qmgr: `offer` a message that stands in the queue, its file
 * descriptor (O_RDWR) attached; qmgr answers `offered` with the same id,
 * and whether it is behind (in_flow_delay). cleanup does not wait for it; a
 * lost offer is found by qmgr's walk. An offer of an id that is nobody's,
 * without a descriptor, asks only whether qmgr answers.
 *
 * posthouse -> qmgr (only the uid of master's owner or root): `queue_list`
 * is answered by `queue_row` for each recipient that matches and one
 * `queue_end`; `queue_act` by one `queue_end`. An empty filter field matches
 * everything.
 */
#ifndef IPC_QMGR_H
#define IPC_QMGR_H

#include "ipc/ipc.h"

struct qmgr_offer {
	struct str queue_id;
};
struct qmgr_offered {
	struct str queue_id;
	bool behind; /* new mail waits for a place among the active */
};

#define QMGR_PROPOSE_MAX 1000 /* recipients of a proposal */

struct qmgr_propose_to {
	struct str queue_id;
	uint64_t index; /* of the recipient in the file: 0, 1 ... */
	struct str account;
	struct str nexthop;      /* the domain */
	uint64_t quota_storage;  /* octets, 0: no limit */
	uint64_t quota_messages; /* 0: no limit */
};
struct qmgr_propose {
	struct str queue_id;
	uint64_t count; /* of propose_to, checked */
};

enum qmgr_word { VERDICT_DONE, VERDICT_REFUSE, VERDICT_COMMIT };
extern const char *const verdict_names[];

struct qmgr_verdict {
	struct str queue_id;
	int verdict;    /* enum qmgr_word */
	uint64_t code;  /* refuse: the SMTP reply; else 250 */
	struct str dsn; /* "5.2.2" */
	struct str text;
};

struct queue_list {
	struct str queue_id; /* exactly this message */
	struct str sender;   /* exact, case-insensitive; "<>" is the null one */
	struct str recipient; /* an address, or a domain as "@example.org" */
};

struct queue_row {
	struct str queue_id;
	struct str sender;
	struct str recipient;
	struct str state; /* active, deferred, hold, incoming */
	uint64_t size;    /* octets */
	uint64_t arrived; /* seconds since 1970 */
	uint64_t attempts;
	uint64_t next; /* seconds since 1970; 0: being tried or on hold */
	struct str transport;
	struct str nexthop;
	struct str reason; /* of the last deferral, with its code */
};

enum queue_verb { QUEUE_HOLD, QUEUE_RELEASE, QUEUE_DELETE, QUEUE_FLUSH };
extern const char *const queue_verb_names[];

struct queue_act {
	int verb;            /* enum queue_verb */
	struct str queue_id; /* "ALL" as in postsuper, or a filter below */
	struct str sender;
	struct str recipient;
};

struct queue_end {
	bool ok;
	uint64_t count; /* messages listed or changed */
	struct str text;
};

extern const struct ipc_type qmgr_propose_to, qmgr_propose, qmgr_verdict,
    qmgr_offer, qmgr_offered, queue_list, queue_row, queue_act, queue_end;
extern const struct ipc_exchange qmgr_exchange;

#endif
