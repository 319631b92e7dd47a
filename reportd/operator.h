/* SPDX-License-Identifier: ISC */
/* What the operator asks: posthouse report. */
#ifndef REPORTD_OPERATOR_H
#define REPORTD_OPERATOR_H

#include "ipc/wire.h"

/* For struct desk_calls' answer: everything but rows. */
int operator_asks(struct wire *w, const struct ipc_type *type, const void *msg);

#endif
