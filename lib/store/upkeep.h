/* SPDX-License-Identifier: ISC */
/*
 * The background work of the store: snapshots, expiry by age, erasure, what
 * no frame names any more. keeper calls it; `posthouse store` may. Nothing
 * here is needed for correctness: a store whose keeper is dead opens slower
 * and keeps what should be erased, and that is all.
 *
 * upkeep.c puts the steps together; expire.c, erase.c and sweep.c are steps.
 */
#ifndef STORE_UPKEEP_H
#define STORE_UPKEEP_H

#include "store/mailbox.h"

/* Messages of one mailbox, or of those with one special use, go when they
 * have been there for so long. */
struct upkeep_expiry {
	enum special_use use; /* USE_NONE: by name */
	struct str mailbox;   /* name; levels below are not meant */
	int64_t age;          /* seconds since the message came into it */
};

struct upkeep_policy {
	int64_t undelete;   /* seconds that expunged mail can be brought back */
	int64_t orphan_age; /* seconds until a blob without a name is swept */
	const struct upkeep_expiry *expiries;
	size_t expiry_count;
	/* Called between two steps, never with the box locked: may sleep. Not
	 * 0: this is to end soon, with STORE_BUSY; what is left is found due
	 * again. May be NULL. */
	int (*pace)(void *arg);
	void *pace_arg;
};

struct upkeep_result {
	unsigned snapshots;
	uint64_t expired; /* messages */
	uint64_t erased, erased_octets;
	uint64_t generations; /* dropped */
	uint64_t orphans;     /* blobs */
	/* When (seconds since 1970) there will be something to do although
	 * nothing changes; 0: never. */
	int64_t next;
};

/*
 * Everything that is due in this box, in this order: expiry, a snapshot,
 * erasure, dropping of generations, sweeping. Adds to *out. The first result
 * that is not STORE_OK ends it; STORE_BUSY is harmless.
 */
enum store_result box_upkeep(struct box *b, const struct upkeep_policy *policy,
    struct upkeep_result *out);

/* The steps, each by itself. */

/* EXPUNGEs what is older than policy->expiries allow, one frame a mailbox. */
enum store_result box_expire(struct box *b, const struct upkeep_policy *policy,
    struct upkeep_result *out);

/*
 * What was expunged more than policy->undelete ago: a frame says that it
 * cannot come back (HORIZON), two snapshots past it are made sure of, the
 * bytes that nothing live shares are overwritten (the newest generation being
 * sealed first, where they stand in it), older snapshots lose their copies of
 * it, a frame says that it is done (ERASED). A crash between any two of these
 * repeats them.
 */
enum store_result box_erase(struct box *b, const struct upkeep_policy *policy,
    struct upkeep_result *out);

/* Drops the oldest generations while nothing that is live or can be undeleted
 * is in them and they end at or before the base snapshot (snapshot.h). */
enum store_result box_drop_generations(struct box *b,
    const struct upkeep_policy *policy, struct upkeep_result *out);

/* Removes blobs that no frame names and that are older than orphan_age. */
enum store_result box_sweep(struct box *b, const struct upkeep_policy *policy,
    struct upkeep_result *out);

/* ---- the store as a whole ---- */
/* Calls found for every account of a shard (0 to STORE_SHARDS - 1) that has
 * anything on disk, until it returns non-zero. */
#define STORE_SHARDS 256
enum store_result store_scan(struct store *s, unsigned shard,
    int (*found)(void *arg, struct str account), void *arg);
/* Brings the reserve for full disks to so many octets, as far as there is
 * room; *have: what it is now. */
enum store_result store_reserve(
    struct store *s, uint64_t octets, uint64_t *have);

#endif
