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
#include "master/state.h"
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
	unsigned generation; /* of its service when it was started */
	bool ready;
	bool draining;
	unsigned words; /* that it said since the last count */
	int64_t words_since;
	bool ended;                       /* itself, but not its children */
	int64_t started;                  /* clock_ms */
	int64_t kill_at;                  /* clock_ms; DEADLINE_NEVER */
	char fatal[CHANNEL_TEXT_MAX + 1]; /* its last words */
};

enum wanted { WANT_RUNNING, WANT_STOPPED };

struct listener {
	int fd;
	struct netaddr address; /* len 0: a UNIX socket */
	struct loop_watch *watch;
};

/*
 * A service: its sockets, its scoreboard, its processes. Those of another
 * generation than the service's are stale: they go on, and take clients too,
 * until a process of the new generation is ready; then they are drained.
 */
struct running {
	struct running *next;
	char *name;
	int type;                            /* enum service_type */
	const struct config_service *config; /* of the current generation */
	const struct role *role;
	unsigned generation; /* of the processes that are started now */
	unsigned fallback;   /* its generation before the reload under way */
	unsigned before;     /* while it is renewed alone: the generation that
	                      * goes on when the new one fails; else 0 */
	int64_t renew_deadline, renew_bound; /* renewed alone */
	bool renew_failed;                   /* the last time */
	bool tested;  /* one process of the generation has to become ready */
	bool turned;  /* sole: its turn to change over has come */
	bool leaving; /* the configuration that is tried has no such row */
	int limit;    /* set by the operator until the next reload; 0: none */
	enum wanted wanted;
	bool removed; /* from master.cf: freed with its last process */
	bool failing; /* it was, before the configuration changed */
	struct listener listeners[SERVICE_LISTENERS];
	int listener_count; /* 0: closed */
	struct board *board;
	int board_fd;
	int kept_fd;        /* memory that outlives its processes; -1 */
	struct file *files; /* that its processes read at their start */
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
	unsigned generation;      /* of the configuration */
	unsigned last_generation; /* the highest that was ever given */
	int snapshot;             /* sealed memfd of main.cf */
	int run_fd;               /* run_directory */
	int alive;                /* lock that the children share */
	int stderr_pipe[2];
	struct running *services;
	struct loop_timer *reaper; /* kills what does not end in time */
	int64_t started;           /* seconds since 1970 */
	bool foreground;
	bool up;         /* started: from here on nothing may end master */
	bool started_up; /* and whoever started it has been told */
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
/* For the program that goes on in our place, and in it. */
void stderr_state(struct state_house *h);
void stderr_inherit(const struct state_house *h);

/* ---- tree.c: run_directory, spool, store, log ---- */
/* Makes what is missing, owners and modes; log_fatal. */
void tree_make(void);
/* -1 when another master runs (*pid is its), else keeps the lock. */
int tree_lock(pid_t *pid);
void tree_unlock(void);
int tree_lock_fd(void);
void tree_inherit(int fd);
/* Waits until the processes of a master that was killed are gone. */
void tree_take_over(void);
/* Hard links to a service's socket in the jails of the roles that call it. */
void tree_link(const char *name, bool public);
void tree_unlink(const char *name);

/* ---- sockets.c ---- */
/*
 * The listening sockets of a row; one that is listened on already, by whatever
 * service, is shared. Returns how many there are in out, without watches, or
 * -1 with why (size octets).
 */
int sockets_open(const struct config_service *s,
    struct listener out[SERVICE_LISTENERS], char *why, size_t size);
void sockets_close(struct listener *l, int count);
/* Keeps one that the new configuration does not have, until it is settled:
 * the old one may come back, and nobody was refused. Takes the descriptor. */
void sockets_retire(struct listener *l);
void sockets_close_retired(void);

/* ---- service.c ---- */
/* NULL with errno: no memory to be shared. */
struct running *service_new(const struct config_service *s);
/* One that another program of master had: its shared memory is taken over.
 * row NULL: it is no more in master.cf. NULL with errno. */
struct running *service_inherit(const struct config_service *row,
    const char *name, int type, const struct role *role, int board_fd,
    int kept_fd);
void service_free(struct running *s);
/* Opens the sockets; -1 with why. */
int service_open(struct running *s, char *why, size_t size);
/* Listens at these from now on (taken over) in place of those it had. */
void service_listen(
    struct running *s, const struct listener *listeners, int count);
void service_close(struct running *s);
/* Starts processes, watches the listeners: whatever is due now. */
void service_look(struct running *s);
/* The last idle process has a client now: starts some more. */
void service_spare(struct running *s);
bool service_is_warm(const struct running *s);
/* The most processes that it may have. */
unsigned service_limit(const struct running *s);
/* Processes that take clients, of the generation that is started now. */
unsigned service_count(const struct running *s);
/* The same of all generations. */
unsigned service_count_all(const struct running *s);
/* A process of the current generation is ready. */
bool service_has_ready(const struct running *s);
/* Drains what is above the limit, idle ones first. */
void service_trim(struct running *s);
/* Nothing of it runs any more. */
bool service_is_gone(const struct running *s);
/* No new work for the processes there are; with a bound they and their
 * children are told to end, and killed when the bound passes. */
void service_drain(struct running *s, int64_t bound_ms);
/* The one of that name ("smtp/inet", or "smtp" where there is but one). */
struct running *service_find(struct str name, const char **why);

/* ---- renew.c: new processes in the place of old ones ---- */
bool process_is_stale(const struct process *p);
/* Starts a process of the service's generation beside the old ones, when it
 * had one or is warm: it is to be tested. Sole roles wait for their turn. */
void renew_try(struct running *s);
/* What had to be tested is ready. */
bool renew_is_ready(const struct running *s);
/* Drains the stale processes (bound_ms as service_drain's). */
void renew_finish(struct running *s, int64_t bound_ms);
/* Renews one service alone, with the configuration that it has; when the new
 * process fails the old ones go on. */
void renew_alone(struct running *s, int64_t bound_ms);
/* Goes on with those that are renewed alone. */
void renew_look(void);

/* ---- files.c: certificates and others that are read before the jail ---- */
/* Which they are, and how they are now, by the service's configuration. */
void files_find(struct running *s);
void files_forget(struct running *s);
/* Begins to look at them at intervals. */
void files_watch(void);
/* Calls back for each file with a certificate that a service shows. */
void files_certificates(
    void (*found)(const struct running *s, const char *path));

/* ---- process.c ---- */
/* NULL when there is no slot or fork(2) fails (logged). */
struct process *process_start(struct running *s);
/* One that another program of master had; hears it from now on. */
void process_inherit(struct running *s, const struct state_process *m);
void process_drain(struct process *p, int64_t bound_ms);
/* SIGCHLD: takes in who ended. */
void process_reap(void);
/* Kills whose time is over. */
void process_kill_late(void);

/* ---- spawn.c ---- */
/* In the child: becomes the program of its service. */
_Noreturn void process_become(const struct process *p, int channel);

/* ---- generation.c: reload ---- */
/* The sealed text of the configuration; -1 with errno. */
int snapshot_make(const struct config *c);
/*
 * Checks everything, then changes to the new configuration. -1 with error
 * lines, and nothing has changed.
 */
int generation_load(struct buf *errors);
/* Told by process.c: a process that did not end well. One of the new
 * generation, while that is being tried, brings the old one back. */
void generation_process_failed(struct process *p);
/* Goes on with the change that is under way. */
void generation_look(void);
/* 0 while the new generation is being started, 1 when it runs, -1 when it was
 * rolled back (*why). */
int generation_state(const char **why);
/* The configuration could not even be tried. */
void generation_refused(const char *why);

/* ---- control.c: the socket "master" ---- */
void control_open(void);
void control_close(void);
int control_fd(void);
void control_inherit(int fd);
/* Something changed: answers who waits for it. */
void control_look(void);

/* ---- figures.c: the socket "figures" ---- */
/* Listens, anew after an upgrade; log_fatal. */
void figures_open(void);
void figures_close(void);

/* ---- upgrade.c: another program in our place ---- */
/* Checks the program; control_look is called when it is known. -1 with why. */
int upgrade_begin(const char *program, const char **why);
/* 0 while it is being checked, 1 when it can be executed, -1 with why. */
int upgrade_state(const char **why);
/* There will be none: what checks the program is killed. */
void upgrade_give_up(const char *why);
/* Its process has not ended. */
bool upgrade_is_checking(void);
/* Takes the end of the check; false when pid is no matter of ours. */
bool upgrade_reap(pid_t pid, int status);
/* What the check said: lines for the operator. */
struct str upgrade_notes(void);
/* Does not return but with a failure. */
void upgrade_execute(const char **why);

/* ---- inherit.c: the state of the program that was in our place ---- */
/* Fills master from the descriptor; log_fatal. */
void inherit(int fd);

/* ---- notify.c: the service manager that started us, if there is one ---- */
/* The configuration is at work; fault: what of it is not, or what went wrong
 * with the one that was tried, or "". */
void notify_ready(const char *fault);
/* Another configuration, or program, is being tried; notify_ready ends it. */
void notify_reloading(void);
void notify_stopping(void);

/* ---- stop.c ---- */
void stop_begin(void);
/* Goes on with the stop; called whenever a process has ended. */
void stop_look(void);

#endif
