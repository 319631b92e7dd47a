/* SPDX-License-Identifier: ISC */
#ifndef POSTHOUSE_STATUS_H
#define POSTHOUSE_STATUS_H

#include "posthouse/posthouse.h"

/* The table of services, or its JSON; of one, or with "" of all. Returns the
 * exit status. */
int status_print(struct posthouse *p, const char *command, const char *service);
/* What /proc says of every process. */
int status_security(struct posthouse *p);

#endif
