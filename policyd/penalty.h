/* SPDX-License-Identifier: ISC */
/*
 * What failed logins lead to. Each counts for its address (of IPv6 the /64),
 * for its account, and for both together; the delay grows with the larger of
 * the first two, and too many of one address refuse it. A success takes away
 * what this account failed from this address, so that a mistyped password is
 * forgotten, and that a guesser who owns one account gains nothing with it.
 */
#ifndef POLICYD_PENALTY_H
#define POLICYD_PENALTY_H

#include "ipc/policy.h"
#include "policyd/policyd_conf.h"
#include "policyd/window.h"

struct penalties {
	const struct policyd_conf *conf;
	struct windows windows;
};

struct penalties penalties_new(const struct policyd_conf *conf);
void penalties_free(struct penalties *p);

/* Both fill answer but for its request. */
void penalties_failure(struct penalties *p, const struct policy_failure *f,
    int64_t now_ms, struct policy_penalty *answer);
void penalties_ask(struct penalties *p, const struct policy_ask *a,
    int64_t now_ms, struct policy_penalty *answer);

/* "192.0.2.1", "2001:db8:0:1::/64"; what is no address stays as it is. */
void penalties_network(struct str address, struct buf *out);

#endif
