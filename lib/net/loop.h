/* SPDX-License-Identifier: ISC */
/*
 * The event loop of the fronts: libevent, seen by this directory alone.
 * Handlers run to completion; freeing a watch or timer inside any handler
 * (its own included) is allowed.
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <stdint.h>

#define LOOP_READ  1u
#define LOOP_WRITE 2u

struct loop;
struct loop_watch;
struct loop_timer;

struct loop *loop_new(void);
void loop_free(struct loop **loop);
/* Until loop_stop. */
void loop_run(struct loop *loop);
/* Handles what is ready, waiting at most ms (-1: for ever) for it. */
void loop_turn(struct loop *loop, int64_t ms);
void loop_stop(struct loop *loop);
/* In a child process that goes on with its parent's loop: the kernel's side of
 * it is no longer shared. */
void loop_after_fork(struct loop *loop);
/* Milliseconds of the monotonic clock. */
int64_t loop_now(struct loop *loop);

/* what: LOOP_READ | LOOP_WRITE; 0 keeps the watch silent. A descriptor ready
 * for both is told in two calls. The fd stays the
 * caller's, who frees the watch before closing it. */
struct loop_watch *loop_watch_new(struct loop *loop, int fd, unsigned what,
    void (*ready)(unsigned what, void *arg), void *arg);
void loop_watch_set(struct loop_watch *w, unsigned what);
void loop_watch_free(struct loop_watch **w);

/* A timer fires once after each loop_timer_set. */
struct loop_timer *loop_timer_new(
    struct loop *loop, void (*fired)(void *arg), void *arg);
void loop_timer_set(struct loop_timer *t, int64_t ms);
void loop_timer_stop(struct loop_timer *t);
void loop_timer_free(struct loop_timer **t);

void loop_signal(struct loop *loop, int signal_number,
    void (*caught)(int signal_number, void *arg), void *arg);

#endif
