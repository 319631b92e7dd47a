/* SPDX-License-Identifier: ISC */
#include "ipc/session.h"

#include "core/id.h"
#include "ipc/limits.h"

#define TIME_MAX 86400000 /* ms: a day, as imap_timeout at most */

static const struct ipc_field start[] = {
    IPC_TEXT(struct session_start, ticket, 1, IPC_TICKET_MAX),
    IPC_TEXT(struct session_start, service, 1, IPC_NAME_MAX),
    IPC_TEXT(struct session_start, session, 0, ID_LEN),
    IPC_TEXT(struct session_start, tag, 0, 128),
    IPC_TEXT(struct session_start, client_address, 0, IPC_HOST_MAX),
    IPC_BOOL(struct session_start, tls),
    IPC_TEXT(struct session_start, input, 0, SESSION_INPUT_MAX),
    IPC_END_FD,
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

static const struct ipc_field park[] = {
    IPC_TEXT(struct session_park, pass, 1, IPC_PASS_MAX),
    IPC_TEXT(struct session_park, state, 1, SESSION_STATE_MAX),
    IPC_U64(struct session_park, consumed, 0, UINT64_MAX),
    IPC_U64(struct session_park, modseq, 0, UINT64_MAX),
    IPC_BOOL(struct session_park, idle),
    IPC_BOOL(struct session_park, quiet),
    IPC_U64(struct session_park, timeout, 0, TIME_MAX),
    IPC_U64(struct session_park, allowed, 0, TIME_MAX),
    IPC_U64(struct session_park, notify, 0, TIME_MAX),
    IPC_U64(struct session_park, began, 0, INT64_MAX),
    IPC_U64(struct session_park, commands, 0, UINT32_MAX),
    IPC_U64(struct session_park, octets_in, 0, UINT64_MAX),
    IPC_U64(struct session_park, octets_out, 0, UINT64_MAX),
    IPC_END_FD,
};
const struct ipc_type session_park = {"park", park};

static const struct ipc_field nothing[] = {IPC_END};
const struct ipc_type session_parked = {"parked", nothing};
const struct ipc_type session_stay = {"stay", nothing};

static const struct ipc_field resume[] = {
    IPC_TEXT(struct session_resume, login, 1, IPC_ADDRESS_MAX),
    IPC_TEXT(struct session_resume, session, 0, ID_LEN),
    IPC_TEXT(struct session_resume, client_address, 0, IPC_HOST_MAX),
    IPC_TEXT(struct session_resume, pass, 1, IPC_PASS_MAX),
    IPC_TEXT(struct session_resume, state, 1, SESSION_STATE_MAX),
    IPC_U64(struct session_resume, timeout, 0, TIME_MAX),
    IPC_U64(struct session_resume, began, 0, INT64_MAX),
    IPC_U64(struct session_resume, commands, 0, UINT32_MAX),
    IPC_U64(struct session_resume, octets_in, 0, UINT64_MAX),
    IPC_U64(struct session_resume, octets_out, 0, UINT64_MAX),
    IPC_BOOL(struct session_resume, tls),
    IPC_TEXT(struct session_resume, input, 0, SESSION_INPUT_MAX),
    IPC_END_FD,
};
const struct ipc_type session_resume = {"resume", resume};

static const struct ipc_type *const types[] = {&session_start, &session_ready,
    &session_no, &session_wake, &session_park, &session_parked, &session_stay,
    &session_resume, NULL};
const struct ipc_exchange session_exchange = {"session", 1, types};
