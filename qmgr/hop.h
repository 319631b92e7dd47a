/* SPDX-License-Identifier: ISC */
/*
 * What is remembered of each destination for the operator: how many
 * recipients wait for it, since when without a success, and the last words of
 * both kinds. The schedule (schedule.h) decides; this only counts, also what
 * sleeps until its next attempt.
 *
 * Two are no next hop: HOP_UNROUTED is where new recipients wait that lookup
 * has not been asked about, or has not answered; a success of it is a route.
 */
#ifndef QMGR_HOP_H
#define QMGR_HOP_H

#include "qmgr/message.h"

#define HOP_UNROUTED "" /* transport and next hop */

struct hop {
	struct table *table;
	uint32_t uses;    /* recipients that refer to it */
	uint32_t waiting; /* of them, those that are to be delivered */
	/* Seconds since 1970; 0: never. */
	uint32_t since; /* something waits, and nothing succeeded */
	uint32_t last_success, last_failure;
	/* Owned, NULL: none. */
	char *success, *success_remote, *failure, *failure_remote;
	uint64_t delivered, deferred, failed; /* recipients */
	/* Delivered, by stretches of HOP_STRETCH seconds. */
	uint32_t stretch, now, before;
	/* backlog.c */
	uint32_t warn_at; /* seconds since 1970, 0: not warned of */
	uint32_t warn_pause;
	char key[]; /* transport, NUL, next hop, NUL */
};

#define HOP_STRETCH 600

static inline const char *hop_transport(const struct hop *h)
{
	return h->key;
}
static inline const char *hop_nexthop(const struct hop *h)
{
	return h->key + strlen(h->key) + 1;
}

/* Found or made; it lives while it is used, and then until hops_tidy. */
struct hop *hop_get(
    struct table *t, struct str transport, struct str nexthop, uint32_t now);
/* The one that there is, or NULL. */
struct hop *hop_find(
    const struct table *t, struct str transport, struct str nexthop);

/* Where r goes from now on; NULL: not known. */
void hop_set(struct recipient *r, struct hop *h, uint32_t now);
/* r's state or hold has changed: it waits, or waits no more. */
void hop_recount(struct recipient *r, uint32_t now);

/* An attempt for a recipient of h (which may be NULL) has ended. */
void hop_succeeded(
    struct hop *h, struct str words, struct str remote, uint32_t now);
void hop_failed(struct hop *h, struct str words, struct str remote,
    bool for_good, uint32_t now);
/* The same without an attempt: lookup could not be asked. */
void hop_troubled(struct hop *h, struct str words, uint32_t now);

/* Recipients delivered in the last HOP_STRETCH seconds, about. */
uint32_t hop_recent(const struct hop *h, uint32_t now);

/* Forgets those that nobody uses, and that nothing happened to for `age`
 * seconds. */
void hops_tidy(struct table *t, uint32_t now, uint32_t age);
void hops_free(struct table *t);

#endif
