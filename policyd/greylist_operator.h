/* SPDX-License-Identifier: ISC */
/* What the operator asks for: posthouse greylist. */
#ifndef POLICYD_GREYLIST_OPERATOR_H
#define POLICYD_GREYLIST_OPERATOR_H

#include "ipc/wire.h"
#include "policyd/greylist.h"

/* policy_greylist_list, _allow and _forget. -1: the peer may not ask
 * (logged). */
int greylist_operator_asks(struct greylist *g, struct wire *w,
    const struct ipc_type *type, const void *msg);

#endif
