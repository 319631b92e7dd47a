/* SPDX-License-Identifier: ISC */
/*
 * The sender of mail that an alias sends on to another host (SRS). lookup makes
 * it, for it knows which senders stay as they are and has the secret; here it
 * is asked for once, so that every attempt, bounce and restart finds the same
 * one in the envelope.
 */
#include "cleanup/message.h"
#include "core/log.h"
#include "core/observe.h"
#include "ipc/lookup.h"

static bool has_forwarded(const struct message *m)
{
	for (size_t i = 0; i < m->recipient_count; i++)
		if (m->recipients[i].forwarded)
			return true;
	return false;
}

static void take(struct message *m, const struct lookup_forwarded *f)
{
	if (f->status != RESOLVE_OK) {
		message_refuse(m, 451, "4.3.0",
		    "<%.*s>: the directory is not available",
		    STR_FMT(m->from.sender));
		return;
	}
	m->forward_sender = arena_copy(&m->arena, f->sender);
	if (m->forward_sender.p == NULL)
		message_refuse(m, 452, "4.5.3", "Too many recipients");
}

static int ask(struct neighbour *n, int64_t deadline, void *arg)
{
	struct message *m = arg;
	struct lookup_forward q = {++n->request, m->from.sender};
	int64_t began = observe_begin();
	const struct ipc_type *type;
	const void *msg;

	if (ipc_put(n->c, &lookup_forward, &q) < 0 ||
	    ipc_flush(n->c, deadline) != IPC_OK ||
	    ipc_wait(n->c, &type, &msg, deadline) != IPC_OK ||
	    type != &lookup_forwarded ||
	    ((const struct lookup_forwarded *)msg)->request != q.request)
		return -1;
	observe_end("lookup", began);
	take(m, msg);
	return 0;
}

void forward_sender(struct cleanup *c, struct message *m)
{
	const char *why = "";

	if (m->from.sender.len == 0 || !has_forwarded(m) ||
	    neighbour_ask(&c->lookup, c->house->ipc_timeout, ask, m, &why) == 0)
		return;
	log_warning("lookup does not answer: %s", why);
	message_refuse(
	    m, 451, "4.3.0", "The directory is not available, try again later");
}
