/* SPDX-License-Identifier: ISC */
#include "bounce/inject.h"

#include <stdio.h>

#include "core/clock.h"
#include "ipc/cleanup.h"

#define PIECE 65536 /* octets of content under way at once */

static struct ipc *cleanup;

static int put_envelope(struct ipc *c, const struct injection *i)
{
	struct cleanup_message m = {.origin = ORIGIN_BOUNCE,
	    .session = i->session,
	    .queue_id = id_str(&i->id),
	    .sender = STR_EMPTY,
	    .helo = STR_EMPTY,
	    .client_name = STR_EMPTY,
	    .client_address = STR_EMPTY,
	    .protocol = STR_EMPTY,
	    .tls = STR_EMPTY,
	    .login = STR_EMPTY,
	    .ticket = STR_EMPTY,
	    .envid = STR_EMPTY,
	    .ret = STR_EMPTY,
	    .body = i->eight_bit ? STR("8BITMIME") : STR("7BIT"),
	    .smtputf8 = i->utf8};
	struct cleanup_recipient r = {
	    .address = i->to, .original = STR_EMPTY, .notify = STR_EMPTY};

	return ipc_put(c, &cleanup_message, &m) == 0 &&
		ipc_put(c, &cleanup_recipient, &r) == 0
	    ? 0
	    : -1;
}

static int put_content(struct ipc *c, struct str content, int64_t deadline)
{
	while (content.len > 0) {
		struct str piece = str_sub(content, 0, PIECE);
		struct cleanup_content head = {.length = piece.len};

		if (ipc_put(c, &cleanup_content, &head) < 0 ||
		    ipc_put_bytes(c, piece.p, piece.len) < 0)
			return -1;
		content = str_skip(content, piece.len);
		/* The last piece goes along with the commit. */
		if (content.len > 0 && ipc_flush(c, deadline) != IPC_OK)
			return -1;
	}
	return 0;
}

/* The outcome, or NULL when the connection failed. */
static const struct cleanup_outcome *ask(
    struct ipc *c, const struct injection *i, int64_t deadline)
{
	struct cleanup_commit commit = {.size = i->content.len};
	const void *reply;

	if (put_envelope(c, i) < 0 ||
	    put_content(c, i->content, deadline) < 0 ||
	    ipc_call(c, &cleanup_commit, &commit, &cleanup_outcome, &reply,
		deadline) != IPC_OK)
		return NULL;
	return reply;
}

enum inject_result inject(
    const struct injection *i, int64_t timeout_ms, char *text, size_t size)
{
	int64_t deadline = deadline_in(timeout_ms);
	const struct cleanup_outcome *o = NULL;
	const char *why = "no answer";
	bool kept;

	do {
		kept = cleanup != NULL;
		if (!kept)
			cleanup = ipc_connect("cleanup-internal",
			    &cleanup_exchange, deadline, &why);
		if (cleanup == NULL)
			break;
		o = ask(cleanup, i, deadline);
		if (o == NULL) {
			why = "no answer";
			ipc_close(&cleanup);
		}
	} while (o == NULL && kept && deadline_left(deadline) > 0);
	if (o == NULL) {
		snprintf(text, size, "cleanup: %s", why);
		return INJECT_AGAIN;
	}
	snprintf(text, size, "%llu %.*s %.*s", (unsigned long long)o->code,
	    STR_FMT(o->dsn), STR_FMT(o->text));
	if (o->accepted)
		return INJECT_QUEUED;
	return o->code >= 500 ? INJECT_REFUSED : INJECT_AGAIN;
}
