/* SPDX-License-Identifier: ISC */
#include "ipc/qmgr.h"

#include "core/id.h"
#include "ipc/limits.h"

const char *const queue_verb_names[] = {
    "hold", "release", "delete", "flush", NULL};

const char *const verdict_names[] = {"done", "refuse", "commit", NULL};

static const struct ipc_field propose_to[] = {
    IPC_TEXT(struct qmgr_propose_to, queue_id, ID_LEN, ID_LEN),
    IPC_U64(struct qmgr_propose_to, index, 0, QMGR_PROPOSE_MAX - 1),
    IPC_TEXT(struct qmgr_propose_to, account, 1, IPC_ADDRESS_MAX),
    IPC_TEXT(struct qmgr_propose_to, nexthop, 1, IPC_ADDRESS_MAX),
    IPC_U64(struct qmgr_propose_to, quota_storage, 0, INT64_MAX),
    IPC_U64(struct qmgr_propose_to, quota_messages, 0, INT64_MAX),
    IPC_END,
};
const struct ipc_type qmgr_propose_to = {"propose_to", propose_to};

static const struct ipc_field propose[] = {
    IPC_TEXT(struct qmgr_propose, queue_id, ID_LEN, ID_LEN),
    IPC_U64(struct qmgr_propose, count, 1, QMGR_PROPOSE_MAX),
    IPC_END,
};
const struct ipc_type qmgr_propose = {"propose", propose};

static const struct ipc_field verdict[] = {
    IPC_TEXT(struct qmgr_verdict, queue_id, ID_LEN, ID_LEN),
    IPC_CHOICE(struct qmgr_verdict, verdict, verdict_names),
    IPC_U64(struct qmgr_verdict, code, 200, 599),
    IPC_TEXT(struct qmgr_verdict, dsn, 5, IPC_DSN_MAX),
    IPC_TEXT(struct qmgr_verdict, text, 0, IPC_REPLY_MAX),
    IPC_END,
};
const struct ipc_type qmgr_verdict = {"verdict", verdict};

static const struct ipc_field offer[] = {
    IPC_TEXT(struct qmgr_offer, queue_id, ID_LEN, ID_LEN),
    IPC_END,
};
const struct ipc_type qmgr_offer = {"offer", offer};

static const struct ipc_field offered[] = {
    IPC_TEXT(struct qmgr_offered, queue_id, ID_LEN, ID_LEN),
    IPC_BOOL(struct qmgr_offered, behind),
    IPC_END,
};
const struct ipc_type qmgr_offered = {"offered", offered};

static const struct ipc_field list[] = {
    IPC_TEXT(struct queue_list, queue_id, 0, ID_LEN),
    IPC_TEXT(struct queue_list, sender, 0, IPC_ADDRESS_MAX),
    IPC_TEXT(struct queue_list, recipient, 0, IPC_ADDRESS_MAX),
    IPC_END,
};
const struct ipc_type queue_list = {"queue_list", list};

static const struct ipc_field row[] = {
    IPC_TEXT(struct queue_row, queue_id, ID_LEN, ID_LEN),
    IPC_TEXT(struct queue_row, sender, 0, IPC_ADDRESS_MAX),
    IPC_TEXT(struct queue_row, recipient, 0, IPC_ADDRESS_MAX),
    IPC_TEXT(struct queue_row, state, 1, IPC_NAME_MAX),
    IPC_U64(struct queue_row, size, 0, INT64_MAX),
    IPC_U64(struct queue_row, arrived, 0, INT64_MAX),
    IPC_U64(struct queue_row, attempts, 0, UINT32_MAX),
    IPC_U64(struct queue_row, next, 0, INT64_MAX),
    IPC_TEXT(struct queue_row, transport, 0, IPC_NAME_MAX),
    IPC_TEXT(struct queue_row, nexthop, 0, IPC_ADDRESS_MAX),
    IPC_TEXT(struct queue_row, reason, 0, IPC_REPLY_MAX + IPC_DSN_MAX + 1),
    IPC_END,
};
const struct ipc_type queue_row = {"queue_row", row};

static const struct ipc_field act[] = {
    IPC_CHOICE(struct queue_act, verb, queue_verb_names),
    IPC_TEXT(struct queue_act, queue_id, 0, ID_LEN),
    IPC_TEXT(struct queue_act, sender, 0, IPC_ADDRESS_MAX),
    IPC_TEXT(struct queue_act, recipient, 0, IPC_ADDRESS_MAX),
    IPC_END,
};
const struct ipc_type queue_act = {"queue_act", act};

static const struct ipc_field end[] = {
    IPC_BOOL(struct queue_end, ok),
    IPC_U64(struct queue_end, count, 0, INT64_MAX),
    IPC_TEXT(struct queue_end, text, 0, IPC_REPLY_MAX),
    IPC_END,
};
const struct ipc_type queue_end = {"queue_end", end};

static const struct ipc_type *const types[] = {&qmgr_propose_to, &qmgr_propose,
    &qmgr_verdict, &qmgr_offer, &qmgr_offered, &queue_list, &queue_row,
    &queue_act, &queue_end, NULL};
const struct ipc_exchange qmgr_exchange = {"qmgr", 1, types};
