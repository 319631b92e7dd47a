/* SPDX-License-Identifier: ISC */
#include "ipc/lookup.h"

#include "ipc/explain.h"
#include "ipc/limits.h"

const char *const domain_class_names[] = {
    "mailbox", "alias", "relay", "local", "remote", NULL};
const char *const resolve_status_names[] = {
    "ok", "unknown", "refused", "temporary", NULL};

static const struct ipc_field resolve[] = {
    IPC_U64(struct lookup_resolve, request, 0, UINT64_MAX),
    IPC_TEXT(struct lookup_resolve, address, 1, IPC_ADDRESS_MAX),
    IPC_END,
};
const struct ipc_type lookup_resolve = {"resolve", resolve};

static const struct ipc_field resolved[] = {
    IPC_U64(struct lookup_resolved, request, 0, UINT64_MAX),
    IPC_CHOICE(struct lookup_resolved, status, resolve_status_names),
    IPC_CHOICE(struct lookup_resolved, domain, domain_class_names),
    IPC_BOOL(struct lookup_resolved, is_alias),
    IPC_TEXT(struct lookup_resolved, transport, 0, IPC_NAME_MAX),
    IPC_TEXT(struct lookup_resolved, nexthop, 0, IPC_ADDRESS_MAX),
    IPC_TEXT(struct lookup_resolved, account, 0, IPC_ADDRESS_MAX),
    IPC_U64(struct lookup_resolved, quota_storage, 0, INT64_MAX),
    IPC_U64(struct lookup_resolved, quota_messages, 0, INT64_MAX),
    IPC_U64(struct lookup_resolved, code, 0, 599),
    IPC_TEXT(struct lookup_resolved, dsn, 0, IPC_DSN_MAX),
    IPC_TEXT(struct lookup_resolved, text, 0, IPC_REPLY_MAX),
    IPC_TEXT(struct lookup_resolved, rule, 0, IPC_NAME_MAX),
    IPC_END,
};
const struct ipc_type lookup_resolved = {"resolved", resolved};

static const struct ipc_field expand[] = {
    IPC_U64(struct lookup_expand, request, 0, UINT64_MAX),
    IPC_TEXT(struct lookup_expand, address, 1, IPC_ADDRESS_MAX),
    IPC_BOOL(struct lookup_expand, mailboxes),
    IPC_END,
};
const struct ipc_type lookup_expand = {"expand", expand};

static const struct ipc_field expanded[] = {
    IPC_U64(struct lookup_expanded, request, 0, UINT64_MAX),
    IPC_TEXT(struct lookup_expanded, address, 1, IPC_ADDRESS_MAX),
    IPC_TEXT(struct lookup_expanded, account, 0, IPC_ADDRESS_MAX),
    IPC_TEXT(struct lookup_expanded, nexthop, 0, IPC_ADDRESS_MAX),
    IPC_U64(struct lookup_expanded, quota_storage, 0, INT64_MAX),
    IPC_U64(struct lookup_expanded, quota_messages, 0, INT64_MAX),
    IPC_BOOL(struct lookup_expanded, forwarded),
    IPC_END,
};
const struct ipc_type lookup_expanded = {"expanded", expanded};

static const struct ipc_field expand_end[] = {
    IPC_U64(struct lookup_expand_end, request, 0, UINT64_MAX),
    IPC_CHOICE(struct lookup_expand_end, status, resolve_status_names),
    IPC_U64(struct lookup_expand_end, count, 0, UINT32_MAX),
    IPC_TEXT(struct lookup_expand_end, text, 0, IPC_REPLY_MAX),
    IPC_END,
};
const struct ipc_type lookup_expand_end = {"expand_end", expand_end};

static const struct ipc_field forward[] = {
    IPC_U64(struct lookup_forward, request, 0, UINT64_MAX),
    IPC_TEXT(struct lookup_forward, sender, 0, IPC_ADDRESS_MAX),
    IPC_END,
};
const struct ipc_type lookup_forward = {"forward", forward};

static const struct ipc_field forwarded[] = {
    IPC_U64(struct lookup_forwarded, request, 0, UINT64_MAX),
    IPC_CHOICE(struct lookup_forwarded, status, resolve_status_names),
    IPC_TEXT(struct lookup_forwarded, sender, 0, IPC_ADDRESS_MAX),
    IPC_END,
};
const struct ipc_type lookup_forwarded = {"forwarded", forwarded};

static const struct ipc_field owns[] = {
    IPC_U64(struct lookup_owns, request, 0, UINT64_MAX),
    IPC_TEXT(struct lookup_owns, login, 1, IPC_ADDRESS_MAX),
    IPC_TEXT(struct lookup_owns, address, 0, IPC_ADDRESS_MAX),
    IPC_END,
};
const struct ipc_type lookup_owns = {"owns", owns};

static const struct ipc_field owned[] = {
    IPC_U64(struct lookup_owned, request, 0, UINT64_MAX),
    IPC_CHOICE(struct lookup_owned, status, resolve_status_names),
    IPC_END,
};
const struct ipc_type lookup_owned = {"owned", owned};

static const char *const what_names[] = {
    "resolve", "expand", "owns", "forward", NULL};

static const struct ipc_field explain[] = {
    IPC_U64(struct lookup_explain, request, 0, UINT64_MAX),
    IPC_CHOICE(struct lookup_explain, what, what_names),
    IPC_TEXT(struct lookup_explain, address, 0, IPC_ADDRESS_MAX),
    IPC_TEXT(struct lookup_explain, login, 0, IPC_ADDRESS_MAX),
    IPC_END,
};
const struct ipc_type lookup_explain = {"explain", explain};

static const struct ipc_field table[] = {
    IPC_U64(struct lookup_table, request, 0, UINT64_MAX),
    IPC_TEXT(struct lookup_table, table, 1, 4096),
    IPC_TEXT(struct lookup_table, key, 0, LOOKUP_KEYS_MAX),
    IPC_TEXT(struct lookup_table, rule, 0, IPC_NAME_MAX),
    IPC_END,
};
const struct ipc_type lookup_table = {"table", table};

static const struct ipc_field value[] = {
    IPC_U64(struct lookup_value, request, 0, UINT64_MAX),
    IPC_CHOICE(struct lookup_value, status, resolve_status_names),
    IPC_TEXT(struct lookup_value, value, 0, 16384),
    IPC_END,
};
const struct ipc_type lookup_value = {"value", value};

static const struct ipc_type *const types[] = {&lookup_resolve,
    &lookup_resolved, &lookup_expand, &lookup_expanded, &lookup_expand_end,
    &lookup_forward, &lookup_forwarded, &lookup_owns, &lookup_owned,
    &lookup_explain, &explain_step, &lookup_table, &lookup_value, NULL};
const struct ipc_exchange lookup_exchange = {"lookup", 1, types};
