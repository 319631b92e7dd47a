/* SPDX-License-Identifier: ISC */
/*
 * Trace events as fixed binary records (trace(5)): the same in datagrams to
 * logd, in logd's hourly files and in memory of who reads them. Pure.
 *
 * An event is one cell of 128 octets, and up to eight more where its texts are
 * long. Every cell has a magic and a checksum of its own, and begins in a file
 * at a multiple of its size, so that a reader finds its place again after
 * anything that was torn or flipped.
 */
#ifndef IPC_TRACE_RECORD_H
#define IPC_TRACE_RECORD_H

#include "core/id.h"

enum trace_kind {
	/* who: the client's address; where: its name */
	TRACE_CONNECT = 1,
	/* MAIL accepted. who: the sender */
	TRACE_ENVELOPE,
	/* RCPT accepted. who: the recipient */
	TRACE_RECIPIENT,
	/* 250 was said. who: Message-ID; where: the sender; number: octets */
	TRACE_QUEUED,
	/* who: the recipient, if one; where: "RCPT"; code, why: the reply */
	TRACE_REFUSED,
	/* qmgr took it up. who: the recipient; where: transport:nexthop */
	TRACE_SCHEDULED,
	/* handed to an agent. who: the sender that the next hop sees, where
	 * it was rewritten; where: transport:nexthop; number: recipients; why: what it waited for, wait: how long */
	TRACE_ATTEMPT,
	/* who: the recipient; where: the host; code, why: its words; wait: how
	 * long the attempt took */
	TRACE_DELIVERED,
	/* as delivered; number: the next attempt, seconds since 1970 */
	TRACE_DEFERRED,
	TRACE_FAILED, /* as delivered */
	/* a notification was made. where: its queue id; who: its recipient;
	 * why: of which kind */
	TRACE_BOUNCED,
	/* who: the recipient; where: account and mailbox; wait: how long */
	TRACE_STORED,
	TRACE_REMOVED, /* gone from the queue */
	/* who: the user; where: the service; why: the method */
	TRACE_LOGIN,
	/* who: the user or the client; number: commands; why: how it ended */
	TRACE_SESSION_END,
	/* why: hold, release, delete, flush; number: recipients */
	TRACE_OPERATOR,
	/* who: the client; why: what screen found; wait: how long it looked */
	TRACE_SCREENED,
	/* who: the recipient that was given; where: what it leads to; why:
	 * alias, srs (a sender that was rewritten here) */
	TRACE_EXPANDED,
	/* who: the recipient; where: transport:nexthop; why: what it waits
	 * for; number: until when, 0 when that is not known */
	TRACE_WAITS,
	/* smtp spoke to a host. where: the host; code, why: what came of it;
	 * wait: how long connecting took */
	TRACE_HOST,
	/* mail of ours. who: the author's domain; where: "d=DOMAIN s=SELECTOR,
	 * ..." of each signature; why: there is none */
	TRACE_SIGNED,
	/* what smtpd found of where it comes from. who: spf, dkim, arc, dmarc,
	 * or policy, what was done for it; where: about whom; code: the
	 * result; why: the reason */
	TRACE_CHECKED,
	/* ARC. where: "d=DOMAIN s=SELECTOR"; why: the chain as it came; number:
	 * of the seal in the chain */
	TRACE_SEALED,
	TRACE_KINDS
};

#define TRACE_CELL      128 /* octets */
#define TRACE_CELLS_MAX 9   /* of one event */

/* Octets; what is longer is cut. */
#define TRACE_WHO_MAX   320
#define TRACE_WHERE_MAX 255
#define TRACE_CODE_MAX  15
#define TRACE_WHY_MAX   400

/* What an event says; all of it may be empty or 0. */
struct trace_fields {
	struct str who, where;
	struct str code; /* "450 4.7.1" or "4.7.1" */
	struct str why;
	uint64_t number;
	uint64_t wait_ms; /* at most UINT32_MAX */
};

struct trace_record {
	uint64_t time_us; /* since 1970 */
	unsigned kind;    /* enum trace_kind, or of a later version */
	uint32_t pid;
	char daemon[11];
	struct id session, message; /* "": none */
	struct trace_fields says;   /* views into text */
	bool torn;                  /* some of its texts are lost */
	char text[TRACE_WHO_MAX + TRACE_WHERE_MAX + TRACE_CODE_MAX +
	    TRACE_WHY_MAX];
};

struct trace_cell {
	unsigned char octets[TRACE_CELL];
};

/*
 * Cells of an event; control octets become blanks and long texts are cut.
 * says may point anywhere; text is not looked at. Returns how many cells.
 */
size_t trace_encode(
    const struct trace_record *r, struct trace_cell out[TRACE_CELLS_MAX]);

/*
 * Reads the event that begins with the first of count cells. Returns the cells
 * that it takes; 0 when the first is damaged or begins none. Views in out
 * point into out itself, so it must not be copied.
 */
size_t trace_decode(
    const struct trace_cell *cells, size_t count, struct trace_record *out);

/* Whether a cell is whole. */
bool trace_cell_is_valid(const struct trace_cell *c);
/* Of a valid cell: how many cells its event has, 0 when it begins none. */
unsigned trace_cell_begins(const struct trace_cell *c);
/* Its checksum: a fingerprint. */
uint32_t trace_cell_sum(const struct trace_cell *c);
/* Whether octets begin like a cell; a log line never does. */
bool trace_cell_looks(struct str octets);

const char *trace_kind_name(unsigned kind); /* "connect"; "unknown" */

#endif
