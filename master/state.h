/* SPDX-License-Identifier: ISC */
/*
 * The state of master as text, for the program that goes on in its place: a
 * line with the version, then messages of posthouse-ipc's form, each from one
 * table that drives both ends. Descriptors are named by their numbers, which
 * stay. Version N reads N-1.
 */
#ifndef MASTER_STATE_H
#define MASTER_STATE_H

#include "ipc/ipc.h"

#define STATE_VERSION 1
#define STATE_MAX     (64u << 20) /* octets */

/* First; the two texts of the configuration follow as they are. */
struct state_house {
	uint64_t generation, last_generation, started;
	uint64_t main_length, master_length;
	struct str directory;
	bool foreground;
	uint64_t run, alive, lock, control;
	int64_t err_read, err_write; /* the daemons' stderr; -1 */
	int64_t err_kept;            /* run_directory/master.err; -1 */
	uint64_t err_octets;         /* that are in it */
};

/* Its listeners and processes follow. */
struct state_service {
	struct str name, type, role;
	uint64_t generation;
	bool running; /* enum wanted */
	bool removed;
	uint64_t limit, restarts, failures;
	int64_t throttled_until, stress_until;
	uint64_t board;
	int64_t kept; /* -1 */
	struct str error;
};

struct state_listener {
	uint64_t fd;
	struct str address; /* "" for a UNIX socket */
	uint64_t port;
};

struct state_process {
	uint64_t pid;
	int64_t channel, slot; /* -1 when it has ended */
	uint64_t generation;
	bool ready, draining, ended;
	int64_t process_started, kill_at;
};

/* Last: nothing was cut off. */
struct state_end {
	uint64_t services;
};

extern const struct ipc_type state_house, state_service, state_listener,
    state_process, state_end;
extern const struct ipc_exchange state_exchange;

#endif
