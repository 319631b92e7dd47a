/* SPDX-License-Identifier: ISC */
/*
 * smtpd, cleanup, qmgr, auth, imapd -> lookup: who, and where.
 *
 * Every question has a `request` number of the asker's choice and gets one
 * answer with the same number (`expand` gets an `expanded` for each address,
 * then `expand_end`). Many questions may be under way on one connection.
 * Connection lost, or no answer in time: 451 4.3.0, or deferred.
 */
#ifndef IPC_LOOKUP_H
#define IPC_LOOKUP_H

#include "ipc/ipc.h"

/* What a recipient's domain is to us. */
enum domain_class {
	CLASS_MAILBOX,
	CLASS_ALIAS,
	CLASS_RELAY,
	CLASS_LOCAL,
	CLASS_REMOTE
};
extern const char *const domain_class_names[];

/*
 * How a recipient would be delivered. status: ok: deliver so; unknown: no
 * such user in a domain of ours (550 5.1.1); refused: known, but takes no
 * mail (code, dsn and text say why); temporary: the directory is away.
 */
enum resolve_status {
	RESOLVE_OK,
	RESOLVE_UNKNOWN,
	RESOLVE_REFUSED,
	RESOLVE_TEMPORARY
};
extern const char *const resolve_status_names[];

struct lookup_resolve {
	uint64_t request;
	struct str address;
};

struct lookup_resolved {
	uint64_t request;
	int status;    /* enum resolve_status */
	int domain;    /* enum domain_class */
	bool is_alias; /* stands in aliases (virtual alias) too or only */
	struct str
	    transport; /* local, smtp, relay, lmtp, or as transport_maps */
	struct str nexthop;
	struct str account; /* mailbox class: canonical "user@domain" */
	uint64_t quota_storage, quota_messages; /* 0: no limit */
	uint64_t code;                          /* refused: the SMTP reply */
	struct str dsn, text;
	struct str rule; /* when not ok: the parameter or restriction that
	                  * decided; "" */
};

/* Virtual aliases, applied recursively with a bound; an address without an
 * alias expands to itself. With `mailboxes` each answer says, as `resolved`
 * would, which mailbox of local the address is. */
struct lookup_expand {
	uint64_t request;
	struct str address;
	bool mailboxes;
};
struct lookup_expanded {
	uint64_t request;
	struct str address;
	struct str account; /* "": it is none, or that was not asked */
	struct str nexthop;
	uint64_t quota_storage, quota_messages; /* 0: no limit */
	bool forwarded; /* an alias led here, to a domain that is none of ours
	                 */
};
struct lookup_expand_end {
	uint64_t request;
	int status; /* enum resolve_status: ok, or temporary, or refused (loop,
	             * too many) */
	uint64_t count;
	struct str text;
};

/* The sender that those shall see to whom an alias sends mail on: SRS. */
struct lookup_forward {
	uint64_t request;
	struct str sender;
};
struct lookup_forwarded {
	uint64_t request;
	int status;        /* ok, temporary */
	struct str sender; /* "": it stays what it is */
};

/* May this login send with that envelope sender? (smtpd_sender_login_maps) */
struct lookup_owns {
	uint64_t request;
	struct str login;
	struct str address;
};
struct lookup_owned {
	uint64_t request;
	int status; /* ok, refused, temporary */
};

/*
 * The same questions, and why: an `explain_step` (ipc/explain.h) for each
 * look-up and each decision, with this request's number, then the answer as
 * without. Asked by smtpd when it explains, and by the operator's command.
 */
enum explain_what {
	EXPLAIN_RESOLVE,
	EXPLAIN_EXPAND,
	EXPLAIN_OWNS,
	EXPLAIN_FORWARD
};
struct lookup_explain {
	uint64_t request;
	int what;           /* enum explain_what */
	struct str address; /* OWNS, FORWARD: may be "" */
	struct str login;   /* OWNS */
};

/*
 * Keys in one table ("hash:/etc/posthouse/access"), as postmap -q: the first
 * that is there counts. With `rule`, the parameter that names the table, an
 * `explain_step` for each look-up comes before the answer.
 */
struct lookup_table {
	uint64_t request;
	struct str table;
	struct str key;  /* or several, LF between them */
	struct str rule; /* "": nobody asks why */
};
struct lookup_value {
	uint64_t request;
	int status; /* ok, unknown, temporary */
	struct str value;
};
#define LOOKUP_KEYS_MAX 20000 /* octets */

extern const struct ipc_type lookup_resolve, lookup_resolved, lookup_expand,
    lookup_expanded, lookup_expand_end, lookup_forward, lookup_forwarded,
    lookup_owns, lookup_owned, lookup_explain, lookup_table, lookup_value;
extern const struct ipc_exchange lookup_exchange;

#endif
