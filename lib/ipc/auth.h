/* SPDX-License-Identifier: ISC */
/*
 * smtpd, login -> auth: is it them? (SASL, RFC 4422)
 *
 * `auth_begin` is answered by `auth_challenge` (the client's response goes
 * back in `auth_respond`), `auth_ok` or `auth_no`. auth delays a failure
 * itself, as policyd says, so the asker just passes it on. `auth_cancel` ends
 * an exchange without an answer. Exchanges are told apart by `request`.
 *
 * `auth_ok` carries a ticket: a random word that stands for "this login, this
 * service, this session" until the peer that it was given to ends its connection
 * or ticket_lifetime passes. cleanup, imapd and pop3d show it to auth
 * (`auth_redeem`) and learn from auth, not from the front, who the user is.
 * For service imap and pop3 a ticket can be redeemed once. Tickets outlive the
 * process of auth that made them.
 *
 * `auth_leave` says that this process of auth is to end: what was begun on the
 * connection goes on, the next exchange begins on a new one, and the asker
 * closes this one when its last exchange is over. Tickets then stay good. Only
 * who sent `auth_begin` gets it.
 *
 * An IMAP session that redeems its ticket is also given a pass, and a key of
 * this login and session. When it is parked (ipc/session.h) the process that
 * goes on with it shows the pass in `auth_resume`; `auth_resumed` says whether
 * the account is still there with the same password, and has a fresh pass and
 * the key again. Both are given to imapd's user alone.
 */
#ifndef IPC_AUTH_H
#define IPC_AUTH_H

#include "ipc/ipc.h"

struct auth_begin {
	uint64_t request;
	struct str service;   /* "submission", "imap", "pop3" */
	struct str session;   /* trace id */
	struct str mechanism; /* "PLAIN"; "LOGIN" */
	bool has_initial;
	struct str initial; /* decoded from base64 */
	struct str client_address;
	bool tls;
};
struct auth_challenge {
	uint64_t request;
	struct str data; /* not yet base64 */
};
struct auth_respond {
	uint64_t request;
	struct str data; /* decoded */
};
struct auth_cancel {
	uint64_t request;
};
struct auth_ok {
	uint64_t request;
	struct str login; /* canonical account, "user@domain" */
	struct str ticket;
};
struct auth_no {
	uint64_t request;
	bool temporary;    /* 454 4.7.0 / NO [UNAVAILABLE] */
	struct str login;  /* as given, for the log; "" */
	struct str text;   /* fit for the client */
	struct str reason; /* for the log */
};

struct auth_leave {
	char none; /* no fields */
};

struct auth_redeem {
	uint64_t request;
	struct str ticket;
	struct str service;
	struct str session;
};
struct auth_redeemed {
	uint64_t request;
	bool ok;
	struct str login;
	struct str pass, key; /* "" but for imapd */
};
struct auth_resume {
	uint64_t request;
	struct str login;
	struct str service;
	struct str session;
	struct str pass;
};
struct auth_resumed {
	uint64_t request;
	bool ok;
	bool temporary; /* lookup is away, the passwords cannot be read */
	struct str pass, key;
};

/*
 * The operator (posthouse auth test; root, or auth's own user): whether this
 * password would do, and why not. Nothing comes of it: no ticket, no failure
 * that counts, no delay.
 */
struct auth_test {
	uint64_t request;
	struct str service;
	struct str mechanism;
	struct str login;
	struct str password;
	struct str client_address;
	bool tls;
};
struct auth_tested {
	uint64_t request;
	bool ok;
	bool temporary;
	struct str login;  /* the account */
	struct str reason; /* "" when ok */
	bool blocked;      /* the address is refused now, password or not */
	uint64_t delay_ms; /* that a failure would have now */
};

extern const struct ipc_type auth_test, auth_tested;
extern const struct ipc_type auth_begin, auth_challenge, auth_respond,
    auth_cancel, auth_ok, auth_no, auth_leave, auth_redeem, auth_redeemed,
    auth_resume, auth_resumed;
extern const struct ipc_exchange auth_exchange;

#endif
