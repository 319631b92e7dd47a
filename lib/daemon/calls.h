/* SPDX-License-Identifier: ISC */
/*
 * The system calls of each right (rights.h), and what a refused one answers.
 */
#ifndef DAEMON_CALLS_H
#define DAEMON_CALLS_H

#include <stdint.h>

/* A call that is allowed, or allowed when one argument is as it should be. */
struct call {
	int number; /* as libseccomp names it; may be a pseudo number */
	enum { ANY_ARGS, ARG_IS, ARG_LACKS } when;
	unsigned arg;
	uint64_t value; /* IS: equal to; LACKS: none of these bits */
};

struct call_set {
	unsigned may; /* MAY_ bit; 0: everybody */
	const struct call *calls;
	unsigned count;
};

extern const struct call_set call_sets[];
extern const unsigned call_set_count;

/* Refused in every mode but off, whatever a set says. */
extern const int calls_refused[];
extern const unsigned calls_refused_count;

/* The errno of a refused call, by the machine's own number. */
int call_error(int number);

#endif
