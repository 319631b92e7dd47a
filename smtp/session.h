/* SPDX-License-Identifier: ISC */
/*
 * One connection to a server: dialog.c speaks SMTP or LMTP on it, session.c
 * moves its octets, keeps its time, and keeps it for the next message.
 */
#ifndef SMTP_SESSION_H
#define SMTP_SESSION_H

#include "net/stream.h"
#include "smtp/deliver.h"
#include "smtp/reply.h"

enum session_state {
	SESSION_CONNECT,
	SESSION_BANNER,
	SESSION_EHLO,
	SESSION_HELO,
	SESSION_STARTTLS,
	SESSION_TLS,
	SESSION_ENVELOPE, /* MAIL, RCPT and DATA; answers in that order */
	SESSION_BODY,
	SESSION_DOT,
	SESSION_IDLE,
	SESSION_QUIT
};

enum session_feature {
	FEATURE_PIPELINING = 1,
	FEATURE_8BITMIME = 2,
	FEATURE_SMTPUTF8 = 4,
	FEATURE_DSN = 8,
	FEATURE_STARTTLS = 16
};

struct session {
	struct session *prev, *next;
	struct delivery *delivery;
	struct job *job; /* NULL: idle, or ending */
	enum session_state state;
	bool lmtp;
	bool tls; /* the handshake is done */
	bool met; /* the server has answered */
	bool by_mx;
	bool dead;       /* freed when its handler returns */
	unsigned inside; /* handlers on the stack */
	char *key;       /* transport and next hop, for reuse */
	struct target target;
	char remote[336];             /* "host[address]:port" */
	char cipher[IPC_TLS_MAX + 1]; /* of tls */
	struct stream *stream;
	struct loop_watch *watch;
	struct loop_timer *timer;
	unsigned what; /* that the watch waits for */
	struct reply reply;
	int64_t born;  /* monotonic ms */
	unsigned used; /* messages before this one */
	/* the server */
	unsigned features;
	uint64_t size_limit; /* 0: none told */
	/* the transaction */
	struct rcpt **rcpts; /* those tried here */
	size_t count;
	size_t sent, replied;  /* commands: MAIL, each RCPT, DATA */
	size_t accepted, dots; /* recipients; LMTP's answers to the dot */
	bool refused;          /* MAIL was */
	bool content_put;      /* all of it, with the dot */
};

/* ---- for deliver.c ---- */
/* A new connection for the job. */
void session_open(
    struct delivery *d, struct job *j, const struct target *target);
/* Gives the job to a kept connection; false when there is none. */
bool session_reuse(struct delivery *d, struct job *j);
bool session_can_reuse(const struct delivery *d, const struct job *j);
/* Ends the oldest kept connection; false when there is none. */
bool session_end_idle(struct delivery *d);

/* ---- for dialog.c ---- */
void session_enter(
    struct session *s, enum session_state state, int64_t timeout_ms);
/* Says in the answer with whom it was spoken, how, and how far. */
void session_sign(const struct session *s, struct answer *a);
/* Ends it, and its job goes on with the next target. */
void session_fail(struct session *s, struct answer a);
/* What came of speaking to its host, for the trace; dsn may be empty. */
void trace_host(const struct session *s, const struct job *j, struct str dsn,
    const char *why);
/* Ends it; the job was taken away. */
void session_end(struct session *s);
/* The transaction is over, with an answer for everybody: keeps it for the
 * next message if it is good for that. */
void session_release(struct session *s, bool good);
/* Says QUIT and ends. */
void session_quit(struct session *s);

/* ---- dialog.c ---- */
/* Connected, or taken up again. */
void dialog_start(struct session *s);
void dialog_again(struct session *s);
/* A whole reply stands in s->reply. */
void dialog_reply(struct session *s);
/* The handshake is done. */
void dialog_secured(struct session *s);
/* In SESSION_BODY: the output can take more. */
void dialog_more_content(struct session *s);
/* What the session was doing, for a log line: "while sending MAIL FROM". */
const char *dialog_doing(const struct session *s);
/* The same in a word, for the operator: "MAIL FROM". */
const char *dialog_phase(const struct session *s);

#endif
