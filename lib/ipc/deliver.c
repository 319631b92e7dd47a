/* SPDX-License-Identifier: ISC */
#include "ipc/deliver.h"

#include "core/id.h"
#include "ipc/limits.h"

const char *const deliver_action_names[] = {
    "delivered", "deferred", "failed", NULL};

static const struct ipc_field deliver_fields[] = {
    IPC_U64(struct deliver, request, 1, UINT64_MAX),
    IPC_TEXT(struct deliver, queue_id, ID_LEN, ID_LEN),
    IPC_TEXT(struct deliver, session, 0, ID_LEN),
    IPC_TEXT(struct deliver, sender, 0, IPC_ADDRESS_MAX),
    IPC_TEXT(struct deliver, transport, 1, IPC_NAME_MAX),
    IPC_TEXT(struct deliver, nexthop, 1, IPC_ADDRESS_MAX),
    IPC_U64(struct deliver, size, 0, INT64_MAX),
    IPC_U64(struct deliver, arrived, 0, INT64_MAX),
    IPC_TEXT(struct deliver, body, 0, 8),
    IPC_BOOL(struct deliver, smtputf8),
    IPC_TEXT(struct deliver, envid, 0, 100),
    IPC_TEXT(struct deliver, ret, 0, 4),
    IPC_BOOL(struct deliver, junk),
    IPC_BOOL(struct deliver, direct),
    IPC_END,
};
const struct ipc_type deliver = {"deliver", deliver_fields};

static const struct ipc_field to[] = {
    IPC_U64(struct deliver_to, request, 1, UINT64_MAX),
    IPC_U64(struct deliver_to, index, 0, UINT32_MAX),
    IPC_TEXT(struct deliver_to, address, 1, IPC_ADDRESS_MAX),
    IPC_TEXT(struct deliver_to, original, 1, IPC_ORCPT_MAX),
    IPC_TEXT(struct deliver_to, notify, 0, 32),
    IPC_TEXT(struct deliver_to, account, 0, IPC_ADDRESS_MAX),
    IPC_U64(struct deliver_to, quota_storage, 0, INT64_MAX),
    IPC_U64(struct deliver_to, quota_messages, 0, INT64_MAX),
    IPC_END,
};
const struct ipc_type deliver_to = {"deliver_to", to};

static const struct ipc_field end[] = {
    IPC_U64(struct deliver_end, request, 1, UINT64_MAX),
    IPC_U64(struct deliver_end, count, 1, UINT32_MAX),
    IPC_END_FD,
};
const struct ipc_type deliver_end = {"deliver_end", end};

static const struct ipc_field result[] = {
    IPC_U64(struct deliver_result, request, 1, UINT64_MAX),
    IPC_TEXT(struct deliver_result, queue_id, ID_LEN, ID_LEN),
    IPC_U64(struct deliver_result, index, 0, UINT32_MAX),
    IPC_CHOICE(struct deliver_result, action, deliver_action_names),
    IPC_TEXT(struct deliver_result, dsn, 5, IPC_DSN_MAX),
    IPC_U64(struct deliver_result, code, 0, 599),
    IPC_TEXT(struct deliver_result, text, 0, IPC_REPLY_MAX),
    IPC_TEXT(struct deliver_result, remote, 0, IPC_HOST_MAX + 80),
    IPC_TEXT(struct deliver_result, phase, 0, IPC_PHASE_MAX),
    IPC_TEXT(struct deliver_result, tls, 0, IPC_TLS_MAX),
    IPC_BOOL(struct deliver_result, whole_hop),
    IPC_END,
};
const struct ipc_type deliver_result = {"result", result};

static const struct ipc_field pending[] = {
    IPC_TEXT(struct deliver_pending, queue_id, ID_LEN, ID_LEN),
    IPC_U64(struct deliver_pending, request, 1, UINT64_MAX),
    IPC_U64(struct deliver_pending, index, 0, UINT32_MAX),
    IPC_END,
};
const struct ipc_type deliver_pending = {"pending", pending};

static const struct ipc_field ack[] = {
    IPC_U64(struct deliver_ack, request, 1, UINT64_MAX),
    IPC_END,
};
const struct ipc_type deliver_ack = {"deliver_ack", ack};

static const struct ipc_field collect[] = {
    IPC_U64(struct deliver_collect, epoch, 0, UINT64_MAX),
    IPC_END,
};
const struct ipc_type deliver_collect = {"collect", collect};

static const struct ipc_field collected[] = {
    IPC_U64(struct deliver_collected, epoch, 0, UINT64_MAX),
    IPC_END,
};
const struct ipc_type deliver_collected = {"collected", collected};

static const struct ipc_type *const types[] = {&deliver, &deliver_to,
    &deliver_end, &deliver_result, &deliver_pending, &deliver_ack,
    &deliver_collect, &deliver_collected, NULL};
const struct ipc_exchange deliver_exchange = {"deliver", 1, types};

const char *const front_transports[FRONT_TRANSPORTS + 1] = {
    "smtp", "relay", "lmtp", NULL};
