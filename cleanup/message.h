/* SPDX-License-Identifier: ISC */
/* One message on its way through cleanup. */
#ifndef CLEANUP_MESSAGE_H
#define CLEANUP_MESSAGE_H

#include "cleanup/cleanup_conf.h"
#include "cleanup/header.h"
#include "cleanup/neighbour.h"
#include "cleanup/sign.h"
#include "core/arena.h"
#include "core/dsn.h"
#include "daemon/house_conf.h"
#include "ipc/cleanup.h"
#include "ipc/explain.h"
#include "ipc/limits.h"
#include "mail/seven_bit.h"
#include "queue/queue_file.h"

/* What this process is and has; made at the start. */
struct cleanup {
	const struct cleanup_conf *conf;
	const struct house_conf *house;
	int spool_fd;
	enum entrance {
		ENTRANCE_MX,
		ENTRANCE_SUBMIT,
		ENTRANCE_PICKUP,
		ENTRANCE_INTERNAL
	} entrance;
	struct neighbour lookup, auth;
	struct keys *keys;
	struct explain *explain; /* who asks why; NULL: nobody */
	char *oversigned;        /* dkim_oversign_headers, From among them */
};

/* A login that auth has confirmed for this connection. */
struct proof {
	char ticket[IPC_TICKET_MAX + 1]; /* "": none */
	struct id session;
	char login[IPC_ADDRESS_MAX + 1];
	int64_t until; /* deadline */
};

/* Where local puts mail for a recipient. */
struct local_box {
	struct str account, nexthop; /* in the arena */
	uint64_t quota_storage, quota_messages;
};

struct message {
	struct arena arena;
	struct cleanup_message from; /* texts in the arena */
	/* As the client named them; queue_recipient, notify in bits. */
	struct queue_recipient *given;
	size_t given_count, given_room;
	/* What aliases made of them. */
	struct queue_recipient *recipients;
	size_t recipient_count, recipient_room;
	struct str forward_sender; /* as queue_envelope has it */
	/* Which mailboxes they are: as many as may cut through, or NULL; of an
	 * address that is none the account is "". */
	struct local_box *mailboxes;
	struct cleanup_verdict verdict; /* all empty: nothing was checked */
	struct splitter content;
	struct signing signing;
	struct sealing sealing;
	struct seven_bit *seven; /* NULL: the body stays as it is */
	const char *left;        /* not of 7 bits though it should: why; NULL */
	struct queue_writer *writer; /* NULL when it could not be made */
	uint64_t size;               /* octets of content so far */
	/* The first refusal; code 0: none. */
	unsigned code;
	char dsn[DSN_CODE_MAX];
	char text[DSN_TEXT_MAX];
};

/* Keeps the first refusal. */
void message_refuse(struct message *m, unsigned code, const char *dsn,
    const char *format, ...) __attribute__((format(printf, 4, 5)));
/* 452 4.3.1 and a log line for a failed write, by errno. */
void message_refuse_disk(struct message *m, const char *what);

/* Adds to a growing array in the arena; false when the message is refused
 * for it. */
bool message_add(struct message *m, struct queue_recipient **list,
    size_t *count, size_t *room, struct queue_recipient r);

/*
 * Fills m->recipients: virtual aliases (lookup, `expand`), no address twice;
 * the first of two equal ones keeps its ORCPT and NOTIFY.
 */
void expand_recipients(struct cleanup *c, struct message *m);

/* Fills m->forward_sender when there are recipients that are forwarded
 * (lookup, `forward`). */
void forward_sender(struct cleanup *c, struct message *m);

/* Whether auth confirms the ticket for the login; else m is refused. */
void proof_check(struct cleanup *c, struct proof *proof, struct message *m);

/* Mail from outside waits while qmgr is behind (in_flow_delay), and is refused
 * when too much was accepted since qmgr last answered. */
void pace_check(struct cleanup *c, struct message *m);

/* Refuses when the disk is too full for mail of this origin and so many octets
 * more. */
void space_check(struct cleanup *c, struct message *m, uint64_t size);

/*
 * Cut-through (cut_through.c): whether the message may go that way before its
 * recipients are known; then lookup is asked for mailboxes too.
 */
bool cut_through_wanted(const struct cleanup *c, const struct message *m);
/*
 * What becomes of the finished message e without the queue. DONE: every
 * recipient has it; REFUSED: none, and m is refused; either way the file is to
 * go. QUEUED: it is to be queued.
 */
enum cut_through { CUT_THROUGH_DONE, CUT_THROUGH_REFUSED, CUT_THROUGH_QUEUED };
enum cut_through cut_through(
    struct cleanup *c, struct message *m, const struct queue_envelope *e);

/*
 * Header, envelope, queue file. On success the file stands durably in the
 * queue, *id is its name and *fd the file (or -1 when every recipient has the
 * message already, or an internal message with this id was there before); else
 * m is refused. The writer ends.
 * message_id is for log and trace, in the arena.
 */
void commit_message(struct cleanup *c, struct message *m, struct id *id,
    int *fd, struct str *message_id);

#endif
