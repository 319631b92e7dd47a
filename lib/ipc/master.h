/* SPDX-License-Identifier: ISC */
/*
 * posthouse -> master (socket "master"; only root or master's own uid).
 *
 * `master_ask` is answered by `master_service` for each service (verb status),
 * with its `master_counter`s behind it, and one `master_end`. Verbs on one
 * service name it; reload and shutdown do not. reload checks everything first:
 * with errors nothing changes, each error is one `master_note`, and end says
 * ok=0.
 *
 * limit sets how many processes a service may have until the next reload.
 * upgrade makes master check a program that is to go on in its place, with its
 * state, and become it; end says ok=1 just before that. What came of it is
 * asked by await on a new connection: end comes when the configuration has
 * settled, on the new programs or on what was before.
 */
#ifndef IPC_MASTER_H
#define IPC_MASTER_H

#include "ipc/ipc.h"

enum master_verb {
	MASTER_STATUS,
	MASTER_STOP,
	MASTER_START,
	MASTER_RESTART,
	MASTER_DRAIN,
	MASTER_RELOAD,
	MASTER_SHUTDOWN,
	MASTER_LIMIT,
	MASTER_UPGRADE,
	MASTER_AWAIT
};
extern const char *const master_verb_names[];

struct master_ask {
	int verb;            /* enum master_verb */
	struct str service;  /* "smtp/inet"; "" for all */
	struct str argument; /* limit: how many; upgrade: the program */
};
struct master_service {
	struct str name; /* first column of master.cf, with its port if any */
	struct str type; /* "inet", "unix", "unix-dgram" */
	struct str command; /* "smtpd" */
	struct str state;   /* running, waiting (for a first
	                     * client), stopped, draining, throttled, failed */
	uint64_t processes;
	uint64_t busy;
	uint64_t parked;     /* of them: keep a silent peer, or rest */
	uint64_t old;        /* finish what they have, for a newer process */
	uint64_t generation; /* of the processes that are started now */
	uint64_t limit;      /* 0: none */
	uint64_t served;     /* connections since the start of master */
	uint64_t restarts;   /* processes that ended badly */
	struct str pids;     /* "12 13"; cut */
	struct str error;    /* of the last process that ended badly; "" */
};
/* A figure that the service's processes count (daemon_count). */
struct master_counter {
	struct str service;
	struct str type;
	struct str name;
	uint64_t value;
};
struct master_note {
	struct str text;
};
struct master_end {
	bool ok;
	uint64_t pid;        /* master's */
	uint64_t started;    /* seconds since 1970 */
	uint64_t generation; /* of the configuration */
	struct str text;
};

extern const struct ipc_type master_ask, master_service, master_counter,
    master_note, master_end;
extern const struct ipc_exchange master_exchange;

#endif
