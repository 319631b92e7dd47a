/* SPDX-License-Identifier: ISC */
#ifndef POSTHOUSE_STATUS_H
#define POSTHOUSE_STATUS_H

#include "posthouse/posthouse.h"

/* The table of services, or its JSON; of one, or with "" of all. Returns the
 * exit status. */
int status_print(struct posthouse *p, const char *command, const char *service);
/* The rights of every process as the kernel sees them. Returns the exit
 * status: 1 also when a process has more than its role's rows say. */
int status_security(struct posthouse *p);

#endif
