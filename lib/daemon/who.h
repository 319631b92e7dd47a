/* SPDX-License-Identifier: ISC */
/*
 * Who is being served: a row for each session, in memory that the process
 * shares with master, so that telling it costs no system call. A process
 * writes its own row; master reads it when the operator asks, and believes
 * nothing of it beyond what it shows: a text that is being written, or is
 * none, is shown as nothing.
 */
#ifndef DAEMON_WHO_H
#define DAEMON_WHO_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/str.h"

#define WHO_USER_MAX   160 /* octets with the NUL; longer ones are cut */
#define WHO_CLIENT_MAX 48
/* Clients and sessions without a process of their own that one service of
 * login or screen can list. */
#define WHO_ROWS 65536

enum who_state {
	WHO_IDLE,   /* waits for its client */
	WHO_WORKS,  /* works at a command */
	WHO_PARKED, /* silent: held without a process */
	WHO_LOGIN,  /* has not logged in; held by login */
	WHO_SCREEN, /* has not been let in; held by screen */
	WHO_STATES
};

/* Of the rows in a who_table; those of a board are of their service's. */
enum who_protocol { WHO_IMAP, WHO_POP3, WHO_SMTP, WHO_PROTOCOLS };

struct who_row {
	_Atomic uint32_t turn; /* odd while it is written */
	_Atomic uint32_t pid;  /* who wrote it; 0: free */
	_Atomic uint32_t state;
	_Atomic uint32_t kicked; /* master: the operator ends it */
	int64_t since;           /* seconds since 1970 */
	uint32_t tls, protocol;
	char user[WHO_USER_MAX], client[WHO_CLIENT_MAX];
};

/* In the memory that a service of login or screen keeps (daemon_kept). */
struct who_table {
	_Atomic uint32_t end; /* no row was ever taken from here on */
	uint32_t next;        /* where a free one is looked for */
	struct who_row rows[WHO_ROWS];
};

struct who {
	uint32_t pid;
	enum who_state state;
	enum who_protocol protocol;
	int64_t since;
	bool tls;
	char user[WHO_USER_MAX], client[WHO_CLIENT_MAX];
};

/* Texts are cut; user may be "". */
void who_write(struct who_row *row, uint32_t pid, const char *user,
    const char *client, bool tls, int64_t since);
void who_clear(struct who_row *row);
/* A free row for a process, which writes the rest; NULL when there is none. */
struct who_row *who_take(struct who_table *t, uint32_t pid,
    enum who_protocol protocol, enum who_state state);
/* What a row says, fit for a terminal; false when nobody has it, or it is
 * being written for longer than makes sense. */
bool who_read(const struct who_row *row, struct who *out);

/*
 * Whether an operator who names a user and a client ("" for any) means this
 * one: a user without @ is a local part, a client an address or a network.
 */
bool who_is_meant(struct str want_user, struct str want_client,
    const char *user, const char *client);

#endif
