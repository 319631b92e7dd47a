/* SPDX-License-Identifier: ISC */
/*
 * Asking lookup and policyd from the loop. A question is answered, or fails,
 * within PEER_TIMEOUT_MS. What waits when the connection is lost is asked again
 * on a new one: the neighbour may just be being replaced.
 */
#ifndef AUTH_PEER_H
#define AUTH_PEER_H

#include "ipc/ipc.h"
#include "net/loop.h"

#define PEER_TIMEOUT_MS 5000

struct peer;

/* msg NULL: the peer is away. The views of msg end with the call. */
typedef void peer_answer(
    const struct ipc_type *type, const void *msg, void *arg);

/* name: the socket. Connects when first asked. */
struct peer *peer_new(
    struct loop *loop, const char *name, const struct ipc_exchange *exchange);
void peer_free(struct peer **p);

/*
 * msg begins with its uint64_t request, which is set here. done is called
 * once, never before this returns, unless peer_cancel is. 0: the peer is away
 * and done will not be called; else the question's number.
 */
uint64_t peer_ask(struct peer *p, const struct ipc_type *type, void *msg,
    peer_answer *done, void *arg);
void peer_cancel(struct peer *p, uint64_t question);

#endif
