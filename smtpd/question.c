/* SPDX-License-Identifier: ISC */
#include "smtpd/question.h"

#include "core/clock.h"

static int ask_why(struct session *s, const struct ipc_type *want,
    const void **answer, const struct lookup_explain *why)
{
	int64_t deadline = deadline_in(s->server->house->ipc_timeout);
	struct rehearsal *r = s->server->rehearsal;
	struct peer *lookup = &s->server->lookup;
	const struct ipc_type *type;

	if (peer_ask(lookup, &lookup_explain, why, &type, answer, deadline) < 0)
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
	if (s->server->rehearsal != NULL)
		return ask_why(s, type, answer, why);
	return peer_call(&s->server->lookup, request, question, type, answer,
	    deadline_in(s->server->house->ipc_timeout));
}
