/* SPDX-License-Identifier: ISC */
#include "ipc/master.h"

#include "ipc/limits.h"

const char *const master_verb_names[] = {"status", "stop", "start", "restart",
    "drain", "reload", "shutdown", "limit", "upgrade", "await", "figures",
    "who", "kick", "config", "debug", NULL};

static const struct ipc_field ask[] = {
    IPC_CHOICE(struct master_ask, verb, master_verb_names),
    IPC_TEXT(struct master_ask, service, 0, IPC_HOST_MAX),
    IPC_TEXT(struct master_ask, argument, 0, 4096),
    IPC_END,
};
const struct ipc_type master_ask = {"master_ask", ask};

static const struct ipc_field service[] = {
    IPC_TEXT(struct master_service, name, 1, IPC_HOST_MAX),
    IPC_TEXT(struct master_service, type, 1, IPC_NAME_MAX),
    IPC_TEXT(struct master_service, command, 1, IPC_NAME_MAX),
    IPC_TEXT(struct master_service, state, 1, IPC_NAME_MAX),
    IPC_U64(struct master_service, processes, 0, UINT32_MAX),
    IPC_U64(struct master_service, busy, 0, UINT32_MAX),
    IPC_U64(struct master_service, parked, 0, UINT32_MAX),
    IPC_U64(struct master_service, old, 0, UINT32_MAX),
    IPC_U64(struct master_service, generation, 0, UINT32_MAX),
    IPC_U64(struct master_service, limit, 0, UINT32_MAX),
    IPC_U64(struct master_service, served, 0, UINT64_MAX),
    IPC_U64(struct master_service, restarts, 0, UINT64_MAX),
    IPC_TEXT(struct master_service, pids, 0, 1024),
    IPC_TEXT(struct master_service, error, 0, 1024),
    IPC_END,
};
const struct ipc_type master_service = {"master_service", service};

static const struct ipc_field session[] = {
    IPC_TEXT(struct master_session, service, 1, IPC_HOST_MAX),
    IPC_TEXT(struct master_session, protocol, 1, IPC_NAME_MAX),
    IPC_TEXT(struct master_session, user, 0, IPC_ADDRESS_MAX),
    IPC_TEXT(struct master_session, client, 0, IPC_HOST_MAX),
    IPC_TEXT(struct master_session, state, 1, IPC_NAME_MAX),
    IPC_BOOL(struct master_session, tls),
    IPC_U64(struct master_session, since, 0, INT64_MAX),
    IPC_U64(struct master_session, pid, 0, UINT32_MAX),
    IPC_END,
};
const struct ipc_type master_session = {"master_session", session};

static const struct ipc_field counter[] = {
    IPC_TEXT(struct master_counter, service, 1, IPC_HOST_MAX),
    IPC_TEXT(struct master_counter, type, 1, IPC_NAME_MAX),
    IPC_TEXT(struct master_counter, name, 1, IPC_NAME_MAX),
    IPC_BOOL(struct master_counter, gauge),
    IPC_U64(struct master_counter, value, 0, UINT64_MAX),
    IPC_END,
};
const struct ipc_type master_counter = {"master_counter", counter};

static const struct ipc_field times[] = {
    IPC_TEXT(struct master_times, service, 1, IPC_HOST_MAX),
    IPC_TEXT(struct master_times, type, 1, IPC_NAME_MAX),
    IPC_TEXT(struct master_times, name, 1, IPC_NAME_MAX),
    IPC_U64(struct master_times, count, 0, UINT64_MAX),
    IPC_U64(struct master_times, sum, 0, UINT64_MAX),
    IPC_U64(struct master_times, max, 0, UINT64_MAX),
    IPC_TEXT(struct master_times, buckets, 0, 4096),
    IPC_END,
};
const struct ipc_type master_times = {"master_times", times};

static const struct ipc_field certificate[] = {
    IPC_TEXT(struct master_certificate, path, 1, 4096),
    IPC_TEXT(struct master_certificate, subject, 0, 1024),
    IPC_TEXT(struct master_certificate, services, 0, 1024),
    IPC_U64(struct master_certificate, expires, 0, INT64_MAX),
    IPC_TEXT(struct master_certificate, error, 0, 1024),
    IPC_END,
};
const struct ipc_type master_certificate = {"master_certificate", certificate};

static const struct ipc_field note[] = {
    IPC_TEXT(struct master_note, text, 0, 2048),
    IPC_END,
};
const struct ipc_type master_note = {"master_note", note};

static const struct ipc_field end[] = {
    IPC_BOOL(struct master_end, ok),
    IPC_U64(struct master_end, pid, 0, UINT32_MAX),
    IPC_U64(struct master_end, started, 0, INT64_MAX),
    IPC_U64(struct master_end, generation, 0, UINT64_MAX),
    IPC_TEXT(struct master_end, text, 0, 2048),
    IPC_END_FD,
};
const struct ipc_type master_end = {"master_end", end};

static const struct ipc_type *const types[] = {&master_ask, &master_service,
    &master_session, &master_counter, &master_times, &master_certificate,
    &master_note, &master_end, NULL};
const struct ipc_exchange master_exchange = {"master", 1, types};
