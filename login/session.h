/* SPDX-License-Identifier: ISC */
/*
 * From login to session: the client's connection goes to imapd or pop3d, the
 * control connection stays here and carries wake-ups (ipc/session.h). A silent
 * client of IMAP comes back (parked.h) and goes to another process when it
 * says something, or when the account has changed.
 *
 * A plaintext client's own socket is passed on. With TLS, or when more input
 * or output is waiting than can be passed on, the session gets one end of a
 * socket pair, and a proxy joins the other to the client.
 */
#ifndef LOGIN_SESSION_H
#define LOGIN_SESSION_H

#include "daemon/who.h"
#include "login/client.h"

struct session;
struct notify_filter;

/* notify_fd: of notify_listen, or -1, and its filter, which may be NULL. */
void sessions_open(
    const struct login_conf *conf, int notify_fd, struct notify_filter *filter);
int sessions_count(void);
bool sessions_none(void);

/*
 * Starts the session of a client that auth has let in, or queues it up. What
 * comes of it is told by client_handed_over, client_session_no or
 * client_unavailable; never before this returns.
 */
void session_begin(struct client *c, struct str ticket);
/* The client goes, or waits no longer; nothing to do without a session. */
void session_abort(struct client *c);
/* Says goodbye to all that are held without a process. */
void sessions_end_parked(void);
/* And to those whom posthouse kick means (who_is_meant). */
void sessions_kick(struct str user, struct str client);
/* A row in the list of posthouse who, which is the service's: of sessions that
 * are parked, and of clients. NULL: the list is full. */
struct who_row *sessions_row(enum who_protocol protocol, enum who_state state);

#endif
