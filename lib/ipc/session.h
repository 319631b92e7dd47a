/* SPDX-License-Identifier: ISC */
/*
 * login -> imapd, pop3d: one user's session.
 *
 * login sends `session` with the client's descriptor attached: the client's
 * own socket when it is in plaintext, else one end of a socket pair whose
 * other end login joins to the TLS connection. The session process redeems
 * the ticket with auth, answers `session_ready` (or `session_no`, and login
 * tells the client) and from then on speaks IMAP or POP3 on the descriptor;
 * login has not yet answered the client's LOGIN or PASS: the session does.
 * This connection stays open as the session's control channel: login passes
 * on `wake` when the store says that the account changed, which may be from
 * `session` on. Its end means that login is gone: a session with the client's
 * own socket goes on.
 *
 * An IMAP session whose client is silent gives it back: `park`, with the
 * client's own socket where it had that. What it says of itself is for
 * `resume` alone, sealed so that login can neither read nor make it
 * (imapd/park_state.h). login answers `parked`, and the process ends, or
 * `stay` when something is new; then the session goes on. When the client
 * says something, or the account has changed, a new process is sent `resume`
 * instead of `session`.
 */
#ifndef IPC_SESSION_H
#define IPC_SESSION_H

#include "ipc/ipc.h"

#define SESSION_STATE_MAX 16384 /* octets of a sealed state */
#define SESSION_INPUT_MAX 16384

struct session_start {
	struct str ticket;
	struct str service; /* "imap", "pop3" */
	struct str session; /* trace id */
	struct str tag;     /* IMAP: of the LOGIN or AUTHENTICATE, "" */
	struct str client_address;
	bool tls;
	struct str input; /* what the client sent behind it */
};
struct session_ready {
	struct str login; /* the account, for `wake` */
};
struct session_no {
	bool temporary;
	struct str text;
};
struct session_wake {
	uint64_t modseq;
};

/* What a session did, for the line about its end. */
struct session_park {
	struct str pass; /* for auth (ipc/auth.h) */
	struct str state;
	uint64_t consumed; /* octets that this process took from its socket */
	uint64_t modseq;   /* of the account when it looked last */
	bool idle;         /* in IDLE: wake it when the account changes */
	bool quiet;        /* the client knows all that is to be told */
	uint64_t timeout;  /* ms of silence that are left to the client */
	uint64_t allowed;  /* and that it has after a command */
	uint64_t notify;   /* ms between two "* OK Still here"; 0: none */
	uint64_t began;    /* of the session, seconds since 1970 */
	uint64_t commands, octets_in, octets_out;
};
/* `parked`, `stay`: no fields. */
struct session_answer {
	char nothing;
};
struct session_resume {
	struct str login;
	struct str session;
	struct str client_address;
	struct str pass;
	struct str state;
	uint64_t timeout; /* as in session_park, now */
	uint64_t began;
	uint64_t commands, octets_in, octets_out;
	bool tls;
	struct str input; /* what the client said, when it goes with it */
};

extern const struct ipc_type session_start, session_ready, session_no,
    session_wake, session_park, session_parked, session_stay, session_resume;
extern const struct ipc_exchange session_exchange;

#endif
