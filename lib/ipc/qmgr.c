/* SPDX-License-Identifier: ISC */
#include "ipc/qmgr.h"

#include "core/id.h"
#include "ipc/limits.h"

const char *const queue_verb_names[] = {"list", "why", "hops", "hold",
    "release", "delete", "flush", "bounce", NULL};

const char *const queue_bind_names[] = {"trying", "resolving", "starting",
    "line", "turn", "agent-away", "agent-full", "concurrency", "rate-delay",
    "dead", "backoff", "trouble", "hold", "dsn", "deleted", NULL};

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
    IPC_END_FD,
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
    IPC_END_FD,
};
const struct ipc_type qmgr_offer = {"offer", offer};

static const struct ipc_field offered[] = {
    IPC_TEXT(struct qmgr_offered, queue_id, ID_LEN, ID_LEN),
    IPC_BOOL(struct qmgr_offered, behind),
    IPC_END,
};
const struct ipc_type qmgr_offered = {"offered", offered};

static const struct ipc_field ask[] = {
    IPC_CHOICE(struct queue_ask, verb, queue_verb_names),
    IPC_BOOL(struct queue_ask, all),
    IPC_BOOL(struct queue_ask, dry_run),
    IPC_TEXT(struct queue_ask, queue_id, 0, ID_LEN),
    IPC_TEXT(struct queue_ask, sender, 0, IPC_ADDRESS_MAX),
    IPC_TEXT(struct queue_ask, recipient, 0, IPC_ADDRESS_MAX),
    IPC_TEXT(struct queue_ask, domain, 0, IPC_ADDRESS_MAX),
    IPC_TEXT(struct queue_ask, nexthop, 0, IPC_ADDRESS_MAX),
    IPC_TEXT(struct queue_ask, site, 0, IPC_ADDRESS_MAX),
    IPC_TEXT(struct queue_ask, transport, 0, IPC_NAME_MAX),
    IPC_TEXT(struct queue_ask, state, 0, IPC_NAME_MAX),
    IPC_TEXT(struct queue_ask, reason, 0, IPC_REPLY_MAX),
    IPC_U64(struct queue_ask, since, 0, INT64_MAX),
    IPC_U64(struct queue_ask, before, 0, INT64_MAX),
    IPC_U64(struct queue_ask, size_least, 0, INT64_MAX),
    IPC_U64(struct queue_ask, size_most, 0, INT64_MAX),
    IPC_U64(struct queue_ask, owner, 0, (uint64_t)UINT32_MAX + 1),
    IPC_END,
};
const struct ipc_type queue_ask = {"queue_ask", ask};

static const struct ipc_field row[] = {
    IPC_TEXT(struct queue_row, queue_id, ID_LEN, ID_LEN),
    IPC_TEXT(struct queue_row, sender, 0, IPC_ADDRESS_MAX),
    IPC_TEXT(struct queue_row, recipient, 0, IPC_ADDRESS_MAX),
    IPC_TEXT(struct queue_row, state, 1, IPC_NAME_MAX),
    IPC_U64(struct queue_row, size, 0, INT64_MAX),
    IPC_U64(struct queue_row, arrived, 0, INT64_MAX),
    IPC_U64(struct queue_row, attempts, 0, INT64_MAX),
    IPC_U64(struct queue_row, next, 0, INT64_MAX),
    IPC_U64(struct queue_row, last, 0, INT64_MAX),
    IPC_TEXT(struct queue_row, transport, 0, IPC_NAME_MAX),
    IPC_TEXT(struct queue_row, nexthop, 0, IPC_ADDRESS_MAX),
    IPC_TEXT(struct queue_row, reason, 0, IPC_REPLY_MAX + IPC_DSN_MAX + 1),
    IPC_END,
};
const struct ipc_type queue_row = {"queue_row", row};

static const struct ipc_field why[] = {
    IPC_CHOICE(struct queue_why, bind, queue_bind_names),
    IPC_U64(struct queue_why, since, 0, INT64_MAX),
    IPC_U64(struct queue_why, until, 0, INT64_MAX),
    IPC_U64(struct queue_why, next, 0, INT64_MAX),
    IPC_U64(struct queue_why, in_use, 0, INT64_MAX),
    IPC_U64(struct queue_why, limit, 0, INT64_MAX),
    IPC_U64(struct queue_why, place, 0, INT64_MAX),
    IPC_U64(struct queue_why, waiting, 0, INT64_MAX),
    IPC_U64(struct queue_why, expires, 0, INT64_MAX),
    IPC_U64(struct queue_why, estimate, 0, INT64_MAX),
    IPC_TEXT(struct queue_why, parameter, 0, IPC_NAME_MAX * 2),
    IPC_TEXT(struct queue_why, words, 0, IPC_REPLY_MAX),
    IPC_TEXT(struct queue_why, agent, 0, IPC_NAME_MAX),
    IPC_TEXT(struct queue_why, remote, 0, IPC_HOST_MAX + 80),
    IPC_TEXT(struct queue_why, phase, 0, IPC_PHASE_MAX),
    IPC_TEXT(struct queue_why, tls, 0, IPC_TLS_MAX),
    IPC_END,
};
const struct ipc_type queue_why = {"queue_why", why};

static const struct ipc_field hop[] = {
    IPC_TEXT(struct queue_hop, transport, 0, IPC_NAME_MAX),
    IPC_TEXT(struct queue_hop, nexthop, 0, IPC_ADDRESS_MAX),
    IPC_U64(struct queue_hop, waiting, 0, INT64_MAX),
    IPC_U64(struct queue_hop, in_line, 0, INT64_MAX),
    IPC_U64(struct queue_hop, in_use, 0, INT64_MAX),
    IPC_U64(struct queue_hop, window, 0, INT64_MAX),
    IPC_U64(struct queue_hop, limit, 0, INT64_MAX),
    IPC_U64(struct queue_hop, initial, 0, INT64_MAX),
    IPC_U64(struct queue_hop, grown, 0, INT64_MAX),
    IPC_U64(struct queue_hop, shrunk, 0, INT64_MAX),
    IPC_U64(struct queue_hop, agent_in_use, 0, INT64_MAX),
    IPC_U64(struct queue_hop, agent_limit, 0, INT64_MAX),
    IPC_U64(struct queue_hop, delay, 0, INT64_MAX),
    IPC_U64(struct queue_hop, dead_until, 0, INT64_MAX),
    IPC_U64(struct queue_hop, since, 0, INT64_MAX),
    IPC_U64(struct queue_hop, delivered, 0, INT64_MAX),
    IPC_U64(struct queue_hop, deferred, 0, INT64_MAX),
    IPC_U64(struct queue_hop, failed, 0, INT64_MAX),
    IPC_U64(struct queue_hop, recent, 0, INT64_MAX),
    IPC_U64(struct queue_hop, last_success, 0, INT64_MAX),
    IPC_TEXT(struct queue_hop, success, 0, IPC_REPLY_MAX),
    IPC_TEXT(struct queue_hop, success_remote, 0, IPC_HOST_MAX + 80),
    IPC_U64(struct queue_hop, last_failure, 0, INT64_MAX),
    IPC_TEXT(struct queue_hop, failure, 0, IPC_REPLY_MAX),
    IPC_TEXT(struct queue_hop, failure_remote, 0, IPC_HOST_MAX + 80),
    IPC_TEXT(struct queue_hop, away, 0, IPC_REPLY_MAX),
    IPC_END,
};
const struct ipc_type queue_hop = {"queue_hop", hop};

static const struct ipc_field end[] = {
    IPC_BOOL(struct queue_end, ok),
    IPC_U64(struct queue_end, count, 0, INT64_MAX),
    IPC_U64(struct queue_end, recipients, 0, INT64_MAX),
    IPC_TEXT(struct queue_end, text, 0, IPC_REPLY_MAX),
    IPC_END,
};
const struct ipc_type queue_end = {"queue_end", end};

static const struct ipc_type *const types[] = {&qmgr_propose_to, &qmgr_propose,
    &qmgr_verdict, &qmgr_offer, &qmgr_offered, &queue_ask, &queue_row,
    &queue_why, &queue_hop, &queue_end, NULL};
const struct ipc_exchange qmgr_exchange = {"qmgr", 1, types};
