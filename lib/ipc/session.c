/* SPDX-License-Identifier: ISC */
#include "ipc/session.h"

#include "core/id.h"
#include "ipc/limits.h"

static const struct ipc_field start[] = {
    IPC_TEXT(struct session_start, ticket, 1, IPC_TICKET_MAX),
    IPC_TEXT(struct session_start, service, 1, IPC_NAME_MAX),
    IPC_TEXT(struct session_start, session, 0, ID_LEN),
    IPC_TEXT(struct session_start, tag, 0, 128),
    IPC_TEXT(struct session_start, client_address, 0, IPC_HOST_MAX),
    IPC_BOOL(struct session_start, tls),
    IPC_TEXT(struct session_start, input, 0, 16384),
    IPC_END,
};
const struct ipc_type session_start = {"session", start};

static const struct ipc_field ready[] = {
    IPC_TEXT(struct session_ready, login, 1, IPC_ADDRESS_MAX),
    IPC_END,
};
const struct ipc_type session_ready = {"session_ready", ready};

static const struct ipc_field no[] = {
    IPC_BOOL(struct session_no, temporary),
    IPC_TEXT(struct session_no, text, 0, IPC_REPLY_MAX),
    IPC_END,
};
const struct ipc_type session_no = {"session_no", no};

static const struct ipc_field wake[] = {
    IPC_U64(struct session_wake, modseq, 0, UINT64_MAX),
    IPC_END,
};
const struct ipc_type session_wake = {"wake", wake};

static const struct ipc_type *const types[] = {
    &session_start, &session_ready, &session_no, &session_wake, NULL};
const struct ipc_exchange session_exchange = {"session", 1, types};
