/* SPDX-License-Identifier: ISC */
/*
 * An IMAP client that is held without a process: its stream, the words of the
 * session about itself, and the time. It is told "Still here" in IDLE, ended
 * when it is silent for too long, and given away when it says something.
 */
#ifndef LOGIN_PARKED_H
#define LOGIN_PARKED_H

#include "ipc/session.h"
#include "net/loop.h"
#include "net/stream.h"

struct parked;

struct parked_calls {
	/* Whether all that has changed until now was told by parked_changed. */
	bool (*hear)(void);
	/* The client has said something, which is in the stream. */
	void (*spoke)(void *arg);
	/* It is gone, or was told to go; to be closed by the callee. why: for
	 * the log, a constant. */
	void (*ended)(void *arg, const char *why);
};

/* Takes over the stream. The calls never come before this returns. noop: for
 * how long (ms) NOOP is answered here, while nothing has changed. */
struct parked *parked_new(struct loop *loop, struct stream *stream,
    const struct session_park *m, int64_t noop,
    const struct parked_calls *calls, void *arg);
void parked_close(struct parked **p);

/* The account has reached a modseq. True when the client should be told. */
bool parked_changed(struct parked *p, uint64_t modseq);
/* A session has been asked to take it: it reads no more. within: ms until it
 * is told that nobody does. */
void parked_wait(struct parked *p, int64_t within);
/* "* BYE text", and it is gone. */
void parked_bye(struct parked *p, const char *text, const char *why);

/* What its session is to be told; the views end with p. login, session,
 * client_address, tls and input are the caller's. */
void parked_resume(const struct parked *p, struct session_resume *m);
struct stream *parked_stream(const struct parked *p);
/* The stream is the caller's; p is freed. */
struct stream *parked_take(struct parked **p);

#endif
