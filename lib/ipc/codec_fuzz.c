/* SPDX-License-Identifier: ISC */
/*
 * Whatever the line: it is refused, or it encodes to the same octets again.
 * The first octet chooses the exchange.
 */
#include <stdint.h>
#include <stdlib.h>

#include "core/memory.h"
#include "ipc/auth.h"
#include "ipc/bounce.h"
#include "ipc/cleanup.h"
#include "ipc/deliver.h"
#include "ipc/explain.h"
#include "ipc/lookup.h"
#include "ipc/master.h"
#include "ipc/pass.h"
#include "ipc/policy.h"
#include "ipc/qmgr.h"
#include "ipc/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Every kind of field, with bounds that short inputs reach. */
struct sample {
	struct str text;
	uint64_t number;
	int64_t whole;
	bool flag;
	int choice;
};

static const char *const choices[] = {"a", "bc", "", NULL};
static const struct ipc_field fields[] = {
    IPC_TEXT(struct sample, text, 0, 40),
    IPC_U64(struct sample, number, 3, UINT64_MAX),
    IPC_I64(struct sample, whole),
    IPC_BOOL(struct sample, flag),
    IPC_CHOICE(struct sample, choice, choices),
    IPC_END,
};
static const struct ipc_type sample = {"sample", fields};
static const struct ipc_type *const types[] = {&sample, NULL};
static const struct ipc_exchange sample_exchange = {"sample", 1, types};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct ipc_exchange *const exchanges[] = {&sample_exchange,
	    &auth_exchange, &bounce_exchange, &cleanup_exchange,
	    &deliver_exchange, &lookup_exchange, &master_exchange,
	    &pass_exchange, &policy_exchange, &qmgr_exchange, &session_exchange,
	    &explain_exchange};
	static _Alignas(16) char msg[IPC_STRUCT_MAX];
	const struct ipc_exchange *exchange;
	const struct ipc_type *type;
	const char *why = NULL;
	struct buf out = buf_new(IPC_LINE_MAX + 1);
	char *line;

	if (len == 0 || len > IPC_LINE_MAX)
		return 0;
	exchange = exchanges[data[0] % ARRAY_LEN(exchanges)];
	line = mem_alloc(len);
	memcpy(line, data + 1, len - 1);
	type = ipc_decode(exchange, line, len - 1, msg, &why);
	if (type == NULL && why == NULL)
		abort();
	if (type != NULL) {
		if (ipc_encode(&out, type, msg) < 0 || out.len != len ||
		    memcmp(out.p, data + 1, len - 1) != 0 ||
		    out.p[len - 1] != '\n')
			abort();
	}
	buf_free(&out);
	free(line);
	return 0;
}
