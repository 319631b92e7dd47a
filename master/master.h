/* SPDX-License-Identifier: ISC */
/*
 * The supervisor's data: services and their processes. main.c is the table of
 * contents.
 */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

#include <sys/types.h>

#include "daemon/board.h"
#include "daemon/channel.h"
#include "daemon/config.h"
#include "master/master_conf.h"
#include "net/loop.h"

#define SERVICE_LISTENERS 16
#define BRIEF_MS          2000 /* bound of a drain of a role that is brief */

struct running;

/* A process, or what is left of it: when it has ended, its entry stays while
 * children of it still run (the sessions of imapd). */
struct process {
	struct process *next;
	struct running *service;
	pid_t pid; /* also its process group */
	int channel;
	struct loop_watch *watch;
	int slot;
	unsigned generation; /* of the configuration */
	bool ready;
	bool draining;
	bool ended;                       /* itself, but not its children */
	int64_t started;                  /* clock_ms */
	int64_t kill_at;                  /* clock_ms; DEADLINE_NEVER */
	char fatal[CHANNEL_TEXT_MAX + 1]; /* its last words */
};

enum wanted { WANT_RUNNING, WANT_STOPPED };

/* A service: its sockets, its scoreboard, its processes. */
struct running {
	struct running *next;
	char *name;
	int type;                            /* enum service_type */
	const struct config_service *config; /* of the current generation */
	enum wanted wanted;
	bool removed; /* from master.cf: freed with its last process */
	bool failing; /* it was, before the configuration changed */
	int listeners[SERVICE_LISTENERS]; /* -1: address not there */
	struct loop_watch *watches[SERVICE_LISTENERS];
	int listener_count; /* 0: closed */
	struct board *board;
	int board_fd;
	int kept_fd; /* memory that outlives its processes; -1 */
	struct process *processes;
	struct loop_timer *timer;         /* service_look again */
	unsigned failures;                /* in a row */
	int64_t throttled_until;          /* clock_ms */
	int64_t full_said;                /* clock_ms, of the last warning */
	int64_t stress_until;             /* clock_ms; 0: no stress */
	struct loop_timer *calm;          /* looks for its end */
	uint64_t restarts;                /* processes that ended badly */
	char error[CHANNEL_TEXT_MAX + 1]; /* why the last one did */
};

/* The house. */
struct master {
	struct loop *loop;
	struct config *config;
	struct master_conf conf;
	unsigned generation;
	int snapshot; /* sealed memfd of main.cf */
	int run_fd;   /* run_directory */
	int alive;    /* lock that the children share */
	int stderr_pipe[2];
	struct running *services;
	struct loop_timer *reaper; /* kills what does not end in time */
	int64_t started;           /* seconds since 1970 */
	bool foreground;
	bool stopping;
};

extern struct master master;

/* ---- stderr.c ---- */
/* Makes the pipe that is the daemons' stderr. */
void stderr_watch(void);
/* master's own goes to run_directory/master.err from now on. */
void stderr_leave(void);
/* The last that is in the pipe. */
void stderr_end(void);

/* ---- tree.c: run_directory, spool, store, log ---- */
/* Makes what is missing, owners and modes; log_fatal. */
void tree_make(void);
/* -1 when another master runs (*pid is its), else keeps the lock. */
int tree_lock(pid_t *pid);
void tree_unlock(void);
/* Waits until the processes of a master that was killed are gone. */
void tree_take_over(void);
/* Hard links to a service's socket in the jails of the roles that call it. */
void tree_link(const char *name, bool public);
void tree_unlink(const char *name);

/* ---- sockets.c ---- */
/*
 * Opens the listening sockets of a row. Returns how many there are in fds, or
 * -1 with why (size octets).
 */
int sockets_open(const struct config_service *s, int fds[SERVICE_LISTENERS],
    char *why, size_t size);

/* ---- service.c ---- */
struct running *service_new(const struct config_service *s);
void service_free(struct running *s);
/* Opens the sockets; -1 with why. */
int service_open(struct running *s, char *why, size_t size);
void service_close(struct running *s);
/* Starts processes, watches the listeners: whatever is due now. */
void service_look(struct running *s);
/* The last idle process has a client now: starts some more. */
void service_spare(struct running *s);
bool service_is_warm(const struct running *s);
/* Processes that take clients. */
unsigned service_count(const struct running *s);
/* Nothing of it runs any more. */
bool service_is_gone(const struct running *s);
/* No new work for the processes there are; with a bound they and their
 * children are told to end, and killed when the bound passes. */
void service_drain(struct running *s, int64_t bound_ms);
/* The one of that name ("smtp/inet", or "smtp" where there is but one). */
struct running *service_find(struct str name, const char **why);

/* ---- process.c ---- */
/* NULL when there is no slot or fork(2) fails (logged). */
struct process *process_start(struct running *s);
void process_drain(struct process *p, int64_t bound_ms);
/* SIGCHLD: takes in who ended. */
void process_reap(void);
/* Kills whose time is over. */
void process_kill_late(void);

/* ---- spawn.c ---- */
/* In the child: becomes the program of its service. */
_Noreturn void process_become(const struct process *p, int channel);

/* ---- generation.c: reload ---- */
void snapshot_make(void);
/*
 * Checks everything, then changes to the new configuration. -1 with error
 * lines, and nothing has changed.
 */
int generation_load(struct buf *errors);
/* Told by process.c; a process of the new generation that cannot start brings
 * the old one back. */
void generation_process_ready(struct process *p);
void generation_process_failed(struct process *p);
/* 0 while the new generation is being started, 1 when it runs, -1 when it was
 * rolled back (*why). */
int generation_state(const char **why);

/* ---- control.c: the socket "master" ---- */
void control_open(void);
void control_close(void);
/* Something changed: answers who waits for it. */
void control_look(void);

/* ---- stop.c ---- */
void stop_begin(void);
/* Goes on with the stop; called whenever a process has ended. */
void stop_look(void);

#endif
