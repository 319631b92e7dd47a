/* SPDX-License-Identifier: ISC */
/* master.cf: one service a row, in Postfix's columns. */
#ifndef CONF_MASTERCF_H
#define CONF_MASTERCF_H

#include "core/buf.h"

enum service_type { SERVICE_INET, SERVICE_UNIX, SERVICE_DGRAM, SERVICE_PASS };

/* service type private unpriv chroot wakeup maxproc command + args */
struct service {
	char *name; /* "smtp", "127.0.0.1:2525", "cleanup" */
	int type;   /* enum service_type; written inet, unix,
	                   * unix-dgram, pass */
	bool is_private;
	bool unprivileged;
	bool chroot;   /* jail of the role; default y */
	int wakeup;    /* seconds, 0: none */
	int maxproc;   /* 0: no limit; "-": default_process_limit, as -1 */
	char *command; /* program, first word */
	char **args;   /* NULL-terminated: -o name=value, -r role ... */
	char *file;    /* that the row stands in, as it was named */
	unsigned line;
};

struct mastercf {
	struct service *services;
	size_t count;
};

/*
 * Reads DIRECTORY/master.cf and then DIRECTORY/master.d/NAME.cf in the order
 * of their names: services that other packages bring. As conf_read: all errors
 * at once; NULL when one is unreadable. A service stands once for each (name,
 * type). all: NULL, or gets the texts one behind another, which parse to the
 * same rows.
 */
struct mastercf *mastercf_read(
    const char *directory, struct buf *all, struct buf *errors);
struct mastercf *mastercf_parse(
    struct str text, const char *name, struct buf *errors);
/* The rows of another file, behind those that there are. */
void mastercf_add(
    struct mastercf *m, struct str text, const char *name, struct buf *errors);
void mastercf_free(struct mastercf **m);
/* The row's file as seen from the directory: "master.cf", "master.d/x.cf". */
const char *service_place(const struct service *s);

#endif
