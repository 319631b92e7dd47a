/* SPDX-License-Identifier: ISC */
#ifndef POSTHOUSE_SERVICE_STATUS_H
#define POSTHOUSE_SERVICE_STATUS_H

#include "posthouse/posthouse.h"

/* Prints one service, its processes and its counters. The exit status. */
int service_status(struct posthouse *p, const char *service);

#endif
