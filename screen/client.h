/* SPDX-License-Identifier: ISC */
/* A client, from its connection until smtpd has done with it. */
#ifndef SCREEN_CLIENT_H
#define SCREEN_CLIENT_H

#include "core/id.h"
#include "daemon/daemon.h"
#include "screen/screen_conf.h"

struct asking;
struct refusal;
struct rehearsal;
struct seat;
struct tests;
struct who_row;

/*
 *	(PROXY -->) ASKING --> TESTING --> GREETED --> QUEUED --> SERVED
 *	                            |           |
 *	                            +-> REFUSED <+
 *
 * Who needs no test goes to GREETED at once.
 */
enum client_state {
	CLIENT_PROXY,   /* its PROXY header is awaited */
	CLIENT_ASKING,  /* policyd is asked whether it is known */
	CLIENT_TESTING, /* waits for its greeting, and DNS lists are asked */
	CLIENT_GREETED, /* 220 is out; its first command has not come */
	CLIENT_QUEUED,  /* waits for a process of smtpd */
	CLIENT_SERVED,  /* smtpd has it; its end is waited for */
	CLIENT_REFUSED  /* talks with refuse.c */
};

struct client {
	struct client *next, *before; /* in its list */
	enum client_state state;
	int fd;
	struct id id;
	struct netaddr peer;
	struct netaddr *own;      /* what PROXY says; NULL: nothing */
	struct loop_watch *watch; /* NULL: nothing is waited for */
	struct loop_timer *timer;
	struct asking *asking;   /* ASKING */
	struct tests *tests;     /* TESTING */
	struct refusal *refusal; /* REFUSED */
	struct seat *seat;       /* SERVED */
	struct who_row *row;     /* for posthouse who; NULL: not listed */
	int64_t since;           /* clock_ms of its connection */
	size_t peeked;           /* octets of a first line without an end */
	const char *found;       /* a constant, for smtpd */
	const char *rule;        /* by which it is refused: a parameter */
	char *failure; /* behind the code of the reply: why it is refused */
	bool trusted;  /* postscreen_access_list permits it */
	bool counted;  /* by count.c */
};

/* What policyd says. */
struct known {
	int64_t greet_until, dnsbl_until; /* seconds since 1970; passed */
	uint64_t too_often; /* connections, when a limit is passed; else 0 */
	bool of_network;    /* which is that of all clients of its network */
};

void clients_open(const struct screen_conf *conf);
/* For struct daemon's accepted and drain. */
void client_accept(struct conn *conn);
void clients_drain(void);
/* Whom the operator means is told 421. */
void clients_kick(struct str user, struct str client, struct str protocol);

/*
 * One client that is none, for posthouse explain: waits are not waited,
 * nothing is counted or remembered. True when smtpd would have it.
 */
bool clients_rehearse(struct rehearsal *r);

/* ---- told by known.c ---- */
void client_known(struct client *c, const struct known *known);

/* ---- told by handover.c ---- */
/* smtpd has it now. */
void client_passed(struct client *c);
/* It has not, but somebody else may: it is queued again. */
void client_returned(struct client *c);
/* smtpd is done with it. */
void client_done(struct client *c);
/* Nobody serves it: 421 with these words. */
void client_unserved(struct client *c, const char *why);

#endif
