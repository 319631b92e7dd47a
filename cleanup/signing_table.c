/* SPDX-License-Identifier: ISC */
#include "cleanup/signing_table.h"

#include "core/log.h"
#include "core/observe.h"
#include "ipc/explain.h"
#include "ipc/lookup.h"

struct question {
	struct str table, keys;
	struct explain *explain;
	struct buf *value;
	int status; /* enum resolve_status */
};

/* The answer, behind the steps that lead to it. */
static const struct lookup_value *wait_for(
    struct neighbour *n, int64_t deadline, struct explain *explain)
{
	const struct ipc_type *type;
	const void *answer;

	while (ipc_wait(n->c, &type, &answer, deadline) == IPC_OK) {
		if (type == &lookup_value)
			return answer;
		if (type != &explain_step || explain == NULL)
			return NULL;
		/* They keep the name of who decided. */
		explain->told(explain->arg, answer);
	}
	return NULL;
}

static int ask(struct neighbour *n, int64_t deadline, void *arg)
{
	struct question *q = arg;
	struct lookup_table table = {.request = ++n->request,
	    .table = q->table,
	    .key = q->keys,
	    .rule = q->explain != NULL ? STR("dkim_signing_table") : STR_EMPTY};
	const struct lookup_value *value;
	int64_t began = observe_begin();

	if (ipc_put(n->c, &lookup_table, &table) < 0 ||
	    ipc_flush(n->c, deadline) != IPC_OK)
		return -1;
	value = wait_for(n, deadline, q->explain);
	if (value == NULL || value->request != table.request)
		return -1;
	observe_end("lookup", began);
	q->status = value->status;
	buf_add(q->value, value->value);
	return 0;
}

enum map_result signing_table_find(
    struct cleanup *c, struct str keys, struct buf *value)
{
	struct question q = {str_trim(str_from(c->house->dkim_signing_table)),
	    keys, c->explain, value, RESOLVE_TEMPORARY};
	const char *why = "the table is away";

	if (neighbour_ask(&c->lookup, c->house->ipc_timeout, ask, &q, &why) <
		0 ||
	    q.status == RESOLVE_TEMPORARY) {
		log_error("dkim_signing_table: %s", why);
		return MAP_ERROR;
	}
	if (q.status != RESOLVE_OK)
		return MAP_NONE;
	return value->overflow ? MAP_ERROR : MAP_FOUND;
}
