/* SPDX-License-Identifier: ISC */
#include "master/state.h"

#include <limits.h>

#include "daemon/board.h"
#include "daemon/channel.h"
#include "ipc/limits.h"

#define FD_MOST 1048576

static const struct ipc_field house[] = {
    IPC_U64(struct state_house, generation, 1, UINT32_MAX),
    IPC_U64(struct state_house, last_generation, 1, UINT32_MAX),
    IPC_U64(struct state_house, started, 0, INT64_MAX),
    IPC_U64(struct state_house, main_length, 0, STATE_MAX),
    IPC_U64(struct state_house, master_length, 0, STATE_MAX),
    IPC_TEXT(struct state_house, directory, 1, 4096),
    IPC_BOOL(struct state_house, foreground),
    IPC_U64(struct state_house, run, 3, FD_MOST),
    IPC_U64(struct state_house, alive, 3, FD_MOST),
    IPC_U64(struct state_house, lock, 3, FD_MOST),
    IPC_U64(struct state_house, control, 3, FD_MOST),
    IPC_I64(struct state_house, err_read),
    IPC_I64(struct state_house, err_write),
    IPC_I64(struct state_house, err_kept),
    IPC_U64(struct state_house, err_octets, 0, UINT32_MAX),
    IPC_END,
};
const struct ipc_type state_house = {"house", house};

static const struct ipc_field service[] = {
    IPC_TEXT(struct state_service, name, 1, IPC_HOST_MAX),
    IPC_TEXT(struct state_service, type, 1, IPC_NAME_MAX),
    IPC_TEXT(struct state_service, role, 1, IPC_NAME_MAX),
    IPC_U64(struct state_service, generation, 1, UINT32_MAX),
    IPC_BOOL(struct state_service, running),
    IPC_BOOL(struct state_service, removed),
    IPC_U64(struct state_service, limit, 0, BOARD_SLOTS),
    IPC_U64(struct state_service, restarts, 0, UINT64_MAX),
    IPC_U64(struct state_service, failures, 0, UINT32_MAX),
    IPC_I64(struct state_service, throttled_until),
    IPC_I64(struct state_service, stress_until),
    IPC_U64(struct state_service, board, 3, FD_MOST),
    IPC_I64(struct state_service, kept),
    IPC_TEXT(struct state_service, error, 0, CHANNEL_TEXT_MAX),
    IPC_END,
};
const struct ipc_type state_service = {"service", service};

static const struct ipc_field listener[] = {
    IPC_U64(struct state_listener, fd, 3, FD_MOST),
    IPC_TEXT(struct state_listener, address, 0, IPC_HOST_MAX),
    IPC_U64(struct state_listener, port, 0, 65535),
    IPC_END,
};
const struct ipc_type state_listener = {"listener", listener};

static const struct ipc_field process[] = {
    IPC_U64(struct state_process, pid, 2, INT32_MAX),
    IPC_I64(struct state_process, channel),
    IPC_I64(struct state_process, slot),
    IPC_U64(struct state_process, generation, 1, UINT32_MAX),
    IPC_BOOL(struct state_process, ready),
    IPC_BOOL(struct state_process, draining),
    IPC_BOOL(struct state_process, ended),
    IPC_I64(struct state_process, process_started),
    IPC_I64(struct state_process, kill_at),
    IPC_END,
};
const struct ipc_type state_process = {"process", process};

static const struct ipc_field end[] = {
    IPC_U64(struct state_end, services, 0, UINT32_MAX),
    IPC_END,
};
const struct ipc_type state_end = {"end", end};

static const struct ipc_type *const types[] = {&state_house, &state_service,
    &state_listener, &state_process, &state_end, NULL};
const struct ipc_exchange state_exchange = {
    "master-state", STATE_VERSION, types};
