/* SPDX-License-Identifier: ISC */
/*
 * A session as a client would have it, played to find out what it would hear.
 *
 * posthouse explain starts the real program of a service by hand
 * (daemon.h, --explain): the same user, jail, rights and configuration, and
 * the same code, so that there is one implementation of every decision, and
 * that explaining can do nothing that the daemon could not. The client is one
 * end of a socket pair, on which the whole conversation up to RCPT is said;
 * the daemon serves the other end as always, and tells its steps
 * (ipc/explain.h) on the way. What leaves a trace elsewhere is left out:
 * counters are peeked at, nothing is remembered, traced or logged.
 */
#ifndef DAEMON_REHEARSAL_H
#define DAEMON_REHEARSAL_H

#include "daemon/daemon.h"
#include "ipc/explain.h"

struct rehearsal {
	struct ipc *asker;
	struct explain explain; /* tells the asker */
	struct netaddr client;
	char *address, *name, *login; /* of the client; "" */
	char *author;                 /* of the message; "": the sender */
	struct buf unsigned_end; /* what becomes of it without a signature */
	bool tls;
	struct buf script; /* what the client says */
	struct buf labels; /* the commands, LF behind each */
	int far;           /* the client's end */
	struct buf heard;
	size_t answered, said; /* octets of heard, and of script, dealt with */
	struct loop_watch *watch;
};

/*
 * Takes the question, an explain_client. by: "smtpd". lhlo: the service speaks
 * LMTP. NULL when it does not come or is none; that is logged.
 */
struct rehearsal *rehearsal_new(struct ipc *asker, const char *by, bool lhlo);
/* The connection that the daemon is to serve. */
struct conn rehearsal_connect(struct rehearsal *r);
/* The client says everything, and that it is done. */
void rehearsal_speak(struct rehearsal *r);
/* The same on the daemon's loop, line by line, each when the one before it has
 * been answered, as a client without PIPELINING does. */
void rehearsal_converse(struct rehearsal *r);
/*
 * The session has ended: what was heard is told, then the end. handed_on: the
 * client goes on to the next daemon; else it has passed when every RCPT was
 * answered with 2xx.
 */
void rehearsal_end(struct rehearsal *r, bool handed_on);

/* One rule of this daemon; where the parameter is set is added, when that is
 * not NULL, and its name when the rule has another. x may be NULL. */
void rehearsal_rule(struct explain *x, const char *about, const char *rule,
    const char *parameter, const char *result, const char *format, ...)
    __attribute__((format(printf, 6, 7)));

#endif
