/* SPDX-License-Identifier: ISC */
/*
 * From a next hop to the addresses to try, in order: MX records by preference
 * and at random among equal ones, else the domain's own addresses (RFC 5321
 * section 5.1); null MX (RFC 7505); never back to ourselves. Asynchronous.
 */
#ifndef SMTP_ROUTE_H
#define SMTP_ROUTE_H

#include "core/dsn.h"
#include "daemon/house_conf.h"
#include "ipc/explain.h"
#include "net/dns.h"
#include "net/loop.h"
#include "net/netaddr.h"
#include "smtp/smtp_conf.h"

#define ROUTE_TARGETS_MAX 100

struct target {
	char host[256];                 /* name, address or path */
	char address[NETADDR_TEXT_MAX]; /* "unix" for a socket's path */
	struct netaddr addr;            /* with the port */
	uint16_t preference;
};

struct route {
	enum dsn_action action;  /* DELIVERED: there are targets */
	char code[DSN_CODE_MAX]; /* otherwise: why */
	char text[300];
	bool whole_hop; /* it may be better later */
	bool by_mx;
	size_t count;
	struct target *targets; /* the receiver's, freed with free(3) */
};

struct router;

/* Made before the jail: resolv.conf is read and the host's own addresses are
 * asked for. NULL after a log line. */
struct router *router_open(struct loop *loop, const struct smtp_conf *conf,
    const struct house_conf *house);
/* Who wants to know what DNS says; NULL: nobody. */
void router_explain(struct router *r, struct explain *explain);
/* done may be called before this returns. */
void route_find(struct router *r, struct str nexthop, bool lmtp,
    void (*done)(const struct route *route, void *arg), void *arg);

#endif
