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

const char *const greylist_state_names[] = {
    "uninvited", "allowed", "client", "known", "passed", "new", "early", NULL};
const char *const greylist_row_names[] = {
    "allowed", "client", "passed", "waits", NULL};

static const struct ipc_field greylist[] = {
    IPC_U64(struct policy_greylist, request, 0, UINT64_MAX),
    IPC_TEXT(struct policy_greylist, client_address, 1, IPC_HOST_MAX),
    IPC_TEXT(struct policy_greylist, domain, 0, IPC_HOST_MAX),
    IPC_TEXT(struct policy_greylist, sender, 0, IPC_ADDRESS_MAX),
    IPC_TEXT(struct policy_greylist, recipient, 1, IPC_ADDRESS_MAX),
    IPC_BOOL(struct policy_greylist, invited),
    IPC_BOOL(struct policy_greylist, look),
    IPC_END,
};
const struct ipc_type policy_greylist = {"policy_greylist", greylist};

static const struct ipc_field greylisted[] = {
    IPC_U64(struct policy_greylisted, request, 0, UINT64_MAX),
    IPC_CHOICE(struct policy_greylisted, state, greylist_state_names),
    IPC_U64(struct policy_greylisted, seconds, 0, INT64_MAX),
    IPC_U64(struct policy_greylisted, failures, 0, UINT64_MAX),
    IPC_END,
};
const struct ipc_type policy_greylisted = {"policy_greylisted", greylisted};

static const struct ipc_field greylist_list[] = {
    IPC_TEXT(struct policy_greylist_list, key, 0, IPC_ADDRESS_MAX),
    IPC_END,
};
const struct ipc_type policy_greylist_list = {
    "policy_greylist_list", greylist_list};

static const struct ipc_field greylist_allow[] = {
    IPC_TEXT(struct policy_greylist_allow, client, 1, IPC_HOST_MAX),
    IPC_U64(
	struct policy_greylist_allow, seconds, 0, POLICY_ALLOW_SECONDS_MOST),
    IPC_END,
};
const struct ipc_type policy_greylist_allow = {
    "policy_greylist_allow", greylist_allow};

static const struct ipc_field greylist_forget[] = {
    IPC_TEXT(struct policy_greylist_forget, key, 0, IPC_ADDRESS_MAX),
    IPC_BOOL(struct policy_greylist_forget, all),
    IPC_END,
};
const struct ipc_type policy_greylist_forget = {
    "policy_greylist_forget", greylist_forget};

static const struct ipc_field greylist_row[] = {
    IPC_CHOICE(struct policy_greylist_row, kind, greylist_row_names),
    IPC_TEXT(struct policy_greylist_row, client, 0, 2048),
    IPC_TEXT(struct policy_greylist_row, sender, 0, 2048),
    IPC_TEXT(struct policy_greylist_row, recipient, 0, 2048),
    IPC_U64(struct policy_greylist_row, first, 0, INT64_MAX),
    IPC_U64(struct policy_greylist_row, last, 0, INT64_MAX),
    IPC_U64(struct policy_greylist_row, end, 0, INT64_MAX),
    IPC_U64(struct policy_greylist_row, ready, 0, INT64_MAX),
    IPC_U64(struct policy_greylist_row, count, 0, UINT64_MAX),
    IPC_BOOL(struct policy_greylist_row, exempt),
    IPC_END,
};
const struct ipc_type policy_greylist_row = {
    "policy_greylist_row", greylist_row};

static const struct ipc_type *const types[] = {&policy_count, &policy_counted,
    &policy_peek, &policy_failure, &policy_penalty, &policy_ask,
    &policy_remember, &policy_recall, &policy_look, &policy_recalled,
    &policy_list, &policy_clear, &policy_row, &policy_listed, &policy_greylist,
    &policy_greylisted, &policy_greylist_list, &policy_greylist_allow,
    &policy_greylist_forget, &policy_greylist_row, NULL};
const struct ipc_exchange policy_exchange = {"policy", 1, types};
