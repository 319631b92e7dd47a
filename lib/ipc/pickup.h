/* SPDX-License-Identifier: ISC */
/*
 * sendmail -> pickup, on the public socket: any local user.
 *
 * `submit` carries a descriptor: a memfd, sealed against every change, with
 * the submission as queue/drop.h says. pickup answers with one `submitted`,
 * when the message stands in the queue or not; the connection then serves the
 * next. Who the user is the kernel says (SO_PEERCRED). A connection that is
 * closed without an answer: pickup has too much to do; ask postdrop(1), with
 * the same submission id, so that there will be one message only.
 *
 * `queue_ask` is passed on to qmgr (ipc/qmgr.h) with the verbs list, why, delete
 * and bounce: of the user's own messages alone, unless authorized_mailq_users
 * names him, who sees all of them and changes none but his own; and with flush
 * for those of authorized_flush_users. root and the suite's owner may all. The
 * answers are qmgr's.
 */
#ifndef IPC_PICKUP_H
#define IPC_PICKUP_H

#include "ipc/qmgr.h"

struct pickup_submit {
	uint64_t size; /* octets of the descriptor's file */
};

struct pickup_submitted {
	bool accepted;
	struct str queue_id; /* accepted */
	uint64_t code;       /* as SMTP's reply: 250, 451, 550 ... */
	struct str dsn;      /* "2.0.0" */
	struct str text;
};

extern const struct ipc_type pickup_submit, pickup_submitted;
extern const struct ipc_exchange pickup_exchange;

#endif
