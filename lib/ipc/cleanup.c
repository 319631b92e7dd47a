/* SPDX-License-Identifier: ISC */
#include "ipc/cleanup.h"

#include "core/id.h"
#include "ipc/limits.h"

const char *const mail_origin_names[] = {
    "mx", "lmtp", "submission", "bounce", "local", "pickup", "report", NULL};

static const struct ipc_field message[] = {
    IPC_CHOICE(struct cleanup_message, origin, mail_origin_names),
    IPC_TEXT(struct cleanup_message, session, 0, ID_LEN),
    IPC_TEXT(struct cleanup_message, queue_id, 0, ID_LEN),
    IPC_TEXT(struct cleanup_message, sender, 0, IPC_ADDRESS_MAX),
    IPC_TEXT(struct cleanup_message, helo, 0, IPC_HOST_MAX),
    IPC_TEXT(struct cleanup_message, client_name, 0, IPC_HOST_MAX),
    IPC_TEXT(struct cleanup_message, client_address, 0, IPC_HOST_MAX),
    IPC_U64(struct cleanup_message, client_port, 0, 65535),
    IPC_U64(struct cleanup_message, uid, 0, UINT32_MAX),
    IPC_TEXT(struct cleanup_message, protocol, 0, 16),
    IPC_TEXT(struct cleanup_message, tls, 0, 128),
    IPC_TEXT(struct cleanup_message, login, 0, IPC_ADDRESS_MAX),
    IPC_TEXT(struct cleanup_message, ticket, 0, IPC_TICKET_MAX),
    IPC_TEXT(struct cleanup_message, envid, 0, 100),
    IPC_TEXT(struct cleanup_message, ret, 0, 4),
    IPC_TEXT(struct cleanup_message, body, 0, 8),
    IPC_BOOL(struct cleanup_message, smtputf8),
    IPC_END,
};
const struct ipc_type cleanup_message = {"message", message};

static const struct ipc_field recipient[] = {
    IPC_TEXT(struct cleanup_recipient, address, 1, IPC_ADDRESS_MAX),
    IPC_TEXT(struct cleanup_recipient, original, 0, IPC_ORCPT_MAX),
    IPC_TEXT(struct cleanup_recipient, notify, 0, 32),
    IPC_END,
};
const struct ipc_type cleanup_recipient = {"recipient", recipient};

static const struct ipc_field content[] = {
    IPC_U64(struct cleanup_content, length, 1, IPC_BYTES_MAX),
    IPC_END,
};
const struct ipc_type cleanup_content = {"content", content};

static const struct ipc_field verdict[] = {
    IPC_TEXT(struct cleanup_verdict, results, 0, CLEANUP_RESULTS_MAX),
    IPC_TEXT(struct cleanup_verdict, received_spf, 0, CLEANUP_RECEIVED_SPF_MAX),
    IPC_TEXT(struct cleanup_verdict, arc, 0, 4),
    IPC_BOOL(struct cleanup_verdict, junk),
    IPC_BOOL(struct cleanup_verdict, inside),
    IPC_END,
};
const struct ipc_type cleanup_verdict = {"verdict", verdict};

static const struct ipc_field commit[] = {
    IPC_U64(struct cleanup_commit, size, 0, INT64_MAX),
    IPC_END,
};
const struct ipc_type cleanup_commit = {"commit", commit};

static const struct ipc_field outcome[] = {
    IPC_BOOL(struct cleanup_outcome, accepted),
    IPC_TEXT(struct cleanup_outcome, queue_id, 0, ID_LEN),
    IPC_U64(struct cleanup_outcome, code, 200, 599),
    IPC_TEXT(struct cleanup_outcome, dsn, 5, IPC_DSN_MAX),
    IPC_TEXT(struct cleanup_outcome, text, 0, IPC_REPLY_MAX),
    IPC_END,
};
const struct ipc_type cleanup_outcome = {"outcome", outcome};

static const struct ipc_field abort_fields[] = {
    IPC_BOOL(struct cleanup_abort, quietly),
    IPC_END,
};
const struct ipc_type cleanup_abort = {"abort", abort_fields};

static const struct ipc_field room[] = {
    IPC_U64(struct cleanup_room, size, 0, INT64_MAX),
    IPC_END,
};
const struct ipc_type cleanup_room = {"room", room};

static const struct ipc_type *const types[] = {&cleanup_message,
    &cleanup_recipient, &cleanup_content, &cleanup_verdict, &cleanup_commit,
    &cleanup_outcome, &cleanup_abort, &cleanup_room, NULL};
const struct ipc_exchange cleanup_exchange = {"cleanup", 1, types};
