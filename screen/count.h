/* SPDX-License-Identifier: ISC */
/* Connections at a time, by client; of IPv6 a /64 is one. */
#ifndef SCREEN_COUNT_H
#define SCREEN_COUNT_H

#include "net/netaddr.h"

/* One more; how many there are then. */
unsigned count_enter(const struct netaddr *client);
void count_leave(const struct netaddr *client);

#endif
