/* SPDX-License-Identifier: ISC */
/*
 * Who is next? The schedule of deliveries: pure, without clock, descriptor
 * or file, so that it can be tested with a clock of the test's own.
 *
 * A destination is a next hop of a transport. Its recipients stand in jobs,
 * a job being the recipients of one message that go the same way under the
 * same sender (their group). Each
 * destination may have `window` requests under way; the window grows with
 * success and shrinks with failures of the whole hop, and a destination that
 * fails on and on is dead for a while: nothing waits for it, and the first
 * job after that while is the probe. Destinations with work and room take
 * turns, so that none slows another; within one, new mail goes before
 * retries (and every fourth turn is a retry's, so that they get on).
 *
 * Times are milliseconds of any clock that does not go back.
 */
#ifndef QMGR_SCHEDULE_H
#define QMGR_SCHEDULE_H

#include "core/str.h"

/* Embedded in what is to be delivered to: a recipient. */
struct item {
	struct item *next;
};

struct schedule_limits {
	unsigned initial;    /* window of a new destination */
	unsigned window;     /* at most */
	unsigned requests;   /* of the whole transport under way, at most */
	unsigned recipients; /* of one request, at most */
	unsigned cohorts;    /* failed cohorts until a destination is dead */
	int64_t dead_ms;     /* how long it then rests */
	int64_t delay_ms; /* pause between two requests to a destination, which
	                   * are then made one at a time; 0: none */
};

struct schedule;
struct transport;
struct destination;

/* What one request shall carry. */
struct work {
	struct destination *destination;
	void *owner;        /* the message */
	unsigned group;     /* as schedule_add was told */
	struct item *items; /* linked by next */
	size_t count;
};

struct schedule *schedule_new(void);
void schedule_free(struct schedule **s);

/* Found or made; the limits are taken when it is made. */
struct transport *schedule_transport(
    struct schedule *s, struct str name, const struct schedule_limits *limits);
/* Found or made. It lives while it has work, requests or a memory worth
 * keeping; the pointer is good until the caller's next schedule_tidy. */
struct destination *schedule_destination(
    struct transport *t, struct str nexthop);

/* The one that there is, or NULL. */
struct destination *schedule_find(
    const struct transport *t, struct str nexthop);

const char *destination_nexthop(const struct destination *d);
const char *destination_transport(const struct destination *d);
struct transport *destination_of(struct destination *d);
unsigned destination_window(const struct destination *d);

/*
 * Adds a recipient. Those of an owner that differ in their group never share a
 * request. false: the destination is dead and the item was not
 * taken; destination_reason and destination_dead_until tell more.
 */
bool schedule_add(struct destination *d, void *owner, unsigned group,
    struct item *item, bool retry, int64_t now);

/*
 * The next request of a transport. false: nothing to do, or no room. What is
 * taken counts as under way until schedule_done.
 */
bool schedule_take(struct transport *t, struct work *out);

/*
 * Destinations whose pause is over take their turn again. Call it before
 * schedule_take. The time when the next pause is over, 0: there is none.
 */
int64_t schedule_wake(struct transport *t, int64_t now);

/* Whether schedule_take would give something. */
bool schedule_ready(const struct transport *t);

/* Recipients of a transport that wait for a request. */
size_t schedule_waiting(const struct transport *t);

enum schedule_result {
	SCHEDULE_GOOD, /* the hop answered: it is alive */
	SCHEDULE_HOP_FAILED,
	SCHEDULE_NEUTRAL /* says nothing about the hop */
};
/*
 * A request ended. reason: of HOP_FAILED, kept for what is deferred meanwhile.
 * Returns true when the destination is dead now: its waiting items are to be
 * taken out with schedule_evict.
 */
bool schedule_done(struct destination *d, enum schedule_result result,
    struct str reason, int64_t now);
/* The next waiting item of a destination, or NULL. */
struct item *schedule_evict(struct destination *d, void **owner);

/* Takes out all waiting items of which unwanted() says so; they are linked by
 * next. NULL: there is none. */
struct item *schedule_withdraw(
    struct schedule *s, bool (*unwanted)(const struct item *item));

bool destination_is_dead(const struct destination *d, int64_t now);
int64_t destination_dead_until(const struct destination *d);
const char *destination_reason(const struct destination *d); /* "" */

/* What binds a destination, for the operator. */
struct destination_view {
	size_t waiting; /* items */
	unsigned under_way, window, initial, limit;
	unsigned grown, shrunk; /* times that the window was changed */
	unsigned transport_under_way, transport_limit;
	int64_t dead_until, paused_until; /* 0: it is not */
	int64_t delay_ms;
};
struct destination_view destination_view(const struct destination *d);
/* Items before this one in a destination's line, itself counted; 0: it does
 * not wait there. Retries stand behind what is new. */
size_t destination_place(const struct destination *d, const struct item *item);

/* All destinations are alive again (the operator's flush), or this one. */
void schedule_revive(struct schedule *s);
void destination_revive(struct destination *d);
/* Forgets destinations without work whose memory is older than age ms. */
void schedule_tidy(struct schedule *s, int64_t now, int64_t age);

/*
 * The pause before the next attempt: least, doubled with each attempt that
 * was made (1, 2 ...) up to most, and up to a quarter more by `random`, so
 * that what failed together does not come back together; never above most
 * plus that quarter. Any unit.
 */
int64_t schedule_backoff(
    uint64_t attempts, int64_t least, int64_t most, uint32_t random);

#endif
