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
 * is derived and may be forgotten at any time. policyd away: open for port 25,
 * closed for account budgets.
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

extern const struct ipc_type policy_list, policy_clear, policy_row,
    policy_listed;
extern const struct ipc_type policy_count, policy_counted, policy_peek,
    policy_failure, policy_penalty, policy_ask, policy_remember, policy_recall,
    policy_look, policy_recalled;
extern const struct ipc_exchange policy_exchange;

#endif
