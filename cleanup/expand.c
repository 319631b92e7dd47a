/* SPDX-License-Identifier: ISC */
/*
 * Virtual aliases. The questions for all recipients are put in windows, so
 * that a message to many waits for lookup a few times and not for each.
 */
#include <stdio.h>

#include "cleanup/message.h"
#include "core/log.h"
#include "core/observe.h"
#include "core/table.h"
#include "ipc/lookup.h"
#include "mail/address.h"

#define WINDOW  64 /* questions under way */
#define ORCPT   "rfc822;"
#define KEY_MAX 2048

struct expansion {
	struct cleanup *c;
	struct message *m;
	size_t from, to; /* recipients of this window */
	uint64_t base;   /* request number of `from` */
	size_t ended;    /* answers that are complete */
	size_t *got;     /* addresses for each of the window */
	struct table seen;
};

/* Room for the mailboxes of the recipients, when they are wanted. */
static void want_mailboxes(struct cleanup *c, struct message *m)
{
	size_t most = (size_t)c->conf->cut_through_recipient_limit;

	if (cut_through_wanted(c, m))
		m->mailboxes = arena_alloc(
		    &m->arena, most * sizeof(*m->mailboxes));
}

static void add_mailbox(struct expansion *x, const struct lookup_expanded *e)
{
	struct message *m = x->m;

	if (m->mailboxes == NULL ||
	    m->recipient_count >
		(size_t)x->c->conf->cut_through_recipient_limit)
		return;
	m->mailboxes[m->recipient_count - 1] = (struct local_box){
	    .account = arena_copy(&m->arena, e->account),
	    .nexthop = arena_copy(&m->arena, e->nexthop),
	    .quota_storage = e->quota_storage,
	    .quota_messages = e->quota_messages};
}

/* Adds one result unless it is there already. */
static void add(struct expansion *x, const struct queue_recipient *given,
    const struct lookup_expanded *e)
{
	struct str address = e->address;
	struct message *m = x->m;
	struct queue_recipient r = {.address = arena_copy(&m->arena, address),
	    .original = given->original,
	    .notify = given->notify,
	    .forwarded = e->forwarded};
	char space[KEY_MAX];
	struct buf key = buf_new(sizeof(space) - 1);

	if (r.address.p == NULL) {
		message_refuse(m, 452, "4.5.3", "Too many recipients");
		return;
	}
	/* Postmaster without a domain and the like are their own key. */
	if (address_normalize(address, false, &key) < 0) {
		buf_clear(&key);
		buf_add(&key, address);
	}
	bool known = table_get(&x->seen, buf_str(&key)) != NULL;
	if (!known)
		table_put(&x->seen, buf_str(&key), m);
	buf_free(&key);
	if (known)
		return;
	if (m->recipient_count >= (size_t)x->c->conf->cleanup_recipient_limit) {
		message_refuse(m, 452, "4.5.3",
		    "Too many recipients after the expansion of aliases");
		return;
	}
	/* RFC 3461 5.2.1: who was named first may be told on; it is what a
	 * notification to the sender must speak of. */
	if (r.original.len == 0 && !str_eq(address, given->address)) {
		struct buf original = buf_new(KEY_MAX);

		buf_add(&original, STR(ORCPT));
		buf_add(&original, given->address);
		r.original = arena_copy(&m->arena, buf_str(&original));
		buf_free(&original);
		if (r.original.p == NULL)
			r.original = STR_EMPTY;
	}
	if (message_add(
		m, &m->recipients, &m->recipient_count, &m->recipient_room, r))
		add_mailbox(x, e);
}

static void finish(
    struct expansion *x, size_t index, const struct lookup_expand_end *end)
{
	const struct queue_recipient *given = &x->m->given[x->from + index];

	x->ended++;
	if (end->status == RESOLVE_TEMPORARY)
		message_refuse(x->m, 451, "4.3.0",
		    "<%.*s>: the directory is not available",
		    STR_FMT(given->address));
	else if (end->status == RESOLVE_UNKNOWN)
		message_refuse(x->m, 550, "5.1.1", "<%.*s>: unknown user",
		    STR_FMT(given->address));
	else if (end->status != RESOLVE_OK)
		message_refuse(x->m, 554, "5.4.6",
		    "<%.*s>: aliases cannot be expanded: %.*s",
		    STR_FMT(given->address), STR_FMT(end->text));
	else if (x->got[index] == 0)
		message_refuse(x->m, 554, "5.4.6",
		    "<%.*s>: the alias leads to nobody",
		    STR_FMT(given->address));
}

/* One answer. -1: not one that belongs here. */
static int take(
    struct expansion *x, const struct ipc_type *type, const void *msg)
{
	uint64_t request;

	if (type == &lookup_expanded)
		request = ((const struct lookup_expanded *)msg)->request;
	else if (type == &lookup_expand_end)
		request = ((const struct lookup_expand_end *)msg)->request;
	else
		return -1;
	/* Left over from a window that was given up. */
	if (request < x->base)
		return 0;
	if (request - x->base >= x->to - x->from)
		return -1;
	size_t index = (size_t)(request - x->base);
	if (type == &lookup_expand_end) {
		finish(x, index, msg);
		return 0;
	}
	x->got[index]++;
	add(x, &x->m->given[x->from + index], msg);
	return 0;
}

static int ask_window(struct neighbour *n, int64_t deadline, void *arg)
{
	struct expansion *x = arg;
	int64_t began = observe_begin();
	const struct ipc_type *type;
	const void *msg;

	x->base = n->request + 1;
	x->ended = 0;
	for (size_t i = x->from; i < x->to; i++) {
		struct lookup_expand q = {.request = ++n->request,
		    .address = x->m->given[i].address,
		    .mailboxes = x->m->mailboxes != NULL};

		x->got[i - x->from] = 0;
		if (ipc_put(n->c, &lookup_expand, &q) < 0)
			return -1;
	}
	if (ipc_flush(n->c, deadline) != IPC_OK)
		return -1;
	while (x->ended < x->to - x->from)
		if (ipc_wait(n->c, &type, &msg, deadline) != IPC_OK ||
		    take(x, type, msg) < 0)
			return -1;
	observe_end("lookup", began);
	return 0;
}

void expand_recipients(struct cleanup *c, struct message *m)
{
	size_t got[WINDOW];
	struct expansion x = {.c = c, .m = m, .got = got};
	const char *why = "";

	want_mailboxes(c, m);
	while (m->code == 0 && x.to < m->given_count) {
		x.from = x.to;
		x.to = m->given_count - x.from > WINDOW ? x.from + WINDOW
							: m->given_count;
		/* What a broken answer left is found in `seen` again. */
		if (neighbour_ask(&c->lookup, c->house->ipc_timeout, ask_window,
			&x, &why) == 0)
			continue;
		log_warning("lookup does not answer: %s", why);
		message_refuse(m, 451, "4.3.0",
		    "The directory is not available, try again later");
	}
	table_free(&x.seen);
}
