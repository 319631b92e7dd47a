/* SPDX-License-Identifier: ISC */
/*
 * One request of qmgr: a message, a next hop and recipients. It lives until
 * qmgr has acknowledged the answers.
 */
#ifndef SMTP_JOB_H
#define SMTP_JOB_H

#include "core/arena.h"
#include "core/dsn.h"
#include "core/id.h"
#include "ipc/deliver.h"
#include "ipc/limits.h"
#include "smtp/content.h"
#include "smtp/route.h"

struct front;
struct session;

/* What became of a recipient. */
struct answer {
	struct dsn dsn;
	unsigned code;    /* of the remote, 0: none */
	char remote[336]; /* "host[address]:port", "" */
	/* Where the conversation ended, and under which TLS; "" */
	char phase[IPC_PHASE_MAX + 1], tls[IPC_TLS_MAX + 1];
	bool whole_hop;
};

struct rcpt {
	uint64_t index;
	struct str address, original, notify; /* NUL behind them */
	bool accepted;         /* by the server of this session */
	struct answer *answer; /* NULL: none yet */
};

struct job {
	struct job *prev, *next; /* all */
	struct job *waiting;     /* for a session */
	struct front *front;
	uint64_t request;
	struct id queue_id, session_id;
	struct arena arena;
	struct str sender, transport, nexthop, envid, ret;
	bool lmtp, body8, smtputf8;
	uint64_t size, arrived;
	int fd;
	struct content content;
	size_t count, room, open; /* recipients; those without an answer */
	struct rcpt *rcpts;
	bool complete; /* deliver_end came */
	/* deliver.c */
	struct target *targets;
	size_t target_count, at;
	bool by_mx;
	bool plain;         /* TLS failed with this target: without it */
	bool no_reuse;      /* a kept connection failed: a new one */
	unsigned sessions;  /* with servers that answered */
	struct answer last; /* why the last target did not work */
	uint64_t started_us, connecting_us, connected_us;
};

/* NULL when the request makes no sense. */
struct job *job_new(struct front *front, const struct deliver *d);
/* fd is taken over. -1 and *why when it is no queue file. */
int job_open(struct job *j, int fd, const char **why);
int job_add(struct job *j, const struct deliver_to *to);
void job_free(struct job **j);

/*
 * Answers one recipient: writes the log line, keeps the answer and sends it
 * to qmgr. A recipient that has an answer keeps it.
 */
void job_answer(struct job *j, struct rcpt *r, const struct answer *a);
/* All recipients that have none. */
void job_answer_all(struct job *j, const struct answer *a);

/* An answer of our own. format is as in printf. */
struct answer answer_make(enum dsn_action action, const char *dsn,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
