/* SPDX-License-Identifier: ISC */
/* One account: opened, brought up to date, counted, and what went wrong. */
#ifndef KEEPER_VISIT_H
#define KEEPER_VISIT_H

#include "store/upkeep.h"

/* policy is kept by pointer. */
void visit_open(struct store *s, const struct upkeep_policy *policy);
/*
 * Does what is due. Returns when to come again, in seconds since 1970; 0:
 * nothing is due as long as nothing changes.
 */
int64_t visit(struct str account);
/* The store as a whole cannot be looked after: said once an hour. */
void visit_trouble(const char *what, enum store_result r);

#endif
