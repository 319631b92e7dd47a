/* SPDX-License-Identifier: ISC */
/* Threads that hash passwords, off the main loop. */
#ifndef AUTH_POOL_H
#define AUTH_POOL_H

#include "auth/scheme.h"
#include "net/loop.h"

struct pool;
struct pool_job;

/* most: jobs that may wait or run at once. NULL with errno. */
struct pool *pool_new(struct loop *loop, int threads, size_t most);
/* Waits for what runs; what waits is dropped without an answer. */
void pool_free(struct pool **p);

/*
 * Verifies password against stored (both copied); done is called on the loop.
 * NULL when too many wait: done is then not called.
 */
struct pool_job *pool_verify(struct pool *p, struct str stored,
    struct str password, void (*done)(enum scheme_result r, void *arg),
    void *arg);
/* done will not be called any more. */
void pool_cancel(struct pool_job *job);

#endif
