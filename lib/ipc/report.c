/* SPDX-License-Identifier: ISC */
#include "ipc/report.h"

#include "core/id.h"
#include "ipc/limits.h"

const char *const report_spf_names[] = {"none", "neutral", "pass", "fail",
    "softfail", "temperror", "permerror", NULL};
const char *const report_disposition_names[] = {
    "none", "pass", "quarantine", "reject", NULL};
const char *const report_reason_names[] = {"", "local_policy", "mailing_list",
    "other", "policy_test_mode", "trusted_forwarder", NULL};
const char *const report_discovery_names[] = {"treewalk", "psl", NULL};

static const struct ipc_field row[] = {
    IPC_TEXT(struct report_row, client_address, 2, IPC_HOST_MAX),
    IPC_TEXT(struct report_row, author, 1, IPC_HOST_MAX),
    IPC_TEXT(struct report_row, policy_domain, 1, IPC_HOST_MAX),
    IPC_TEXT(struct report_row, record, 1, REPORT_RECORD_MAX),
    IPC_CHOICE(struct report_row, discovery, report_discovery_names),
    IPC_TEXT(struct report_row, envelope_from, 0, IPC_HOST_MAX),
    IPC_TEXT(struct report_row, spf_domain, 0, IPC_HOST_MAX),
    IPC_CHOICE(struct report_row, spf, report_spf_names),
    IPC_TEXT(struct report_row, dkim, 0, REPORT_DKIM_MAX),
    IPC_BOOL(struct report_row, spf_aligned),
    IPC_BOOL(struct report_row, dkim_aligned),
    IPC_CHOICE(struct report_row, disposition, report_disposition_names),
    IPC_CHOICE(struct report_row, reason, report_reason_names),
    IPC_TEXT(struct report_row, comment, 0, IPC_HOST_MAX),
    IPC_END,
};
const struct ipc_type report_row = {"row", row};

static const struct ipc_field pending[] = {
    IPC_TEXT(struct report_pending, domain, 0, IPC_HOST_MAX),
    IPC_END,
};
const struct ipc_type report_pending = {"pending", pending};

static const struct ipc_field period[] = {
    IPC_TEXT(struct report_period, domain, 1, IPC_HOST_MAX),
    IPC_U64(struct report_period, begin, 0, INT64_MAX),
    IPC_U64(struct report_period, end, 0, INT64_MAX),
    IPC_U64(struct report_period, rows, 0, UINT64_MAX),
    IPC_U64(struct report_period, messages, 0, UINT64_MAX),
    IPC_U64(struct report_period, left_out, 0, UINT64_MAX),
    IPC_TEXT(struct report_period, id, ID_LEN, ID_LEN),
    IPC_U64(struct report_period, attempts, 0, UINT64_MAX),
    IPC_U64(struct report_period, next, 0, INT64_MAX),
    IPC_TEXT(struct report_period, text, 0, IPC_REPLY_MAX),
    IPC_END,
};
const struct ipc_type report_period = {"period", period};

static const struct ipc_field send[] = {
    IPC_TEXT(struct report_send, domain, 0, IPC_HOST_MAX),
    IPC_BOOL(struct report_send, now),
    IPC_END,
};
const struct ipc_type report_send = {"send", send};

static const struct ipc_field sent[] = {
    IPC_TEXT(struct report_sent, domain, 1, IPC_HOST_MAX),
    IPC_TEXT(struct report_sent, id, ID_LEN, ID_LEN),
    IPC_TEXT(struct report_sent, address, 0, IPC_ADDRESS_MAX),
    IPC_BOOL(struct report_sent, queued),
    IPC_TEXT(struct report_sent, queue_id, 0, ID_LEN),
    IPC_TEXT(struct report_sent, text, 0, IPC_REPLY_MAX),
    IPC_END,
};
const struct ipc_type report_sent = {"sent", sent};

static const struct ipc_field end[] = {
    IPC_U64(struct report_end, count, 0, UINT64_MAX),
    IPC_END,
};
const struct ipc_type report_end = {"end", end};

static const struct ipc_type *const types[] = {&report_row, &report_pending,
    &report_period, &report_send, &report_sent, &report_end, NULL};
const struct ipc_exchange report_exchange = {"report", 1, types};

bool report_dkim_next(struct str *list, struct report_signature *out)
{
	struct str line = str_cut(list, '\n');

	out->result = str_cut(&line, ' ');
	out->domain = str_cut(&line, ' ');
	out->selector = line;
	return out->result.len > 0 && out->domain.len > 0 &&
	    out->selector.len > 0;
}
