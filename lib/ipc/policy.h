/* SPDX-License-Identifier: ISC */
/*
 * auth, smtpd, screen -> policyd: how often, and is it known?
 *
 * `policy_count` adds `amount` to the counter (name, key) of a sliding window
 * of `window` seconds and asks whether it is still at most `limit` (0: only
 * count). `policy_failure` remembers a failed login for an address and an
 * account and answers how long the failure is to be delayed; a success clears
 * the account's. `policy_remember` keeps a value under (name, key) for so many
 * seconds, and is not answered; `policy_recall` asks for it. What is remembered
 * is derived and may be forgotten at any time. `policy_greylist` asks whether a
 * message is to come later. policyd away: open for port 25, closed for account
 * budgets.
 */
#ifndef IPC_POLICY_H
#define IPC_POLICY_H

#include "ipc/ipc.h"

struct policy_count {
	uint64_t request;
	struct str name; /* "smtpd_client_connection_rate_limit" */
	struct str key;
	uint64_t amount;
	uint64_t limit;
	uint64_t window; /* seconds */
};
struct policy_counted {
	uint64_t request;
	bool within;
	uint64_t count;
};

/* What `policy_count` would be answered now, without counting: for
 * explanations. Answered by policy_counted. */
struct policy_peek {
	uint64_t request;
	struct str name, key;
	uint64_t amount, limit, window;
};

struct policy_failure {
	uint64_t request;
	struct str client_address;
	struct str login;
	bool success; /* it was none: forget this account's failures here */
};
struct policy_penalty {
	uint64_t request;
	uint64_t delay_ms;
	uint64_t failures; /* of this address, in the window */
	bool blocked;      /* too many: refuse without looking */
};
/* Asked before a password is looked at; answered by policy_penalty. */
struct policy_ask {
	uint64_t request;
	struct str client_address;
	struct str login;
};

struct policy_remember {
	struct str name; /* "screen" */
	struct str key;
	struct str value; /* neither has control characters */
	uint64_t seconds; /* 0: forget it */
};
struct policy_recall {
	uint64_t request;
	struct str name;
	struct str key;
};
/* The same, and what is asked for does not count as used. */
struct policy_look {
	uint64_t request;
	struct str name;
	struct str key;
};
struct policy_recalled {
	uint64_t request;
	bool known;
	struct str value;
};

/*
 * The operator (posthouse penalty; root, or policyd's own user). policy_list is
 * answered by a policy_row for each thing that is remembered of key (an
 * address or a user, "" for all), and policy_listed; policy_clear forgets it
 * and is answered by policy_listed too.
 */
enum policy_kind {
	POLICY_LOGIN_ADDRESS, /* failed logins of an address */
	POLICY_LOGIN_ACCOUNT, /* and of an account */
	POLICY_RATE,          /* a counter */
	POLICY_MEMORY         /* what screen and others found out */
};
extern const char *const policy_kind_names[];

struct policy_list {
	struct str key;
	bool all; /* counters and memory too */
};
struct policy_clear {
	struct str key;
	bool all; /* with key "": memory too */
};
struct policy_row {
	int kind;        /* enum policy_kind */
	struct str name; /* of the counter or of who remembers; "" */
	struct str key;
	uint64_t count;
	uint64_t delay_ms; /* of the next failure */
	bool blocked;
	struct str value;      /* remembered */
	uint64_t left_seconds; /* until nothing of it is left */
};
struct policy_listed {
	uint64_t count; /* rows, or what was forgotten */
	bool cut;       /* there were more rows */
};

/*
 * Greylisting: smtpd asks at RCPT, answered by policy_greylisted. Without an
 * answer nobody is asked to come back.
 */
enum greylist_state {
	GREYLIST_STATE_UNINVITED, /* nothing is known against it */
	GREYLIST_STATE_ALLOWED,   /* the operator's word for the client */
	GREYLIST_STATE_CLIENT,    /* the client has passed often enough */
	GREYLIST_STATE_KNOWN,     /* the triplet has passed before */
	GREYLIST_STATE_PASSED,    /* it has waited long enough: now */
	GREYLIST_STATE_NEW,       /* put off: seen for the first time */
	GREYLIST_STATE_EARLY      /* put off: came back too soon */
};
extern const char *const greylist_state_names[];

struct policy_greylist {
	uint64_t request;
	struct str client_address;
	struct str domain; /* that SPF vouches for: it stands for the client;
	                    * "": the client's network does */
	struct str sender; /* "": a notification */
	struct str recipient;
	bool invited; /* for what smtpd knows of the client; else only for what
	               * policyd knows of it */
	bool look;    /* for an explanation: nothing is remembered */
};
struct policy_greylisted {
	uint64_t request;
	int state;         /* enum greylist_state */
	uint64_t seconds;  /* put off: until it may come back; passed: for how
	                    * long it waited */
	uint64_t failures; /* logins that failed from there, when they invited
	                    * it; else 0 */
};

/*
 * The operator (posthouse greylist), as above: policy_greylist_list is answered
 * by rows and policy_listed, the others by policy_listed.
 */
enum greylist_row_kind {
	GREYLIST_ROW_ALLOWED, /* by the operator */
	GREYLIST_ROW_CLIENT,  /* its messages that have passed */
	GREYLIST_ROW_PASSED,  /* a triplet */
	GREYLIST_ROW_WAITS    /* a triplet */
};
extern const char *const greylist_row_names[];

struct policy_greylist_list {
	struct str key; /* a client, a sender, a recipient or its domain; "" */
};
#define POLICY_ALLOW_SECONDS_MOST (86400 * 3660) /* ten years */
struct policy_greylist_allow {
	struct str client; /* address, network, or domain that SPF names */
	uint64_t seconds;  /* 0: until it is forgotten */
};
struct policy_greylist_forget {
	struct str key;
	bool all; /* what the operator allowed too */
};
struct policy_greylist_row {
	int kind;                  /* enum greylist_row_kind */
	struct str client;         /* "192.0.2.0/24", "example.org" */
	struct str sender;         /* as they are compared */
	struct str recipient;      /* both "" of a client */
	uint64_t first, last, end; /* since 1970; end 0: never */
	uint64_t ready;            /* waits: from when on it passes; else 0 */
	uint64_t count;            /* attempts, or messages that have passed */
	bool exempt;               /* the client is asked no more */
};

extern const struct ipc_type policy_greylist, policy_greylisted,
    policy_greylist_list, policy_greylist_allow, policy_greylist_forget,
    policy_greylist_row;
extern const struct ipc_type policy_list, policy_clear, policy_row,
    policy_listed;
extern const struct ipc_type policy_count, policy_counted, policy_peek,
    policy_failure, policy_penalty, policy_ask, policy_remember, policy_recall,
    policy_look, policy_recalled;
extern const struct ipc_exchange policy_exchange;

#endif
