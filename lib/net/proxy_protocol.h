/* SPDX-License-Identifier: ISC */
/*
 * The PROXY protocol, versions 1 and 2, as haproxy's specification of 2020
 * has it (doc/proxy-protocol.txt there): what a load balancer says in front of
 * a connection about who the client really is. Believe it only of a peer in
 * haproxy_trusted_networks.
 */
#ifndef NET_PROXY_PROTOCOL_H
#define NET_PROXY_PROTOCOL_H

#include "net/netaddr.h"

#define PROXY_V1_MAX     107  /* octets, with CRLF */
#define PROXY_HEADER_MAX 4096 /* octets that are taken of version 2 */

enum proxy_result {
	PROXY_OK,
	PROXY_MORE, /* so far it is one, and not at its end */
	PROXY_BAD,
	PROXY_GONE /* proxy_take: the peer closed; proxy_wait: or was late */
};

struct proxy_header {
	size_t len; /* octets of the header */
	bool local; /* no addresses: the balancer's own connection (a health
	              * check), or of a kind that has none here */
	struct netaddr from, to; /* the client and whom it connected to */
};

/* Reads a header at the front of input; pure. On PROXY_BAD *why is a
 * constant phrase. */
enum proxy_result proxy_parse(
    struct str input, struct proxy_header *out, const char **why);

/*
 * Takes the header, and not an octet more, from a socket without waiting.
 * *seen is 0 at first and then this function's. After PROXY_MORE the
 * descriptor becomes readable when more has come than was there.
 */
enum proxy_result proxy_take(
    int fd, size_t *seen, struct proxy_header *out, const char **why);

/* The same, and waits for it; never PROXY_MORE. */
enum proxy_result proxy_wait(
    int fd, int64_t deadline, struct proxy_header *out, const char **why);

#endif
