/* SPDX-License-Identifier: ISC */
#include "ipc/pickup.h"

#include "core/id.h"
#include "ipc/limits.h"

static const struct ipc_field submit[] = {
    IPC_U64(struct pickup_submit, size, 0, INT64_MAX),
    IPC_END_FD,
};
const struct ipc_type pickup_submit = {"submit", submit};

static const struct ipc_field submitted[] = {
    IPC_BOOL(struct pickup_submitted, accepted),
    IPC_TEXT(struct pickup_submitted, queue_id, 0, ID_LEN),
    IPC_U64(struct pickup_submitted, code, 200, 599),
    IPC_TEXT(struct pickup_submitted, dsn, 5, IPC_DSN_MAX),
    IPC_TEXT(struct pickup_submitted, text, 0, IPC_REPLY_MAX),
    IPC_END,
};
const struct ipc_type pickup_submitted = {"submitted", submitted};

static const struct ipc_type *const types[] = {&pickup_submit,
    &pickup_submitted, &queue_ask, &queue_row, &queue_why, &queue_end, NULL};
const struct ipc_exchange pickup_exchange = {"pickup", 1, types};
