/* SPDX-License-Identifier: ISC */
#include "reportd/handover.h"

#include <stdio.h>

#include "core/clock.h"
#include "daemon/daemon.h"
#include "ipc/cleanup.h"
#include "ipc/limits.h"
#include "ipc/wire.h"

#define PIECE 65536 /* octets of content under way at once */

static struct {
	struct wire *wire;
	struct loop_timer *timer;
	struct str rest; /* of the content */
	uint64_t size;
	bool committed;
	const char *problem; /* when the timer fires */
	void (*done)(enum handover_result result, struct str text);
} now;

static void finish(enum handover_result result, struct str text)
{
	void (*done)(enum handover_result, struct str) = now.done;

	loop_timer_stop(now.timer);
	now.done = NULL;
	done(result, text);
}

/* As much as cleanup takes. */
static void put_pieces(void)
{
	struct cleanup_commit commit = {.size = now.size};
	struct ipc *c = wire_ipc(now.wire);

	while (now.rest.len > 0 && ipc_pending(c) == 0) {
		struct str piece = str_sub(now.rest, 0, PIECE);
		struct cleanup_content head = {.length = piece.len};

		ipc_put(c, &cleanup_content, &head);
		ipc_put_bytes(c, piece.p, piece.len);
		now.rest = str_skip(now.rest, piece.len);
		wire_push(now.wire);
	}
	if (now.rest.len > 0 || now.committed)
		return;
	now.committed = true;
	wire_put(now.wire, &cleanup_commit, &commit);
	wire_push(now.wire);
}

static void drained(struct wire *w, void *arg)
{
	(void)w;
	(void)arg;
	put_pieces();
}

/* An early refusal has the connection swallow what still comes; a new one is
 * simpler. */
static void message(
    struct wire *w, void *arg, const struct ipc_type *type, const void *msg)
{
	const struct cleanup_outcome *o = msg;
	char text[IPC_REPLY_MAX + 64];

	(void)w;
	(void)arg;
	if (type != &cleanup_outcome) {
		snprintf(text, sizeof(text), "cleanup sent %s", type->name);
		wire_close(&now.wire);
		finish(HANDOVER_AGAIN, str_from(text));
		return;
	}
	snprintf(text, sizeof(text), "%llu %.*s %.*s",
	    (unsigned long long)o->code, STR_FMT(o->dsn), STR_FMT(o->text));
	if (o->accepted)
		snprintf(text, sizeof(text), "%.*s", STR_FMT(o->queue_id));
	wire_close(&now.wire);
	finish(o->accepted       ? HANDOVER_QUEUED
		: o->code >= 500 ? HANDOVER_REFUSED
				 : HANDOVER_AGAIN,
	    str_from(text));
}

static void lost(struct wire *w, void *arg, const char *why)
{
	(void)w;
	(void)arg;
	now.wire = NULL;
	finish(HANDOVER_AGAIN,
	    str_from(why[0] != '\0' ? why : "cleanup left without an answer"));
}

static void timed_out(void *arg)
{
	(void)arg;
	wire_close(&now.wire);
	finish(HANDOVER_AGAIN, str_from(now.problem));
}

static void put_envelope(struct ipc *c, const struct handover *h)
{
	struct cleanup_message m = {.origin = ORIGIN_REPORT,
	    .session = h->session,
	    .queue_id = id_str(&h->id),
	    .sender = h->sender,
	    .helo = STR_EMPTY,
	    .client_name = STR_EMPTY,
	    .client_address = STR_EMPTY,
	    .protocol = STR_EMPTY,
	    .tls = STR_EMPTY,
	    .login = STR_EMPTY,
	    .ticket = STR_EMPTY,
	    .envid = STR_EMPTY,
	    .ret = STR_EMPTY,
	    .body = STR("7BIT")};
	/* Nobody reads what comes back to the sender of reports. */
	struct cleanup_recipient r = {
	    .address = h->to, .original = STR_EMPTY, .notify = STR("NEVER")};

	ipc_put(c, &cleanup_message, &m);
	ipc_put(c, &cleanup_recipient, &r);
}

void handover_start(const struct handover *h, int64_t timeout_ms,
    void (*done)(enum handover_result result, struct str text))
{
	static const struct wire_calls calls = {message, lost, drained};
	const char *why;
	struct ipc *c = ipc_connect(
	    "cleanup-internal", &cleanup_exchange, deadline_in(0), &why);

	if (now.timer == NULL)
		now.timer = loop_timer_new(daemon_loop(), timed_out, NULL);
	now.done = done;
	now.rest = h->content;
	now.size = h->content.len;
	now.committed = false;
	now.problem = "cleanup gave no answer in time";
	if (c == NULL) {
		now.problem = "cleanup is away";
		loop_timer_set(now.timer, 0);
		return;
	}
	loop_timer_set(now.timer, timeout_ms);
	now.wire = wire_new(daemon_loop(), c, &calls, NULL);
	put_envelope(c, h);
	wire_push(now.wire);
	put_pieces();
}

void handover_stop(void)
{
	if (now.timer != NULL)
		loop_timer_stop(now.timer);
	wire_close(&now.wire);
	now.done = NULL;
}
