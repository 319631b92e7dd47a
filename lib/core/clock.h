/* SPDX-License-Identifier: ISC */
/*
 * Time. Deadlines are absolute, in milliseconds of the monotonic clock, so
 * that a wait can be made of several calls without growing.
 */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include <stdint.h>

#define DEADLINE_NEVER INT64_MAX

int64_t clock_ms(void);      /* monotonic, milliseconds */
uint64_t clock_us(void);     /* wall clock, microseconds since 1970 */
int64_t clock_seconds(void); /* wall clock, seconds since 1970 */

/* For tests: moves the wall clock of this process (and of what it forks) by
 * so many seconds; adds up. */
void clock_step(int64_t seconds);
/* The same with the monotonic clock, which deadlines are made of. */
void clock_skip(int64_t ms);

/* The deadline that lies ms from now; a negative ms means never. */
int64_t deadline_in(int64_t ms);
/* Milliseconds left for poll(2): 0 when over, -1 when never. */
int deadline_left(int64_t deadline);

#endif
