/* SPDX-License-Identifier: ISC */
#include "reportd/operator.h"

#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "reportd/rows.h"
#include "reportd/send.h"

static int pending(struct wire *w, const struct report_pending *q)
{
	struct buf at = buf_new(ROWS_KEY_MAX);
	struct report_end end = {0};
	struct period p;

	rows_settle((uint64_t)clock_seconds());
	while (rows_next_period(&at, &p)) {
		struct report_period answer = {.domain = p.domain,
		    .begin = p.begin,
		    .end = p.end,
		    .rows = p.rows,
		    .messages = p.messages,
		    .left_out = p.left_out,
		    .id = p.id,
		    .attempts = p.attempts,
		    .next = p.next,
		    .text = p.problem};

		/* The rest of a day whose report went out: nothing yet. */
		if (p.messages == 0 && p.left_out == 0)
			continue;
		if (q->domain.len > 0 && !str_case_eq(q->domain, p.domain))
			continue;
		if (wire_put(w, &report_period, &answer) < 0)
			break;
		end.count++;
	}
	buf_free(&at);
	return wire_put(w, &report_end, &end);
}

int operator_asks(struct wire *w, const struct ipc_type *type, const void *msg)
{
	unsigned uid = ipc_peer_uid(wire_ipc(w));

	if (uid != 0 && uid != geteuid()) {
		log_warning("uid %u may not ask about reports", uid);
		return -1;
	}
	if (type == &report_pending)
		return pending(w, msg);
	if (type == &report_send) {
		send_asked(w, msg);
		return 0;
	}
	log_error("a peer sent %s, which is an answer", type->name);
	return -1;
}
