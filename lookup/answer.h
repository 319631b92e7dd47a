/* SPDX-License-Identifier: ISC */
/* Questions of the lookup exchange, each answered at once. */
#ifndef LOOKUP_ANSWER_H
#define LOOKUP_ANSWER_H

#include "ipc/wire.h"
#include "lookup/directory.h"

/* Puts the answers; does not push them. -1: the peer is to be dropped. */
int answer_question(struct directory *d, struct wire *w,
    const struct ipc_type *type, const void *msg);

#endif
