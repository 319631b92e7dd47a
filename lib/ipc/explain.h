/* SPDX-License-Identifier: ISC */
/*
 * Why: the steps that led to a decision, told by the code that decides.
 *
 * A daemon that decides about mail has a struct explain at hand, NULL while it
 * serves; with one, each look-up, each rule and each decision is told to it as
 * one step, in order. lookup sends its steps before the answer to a
 * `lookup_explain` (ipc/lookup.h). smtpd, screen and smtp are started for one
 * question by `posthouse explain` and `route` (struct daemon's explain), on
 * descriptor 0: it sends one question below, the daemon answers with any
 * number of `explain_step`, `explain_reply` and `explain_target`, and one
 * `explain_end`.
 */
#ifndef IPC_EXPLAIN_H
#define IPC_EXPLAIN_H

#include "ipc/ipc.h"

#define EXPLAIN_TEXT_MAX  2000  /* octets; longer texts are cut */
#define EXPLAIN_STEPS_MAX 1000  /* of one answer of lookup */
#define EXPLAIN_LIST_MAX  16384 /* octets of recipients */

enum step_kind {
	STEP_LOOKUP, /* a key in a table */
	STEP_RULE,   /* a rule or a test was applied */
	STEP_DNS     /* a question to DNS */
};
extern const char *const step_kind_names[];

struct explain_step {
	uint64_t request;  /* lookup: of the question */
	int kind;          /* enum step_kind */
	struct str by;     /* "lookup" */
	struct str about;  /* the command or the address: "RCPT", "a@b.test" */
	struct str rule;   /* a parameter, or a restriction's name */
	struct str origin; /* what sets it: "main.cf:12" (conf_origin_text) */
	struct str table;  /* LOOKUP: "hash:aliases"; DNS: "MX" */
	struct str key;    /* LOOKUP, DNS: what was asked for */
	/* LOOKUP, DNS: found, none, error; RULE: permit, reject, defer, dunno
	 * (goes on), or what was chosen */
	struct str result;
	struct str text; /* the value, or in words */
};
extern const struct ipc_type explain_step;

/* Who wants to know; told each step. Texts are valid during the call. */
struct explain {
	void (*told)(void *arg, const struct explain_step *step);
	void *arg;
	const char *by;
};

/* x may be NULL: nobody asks. Fills in `by` and cuts what is too long. */
void explain_tell(struct explain *x, const struct explain_step *step);
/* The same with a text that is made. */
void explain_say(struct explain *x, const struct explain_step *step,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* ---- questions to a daemon that was started for it ---- */

/* What would a client hear? For screen and smtpd. */
struct explain_client {
	struct str address; /* of the client */
	struct str name;    /* verified; "": to be looked up */
	struct str helo;
	struct str sender;     /* "" is the null reverse-path */
	struct str author;     /* the address in From; "": the sender's */
	struct str recipients; /* LF between them */
	struct str login;      /* authenticated as; "": not */
	bool tls;              /* the session has TLS */
	bool has_size;         /* SIZE is said at MAIL */
	uint64_t size;
};

/* Where would a message for that next hop go? For smtp. */
struct explain_hop {
	struct str nexthop;
	bool lmtp;
};

/* Would a message of that size fit into this mailbox? For local. */
struct explain_mailbox {
	struct str account;
	uint64_t quota_storage, quota_messages; /* 0: no limit */
	uint64_t size;
};
struct explain_usage {
	bool exists; /* else the first delivery makes it */
	uint64_t octets, messages;
};

/* Who would sign a message? For cleanup. end.passed: somebody would, and
 * end.text has whose keys: "example.org/s1, example.org/s2"; else why nobody
 * does. */
struct explain_signing {
	int origin;         /* enum mail_origin (ipc/cleanup.h) */
	struct str address; /* of the client */
	struct str login, sender;
	struct str author; /* the address in From; "": there is none */
	uint64_t uid;      /* of the local user, pickup only */
};

/* A reply, as the client would hear it. */
struct explain_reply {
	struct str to;   /* the command that it answers; "" the connection */
	struct str text; /* "250 2.1.5 Ok"; without CRLF, lines with LF */
};

/* A host that would be tried, in order. */
struct explain_target {
	struct str host, address;
	uint64_t port;
	uint64_t preference;
	bool by_mx;
};

struct explain_end {
	/* screen: smtpd would have the client; smtpd: every recipient was
	 * accepted; smtp: there are targets; local: it would be delivered */
	bool passed;
	bool temporary; /* when not */
	/* smtp, local: why not; smtpd: what becomes of it at the end of its
	 * content without a signature of its author, "" when it is taken */
	struct str dsn, text;
};

extern const struct ipc_type explain_client, explain_hop, explain_mailbox,
    explain_signing, explain_usage, explain_reply, explain_target, explain_end;
extern const struct ipc_exchange explain_exchange;

#endif
