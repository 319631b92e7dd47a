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
 * figures is answered as status is, with `master_times` and, in the end,
 * `master_certificate`s besides. It is the one question that the socket
 * "figures" takes, whose only caller is exporter(8).
 *
 * who is answered by a `master_session` for each session that the argument
 * ("user LF client LF protocol", "" for any) takes; kick ends those, and end
 * says in its text how many they were. config is answered by one end that
 * carries the snapshot of main.cf that runs, as a descriptor.
 * debug ("user LF client LF seconds") has the protocol of these sessions logged
 * for so long; 0 seconds ends it for everybody.
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
	MASTER_AWAIT,
	MASTER_FIGURES,
	MASTER_WHO,
	MASTER_KICK,
	MASTER_CONFIG,
	MASTER_DEBUG
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
/* Who is being served: one session. */
struct master_session {
	struct str service;  /* first column of master.cf */
	struct str protocol; /* smtp, submission, lmtp, imap, pop3 */
	struct str user;     /* "": nobody has logged in */
	struct str client;
	struct str state; /* idle, busy, parked */
	bool tls;
	uint64_t since; /* seconds since 1970 */
	uint64_t pid;   /* parked: of login */
};
/* A figure that the service's processes count (daemon_count, daemon_gauge). */
struct master_counter {
	struct str service;
	struct str type;
	struct str name;
	bool gauge;
	uint64_t value;
};
/* How long something took (daemon_observe). */
struct master_times {
	struct str service;
	struct str type;
	struct str name;
	uint64_t count;
	uint64_t sum;       /* microseconds */
	uint64_t max;       /* microseconds */
	struct str buckets; /* "17:3 18:1": core/histogram.h */
};
/* One of those that the services show to clients. */
struct master_certificate {
	struct str path;
	struct str subject;  /* "CN = mail.example.org" */
	struct str services; /* "submission/inet imap/inet"; cut */
	uint64_t expires;    /* seconds since 1970; 0: it could not be read */
	struct str error;    /* then why */
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

extern const struct ipc_type master_ask, master_service, master_session,
    master_counter, master_times, master_certificate, master_note, master_end;
extern const struct ipc_exchange master_exchange;

#endif
