/* SPDX-License-Identifier: ISC */
/* What the files of the skeleton share; nothing else includes it. */
#ifndef DAEMON_DAEMON_PRIVATE_H
#define DAEMON_DAEMON_PRIVATE_H

#include <signal.h>

#include "conf/conf.h"
#include "daemon/board.h"
#include "daemon/channel.h"
#include "daemon/confine.h"
#include "daemon/daemon.h"
#include "daemon/rights.h"
#include "daemon/roles.h"

#define LISTENERS_MAX 64
#define OVERRIDES_MAX 200
#define ALLOWED_MAX   64

enum { TYPE_INET, TYPE_UNIX, TYPE_DGRAM, TYPE_PASS };

/* This process. */
struct self {
	const struct daemon *daemon;
	/* from the command line */
	const char *service, *role_name;
	int type;
	int listener_count;
	int slot;
	bool chroot;
	bool by_hand; /* started without master */
	bool debug;
	bool explain; /* one question on descriptor 0, then the end */
	const char *config_directory; /* by hand */
	const char *listen;           /* by hand */
	const char *overrides[OVERRIDES_MAX];
	size_t override_count;
	int master_line; /* of this service in master.cf; 0: not known */
	/* daemon_allow's, besides the folders of the role */
	struct confine_folder allowed[ALLOWED_MAX];
	size_t allowed_count;
	/* made from it */
	const struct role *role;
	const struct rights *rights;
	struct conf *conf;
	struct house_conf house;
	struct board *board;
	int channel; /* -1: by hand */
	int listeners[LISTENERS_MAX];
	int alive; /* the lock that a new master waits for; -1 */
	int kept;  /* memory that outlives us; -1 */
	struct loop *loop;
	volatile sig_atomic_t draining;
	volatile sig_atomic_t hurried; /* told by a signal: the time is short */
};

extern struct self self;

/* options.c: fills self; log_fatal on wrong use. */
void options_read(int argc, char **argv);

/* jail.c: privileges, limits, working directory, root, Landlock, system
 * calls. log_fatal. */
void jail_enter(void);

/* limits.c: resource limits of the role; and of a process that was forked for
 * a session, which forks no more. */
void limits_enter(const struct rights *rights);
void limits_enter_child(void);

/* seccomp.c: allows the system calls of the role. 0, or a negative errno. */
int seccomp_enter(const struct rights *rights, enum seccomp_mode mode);

/* pass.c: the clients that come over a connection of screen. */
void pass_serve(int fd);

/* worker.c, front.c, forker.c, alone.c: until drained. */
void worker_run(void);
void front_run(void);
void forker_run(void);
void alone_run(void);

/* stress.c */
/* Keeps the values with and without stress; behind the configuration. */
void stress_prepare(void);

/* daemon.c */
/* Tells master; nothing happens by hand. */
void channel_say(enum channel_word word, const char *text);
/* The next word of master without waiting: DRAIN also when master is gone, 0
 * when there is none. */
int channel_hear(void);
/* The same with the packet, its letter first, in size octets. */
int channel_hear_text(char *packet, size_t size);
/* Sets this process's state on the board. */
void board_say(enum board_state state);
/* One more client served. */
void board_served(void);
void listeners_close(void);
/* Fills in addresses and calls the hook. */
struct conn conn_of(int fd, const struct netaddr *peer);
/* Flushes the log and ends the process. */
_Noreturn void leave(int status);

#endif
