/* SPDX-License-Identifier: ISC */
/*
 * Sequence sets (RFC 9051 section 9, sequence-set): "1,3:5,7:*", or "$", the
 * result of the last SEARCH. Pure.
 */
#ifndef IMAPD_SET_H
#define IMAPD_SET_H

#include "core/arena.h"

#define SET_STAR 0u /* "*" as it stands in a parsed set */

struct set_range {
	uint32_t first, last; /* both belong to it */
};

/* As written: any order, overlaps, stars. */
struct set {
	struct set_range *ranges;
	size_t count;
	bool saved; /* "$": no ranges */
};

/* Rising, no overlaps, no stars. */
struct ranges {
	struct set_range *r;
	size_t count;
	uint64_t total; /* numbers in it */
};

/*
 * Parses all of s; ranges are put into the arena. Returns 0, or -1 with *why,
 * a constant phrase.
 */
int set_parse(
    struct str s, struct arena *arena, struct set *out, const char **why);

/*
 * Puts `star` where "*" stands, orders and joins. Returns 0, or -1 when the
 * arena is full. s must not be "$".
 */
int set_normalize(const struct set *s, uint32_t star, struct arena *arena,
    struct ranges *out);

/* Adds one number to ranges that are built in rising order; the array has
 * room for *capacity and grows in the arena. -1 when that is full. */
int ranges_add(
    struct ranges *r, size_t *capacity, uint32_t number, struct arena *arena);
/* A number is in it; by bisection. */
bool ranges_have(const struct ranges *r, uint32_t number);

#endif
