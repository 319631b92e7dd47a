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
	unsigned line;
};

struct mastercf {
	struct service *services;
	size_t count;
};

/* As conf_read: all errors at once; NULL when unreadable. A service stands
 * once for each (name, type). */
struct mastercf *mastercf_read(const char *path, struct buf *errors);
struct mastercf *mastercf_parse(
    struct str text, const char *name, struct buf *errors);
void mastercf_free(struct mastercf **m);

#endif
