/* SPDX-License-Identifier: ISC */
#include "ipc/explain.h"

#include <stdarg.h>

#include "ipc/cleanup.h"
#include "ipc/limits.h"

const char *const step_kind_names[] = {"lookup", "rule", "dns", NULL};

static const struct ipc_field step[] = {
    IPC_U64(struct explain_step, request, 0, UINT64_MAX),
    IPC_CHOICE(struct explain_step, kind, step_kind_names),
    IPC_TEXT(struct explain_step, by, 0, IPC_NAME_MAX),
    IPC_TEXT(struct explain_step, about, 0, EXPLAIN_TEXT_MAX),
    IPC_TEXT(struct explain_step, rule, 0, EXPLAIN_TEXT_MAX),
    IPC_TEXT(struct explain_step, origin, 0, EXPLAIN_TEXT_MAX),
    IPC_TEXT(struct explain_step, table, 0, EXPLAIN_TEXT_MAX),
    IPC_TEXT(struct explain_step, key, 0, EXPLAIN_TEXT_MAX),
    IPC_TEXT(struct explain_step, result, 0, EXPLAIN_TEXT_MAX),
    IPC_TEXT(struct explain_step, text, 0, EXPLAIN_TEXT_MAX),
    IPC_END,
};
const struct ipc_type explain_step = {"explain_step", step};

static const struct ipc_field client[] = {
    IPC_TEXT(struct explain_client, address, 1, IPC_HOST_MAX),
    IPC_TEXT(struct explain_client, name, 0, IPC_HOST_MAX - 1),
    IPC_TEXT(struct explain_client, helo, 0, IPC_ADDRESS_MAX),
    IPC_TEXT(struct explain_client, sender, 0, IPC_ADDRESS_MAX),
    IPC_TEXT(struct explain_client, author, 0, IPC_ADDRESS_MAX),
    IPC_TEXT(struct explain_client, recipients, 0, EXPLAIN_LIST_MAX),
    IPC_TEXT(struct explain_client, login, 0, IPC_ADDRESS_MAX),
    IPC_BOOL(struct explain_client, tls),
    IPC_BOOL(struct explain_client, has_size),
    IPC_U64(struct explain_client, size, 0, INT64_MAX),
    IPC_END,
};
const struct ipc_type explain_client = {"explain_client", client};

static const struct ipc_field hop[] = {
    IPC_TEXT(struct explain_hop, nexthop, 1, IPC_ADDRESS_MAX),
    IPC_BOOL(struct explain_hop, lmtp),
    IPC_END,
};
const struct ipc_type explain_hop = {"explain_hop", hop};

static const struct ipc_field mailbox[] = {
    IPC_TEXT(struct explain_mailbox, account, 1, IPC_ADDRESS_MAX),
    IPC_U64(struct explain_mailbox, quota_storage, 0, INT64_MAX),
    IPC_U64(struct explain_mailbox, quota_messages, 0, INT64_MAX),
    IPC_U64(struct explain_mailbox, size, 0, INT64_MAX),
    IPC_END,
};
const struct ipc_type explain_mailbox = {"explain_mailbox", mailbox};

static const struct ipc_field signing[] = {
    IPC_CHOICE(struct explain_signing, origin, mail_origin_names),
    IPC_TEXT(struct explain_signing, address, 0, IPC_HOST_MAX),
    IPC_TEXT(struct explain_signing, login, 0, IPC_ADDRESS_MAX),
    IPC_TEXT(struct explain_signing, sender, 0, IPC_ADDRESS_MAX),
    IPC_TEXT(struct explain_signing, author, 0, IPC_ADDRESS_MAX),
    IPC_U64(struct explain_signing, uid, 0, UINT32_MAX),
    IPC_END,
};
const struct ipc_type explain_signing = {"explain_signing", signing};

static const struct ipc_field usage[] = {
    IPC_BOOL(struct explain_usage, exists),
    IPC_U64(struct explain_usage, octets, 0, UINT64_MAX),
    IPC_U64(struct explain_usage, messages, 0, UINT64_MAX),
    IPC_END,
};
const struct ipc_type explain_usage = {"explain_usage", usage};

static const struct ipc_field reply[] = {
    IPC_TEXT(struct explain_reply, to, 0, EXPLAIN_TEXT_MAX),
    IPC_TEXT(struct explain_reply, text, 0, EXPLAIN_TEXT_MAX),
    IPC_END,
};
const struct ipc_type explain_reply = {"explain_reply", reply};

static const struct ipc_field target[] = {
    IPC_TEXT(struct explain_target, host, 0, IPC_HOST_MAX),
    IPC_TEXT(struct explain_target, address, 0, IPC_HOST_MAX),
    IPC_U64(struct explain_target, port, 0, 65535),
    IPC_U64(struct explain_target, preference, 0, 65535),
    IPC_BOOL(struct explain_target, by_mx),
    IPC_END,
};
const struct ipc_type explain_target = {"explain_target", target};

static const struct ipc_field end[] = {
    IPC_BOOL(struct explain_end, passed),
    IPC_BOOL(struct explain_end, temporary),
    IPC_TEXT(struct explain_end, dsn, 0, IPC_DSN_MAX),
    IPC_TEXT(struct explain_end, text, 0, EXPLAIN_TEXT_MAX),
    IPC_END,
};
const struct ipc_type explain_end = {"explain_end", end};

static const struct ipc_type *const types[] = {&explain_client, &explain_hop,
    &explain_mailbox, &explain_signing, &explain_usage, &explain_step,
    &explain_reply, &explain_target, &explain_end, NULL};
const struct ipc_exchange explain_exchange = {"explain", 1, types};

/* ---- telling ---- */

static struct str cut(struct str s)
{
	if (s.p == NULL)
		return STR_EMPTY;
	return str_sub(s, 0, EXPLAIN_TEXT_MAX);
}

void explain_tell(struct explain *x, const struct explain_step *s)
{
	if (x == NULL)
		return;
	struct explain_step whole = {.request = s->request,
	    .kind = s->kind,
	    .by = str_from(x->by),
	    .about = cut(s->about),
	    .rule = cut(s->rule),
	    .origin = cut(s->origin),
	    .table = cut(s->table),
	    .key = cut(s->key),
	    .result = cut(s->result),
	    .text = cut(s->text)};
	x->told(x->arg, &whole);
}

void explain_say(
    struct explain *x, const struct explain_step *s, const char *format, ...)
{
	struct explain_step with = *s;
	va_list args;

	if (x == NULL)
		return;
	struct buf text = buf_new(4 * EXPLAIN_TEXT_MAX);
	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	with.text = buf_str(&text);
	explain_tell(x, &with);
	buf_free(&text);
}
