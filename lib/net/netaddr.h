/* SPDX-License-Identifier: ISC */
/* Internet addresses: text, sockets, and lists of networks. */
#ifndef NET_NETADDR_H
#define NET_NETADDR_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "core/str.h"

#define NETADDR_TEXT_MAX 64

struct netaddr {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_storage space;
	} u;
	socklen_t len; /* 0: no address (a UNIX socket's peer, say) */
};

/*
 * Reads an IPv4 or IPv6 address; "[...]" and "IPv6:" (RFC 5321 4.1.3) are
 * taken too, host names are not. Returns 0, or -1.
 */
int netaddr_parse(struct str text, uint16_t port, struct netaddr *out);

/* "192.0.2.1", "2001:db8::1"; an IPv4-mapped address as IPv4; "unknown". */
void netaddr_text(const struct netaddr *a, char out[NETADDR_TEXT_MAX]);
uint16_t netaddr_port(const struct netaddr *a);
/* The address of the other end, or len 0 when it has none. */
struct netaddr netaddr_peer(int fd);
struct netaddr netaddr_own(int fd);
bool netaddr_is_loopback(const struct netaddr *a);
/* The client as a number: an IPv4 address, or the /64 of an IPv6 one; 0 when
 * there is no address. */
uint64_t netaddr_client_key(const struct netaddr *a);
/* "1.2.0.192" or the nibbles of IPv6, for in-addr.arpa and DNS lists. */
void netaddr_reverse(const struct netaddr *a, char out[80]);

/*
 * Whether a lies in a list as mynetworks has it: networks separated by
 * blanks or commas, "10.0.0.0/8 [2001:db8::]/32 !10.1.0.0/16", first match
 * decides. Returns 1, 0, or -1 when the list has an entry that is none
 * (*bad is then that entry).
 */
int netaddr_in_list(const struct netaddr *a, struct str list, struct str *bad);

#endif
