/* SPDX-License-Identifier: ISC */
/*
 * qmgr -> delivery agents (smtp, local): one message, one next hop, some
 * recipients.
 *
 * qmgr sends `deliver`, a `deliver_to` for each recipient and `deliver_end`
 * with the queue file attached (opened read-only; the agent uses pread only,
 * offsets are shared). The agent answers each recipient, in any order, with
 * `result`. A front (smtp) keeps its answers until qmgr's `deliver_ack` for the
 * request; local keeps none, for what it is asked again it finds done. A worker agent (local) has one request at a time on a
 * connection; a front (smtp) has many, told apart by `request`, which is
 * unique for the queue manager's process and chosen by it.
 *
 * A new qmgr sends `collect` first: the agent answers every result that was
 * never acknowledged (with its queue_id) and a `pending` for each recipient
 * that it still works on, then `collected`. Connection lost: an agent goes on
 * with what it has; qmgr treats the requests of that connection as unknown and
 * tries again after collecting (local then says "already stored").
 */
#ifndef IPC_DELIVER_H
#define IPC_DELIVER_H

#include "ipc/ipc.h"

struct deliver {
	uint64_t request;
	struct str queue_id;
	struct str session;   /* trace id */
	struct str sender;    /* empty: null reverse-path */
	struct str transport; /* "smtp", "relay", "lmtp", "local" */
	struct str nexthop;   /* domain, "[address]:port", "unix:/path"; for
	                       * local the domain */
	uint64_t size;        /* octets of header and body */
	uint64_t arrived;     /* seconds since 1970 */
	struct str body;      /* "7BIT" or "8BITMIME" */
	bool smtputf8;
	struct str envid, ret; /* DSN (RFC 3461) */
	bool junk;             /* local: into the mailbox Junk */
	bool direct; /* a client waits for the outcome: qmgr writes the log
	              * lines, for it knows what becomes of a failure */
};

struct deliver_to {
	uint64_t request;
	uint64_t index; /* of the recipient's slot in the queue file */
	struct str address;
	struct str original; /* ORCPT or the address first given; never "" */
	struct str notify;
	struct str account;      /* local: the mailbox account, "user@domain" */
	uint64_t quota_storage;  /* local: octets, 0: no limit */
	uint64_t quota_messages; /* local: 0: no limit */
};

struct deliver_end {
	uint64_t request;
	uint64_t count; /* of deliver_to, checked */
};

struct deliver_result {
	uint64_t request;
	struct str queue_id;
	uint64_t index;
	int action;        /* enum dsn_action */
	struct str dsn;    /* "2.1.5" */
	uint64_t code;     /* remote SMTP reply, 0: none */
	struct str text;   /* the remote's words, or ours */
	struct str remote; /* "mx.example.org[192.0.2.1]:25", "" */
	struct str phase;  /* of the conversation, where it ended: "DNS",
	                    * "connect", "TLS", "RCPT TO" ..., "" */
	struct str tls;    /* "TLSv1.3 with cipher X (256 bits)", "" */
	bool whole_hop;    /* the failure is the next hop's, not the recipient's
	                    * (connection refused, no MX ...): qmgr's
	                    * concurrency control counts it */
};

struct deliver_pending {
	struct str queue_id;
	uint64_t request;
	uint64_t index;
};

struct deliver_ack {
	uint64_t request;
};
struct deliver_collect {
	uint64_t epoch; /* any number; echoed */
};
struct deliver_collected {
	uint64_t epoch;
};

extern const char *const deliver_action_names[]; /* as enum dsn_action */
extern const struct ipc_type deliver, deliver_to, deliver_end, deliver_result,
    deliver_pending, deliver_ack, deliver_collect, deliver_collected;
extern const struct ipc_exchange deliver_exchange;

/* The transports that smtp serves, besides local; NULL behind the last. */
#define FRONT_TRANSPORTS 3
extern const char *const front_transports[FRONT_TRANSPORTS + 1];

#endif
