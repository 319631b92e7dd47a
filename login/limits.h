/* SPDX-License-Identifier: ISC */
/* How many connections each client address has; of IPv6 a /64 is one. */
#ifndef LOGIN_LIMITS_H
#define LOGIN_LIMITS_H

#include "net/netaddr.h"

struct address;

/*
 * Counts one more connection from peer. NULL with *refused when `most` are
 * open already; NULL without for addresses in the exceptions and when most
 * is 0, which are not counted.
 */
struct address *address_enter(
    const struct netaddr *peer, int most, struct str exceptions, bool *refused);
/* One fewer; *a becomes NULL, and may be NULL. */
void address_leave(struct address **a);

#endif
