/* SPDX-License-Identifier: ISC */
/*
 * smtpd, pickup, bounce, local, reportd -> cleanup: a message into the queue.
 *
 * The injector sends `message`, a `recipient` for each, then any number of
 * `content` (each followed by `length` octets: header, empty line, body; CRLF
 * line ends, no dot stuffing), for a message that was checked a `verdict`, then
 * `commit`. cleanup answers commit with one
 * `outcome`. It may also answer early, at any point, with an outcome that
 * refuses; it then swallows what comes until commit or abort without a second
 * answer to this commit. `abort` forgets the message and is not answered. The
 * connection then serves the next message. Between two messages `room` asks
 * whether one of that size would find a place, answered by an `outcome`
 * without an id; it promises nothing. A connection lost before the
 * outcome arrived: the message may be queued or not; SMTP's answer is 451.
 *
 * Four sockets: "cleanup" (mail from strangers: origin mx and lmtp),
 * "cleanup-submit" (origin submission; the ticket is confirmed with auth),
 * "cleanup-pickup" (origin pickup: a local user, whom the kernel has named to
 * pickup), "cleanup-internal" (origin bounce, local and report). On the last two
 * queue_id may be given, and an id that exists already is success: accepted,
 * the same id.
 */
#ifndef IPC_CLEANUP_H
#define IPC_CLEANUP_H

#include "ipc/ipc.h"

enum mail_origin {
	ORIGIN_MX,
	ORIGIN_LMTP,
	ORIGIN_SUBMISSION,
	ORIGIN_BOUNCE,
	ORIGIN_LOCAL,
	ORIGIN_PICKUP,
	ORIGIN_REPORT
};
extern const char *const mail_origin_names[];

struct cleanup_message {
	int origin;          /* enum mail_origin */
	struct str session;  /* trace id of the client's session */
	struct str queue_id; /* empty: a new one */
	struct str sender;   /* empty: the null reverse-path */
	struct str helo;
	struct str client_name; /* "unknown" when not verified */
	struct str client_address;
	uint64_t client_port;
	uint64_t uid;        /* the local user, pickup only */
	struct str protocol; /* SMTP, ESMTP, ESMTPS, ESMTPA, ESMTPSA, LMTP.. */
	struct str tls;      /* "TLSv1.3 with cipher X (256/256 bits)", "" */
	struct str login;    /* authenticated account, "" */
	struct str ticket;   /* auth's proof of login, submission only */
	struct str envid;    /* DSN (RFC 3461), xtext decoded */
	struct str ret;      /* "", "FULL" or "HDRS" */
	struct str body;     /* "7BIT" or "8BITMIME" */
	bool smtputf8;
};

struct cleanup_recipient {
	struct str address;
	struct str original; /* ORCPT "rfc822;..." or "" */
	struct str notify;   /* "", "NEVER", or of SUCCESS,FAILURE,DELAY */
};

struct cleanup_content {
	uint64_t length; /* 1 to IPC_BYTES_MAX octets follow */
};

/*
 * What was found of where the message comes from (lib/mailauth), behind the
 * last content; from smtpd alone. Without it nothing was checked, and the
 * message is from outside.
 */
struct cleanup_verdict {
	struct str results;      /* value of Authentication-Results (RFC 8601),
	                          * folded; "": no such field */
	struct str received_spf; /* value of Received-SPF; "": no such field */
	struct str arc; /* the chain as it came: "none", "pass", "fail"; "" not
	                 * validated */
	bool junk;      /* into the mailbox Junk, where it is delivered here */
	bool inside;    /* the client is one of ours: Authentication-Results of
	                 * this site stay in the header */
};
#define CLEANUP_RESULTS_MAX      16384 /* octets */
#define CLEANUP_RECEIVED_SPF_MAX 4096

struct cleanup_commit {
	uint64_t size; /* octets of all content, checked */
};

struct cleanup_outcome {
	bool accepted;
	struct str queue_id; /* accepted */
	uint64_t code;       /* SMTP reply code: 250, 451, 452, 550, 554 ... */
	struct str dsn;      /* "2.0.0" */
	struct str text;
};

struct cleanup_abort {
	bool quietly; /* no log line of its own */
};

struct cleanup_room {
	uint64_t size; /* octets */
};

extern const struct ipc_type cleanup_message, cleanup_recipient,
    cleanup_content, cleanup_verdict, cleanup_commit, cleanup_outcome,
    cleanup_abort, cleanup_room;
extern const struct ipc_exchange cleanup_exchange;

#endif
