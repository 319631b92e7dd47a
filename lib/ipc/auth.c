/* SPDX-License-Identifier: ISC */
#include "ipc/auth.h"

#include "core/id.h"
#include "ipc/limits.h"

#define SASL_MAX 12288 /* octets; RFC 4954 section 4: base64 of this */

static const struct ipc_field begin[] = {
    IPC_U64(struct auth_begin, request, 0, UINT64_MAX),
    IPC_TEXT(struct auth_begin, service, 1, IPC_NAME_MAX),
    IPC_TEXT(struct auth_begin, session, 0, ID_LEN),
    IPC_TEXT(struct auth_begin, mechanism, 1, IPC_NAME_MAX),
    IPC_BOOL(struct auth_begin, has_initial),
    IPC_TEXT(struct auth_begin, initial, 0, SASL_MAX),
    IPC_TEXT(struct auth_begin, client_address, 0, IPC_HOST_MAX),
    IPC_BOOL(struct auth_begin, tls),
    IPC_END,
};
const struct ipc_type auth_begin = {"auth_begin", begin};

static const struct ipc_field challenge[] = {
    IPC_U64(struct auth_challenge, request, 0, UINT64_MAX),
    IPC_TEXT(struct auth_challenge, data, 0, SASL_MAX),
    IPC_END,
};
const struct ipc_type auth_challenge = {"auth_challenge", challenge};

static const struct ipc_field respond[] = {
    IPC_U64(struct auth_respond, request, 0, UINT64_MAX),
    IPC_TEXT(struct auth_respond, data, 0, SASL_MAX),
    IPC_END,
};
const struct ipc_type auth_respond = {"auth_respond", respond};

static const struct ipc_field cancel[] = {
    IPC_U64(struct auth_cancel, request, 0, UINT64_MAX),
    IPC_END,
};
const struct ipc_type auth_cancel = {"auth_cancel", cancel};

static const struct ipc_field ok[] = {
    IPC_U64(struct auth_ok, request, 0, UINT64_MAX),
    IPC_TEXT(struct auth_ok, login, 1, IPC_ADDRESS_MAX),
    IPC_TEXT(struct auth_ok, ticket, 1, IPC_TICKET_MAX),
    IPC_END,
};
const struct ipc_type auth_ok = {"auth_ok", ok};

static const struct ipc_field no[] = {
    IPC_U64(struct auth_no, request, 0, UINT64_MAX),
    IPC_BOOL(struct auth_no, temporary),
    IPC_TEXT(struct auth_no, login, 0, IPC_ADDRESS_MAX),
    IPC_TEXT(struct auth_no, text, 0, IPC_REPLY_MAX),
    IPC_TEXT(struct auth_no, reason, 0, IPC_REPLY_MAX),
    IPC_END,
};
const struct ipc_type auth_no = {"auth_no", no};

static const struct ipc_field leave[] = {IPC_END};
const struct ipc_type auth_leave = {"auth_leave", leave};

static const struct ipc_field redeem[] = {
    IPC_U64(struct auth_redeem, request, 0, UINT64_MAX),
    IPC_TEXT(struct auth_redeem, ticket, 1, IPC_TICKET_MAX),
    IPC_TEXT(struct auth_redeem, service, 1, IPC_NAME_MAX),
    IPC_TEXT(struct auth_redeem, session, 0, ID_LEN),
    IPC_END,
};
const struct ipc_type auth_redeem = {"auth_redeem", redeem};

static const struct ipc_field redeemed[] = {
    IPC_U64(struct auth_redeemed, request, 0, UINT64_MAX),
    IPC_BOOL(struct auth_redeemed, ok),
    IPC_TEXT(struct auth_redeemed, login, 0, IPC_ADDRESS_MAX),
    IPC_TEXT(struct auth_redeemed, pass, 0, IPC_PASS_MAX),
    IPC_TEXT(struct auth_redeemed, key, 0, IPC_SEAL_MAX),
    IPC_END,
};
const struct ipc_type auth_redeemed = {"auth_redeemed", redeemed};

static const struct ipc_field resume[] = {
    IPC_U64(struct auth_resume, request, 0, UINT64_MAX),
    IPC_TEXT(struct auth_resume, login, 1, IPC_ADDRESS_MAX),
    IPC_TEXT(struct auth_resume, service, 1, IPC_NAME_MAX),
    IPC_TEXT(struct auth_resume, session, 0, ID_LEN),
    IPC_TEXT(struct auth_resume, pass, 1, IPC_PASS_MAX),
    IPC_END,
};
const struct ipc_type auth_resume = {"auth_resume", resume};

static const struct ipc_field resumed[] = {
    IPC_U64(struct auth_resumed, request, 0, UINT64_MAX),
    IPC_BOOL(struct auth_resumed, ok),
    IPC_BOOL(struct auth_resumed, temporary),
    IPC_TEXT(struct auth_resumed, pass, 0, IPC_PASS_MAX),
    IPC_TEXT(struct auth_resumed, key, 0, IPC_SEAL_MAX),
    IPC_END,
};
const struct ipc_type auth_resumed = {"auth_resumed", resumed};

static const struct ipc_field test[] = {
    IPC_U64(struct auth_test, request, 0, UINT64_MAX),
    IPC_TEXT(struct auth_test, service, 1, IPC_NAME_MAX),
    IPC_TEXT(struct auth_test, mechanism, 1, IPC_NAME_MAX),
    IPC_TEXT(struct auth_test, login, 1, IPC_ADDRESS_MAX),
    IPC_TEXT(struct auth_test, password, 0, 1024),
    IPC_TEXT(struct auth_test, client_address, 0, IPC_HOST_MAX),
    IPC_BOOL(struct auth_test, tls),
    IPC_END,
};
const struct ipc_type auth_test = {"auth_test", test};

static const struct ipc_field tested[] = {
    IPC_U64(struct auth_tested, request, 0, UINT64_MAX),
    IPC_BOOL(struct auth_tested, ok),
    IPC_BOOL(struct auth_tested, temporary),
    IPC_TEXT(struct auth_tested, login, 0, IPC_ADDRESS_MAX),
    IPC_TEXT(struct auth_tested, reason, 0, 256),
    IPC_BOOL(struct auth_tested, blocked),
    IPC_U64(struct auth_tested, delay_ms, 0, UINT64_MAX),
    IPC_END,
};
const struct ipc_type auth_tested = {"auth_tested", tested};

static const struct ipc_type *const types[] = {&auth_begin, &auth_challenge,
    &auth_respond, &auth_cancel, &auth_ok, &auth_no, &auth_leave, &auth_redeem,
    &auth_redeemed, &auth_resume, &auth_resumed, &auth_test, &auth_tested,
    NULL};
const struct ipc_exchange auth_exchange = {"auth", 1, types};
