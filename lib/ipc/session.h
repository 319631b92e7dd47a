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
 * on `wake` when the store says that the account changed. Its end means that
 * login is gone: a session with the client's own socket goes on.
 */
#ifndef IPC_SESSION_H
#define IPC_SESSION_H

#include "ipc/ipc.h"

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

extern const struct ipc_type session_start, session_ready, session_no,
    session_wake;
extern const struct ipc_exchange session_exchange;

#endif
