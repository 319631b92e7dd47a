/* SPDX-License-Identifier: ISC */
#include "ipc/policy.h"

#include "ipc/limits.h"

static const struct ipc_field count[] = {
    IPC_U64(struct policy_count, request, 0, UINT64_MAX),
    IPC_TEXT(struct policy_count, name, 1, IPC_NAME_MAX),
    IPC_TEXT(struct policy_count, key, 0, IPC_ADDRESS_MAX),
    IPC_U64(struct policy_count, amount, 0, UINT32_MAX),
    IPC_U64(struct policy_count, limit, 0, UINT32_MAX),
    IPC_U64(struct policy_count, window, 1, 86400 * 31),
    IPC_END,
};
const struct ipc_type policy_count = {"policy_count", count};

static const struct ipc_field counted[] = {
    IPC_U64(struct policy_counted, request, 0, UINT64_MAX),
    IPC_BOOL(struct policy_counted, within),
    IPC_U64(struct policy_counted, count, 0, UINT64_MAX),
    IPC_END,
};
const struct ipc_type policy_counted = {"policy_counted", counted};

static const struct ipc_field peek[] = {
    IPC_U64(struct policy_peek, request, 0, UINT64_MAX),
    IPC_TEXT(struct policy_peek, name, 1, IPC_NAME_MAX),
    IPC_TEXT(struct policy_peek, key, 0, IPC_ADDRESS_MAX),
    IPC_U64(struct policy_peek, amount, 0, UINT32_MAX),
    IPC_U64(struct policy_peek, limit, 0, UINT32_MAX),
    IPC_U64(struct policy_peek, window, 1, 86400 * 31),
    IPC_END,
};
const struct ipc_type policy_peek = {"policy_peek", peek};

static const struct ipc_field failure[] = {
    IPC_U64(struct policy_failure, request, 0, UINT64_MAX),
    IPC_TEXT(struct policy_failure, client_address, 0, IPC_HOST_MAX),
    IPC_TEXT(struct policy_failure, login, 0, IPC_ADDRESS_MAX),
    IPC_BOOL(struct policy_failure, success),
    IPC_END,
};
const struct ipc_type policy_failure = {"policy_failure", failure};

static const struct ipc_field penalty[] = {
    IPC_U64(struct policy_penalty, request, 0, UINT64_MAX),
    IPC_U64(struct policy_penalty, delay_ms, 0, 600000),
    IPC_U64(struct policy_penalty, failures, 0, UINT64_MAX),
    IPC_BOOL(struct policy_penalty, blocked),
    IPC_END,
};
const struct ipc_type policy_penalty = {"policy_penalty", penalty};

static const struct ipc_field ask[] = {
    IPC_U64(struct policy_ask, request, 0, UINT64_MAX),
    IPC_TEXT(struct policy_ask, client_address, 0, IPC_HOST_MAX),
    IPC_TEXT(struct policy_ask, login, 0, IPC_ADDRESS_MAX),
    IPC_END,
};
const struct ipc_type policy_ask = {"policy_ask", ask};

static const struct ipc_field remember[] = {
    IPC_TEXT(struct policy_remember, name, 1, IPC_NAME_MAX),
    IPC_TEXT(struct policy_remember, key, 1, IPC_ADDRESS_MAX),
    IPC_TEXT(struct policy_remember, value, 0, IPC_HOST_MAX),
    IPC_U64(struct policy_remember, seconds, 0, 86400 * 366),
    IPC_END,
};
const struct ipc_type policy_remember = {"policy_remember", remember};

static const struct ipc_field recall[] = {
    IPC_U64(struct policy_recall, request, 0, UINT64_MAX),
    IPC_TEXT(struct policy_recall, name, 1, IPC_NAME_MAX),
    IPC_TEXT(struct policy_recall, key, 1, IPC_ADDRESS_MAX),
    IPC_END,
};
const struct ipc_type policy_recall = {"policy_recall", recall};

static const struct ipc_field look[] = {
    IPC_U64(struct policy_look, request, 0, UINT64_MAX),
    IPC_TEXT(struct policy_look, name, 1, IPC_NAME_MAX),
    IPC_TEXT(struct policy_look, key, 1, IPC_ADDRESS_MAX),
    IPC_END,
};
const struct ipc_type policy_look = {"policy_look", look};

static const struct ipc_field recalled[] = {
    IPC_U64(struct policy_recalled, request, 0, UINT64_MAX),
    IPC_BOOL(struct policy_recalled, known),
    IPC_TEXT(struct policy_recalled, value, 0, IPC_HOST_MAX),
    IPC_END,
};
const struct ipc_type policy_recalled = {"policy_recalled", recalled};

const char *const policy_kind_names[] = {
    "login-address", "login-account", "rate", "memory", NULL};

static const struct ipc_field list[] = {
    IPC_TEXT(struct policy_list, key, 0, IPC_ADDRESS_MAX),
    IPC_BOOL(struct policy_list, all),
    IPC_END,
};
const struct ipc_type policy_list = {"policy_list", list};

static const struct ipc_field clear[] = {
    IPC_TEXT(struct policy_clear, key, 0, IPC_ADDRESS_MAX),
    IPC_BOOL(struct policy_clear, all),
    IPC_END,
};
const struct ipc_type policy_clear = {"policy_clear", clear};

static const struct ipc_field row[] = {
    IPC_CHOICE(struct policy_row, kind, policy_kind_names),
    IPC_TEXT(struct policy_row, name, 0, IPC_NAME_MAX),
    IPC_TEXT(struct policy_row, key, 0, 2048),
    IPC_U64(struct policy_row, count, 0, UINT64_MAX),
    IPC_U64(struct policy_row, delay_ms, 0, UINT64_MAX),
    IPC_BOOL(struct policy_row, blocked),
    IPC_TEXT(struct policy_row, value, 0, 2048),
    IPC_U64(struct policy_row, left_seconds, 0, UINT64_MAX),
    IPC_END,
};
const struct ipc_type policy_row = {"policy_row", row};

static const struct ipc_field listed[] = {
    IPC_U64(struct policy_listed, count, 0, UINT64_MAX),
    IPC_BOOL(struct policy_listed, cut),
    IPC_END,
};
const struct ipc_type policy_listed = {"policy_listed", listed};

static const struct ipc_type *const types[] = {&policy_count, &policy_counted,
    &policy_peek, &policy_failure, &policy_penalty, &policy_ask,
    &policy_remember, &policy_recall, &policy_look, &policy_recalled,
    &policy_list, &policy_clear, &policy_row, &policy_listed, NULL};
const struct ipc_exchange policy_exchange = {"policy", 1, types};
