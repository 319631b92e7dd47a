/* SPDX-License-Identifier: ISC */
/*
 * DNS by c-ares. Queries run on a loop; dns_wait turns the loop for workers.
 * Answers carry their TTL; the AD bit is asked for and passed on.
 */
#ifndef NET_DNS_H
#define NET_DNS_H

#include "core/str.h"
#include "net/loop.h"
#include "net/netaddr.h"

enum dns_type {
	DNS_A = 1,
	DNS_NS = 2,
	DNS_CNAME = 5,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AAAA = 28,
	DNS_SRV = 33,
	DNS_TLSA = 52
};

enum dns_status {
	DNS_OK,        /* at least one record */
	DNS_NO_DATA,   /* the name exists, without records of the type */
	DNS_NO_NAME,   /* NXDOMAIN */
	DNS_TEMPORARY, /* time-out, SERVFAIL, refused: try again later */
	DNS_BAD        /* not a name, or an answer that is malformed */
};

struct dns_record {
	enum dns_type type;
	uint32_t ttl;        /* seconds */
	uint16_t preference; /* MX; SRV: priority */
	uint16_t weight;     /* SRV */
	uint16_t port;       /* SRV */
	struct netaddr addr; /* A, AAAA; port 0 */
	struct str name;     /* MX, NS, CNAME, PTR, SRV: without final dot; ""
	                      * is the root */
	struct str text;     /* TXT: strings joined; TLSA: raw */
};

struct dns_reply {
	enum dns_status status;
	const char *why; /* a phrase for logs: "NXDOMAIN", "timeout" */
	bool authentic;  /* AD, and every resolver is on loopback */
	size_t count;
	const struct dns_record *records; /* in the answer's order */
};

struct dns;
struct dns_query;

/* Whether a list of servers, as dns_open takes it, is one of addresses; *bad is
 * the first that is none. */
bool dns_servers_valid(struct str servers, struct str *bad);

/*
 * servers: addresses, each with an optional port, separated by blanks or
 * commas ("127.0.0.1:5300 [::1]:53"); "" takes resolv.conf. NULL and *why on
 * failure. Make it before the jail: resolv.conf is read here.
 */
struct dns *dns_open(struct loop *loop, const char *servers, int64_t timeout_ms,
    int tries, const char **why);
/* Ends what is under way without calling done; the queries are then gone. Not
 * from inside done. */
void dns_close(struct dns **dns);

/* reply and everything in it end when done returns. done is never called
 * before dns_ask has returned. */
struct dns_query *dns_ask(struct dns *dns, struct str name, enum dns_type type,
    void (*done)(const struct dns_reply *reply, void *arg), void *arg);
/* done will not be called. */
void dns_cancel(struct dns_query **query);

/* Waits; the reply belongs to the dns and ends with the next dns_wait. */
const struct dns_reply *dns_wait(
    struct dns *dns, struct str name, enum dns_type type, int64_t deadline);

/*
 * The verified name of a client (RFC 8601 iprev, Postfix's
 * reject_unknown_client_hostname): PTR, then the address again. out is
 * "unknown" when there is none. Returns DNS_OK, DNS_NO_NAME when the address
 * has no name, DNS_NO_DATA when none of its names leads back, or DNS_TEMPORARY.
 */
enum dns_status dns_client_name(struct dns *dns, const struct netaddr *client,
    char out[256], int64_t deadline);

#endif
