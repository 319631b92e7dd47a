/* SPDX-License-Identifier: ISC */
/*
 * A question about the queue on its way to qmgr, and the answer back. qmgr
 * waits while the client does not read.
 */
#ifndef PICKUP_RELAY_H
#define PICKUP_RELAY_H

#include "ipc/wire.h"

struct relay;

/*
 * Asks qmgr. over is called once, when the whole answer was put (true) or
 * qmgr is away (false), or not before this returns; the relay is then freed.
 * NULL when qmgr cannot be asked.
 */
struct relay *relay_new(struct wire *client, const struct ipc_type *type,
    const void *msg, void (*over)(void *arg, bool whole), void *arg);
void relay_free(struct relay **r);
/* The client has taken what was put. */
void relay_go_on(struct relay *r);

#endif
