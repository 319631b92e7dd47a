/* SPDX-License-Identifier: ISC */
#include "smtpd/question.h"

#include "core/clock.h"
#include "core/log.h"

static int ask_why(struct session *s, const struct ipc_type *request,
    const void *question, const struct ipc_type *want, const void **answer,
    int64_t deadline)
{
	struct rehearsal *r = s->server->rehearsal;
	struct peer *lookup = &s->server->lookup;
	const struct ipc_type *type;

	if (peer_ask(lookup, request, question, &type, answer, deadline) < 0)
		return -1;
	while (type == &explain_step) {
		/* The steps keep the name of who decided. */
		r->explain.told(r->explain.arg, *answer);
		if (peer_next(lookup, &type, answer, deadline) < 0)
			return -1;
	}
	if (type == want)
		return 0;
	peer_drop(lookup, "an answer of another kind");
	return -1;
}

int ask_lookup(struct session *s, const struct ipc_type *request,
    const void *question, const struct ipc_type *type, const void **answer,
    const struct lookup_explain *why)
{
	int64_t deadline = deadline_in(s->server->house->ipc_timeout);

	if (s->server->rehearsal != NULL)
		return ask_why(s, &lookup_explain, why, type, answer, deadline);
	return peer_call(
	    &s->server->lookup, request, question, type, answer, deadline);
}

enum map_result ask_table(struct session *s, const char *parameter,
    struct str table, struct str keys, int64_t deadline)
{
	bool explained = s->server->rehearsal != NULL;
	struct lookup_table question = {.request = 1,
	    .table = table,
	    .key = keys,
	    .rule = explained ? str_from(parameter) : STR_EMPTY};
	const struct lookup_value *value;
	const void *answer;

	if ((explained ? ask_why(s, &lookup_table, &question, &lookup_value,
			     &answer, deadline)
		       : peer_call(&s->server->lookup, &lookup_table, &question,
			     &lookup_value, &answer, deadline)) < 0) {
		log_warning("%s: lookup: %s", parameter, s->server->lookup.why);
		return MAP_ERROR;
	}
	value = answer;
	return value->status == RESOLVE_OK     ? MAP_FOUND
	    : value->status == RESOLVE_UNKNOWN ? MAP_NONE
					       : MAP_ERROR;
}
