/* SPDX-License-Identifier: ISC */
#include "ipc/pass.h"

#include "core/id.h"
#include "ipc/limits.h"

static const struct ipc_field await[] = {
    IPC_U64(struct pass_await, waiting, 0, UINT64_MAX),
    IPC_END,
};
const struct ipc_type pass_await = {"pass_await", await};

static const struct ipc_field ready[] = {
    IPC_U64(struct pass_ready, served, 0, UINT64_MAX),
    IPC_END,
};
const struct ipc_type pass_ready = {"pass_ready", ready};

static const struct ipc_field client[] = {
    IPC_TEXT(struct pass_client, session, ID_LEN, ID_LEN),
    IPC_TEXT(struct pass_client, client_address, 0, IPC_HOST_MAX),
    IPC_U64(struct pass_client, client_port, 0, 65535),
    IPC_TEXT(struct pass_client, own_address, 0, IPC_HOST_MAX),
    IPC_U64(struct pass_client, own_port, 0, 65535),
    IPC_BOOL(struct pass_client, greeted),
    IPC_TEXT(struct pass_client, found, 0, IPC_NAME_MAX),
    IPC_END_FD,
};
const struct ipc_type pass_client = {"pass_client", client};

static const struct ipc_type *const types[] = {
    &pass_await, &pass_ready, &pass_client, NULL};
const struct ipc_exchange pass_exchange = {"pass", 1, types};
