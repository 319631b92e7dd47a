/* SPDX-License-Identifier: ISC */
/*
 * The operator's command. commands.c has the table of commands; each is
 * one file cmd_NAME.c with one function of this form. What is printed is for
 * people, or with --json one JSON document. Exit status: 0 done, 1 failed
 * (a message on stderr that says what to do), EX_USAGE wrong usage; others of
 * sysexits.h where a script has to tell them apart.
 */
#ifndef POSTHOUSE_POSTHOUSE_H
#define POSTHOUSE_POSTHOUSE_H

#include "conf/conf.h"
#include "core/json.h"
#include "daemon/house_conf.h"

struct posthouse {
	const char *config_directory; /* -c; POSTHOUSE_SYSCONFDIR */
	bool json;                    /* --json, taken out of the arguments */
	/* Filled by posthouse_conf: */
	struct conf *conf;
	struct house_conf house;
};

/* argv[0] is the command's name. */
typedef int posthouse_command(struct posthouse *p, int argc, char **argv);

posthouse_command cmd_upgrade, cmd_init, cmd_start, cmd_stop, cmd_reload,
    cmd_status, cmd_check, cmd_conf, cmd_service, cmd_queue, cmd_user,
    cmd_domain, cmd_alias, cmd_store, cmd_trace, cmd_stats, cmd_who, cmd_kick,
    cmd_route, cmd_explain, cmd_top, cmd_penalty, cmd_greylist, cmd_debug,
    cmd_auth, cmd_report, cmd_dkim, cmd_dns, cmd_srs;

/* Reads main.cf once; prints its errors and returns -1 when there are any. */
int posthouse_conf(struct posthouse *p);

/* Prints "posthouse COMMAND: ..." on stderr; returns 1, for `return`. */
int posthouse_fail(const char *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The same of arguments that are wrong; returns EX_USAGE. */
int posthouse_misused(const char *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Prints the usage line of a command on stderr; returns EX_USAGE. */
int posthouse_usage(const char *command);

struct ipc;
struct ipc_exchange;
struct ipc_type;
/*
 * Connects to a daemon's socket ("master", "qmgr", "lookup") below
 * run_directory/sockets. NULL after a message on stderr: not running (and how
 * to start it), no permission.
 */
struct ipc *posthouse_connect(struct posthouse *p, const char *command,
    const char *socket, const struct ipc_exchange *exchange);

/* A question to a daemon, and a list for the answer. */
struct posthouse_question {
	const char *command, *daemon;
	const struct ipc_exchange *exchange;
	const struct ipc_type *type, *last; /* of the question; of the end */
	const void *message;
	int64_t wait_ms;
	/* For each answer, the last one too; valid only in the call. */
	void (*take)(
	    const struct ipc_type *type, const void *answer, void *arg);
	void *arg;
};
/* 0, or EX_UNAVAILABLE after a message on stderr. */
int posthouse_ask(struct posthouse *p, const struct posthouse_question *q);

/* Path of a file of the configuration directory; the caller frees it. */
char *posthouse_path(const struct posthouse *p, const char *name);

#endif
