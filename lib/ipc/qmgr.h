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
 * posthouse -> qmgr (the owner of the instance, the suite's own user or root):
 * `queue_ask`, answered by what its verb says and one `queue_end`:
 *
 *	list	a `queue_row` for each recipient that is selected
 *	why	the same, each with a `queue_why` behind it
 *	hops	a `queue_hop` for each destination that transport and nexthop
 *		select, or that a recipient of `site` goes to
 *	others	the selected recipients are changed, or with dry_run counted
 *
 * All that a question selects must hold; an empty text and a zero select
 * everything. One question at a time on a connection, any number one after
 * the other.
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

enum queue_verb {
	QUEUE_LIST,
	QUEUE_WHY,
	QUEUE_HOPS,
	QUEUE_HOLD,
	QUEUE_RELEASE,
	QUEUE_DELETE,
	QUEUE_FLUSH,
	QUEUE_BOUNCE /* given up now, and the sender told */
};
extern const char *const queue_verb_names[];

struct queue_ask {
	int verb;     /* enum queue_verb */
	bool all;     /* said for verbs that change: nothing is selected */
	bool dry_run; /* of verbs that change: only count */
	struct str queue_id;  /* exactly this message */
	struct str sender;    /* exact, without regard to case; "<>" is the null
	                      * one, "@example.org" a domain */
	struct str recipient; /* an address, or a domain as "@example.org" */
	struct str domain;    /* the recipient's */
	struct str nexthop;   /* as qmgr knows it: "example.org", "[host]:25" */
	struct str site;      /* the recipient's domain or the next hop */
	struct str transport;
	struct str state;  /* as in queue_row */
	struct str reason; /* stands in the last answer, whatever its case */
	uint64_t since, before;         /* arrival, seconds since 1970 */
	uint64_t size_least, size_most; /* octets */
	uint64_t owner; /* 1 + the uid of the local user who submitted it */
};

struct queue_row {
	struct str queue_id;
	struct str sender;
	struct str recipient;
	struct str state; /* incoming, active, deferred, hold, bouncing */
	uint64_t size;    /* octets */
	uint64_t arrived; /* seconds since 1970 */
	uint64_t attempts;
	uint64_t next; /* seconds since 1970; 0: being tried or on hold */
	uint64_t last; /* the last attempt, seconds since 1970; 0: none */
	struct str transport; /* known when it was tried before, or is now */
	struct str nexthop;
	struct str reason; /* of the last deferral, with its code */
};

/* What keeps a recipient from being delivered. */
enum queue_bind {
	BIND_TRYING,      /* nothing: an agent has it */
	BIND_RESOLVING,   /* lookup is asked where it goes */
	BIND_STARTING,    /* the queue manager has just begun */
	BIND_LINE,        /* a place among the active messages */
	BIND_TURN,        /* nothing: it is next to be handed to an agent */
	BIND_AGENT_AWAY,  /* the agent cannot be reached */
	BIND_AGENT_FULL,  /* the agent's requests are all under way */
	BIND_CONCURRENCY, /* the destination's are */
	BIND_RATE_DELAY,  /* the pause between two requests to it */
	BIND_DEAD,        /* the destination failed on and on: it rests */
	BIND_BACKOFF,     /* its own pause after a failure */
	BIND_TROUBLE,     /* our own house failed: again in a moment */
	BIND_HOLD,
	BIND_DSN,    /* it failed; the sender is being told */
	BIND_DELETED /* when the agent that has it answers */
};
extern const char *const queue_bind_names[];

/* Behind the queue_row of the same recipient. Times in seconds since 1970; 0
 * is unknown or none. */
struct queue_why {
	int bind;             /* enum queue_bind */
	uint64_t since;       /* it is so */
	uint64_t until;       /* it may be so at most */
	uint64_t next;        /* the next attempt, at the earliest */
	uint64_t in_use;      /* requests, or active messages, under way ... */
	uint64_t limit;       /* ... of so many */
	uint64_t place;       /* in line, from 1; 0: in no line */
	uint64_t waiting;     /* in that line */
	uint64_t expires;     /* given up, and the sender told */
	uint64_t estimate;    /* from the line and the rate observed */
	struct str parameter; /* that sets it */
	struct str words;     /* why, of what is away or rests */
	struct str agent;     /* "smtp", "local", "bounce", "lookup" */
	/* The last attempt. */
	struct str remote; /* "mx.example.org[192.0.2.1]:25" */
	struct str phase;  /* of the conversation: "connect", "RCPT TO" ... */
	struct str tls;    /* "TLSv1.3 with ...", "" */
};

/* What is known of a destination. */
struct queue_hop {
	struct str transport, nexthop;
	uint64_t waiting; /* recipients, asleep ones too, but for held ones */
	uint64_t in_line; /* of them, those that wait for their turn now */
	uint64_t in_use;  /* requests under way ... */
	uint64_t window;  /* ... of so many at the time, */
	uint64_t limit;   /* which is at most that */
	uint64_t initial; /* and began so */
	uint64_t grown, shrunk; /* how often the window was changed */
	uint64_t agent_in_use, agent_limit; /* requests of the transport */
	uint64_t delay;                     /* seconds between two requests */
	uint64_t dead_until;                /* seconds since 1970, 0: alive */
	uint64_t since; /* mail waits without a success, 0: none waits */
	uint64_t delivered, deferred, failed; /* recipients since the start */
	uint64_t recent;       /* delivered in the last ten minutes, about */
	uint64_t last_success; /* seconds since 1970 */
	struct str success;    /* the words of it */
	struct str success_remote;
	uint64_t last_failure; /* of any kind; seconds since 1970 */
	struct str failure;
	struct str failure_remote;
	struct str away; /* why the agent cannot be reached, "" */
};

struct queue_end {
	bool ok;
	uint64_t count;      /* messages listed or changed */
	uint64_t recipients; /* the same of recipients */
	struct str text;
};

extern const struct ipc_type qmgr_propose_to, qmgr_propose, qmgr_verdict,
    qmgr_offer, qmgr_offered, queue_ask, queue_row, queue_why, queue_hop,
    queue_end;
extern const struct ipc_exchange qmgr_exchange;

#endif
