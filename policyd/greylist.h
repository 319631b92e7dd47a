/* SPDX-License-Identifier: ISC */
/*
 * Greylisting (RFC 6647): who has come back? A client that brings a sender and
 * a recipient for the first time is asked to try again; what does so after
 * greylist_delay and within greylist_retry_window has a queue, and is let
 * through from then on, for greylist_lifetime after its last message. A client
 * that has done so often enough is not asked any more.
 *
 * Three kinds of entries: what waits, what has proved itself (triplets and
 * clients), and what the operator allowed. What waits is never more than half
 * of greylist_entries_max once there is no room, so that strangers who never
 * come back push out each other only. The operator's are never pushed out.
 *
 * Time is the caller's, in seconds since 1970, so that it outlives a restart.
 * When the clock goes back an entry waits for greylist_delay from then on and
 * no longer; nothing else changes.
 */
#ifndef POLICYD_GREYLIST_H
#define POLICYD_GREYLIST_H

#include "core/buf.h"
#include "core/table.h"
#include "ipc/policy.h"
#include "policyd/policyd_conf.h"

/* Octets of a key and of a stored value. */
#define GREYLIST_KEY_MAX   1300
#define GREYLIST_VALUE_MAX 160

enum greylist_kind { GREYLIST_WAITS, GREYLIST_PROVED, GREYLIST_ALLOWED };
#define GREYLIST_KINDS 3

struct greylist_entry;

struct greylist {
	const struct policyd_conf *conf;
	struct table by_key;
	struct {
		struct greylist_entry *newest, *oldest;
		size_t count;
	} of[GREYLIST_KINDS]; /* used last first; what waits: newest first */
	/* An entry is to be stored, or removed; NULL: nobody stores. */
	void (*put)(struct str key, struct str value);
	void (*remove)(struct str key);
};

struct greylist greylist_new(const struct policyd_conf *conf);
void greylist_free(struct greylist *g);

/*
 * May it come in? Fills answer but for its request. With q->look nothing is
 * remembered. Once in a while entries that are over are dropped on the way.
 */
void greylist_ask(struct greylist *g, const struct policy_greylist *q,
    int64_t now, struct policy_greylisted *answer);

/* The operator's word for a client: an address or a network, as
 * greylist_network makes it, or a domain that SPF vouches for. seconds: for
 * how long; 0: until it is forgotten. -1: there is no room for another. */
int greylist_allow(
    struct greylist *g, struct str client, uint64_t seconds, int64_t now);

/* Which entries: "" all; a client or all of a network, a sender, a recipient,
 * or the domain of one. */
struct greylist_choice {
	struct buf client, text;
	bool allowed_too;
	bool larger; /* the client is a network of several */
};
struct greylist_choice greylist_choose(
    const struct greylist *g, struct str key, bool allowed_too);
void greylist_choice_free(struct greylist_choice *c);

/* Walks the chosen that are not over, the operator's first, then what has
 * proved itself, then what waits: start with *at NULL; false at the end. row
 * lasts until the next change. */
bool greylist_next(const struct greylist *g, const struct greylist_choice *c,
    int64_t now, const struct greylist_entry **at,
    struct policy_greylist_row *row);
/* How many. */
size_t greylist_forget(struct greylist *g, const struct greylist_choice *c);

/* An entry as it was stored: -1 when it is none or over, and may be removed.
 * After the last one greylist_loaded brings them into their order. */
int greylist_load(
    struct greylist *g, struct str key, struct str value, int64_t now);
void greylist_loaded(struct greylist *g);
/* Gives all entries to g->put. */
void greylist_put_all(const struct greylist *g);

/* "192.0.2.0/24" of "192.0.2.7" and "192.0.2.0/28", by greylist_ipv4_prefix
 * and greylist_ipv6_prefix; a larger network stays one, and what is no address
 * stays, in lower case. */
void greylist_network(
    const struct policyd_conf *conf, struct str address, struct buf *out);
/* A sender as it is compared: lower case, without +detail, numbers as "#",
 * and of a rewritten one (SRS) whom it stands for. */
void greylist_sender(struct str sender, struct buf *out);

#endif
