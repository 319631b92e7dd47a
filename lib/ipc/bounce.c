/* SPDX-License-Identifier: ISC */
#include "ipc/bounce.h"

#include "core/id.h"
#include "ipc/limits.h"

const char *const bounce_kind_names[] = {
    "failed", "delayed", "delivered", NULL};

static const struct ipc_field bounce_fields[] = {
    IPC_TEXT(struct bounce, queue_id, ID_LEN, ID_LEN),
    IPC_TEXT(struct bounce, session, 0, ID_LEN),
    IPC_U64(struct bounce, round, 0, UINT32_MAX),
    IPC_CHOICE(struct bounce, kind, bounce_kind_names),
    IPC_TEXT(struct bounce, sender, 1, IPC_ADDRESS_MAX),
    IPC_U64(struct bounce, arrived, 0, INT64_MAX),
    IPC_TEXT(struct bounce, envid, 0, 100),
    IPC_TEXT(struct bounce, ret, 0, 4),
    IPC_BOOL(struct bounce, smtputf8),
    IPC_END_FD,
};
const struct ipc_type bounce = {"bounce", bounce_fields};

static const struct ipc_field for_fields[] = {
    IPC_TEXT(struct bounce_for, address, 1, IPC_ADDRESS_MAX),
    IPC_TEXT(struct bounce_for, original, 0, IPC_ORCPT_MAX),
    IPC_TEXT(struct bounce_for, dsn, 5, IPC_DSN_MAX),
    IPC_U64(struct bounce_for, code, 0, 599),
    IPC_TEXT(struct bounce_for, text, 0, IPC_REPLY_MAX),
    IPC_TEXT(struct bounce_for, remote, 0, IPC_HOST_MAX + 80),
    IPC_U64(struct bounce_for, last, 0, INT64_MAX),
    IPC_END,
};
const struct ipc_type bounce_for = {"bounce_for", for_fields};

static const struct ipc_field end[] = {
    IPC_U64(struct bounce_end, count, 1, UINT32_MAX),
    IPC_END,
};
const struct ipc_type bounce_end = {"bounce_end", end};

static const struct ipc_field bounced_fields[] = {
    IPC_BOOL(struct bounced, ok),
    IPC_TEXT(struct bounced, queue_id, 0, ID_LEN),
    IPC_TEXT(struct bounced, text, 0, IPC_REPLY_MAX),
    IPC_END,
};
const struct ipc_type bounced = {"bounced", bounced_fields};

static const struct ipc_type *const types[] = {
    &bounce, &bounce_for, &bounce_end, &bounced, NULL};
const struct ipc_exchange bounce_exchange = {"bounce", 1, types};
