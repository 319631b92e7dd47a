/* SPDX-License-Identifier: ISC */
/*
 * The skeleton that every daemon is built on. It does, once for all: options,
 * configuration, log, inherited sockets, privileges, jail, limits, signals,
 * drain, idle exit and the word to master.
 *
 * Started by master with: descriptor 3 the channel to master (SEQPACKET; its
 * end means that master is gone: drain), 4 the service's scoreboard (memfd),
 * 5 the configuration snapshot (memfd, sealed), 6 and up the listening
 * sockets. Command line: -n SERVICE -t inet|unix|unix-dgram|pass -r ROLE
 * -s NUMBER_OF_SOCKETS [-l LINE_OF_MASTER_CF] [-c] (chroot)
 * [-o name=value]...; the role is the program's name unless -r says otherwise.
 * By hand, for tests and debugging: -C CONFIG_DIR --debug
 * [--listen PATH_OR_PORT]; or -C CONFIG_DIR --explain, by posthouse(8).
 *
 * Order: read configuration; connect to logd; before_jail (still privileged:
 * open what the jail takes away); give up privileges, chdir to
 * run/jail/ROLE, chroot; start (open connections, make state); serve.
 */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include "conf/param.h"
#include "core/id.h"
#include "daemon/house_conf.h"
#include "net/loop.h"
#include "net/netaddr.h"

struct ipc;

enum daemon_kind {
	DAEMON_WORKER, /* serve() one connection at a time, blocking */
	DAEMON_FRONT,  /* accepted() each connection on the loop */
	DAEMON_FORKER, /* a child process runs serve() for each connection; the
	                * parent only accepts (imapd, pop3d) */
	DAEMON_ALONE   /* nobody connects: work() goes on by itself (keeper) */
};

/* A client's connection. fd is the callee's to close. */
struct conn {
	int fd;
	struct netaddr peer, own; /* len 0 on UNIX sockets */
	const char *service;      /* first column of master.cf */
	/* Of a service of type pass, else empty: */
	struct id id;      /* of the client, from screen */
	bool greeted;      /* 220 was said */
	const char *found; /* "PASS NEW": what screen says about it */
};

struct daemon {
	const char *name;
	enum daemon_kind kind;
	const struct conf_param *params; /* may be NULL */
	void *conf;                      /* filled from params */
	/* Hooks; each may be NULL. Non-zero from the first two ends the
	 * process, which has logged why. */
	int (*before_jail)(void);
	int (*start)(void);
	void (*serve)(struct conn *conn);    /* WORKER, FORKER */
	void (*accepted)(struct conn *conn); /* FRONT */
	/* FRONT: clients are handed on to workers: their sockets are left as
	 * those want them, blocking, and conn->own is not looked for. */
	bool hands_over;
	void (*datagram)(int fd); /* FRONT with unix-dgram: readable */
	void (*work)(void); /* ALONE: returns when it has to end; daemon_rest */
	/* WORKER: a client is idle between two requests; see daemon_idle. */
	/* FRONT: take no new work; call daemon_done when the old is finished.
	 * Without it the process ends at once. */
	void (*drain)(void);
	/*
	 * Started with --explain instead of serving, behind start: answers one
	 * question (ipc/explain.h) on the connection and returns. What the
	 * daemon asks of others must leave no trace with them.
	 */
	void (*explain)(struct ipc *asker);
	/* FRONT, behind drain: the time is short, who need not stay is sent
	 * away. A reload does not ask for it, a stop does. */
	void (*hurry)(void);
	/* FRONT: the operator sends these clients away (who_is_meant).
	 * protocol: "" for any. */
	void (*kick)(struct str user, struct str client, struct str protocol);
};

/* Never returns normally but through exit: main's only statement. */
int daemon_main(const struct daemon *daemon, int argc, char **argv);

/* ---- for hooks ---- */
const struct house_conf *daemon_house(void);
const char *daemon_role(void);    /* "submission" */
const char *daemon_service(void); /* "submission", "127.0.0.1:2525" */
/* Where the value of a parameter, anybody's, comes from: "main.cf:12" (see
 * conf_origin_text). Cut to size. */
void daemon_origin(const char *name, char *out, size_t size);
struct loop *daemon_loop(void); /* FRONT; a worker's dns_wait loop too */
/* No new work. A worker may be told of it together with a client that is
 * still its own: that one is served in peace. */
bool daemon_draining(void);
/* The house, or this service, is being stopped, or the operator ends the
 * session: the drain should not take long, and who is idle need not stay. */
bool daemon_hurried(void);
void daemon_done(void); /* FRONT: drained */
/*
 * In before_jail: besides its role's folders (rights.h) this process may read,
 * or with write do anything to, what is at the path or below it; a path that
 * does not exist gives nothing. The path is kept by pointer.
 */
void daemon_allow(const char *path, bool write);

/*
 * A worker that speaks IPC waits here for its peer's next request: until fd
 * is readable (1), or until the peer should be let go (0): master said drain,
 * max_idle passed, or others wait at the listening socket and all processes
 * of this service are taken. Returning 0 the worker closes the connection;
 * peers connect again (their request had not been sent).
 */
int daemon_idle(int fd);

/*
 * WORKER: says whom this process serves. Returns how many processes of the
 * service serve the same client, this one included; of IPv6 a /64 is one.
 */
unsigned daemon_client_count(const struct netaddr *client);

/* WORKER: takes over the values of parameters under stress, or the usual ones
 * again; so it is before each client, and may be during a long one. */
void daemon_feel_stress(void);

/*
 * ALONE: rests until fd is readable (1; fd -1: never), until the deadline (0),
 * or until master wants an end (-1, from then on at once). Every wait goes
 * through it, and whoever works for long asks it with a deadline of 0.
 */
int daemon_rest(int fd, int64_t deadline);

/*
 * Memory that outlives the service's processes, of the size that the role's
 * row says: zeroed at first, then as the processes before left it; others of
 * this service may be using it at the same time. By hand it is this process's
 * own. Call it once, in start; log_fatal.
 */
void *daemon_kept(size_t size);

/*
 * WORKER: takes the PROXY header that a load balancer sends before anything
 * else, and changes conn's addresses to what it says. False when there is
 * none, or none to be believed (haproxy_trusted_networks): that is logged, and
 * conn->fd is closed.
 */
bool daemon_take_proxy(struct conn *conn, int64_t timeout_ms);

/*
 * Whom this process serves, for `posthouse who`; told again when more is
 * known of the client (user "": nobody yet). WORKER, FORKER: until serve
 * returns.
 */
void daemon_session(const char *user, const char *client, bool tls);
/* Whether it works at a command or waits for its client. */
void daemon_session_works(bool works);
/* The operator ends this session (`posthouse kick`): daemon_hurried says so
 * too. */
bool daemon_kicked(void);

/* Counters shown by `posthouse status`; name is a constant. */
void daemon_count(const char *name, uint64_t amount);
/* The same for a figure that also falls. */
void daemon_gauge(const char *name, uint64_t value);
/* What it is now, of all processes of the service together. */
uint64_t daemon_figure(const char *name);
/* How long something took, in microseconds: a histogram of that name. What
 * libraries observe (core/observe.h) comes to the same place. Names of
 * counters, gauges and times have a row in figures.c. */
void daemon_observe(const char *name, uint64_t us);

#endif
