/* SPDX-License-Identifier: ISC */
#include "reportd/rows_codec.h"

#include "core/id.h"
#include "ipc/limits.h"

static const struct ipc_field row_fields[] = {
    IPC_TEXT(struct report_row, client_address, 2, IPC_HOST_MAX),
    IPC_TEXT(struct report_row, author, 1, IPC_HOST_MAX),
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
static const struct ipc_type stored_row = {"row", row_fields};

static const struct ipc_field period_fields[] = {
    IPC_TEXT(struct period, domain, 1, IPC_HOST_MAX),
    IPC_U64(struct period, begin, 0, INT64_MAX),
    IPC_U64(struct period, end, 0, INT64_MAX),
    IPC_TEXT(struct period, id, ID_LEN, ID_LEN),
    IPC_TEXT(struct period, record, 1, REPORT_RECORD_MAX),
    IPC_CHOICE(struct period, discovery, report_discovery_names),
    IPC_U64(struct period, rows, 0, UINT64_MAX),
    IPC_U64(struct period, octets, 0, UINT64_MAX),
    IPC_U64(struct period, messages, 0, UINT64_MAX),
    IPC_U64(struct period, left_out, 0, UINT64_MAX),
    IPC_U64(struct period, attempts, 0, UINT64_MAX),
    IPC_U64(struct period, next, 0, INT64_MAX),
    IPC_TEXT(struct period, done, 0, ROWS_DONE_MAX),
    IPC_TEXT(struct period, problem, 0, ROWS_PROBLEM_MAX),
    IPC_END,
};
static const struct ipc_type stored_period = {"period", period_fields};

static const struct ipc_type *const types[] = {
    &stored_row, &stored_period, NULL};
static const struct ipc_exchange stored = {"rows", 1, types};

int rows_put_row(struct buf *out, const struct report_row *row)
{
	return ipc_encode(out, &stored_row, row);
}

int rows_put_period(struct buf *out, const struct period *p)
{
	return ipc_encode(out, &stored_period, p);
}

/* A line ends with LF, which the decoder does not want. */
static int decode(
    char *line, size_t len, const struct ipc_type *type, void *out, size_t size)
{
	_Alignas(max_align_t) char msg[IPC_STRUCT_MAX];
	const char *why;

	if (len == 0 || line[len - 1] != '\n' ||
	    ipc_decode(&stored, line, len - 1, msg, &why) != type)
		return -1;
	memcpy(out, msg, size);
	return 0;
}

int rows_get_row(char *line, size_t len, struct report_row *row)
{
	struct report_row got;

	if (decode(line, len, &stored_row, &got, sizeof(got)) < 0)
		return -1;
	got.policy_domain = got.record = STR_EMPTY;
	got.discovery = 0;
	*row = got;
	return 0;
}

int rows_get_period(char *line, size_t len, struct period *p)
{
	return decode(line, len, &stored_period, p, sizeof(*p));
}
